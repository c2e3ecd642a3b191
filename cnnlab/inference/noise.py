"""The noise floor: how far two copies of one arm differ that have other initial weights alone."""

import math
from dataclasses import dataclass

import numpy as np
import scipy

from cnnlab.inference.intervals import Floats, wilson
from cnnlab.spec.invalid import require
from cnnlab.spec.verdict import Interval

MOST_SEEDS = 10**6
LARGEST_TEST_SET = 50_000
SIGNIFICANT = 1.959964
"""Two-sided .05 of a normal variable."""


@dataclass(frozen=True, kw_only=True)
class Floor:
    """Two copies of one arm: accuracies of the members that trained in both, paired by seed.

    Raises InvalidError for unequal lengths or fewer than two pairs.
    """

    first: tuple[float, ...]
    again: tuple[float, ...]

    def __post_init__(self) -> None:
        equal = len(self.first) == len(self.again) >= 2
        require(equal, "pairs", f"{len(self.first)}/{len(self.again)}", "equal numbers, at least 2")

    @property
    def n(self) -> int:
        """Number of pairs."""
        return len(self.first)

    @property
    def differences(self) -> Floats:
        """Copy minus original, by seed [n]; whichever is called the copy, since both are the same arm."""
        found: Floats = np.asarray(self.again) - np.asarray(self.first)
        return found

    @property
    def member_sd(self) -> float:
        """Standard deviation of one member, over both copies."""
        return math.sqrt((np.var(self.first, ddof=1) + np.var(self.again, ddof=1)) / 2)

    @property
    def pair_sd(self) -> float:
        """Standard deviation of a paired difference."""
        return float(self.differences.std(ddof=1))

    @property
    def pair_sd95(self) -> Interval:
        """95 % interval of `pair_sd`, by the chi-squared distribution of a normal sample's variance."""
        squares = (self.n - 1) * self.pair_sd**2
        low, high = (math.sqrt(squares / float(scipy.stats.chi2.ppf(q, self.n - 1))) for q in (0.975, 0.025))
        return Interval(low=low, high=high, level=0.95, kind="chi squared")

    @property
    def correlation(self) -> float:
        """Correlation of the two copies over seeds; NaN where one of them never varies."""
        if not (np.ptp(self.first) and np.ptp(self.again)):
            return math.nan
        return float(np.corrcoef(self.first, self.again)[0, 1])

    def apart(self, difference: float) -> Interval:
        """Wilson's 95 % interval of the share of pairs that lie further apart than `difference`."""
        return wilson(self.count_apart(difference), self.n)

    def count_apart(self, difference: float) -> int:
        """How many pairs lie further apart than `difference`."""
        return int((np.abs(self.differences) > difference).sum())

    def wrong_way(self, difference: float) -> float:
        """Share of single pairs that would put an arm behind which is truly better by `difference`.

        The copies could be named either way, so that both signs of every difference count.
        """
        return self.count_apart(difference) / (2 * self.n)

    @property
    def least_disagreement(self) -> float:
        """Lower bound of the share of test images on which just one copy is right: the mean distance of a pair."""
        return float(np.abs(self.differences).mean())

    @property
    def test_images(self) -> int | None:
        """Size of the test set, read off the accuracies, which are counts over it. None where no size fits."""
        return smallest_denominator(self.first + self.again)

    @property
    def log_ratios(self) -> Floats | None:
        """Logs of the ratios of errors (+ 1/2), original over copy, by seed [n]; None without a known test set."""
        images = self.test_images
        if images is None:
            return None
        first, again = (np.rint((1 - np.asarray(side)) * images) + 0.5 for side in (self.first, self.again))
        found: Floats = np.log(first / again)
        return found

    @property
    def ratio_sd(self) -> float | None:
        """Standard deviation of a log ratio of errors: the noise that effects are measured in."""
        ratios = self.log_ratios
        return None if ratios is None else float(ratios.std(ddof=1))

    @property
    def significant(self) -> int | None:
        """At least how many pairs McNemar's test would call different at .05; None where the test set is not known.

        The test's statistic is |b - c| / sqrt(b + c), where b and c count the images that only one copy has right.
        Records keep b - c; b + c is at most the errors of both, which makes the count a lower bound.
        """
        images = self.test_images
        if images is None:
            return None
        errors = 2 - np.asarray(self.first) - np.asarray(self.again)
        statistic = np.abs(self.differences) * np.sqrt(images / np.maximum(errors, 1 / images))
        return int((statistic > SIGNIFICANT).sum())


def smallest_denominator(accuracies: tuple[float, ...]) -> int | None:
    """Fewest test images of which all these accuracies are whole counts, to single precision."""
    values = np.asarray(accuracies)
    for images in range(1, LARGEST_TEST_SET + 1):
        counts = values * images
        if np.abs(counts - np.rint(counts)).max() < 1e-6 + 1.2e-7 * images:
            return images if images > 1 else None
    return None


def seeds_needed(sd: float, difference: float, *, alpha: float, power: float = 0.8) -> int:
    """Fewest pairs with which a one-sided paired t test of size `alpha` finds `difference` with `power`.

    Raises InvalidError unless sd and difference are positive, or where a million pairs are not enough.
    """
    require(sd > 0 and difference > 0, "sd, difference", f"{sd}, {difference}", "must be positive")
    low, high = 1, 2
    while _power(high, difference / sd, alpha) < power:
        low, high = high, 2 * high
        require(high <= MOST_SEEDS, "difference", difference, f"over {MOST_SEEDS} pairs would be needed")
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _power(middle, difference / sd, alpha) >= power else (middle, high)
    return high


def _power(n: int, standardised: float, alpha: float) -> float:
    critical = float(scipy.special.stdtrit(n - 1, 1 - alpha))
    return 1 - float(scipy.special.nctdtr(n - 1, standardised * math.sqrt(n), critical))
