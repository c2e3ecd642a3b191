"""The learning-rate rule as pure functions of the values tried so far: which to try next, and which to take.

Every arm gets the same starting grid and the same rule (`protocol.md` section 3): a factor-2 grid, extended to 8
values at most until the best is interior or the next value diverges; then the SMALLEST value within one standard
error of the best. Only validation accuracies of tuning seeds enter.
"""

import math
import statistics
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from cnnlab.spec.invalid import require
from cnnlab.spec.record import Tried

FACTOR = 2.0
LARGEST_GRID = 8


class TunedRate(NamedTuple):
    """The chosen learning rate, and whether the end of the grid was still better by more than one standard error."""

    learning_rate: float
    capped: bool


def extend(tried: Sequence[Tried]) -> float | None:
    """Give the next learning rate to try, or None when the grid is done.

    Done when the best mean is interior, when 8 values were tried, or when the best stands at the upper end and a
    member diverged there. `tried` must be ascending; raises InvalidError otherwise. Ties go to the smaller value.
    """
    _require_ascending(tried)
    best = _best(tried)
    if len(tried) >= LARGEST_GRID:
        return None
    if best == 0:
        return tried[0].learning_rate / FACTOR
    if best == len(tried) - 1 and not any(tried[-1].diverged):
        return tried[-1].learning_rate * FACTOR
    return None


def choose(tried: Sequence[Tried], validation_images: int) -> TunedRate:
    """Take the smallest learning rate within one standard error of the best.

    `capped` is True if the best stands at an end and beats its only neighbour by more than one standard error: the
    arm's own best may lie outside the grid. `validation_images` is the size of one seed's validation set.
    """
    _require_ascending(tried)
    means = [_mean(row) for row in tried]
    best = _best(tried)
    error = standard_error(tried, validation_images)
    within = next(row.learning_rate for row, mean in zip(tried, means, strict=True) if mean >= means[best] - error)
    neighbour = {0: 1, len(tried) - 1: len(tried) - 2}
    capped = len(tried) > 1 and best in neighbour and means[best] - means[neighbour[best]] > error
    return TunedRate(learning_rate=within, capped=capped)


def standard_error(tried: Sequence[Tried], validation_images: int) -> float:
    """Give the standard error of one grid value's mean accuracy over its tuning seeds.

    The variance over seeds is pooled over the values where nobody diverged, since two or four seeds alone say little:
    sqrt(mean variance / seeds). Not below the binomial error of the best mean over all validation images looked at,
    sqrt(a (1 - a) / (seeds x validation_images)): with few seeds the pooled one may be luckily small, or missing.
    """
    seeds = len(tried[0].validation_accuracy)
    variances = [statistics.variance(row.validation_accuracy) for row in tried if seeds > 1 and not any(row.diverged)]
    pooled = math.sqrt(statistics.fmean(variances) / seeds) if variances else 0.0
    accuracy = _mean(tried[_best(tried)])
    return max(pooled, math.sqrt(accuracy * (1 - accuracy) / (seeds * validation_images)))


def _best(tried: Sequence[Tried]) -> int:
    """Index of the highest mean; the smaller learning rate of equal ones."""
    means = [_mean(row) for row in tried]
    return means.index(max(means))


def _mean(row: Tried) -> float:
    return statistics.fmean(row.validation_accuracy)


def _require_ascending(tried: Sequence[Tried]) -> None:
    rates = [row.learning_rate for row in tried]
    require(len(tried) > 0, "tuning", rates, "at least one learning rate must have been tried")
    ascending = all(low < high for low, high in pairwise(rates))
    require(ascending, "tuning", rates, "learning rates must ascend")
    seeds = {len(row.validation_accuracy) for row in tried}
    require(len(seeds) == 1 and 0 not in seeds, "tuning", seeds, "every learning rate needs the same number of seeds")
