"""Which pictures are shown, and what is said of each. Plain NumPy.

The usual gate, "its score is above every real image's", is not asked for: it refuses readable digits, whose contrast is
an image's own, and passes dazzle. A picture of a class is shown if other members read it as that class; one of a hidden
unit if its score is high among real images and a second start gives much the same picture.

An untrained net's hidden units pass too: repeatable and strong is not learned. So its pictures stand beside.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.floating]

READ = 0.5
"""Other members must read a class picture as its class in more than this share of readings. Half of four readings is no
majority: it comes about by luck, in 3 of 10 pictures of an untrained net of digits12."""
READERS = 2
"""The fewest other members that must have read it."""
PERCENTILE = 99
"""Of real images' scores: what a hidden unit's picture must exceed."""
REACH = 2
"""Pixels by which one picture may be shifted against another before they are compared."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of the pictures of one unit, one a start.

    Attributes:
        score: mean over starts, under the moves of the ascent. quantile: share of real images with a lower score.
        place: (score - median of real images) / (99th percentile - median): 1 is the 99th percentile.
        maximum: the highest score of a real image.
        same: mean correlation of its starts. other: median correlation with pictures of other units.
        path: distance of its activations from the mean of real images', over the median of real images themselves.
        read: share of (other member, start) that read it as its class; None for a hidden unit.
        readers: other members that read it.
    """

    score: float
    quantile: float
    place: float
    maximum: float
    same: float
    other: float
    path: float
    read: float | None = None
    readers: int = 0


Gate = Callable[[Facts], str]
"""Why a picture is refused; empty if it is shown."""


def class_gate(facts: Facts) -> str:
    """Refuse a class picture that other members do not read, or that another start does not repeat."""
    if facts.readers < READERS or facts.read is None:
        return f"read by {facts.readers} other members, {READERS} are needed"
    if facts.read <= READ:
        return f"only {100 * facts.read:.0f} % of readings give its class"
    return repeats(facts)


def unit_gate(facts: Facts) -> str:
    """Refuse a hidden unit's picture that many real images beat, or that another start does not repeat."""
    if not facts.place > 1:
        return f"not above the {PERCENTILE}th percentile of real images"
    return repeats(facts)


def repeats(facts: Facts) -> str:
    """Refuse pictures whose starts agree no more than pictures of two units do."""
    return "" if facts.same > facts.other else "its starts agree no more than two units do"


def gather(
    pictures: Values, scores: Values, real: Values, path: Values, read: Values | None = None, readers: int = 0
) -> tuple[Facts, ...]:
    """Put together what is known of every unit.

    Args:
        pictures: (units, starts, height, width, channels), at least two of each.
        scores: (units, starts), under the moves. real: (images, units), real images' scores under the same moves.
        path: (units, starts), see `path_numbers`. read: (units, starts), share of `readers` that read its class.
    """
    same, other = agreements(pictures)
    return tuple(
        Facts(
            score=float(scores[unit].mean()),
            quantile=float((real[:, unit] < scores[unit].mean()).mean()),
            place=place(float(scores[unit].mean()), real[:, unit]),
            maximum=float(real[:, unit].max()),
            same=float(same[unit]),
            other=float(other[unit]),
            path=float(path[unit].mean()),
            read=None if read is None else float(read[unit].mean()),
            readers=readers,
        )
        for unit in range(len(pictures))
    )


def place(score: float, real: Values) -> float:
    """Where a score lies among real images' (images,): 0 at their median, 1 at the 99th percentile.

    A ratio to the highest score would mean nothing where scores are negative. Not a number where all are alike.
    """
    median, high = np.percentile(real, [50, PERCENTILE])
    return float((score - median) / (high - median)) if high > median else float("nan")


def agreements(pictures: Values) -> tuple[Values, Values]:
    """Mean correlation of each unit's starts, and median correlation of its pictures with other units': (units,) both.

    Args:
        pictures: (units, starts, height, width, channels), at least two of each.
    """
    units, starts = pictures.shape[:2]
    table = correlations(pictures.reshape(units * starts, *pictures.shape[2:]))
    blocks = table.reshape(units, starts, units, starts).transpose(0, 2, 1, 3)
    upper = np.triu_indices(starts, 1)
    same = np.array([blocks[unit, unit][upper].mean() for unit in range(units)])
    other = np.array([np.median(np.delete(blocks[unit], unit, 0)) for unit in range(units)])
    return same, other


def correlations(pictures: Values, reach: int = REACH) -> Values:
    """Correlation of every pair of (n, height, width, channels), the best of all shifts up to `reach`; (n, n).

    Only pixels that both have after a shift are compared.
    """
    best = np.full((len(pictures), len(pictures)), -1.0)
    height, width = pictures.shape[1:3]
    for down in range(-reach, reach + 1):
        for right in range(-reach, reach + 1):
            here = pictures[:, max(0, down) : height + min(0, down), max(0, right) : width + min(0, right)]
            there = pictures[:, max(0, -down) : height + min(0, -down), max(0, -right) : width + min(0, -right)]
            best = np.maximum(best, standard(here) @ standard(there).T)
    found: Values = np.maximum(best, best.T)
    return found


def standard(pictures: Values) -> Values:
    """Pictures as rows of zero mean and length 1; a constant one is all zeros."""
    rows: Values = pictures.reshape(len(pictures), -1).astype(np.float64)
    rows = rows - rows.mean(1, keepdims=True)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(length > 0, length, 1)


def path_numbers(shown: Values, real: Values) -> Values:
    """How unlike an image's a picture's activations are: 1 is as far from the mean image's as real images are.

    After Geirhos et al. (2023): pictures can raise a unit on a way through the net that no image takes.

    Args:
        shown: (n, ...), activations of pictures at one layer. real: (images, ...), of real images.
    """
    rows, pool = (values.reshape(len(values), -1).astype(np.float64) for values in (shown, real))
    middle = pool.mean(0)
    usual = np.median(np.linalg.norm(pool - middle, axis=1))
    found: Values = np.linalg.norm(rows - middle, axis=1) / usual
    return found


def reading(predicted: Sequence[NDArray[np.integer]], classes: NDArray[np.integer]) -> Values:
    """Share of members that read each picture as its class, (n,).

    Args:
        predicted: of every other member, the class of each picture, (n,). classes: what each was made for, (n,).
    """
    found: Values = np.mean([own == classes for own in predicted], axis=0)
    return found
