"""The gate that all own pictures pass: none twice, a fixed test set that shares none, and enough of every class."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cnnlab.data.arrays import moments
from cnnlab.data.cache import Stacked
from cnnlab.data.own.asked import Asked, Counted, Found, counted
from cnnlab.spec.invalid import require

IMBALANCE = 4.0
"""A guess counts as 1 / classes: classes must not be further apart than this, as for datasets of TFDS."""
LEAST = {"pool": 2, "test": 1}
"""Pictures of every class: one each to train, to validate and to test with."""


@dataclass(frozen=True, kw_only=True)
class Parted:
    """Pictures that passed.

    Attributes:
        stacked: the arrays, in an order that their content alone decides.
        dropped: pictures that were left out here, and why.
    """

    stacked: Stacked
    dropped: tuple[Counted, ...]


def parted(found: Found, asked: Asked) -> Parted:
    """Part pictures into pool and test set.

    What is the same to the last pixel counts once: else a net could be tested on what it was trained with. Of copies
    in one class one is kept, that of the test set if there is one. Pictures that stand in several classes say nothing,
    and all of them go.

    Raises:
        InvalidError: there are too few classes or pictures, classes are too unlike in size, or a channel is flat.
    """
    digests = [hashlib.sha256(image.tobytes()).digest() for image in found.images]
    kept, dropped = _distinct(found, digests)
    test = found.test if found.test is not None else _drawn(found.labels, digests, kept, asked)
    parts = {"pool": kept & ~test, "test": kept & test}
    _require_counts(found, asked, parts, dropped)
    order = np.array(sorted(range(len(digests)), key=lambda place: (found.labels[place], digests[place])))
    arrays: dict[str, npt.NDArray[Any]] = {}
    for part, chosen in parts.items():
        places = order[chosen[order]]
        arrays |= {f"{part}_images": found.images[places], f"{part}_labels": found.labels[places].astype(np.int32)}
    flat = np.flatnonzero(moments(arrays["pool_images"])[1] == 0).tolist()
    require(not flat, "data.path", asked.path, f"all pixels of all pictures are the same in channel {flat[:1]}")
    return Parted(stacked=Stacked(**arrays, classes=np.asarray(len(found.classes), np.int32)), dropped=dropped)


def _distinct(found: Found, digests: Sequence[bytes]) -> tuple[npt.NDArray[np.bool_], tuple[Counted, ...]]:
    """Which pictures are kept, (n,), and what is told of the others."""
    groups: dict[bytes, list[int]] = {}
    for place, key in enumerate(digests):
        groups.setdefault(key, []).append(place)
    kept = np.ones(len(digests), bool)
    torn, copies = list[int](), list[int]()
    for places in groups.values():
        if len({int(found.labels[place]) for place in places}) > 1:
            torn += places
        elif len(places) > 1:
            first = next((place for place in places if found.test is not None and found.test[place]), places[0])
            copies += [place for place in places if place != first]
    kept[torn] = kept[copies] = False
    why = {"the same as one of another class": torn, "the same as another of its class": copies}
    return kept, tuple(
        line for what, gone in why.items() for line in counted(what, [found.names[place] for place in sorted(gone)])
    )


def _drawn(
    labels: npt.NDArray[np.int64], digests: Sequence[bytes], kept: npt.NDArray[np.bool_], asked: Asked
) -> npt.NDArray[np.bool_]:
    """Choose the test pictures, (n,), a share of every class.

    A picture's rank depends on it and the split's seed alone: adding others leaves most where they are.
    """
    seed = asked.split_seed.to_bytes(8, "big")
    ranks = [hashlib.sha256(seed + digest).digest() for digest in digests]
    test = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        places = sorted(np.flatnonzero(kept & (labels == label)), key=lambda place: ranks[place])
        count = min(max(round(asked.test_share * len(places)), LEAST["test"]), max(len(places) - LEAST["pool"], 0))
        test[places[:count]] = True
    return test


def _require_counts(
    found: Found, asked: Asked, parts: dict[str, npt.NDArray[np.bool_]], dropped: Sequence[Counted]
) -> None:
    """Raise `InvalidError` unless there are classes, and pictures of each in both parts, about as many of each."""
    classes, path = found.classes, asked.path
    require(len(classes) > 1, "data.path", path, f"it has one class, {classes[0]}: at least two are needed")
    after = f" (after these were left out: {'; '.join(map(str, dropped))})" if dropped else ""
    counts = {part: np.bincount(found.labels[chosen], minlength=len(classes)) for part, chosen in parts.items()}
    if found.test is None:
        least, every = sum(LEAST.values()), counts["pool"] + counts["test"]
        few = int(every.argmin())
        valid = f"class {classes[few]} has {every[few]} pictures: at least {least} are needed, one each to train, to"
        require(int(every[few]) >= least, "data.path", path, f"{valid} validate and to test with{after}")
    for part, told in (("pool", "to train and validate with"), ("test", "to test with")):
        few, most = int(counts[part].argmin()), int(counts[part].argmax())
        least = LEAST[part]
        valid = f"class {classes[few]} has {counts[part][few]} pictures {told}: at least {least}"
        require(int(counts[part][few]) >= least, "data.path", path, f"{valid} are needed{after}")
        valid = f"{told} there are {counts[part][most]} of {classes[most]} and {counts[part][few]} of {classes[few]}"
        balanced = counts[part][most] <= IMBALANCE * counts[part][few]
        require(balanced, "data.path", path, f"{valid}: no class may have more than {IMBALANCE:g} times another{after}")
