"""Common parts of generated tasks: two fixed random streams, scaling, and facts about every test image.

A task generates the same pool and test set for everybody; a seed draws from the pool (`cnnlab.data.drawing`). The
streams are NumPy's legacy generator, the one whose numbers are promised never to change (NEP 19).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from cnnlab.data.arrays import Dataset, Split, require_fit, verified
from cnnlab.spec.invalid import require
from cnnlab.spec.task import Task

POOL_IMAGES, TEST_IMAGES = 8_192, 4_096
POOL_STREAM, TEST_STREAM, OBSERVED_STREAM = 1, 2, 4

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class StimulusSample:
    """Images as generated.

    Attributes:
        images: (n, side, side, channels), before scaling. labels: (n,).
        strata: facts about every image by name, each (n,), by which accuracy can be told apart.
    """

    images: Floats
    labels: Ints
    strata: dict[str, Ints] = field(default_factory=dict)


Sampler = Callable[[int, np.random.RandomState], StimulusSample]


class Stimulus(Protocol):
    """How a generated task draws, and the best possible answer to it."""

    def sample(self, n: int, random: np.random.RandomState) -> StimulusSample:
        """Draw images as in the test set."""

    def likelihoods(self, images: Floats) -> Floats:
        """Log-likelihood of unscaled images under each label, (n, classes), up to a term common to all labels."""


def labels(n: int, classes: int) -> Ints:
    """The classes in turn: balanced, also in the beginning of a test set."""
    return np.arange(n) % classes


def log_sum(scores: Floats) -> Floats:
    """Log of the sum of exponentials over the last axis."""
    result: Floats = np.logaddexp.reduce(scores, axis=-1)
    return result


def log_mean_of_products(logs: Floats, size: int) -> Floats:
    """Log of the mean product over all `size`-subsets of a row; (n, N) logs to (n,).

    Adding the i-th item: mean_k(i) = (1 - k/i) mean_k(i-1) + k/i item mean_{k-1}(i-1), the share of k-subsets of i
    items that hold the i-th being k/i. Means instead of sums stay in range.
    """
    table = np.full((size + 1, len(logs)), -np.inf)
    table[0] = 0
    for count, item in enumerate(logs.T, start=1):
        most = min(size, count)
        taken = np.arange(1, most + 1)[:, None] / count
        with np.errstate(divide="ignore"):
            without, holding = np.log1p(-taken), np.log(taken)
        table[1 : most + 1] = np.logaddexp(table[1 : most + 1] + without, table[:most] + holding + item)
    result: Floats = table[size]
    return result


def require_sizes(task: Task, *, channels: int, classes: int) -> None:
    """Raise `InvalidError` unless a generated task's channels, classes and numbers of images can be served."""
    require_fit(task, side=task.side, channels=channels, classes=classes, pool=POOL_IMAGES, real=False)
    test = task.test_images
    fits = test == 0 or classes <= test <= TEST_IMAGES
    require(fits, "data.test_images", test, f"must be 0 (all {TEST_IMAGES}) or {classes}..{TEST_IMAGES}")


def dataset(task: Task, pool: Sampler, test: Sampler) -> Dataset:
    """Generate pool and test set, every channel scaled by its mean and standard deviation over the pool."""
    drawn, kept = pool(POOL_IMAGES, np.random.RandomState(POOL_STREAM)), _test(task, test)
    mean, deviation = drawn.images.mean(axis=(0, 1, 2)), drawn.images.std(axis=(0, 1, 2))
    whole, fixed = (
        Split(((part.images - mean) / deviation).astype(np.float32), part.labels.astype(np.int32))
        for part in (drawn, kept)
    )
    return verified(Dataset(whole, fixed), task, imbalance=1.1)


def strata(task: Task, test: Sampler) -> dict[str, Ints]:
    """The facts about every test image, in the order of the test set."""
    return _test(task, test).strata


def ideal_accuracy(stimulus: Stimulus, n: int = TEST_IMAGES) -> float:
    """Accuracy, a fraction, of the ideal observer on `n` images of a third stream: no classifier can exceed it.

    Known to within sqrt(accuracy (1 - accuracy) / n), one standard error.
    """
    drawn = stimulus.sample(n, np.random.RandomState(OBSERVED_STREAM))
    return float(np.mean(stimulus.likelihoods(drawn.images).argmax(axis=1) == drawn.labels))


def _test(task: Task, sampler: Sampler) -> StimulusSample:
    """The first images of the whole test set, so that a smaller one is its beginning."""
    whole, kept = sampler(TEST_IMAGES, np.random.RandomState(TEST_STREAM)), slice(task.test_images or TEST_IMAGES)
    facts = {name: values[kept] for name, values in whole.strata.items()}
    return StimulusSample(images=whole.images[kept], labels=whole.labels[kept], strata=facts)
