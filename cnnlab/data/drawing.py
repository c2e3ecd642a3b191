"""What a seed decides about data: which pool images train and validate, and in which order they are seen."""

import dataclasses
import functools

import numpy as np
import numpy.typing as npt

from cnnlab.data.arrays import Dataset, Redraw, Redrawn, Split
from cnnlab.data.dials import LABEL_NOISE
from cnnlab.spec.task import Task

DRAW, ORDER, MISLABEL, REDRAW, VIEWS = 0xD4A3, 0x04DE, 0x315A, 0x4ED4, 0x71E5
"""Tags of the random streams of a seed: none shifts another, nor any other use of the seed."""


def quotas(total: int, counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Share out `total` in proportion to `counts` by largest remainder, ties to the lower class.

    Never gives a class more than its count. Works in integers, so the shares are exact.

    Args:
        total: at most the sum of `counts`.
        counts: images of each class, (classes,).
    """
    shares, remainders = np.divmod(total * counts, counts.sum())
    largest = np.argsort(-remainders, kind="stable")[: total - shares.sum()]
    shares[largest] += 1
    return shares


def draw(dataset: Dataset, task: Task, seed: int) -> tuple[Split, Split]:
    """Draw the training and the validation images of a seed: disjoint, each stratified by class.

    Depends on the pool, the two sizes and the seed; on nothing else. How many images of each class are drawn does
    not depend on the seed either. Where the task has label noise, training labels are made wrong after the draw. Where
    it draws its training images anew, they are `Redrawn`.

    Returns:
        (train, validation) with exactly `task.train_images` images, and `task.validation_images` as often as the
        dataset has views of them.
    """
    labels = dataset.pool.labels
    counts = np.bincount(labels, minlength=task.classes)
    # Together first, then apart: rounded apart, a class could be asked for more images than it has.
    both = quotas(task.train_images + task.validation_images, counts)
    validation = quotas(task.validation_images, both)
    shuffled = np.random.default_rng([seed, DRAW]).permutation(len(labels))
    by_class = [shuffled[labels[shuffled] == label] for label in range(task.classes)]
    first = np.concatenate([part[:n] for part, n in zip(by_class, validation, strict=True)])
    then = np.concatenate([part[n:end] for part, n, end in zip(by_class, validation, both, strict=True)])
    train, checked = _taken(dataset.pool, then), _taken(dataset.pool, first)
    if dataset.redraw is not None and dataset.views > 1:
        shown = np.tile(np.sort(first), dataset.views)
        checked = Split(dataset.redraw(shown, np.random.default_rng([seed, VIEWS])), labels[shown])
    if dataset.redraw is not None:
        anew = functools.lru_cache(maxsize=1)(functools.partial(redrawn, dataset.redraw, np.sort(then), seed))
        train = Redrawn(images=anew(0), labels=train.labels, anew=anew)
    return mislabelled(train, task, seed), checked


def redrawn(redraw: Redraw, places: npt.NDArray[np.int64], seed: int, epoch: int) -> npt.NDArray[np.float32]:
    """Draw a seed's training images of one epoch, for its places of the pool; nothing else moves them."""
    return redraw(places, np.random.default_rng([seed, REDRAW, epoch]))


def _taken(pool: Split, places: npt.NDArray[np.int64]) -> Split:
    places = np.sort(places)
    return Split(pool.images[places], pool.labels[places])


def mislabelled(split: Split, task: Task, seed: int) -> Split:
    """Give the share of images that the task's `label_noise` says, rounded, another label, uniform over the others.

    Images that are mislabelled at one share are so, with the same wrong label, at every larger one.
    """
    dials = dict(task.dials)
    if LABEL_NOISE.name not in dials:
        return split
    random, n = np.random.default_rng([seed, MISLABEL]), len(split)
    wrong = random.permutation(n)[: round(dials[LABEL_NOISE.name] * n)]
    shift = random.integers(1, task.classes, size=n)
    labels = split.labels.copy()
    labels[wrong] = (labels[wrong] + shift[wrong]) % task.classes
    return dataclasses.replace(split, labels=labels)


def epoch_orders(n: int, epochs: int, seed: int) -> npt.NDArray[np.int32]:
    """Draw the order in which `n` training images are seen, one permutation an epoch; int32 (epochs, n).

    Drawn on the host from the seed alone, so every arm sees the same order. A longer run begins as the shorter one.
    """
    generator = np.random.default_rng([seed, ORDER])
    return np.stack([generator.permutation(n) for _ in range(epochs)]).astype(np.int32)
