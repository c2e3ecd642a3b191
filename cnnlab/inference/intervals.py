"""Intervals and one-sided p-values of paired differences, of shares and of ratios.

The t pair is used as long as every member trained; the signed-rank pair as soon as one diverged (or all differences
are equal), since one member at chance stretches a t interval over everything.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy
from numpy.typing import NDArray

from cnnlab.spec.invalid import require
from cnnlab.spec.verdict import Interval

Floats = NDArray[np.float64]
RESAMPLES = 9999
SEED = 20200
TIE = 1e-14
"""Share of the largest difference within which two means are alike: sums of the same numbers differ by rounding."""


@dataclass(frozen=True, kw_only=True)
class OneSided:
    """The p-values of "the centre is above 0" and of "the centre is below 0"."""

    greater: float
    less: float


def paired_t(differences: Floats, level: float, calibration: float = 1.0) -> Interval:
    """Student's interval of the mean of `differences` [n], with n - 1 degrees of freedom; unbounded below n = 2.

    The standard error is multiplied by `calibration`.
    """
    n = len(differences)
    if n < 2:
        return Interval(low=-math.inf, high=math.inf, level=level, kind="paired t")
    centre = float(differences.mean())
    sem = calibration * float(differences.std(ddof=1)) / math.sqrt(n)
    half = float(scipy.special.stdtrit(n - 1, 0.5 + level / 2)) * sem
    return Interval(low=centre - half, high=centre + half, level=level, kind="paired t")


def paired_t_p(differences: Floats, calibration: float = 1.0) -> OneSided:
    """One-sided p-values of Student's paired test. The differences must not all be equal; n >= 2.

    The standard error is multiplied by `calibration`.
    """
    n = len(differences)
    t = float(differences.mean()) * math.sqrt(n) / (calibration * float(differences.std(ddof=1)))
    return OneSided(greater=float(scipy.special.stdtr(n - 1, -t)), less=float(scipy.special.stdtr(n - 1, t)))


def walsh_averages(differences: Floats) -> Floats:
    """All means of two differences, each with itself included, ascending [n (n + 1) / 2]."""
    rows, columns = np.triu_indices(len(differences))
    return np.sort((differences[rows] + differences[columns]) / 2)


def hodges_lehmann(differences: Floats) -> float:
    """Median of the Walsh averages: the centre that one wild member cannot move."""
    return float(np.median(walsh_averages(differences)))


def signed_rank(differences: Floats, level: float) -> Interval:
    """Wilcoxon's interval of the pseudo-median: Walsh averages cut at the exact null quantile.

    Conservative: the true coverage is at least `level` for symmetric differences. Unbounded where n is too small for
    the level to exist at all (2**-n above half of 1 - level).
    """
    cut = signed_rank_cut(len(differences), level)
    if cut == 0:
        return Interval(low=-math.inf, high=math.inf, level=level, kind="signed rank")
    averages = walsh_averages(differences)
    return Interval(low=float(averages[cut - 1]), high=float(averages[-cut]), level=level, kind="signed rank")


@lru_cache(maxsize=256)
def signed_rank_cut(n: int, level: float) -> int:
    """How many Walsh averages lie outside the interval on either side, the end included; 0 where it is unbounded."""
    return int(np.searchsorted(signed_rank_tail(n), (1 - level) / 2 + 1e-12, side="right"))


def signed_rank_tail(n: int) -> Floats:
    """Chance that the signed-rank sum of n differences without ties is at most 0, 1, 2, ... [n (n + 1) / 2 + 1]."""
    tail: Floats = np.cumsum(_signed_rank_counts(tuple(range(2, 2 * n + 1, 2)))[::2]) / 2.0**n
    return tail


def signed_rank_p(differences: Floats) -> OneSided:
    """Exact one-sided p-values of Wilcoxon's signed-rank test, with midranks for ties.

    Zero differences take their rank and no sign (Pratt 1959), so that a tie is never a win.
    """
    doubled = np.rint(2 * scipy.stats.rankdata(np.abs(differences))).astype(int)
    nonzero = differences != 0
    ranks = tuple(sorted(doubled[nonzero].tolist()))
    counts = _signed_rank_counts(ranks)
    total = counts.sum()
    at = int(doubled[differences > 0].sum())
    return OneSided(greater=float(counts[at:].sum() / total), less=float(counts[: at + 1].sum() / total))


@lru_cache(maxsize=4096)
def _signed_rank_counts(doubled_ranks: tuple[int, ...]) -> Floats:
    """How many of the 2**n sign patterns give each sum of positive doubled ranks [sum + 1]."""
    counts = np.ones(1)
    for rank in doubled_ranks:
        grown = np.zeros(len(counts) + rank)
        grown[: len(counts)] += counts
        grown[rank:] += counts
        counts = grown
    return counts


def wilson(successes: int, trials: int, level: float = 0.95) -> Interval:
    """Wilson's score interval of a share. Raises InvalidError unless 0 <= successes <= trials and trials > 0."""
    require(trials > 0 and 0 <= successes <= trials, "successes", successes, f"must lie between 0 and {trials} (> 0)")
    found = scipy.stats.binomtest(successes, trials).proportion_ci(confidence_level=level, method="wilson")
    return Interval(low=float(found.low), high=float(found.high), level=level, kind="wilson")


def sign_flip_p(differences: Floats) -> float:
    """Two-sided p of the mean under random signs: every pattern up to n = 13, 9999 drawn ones beyond.

    As `scipy.stats.permutation_test` has it, which takes 30 to 190 times as long over every pattern.
    """
    n = len(differences)
    if 2**n <= RESAMPLES:
        signs = 1 - 2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
        means, centre = (signs * differences).mean(axis=1), differences.mean()
        tie = TIE * np.abs(differences).max()
        return float(min(1.0, 2 * min((means >= centre - tie).mean(), (means <= centre + tie).mean())))
    drawn = scipy.stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=RESAMPLES, rng=np.random.default_rng(SEED)
    )
    return float(drawn.pvalue)


def bca(differences: Floats, level: float = 0.95) -> Interval | None:
    """Bias-corrected accelerated bootstrap interval of the mean; None where all differences are equal."""
    if len(differences) < 2 or np.ptp(differences) == 0:
        return None
    found = scipy.stats.bootstrap(
        (differences,),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=level,
        method="BCa",
        rng=np.random.default_rng(SEED),
    ).confidence_interval
    return Interval(low=float(found.low), high=float(found.high), level=level, kind="bca")


def ratio_of_medians(numerator: Sequence[float], denominator: Sequence[float], level: float = 0.95) -> Interval:
    """Percentile bootstrap interval of median(numerator) / median(denominator), resampling whole rounds.

    Round i measured both sides one after the other, so that drift of the machine is drawn together.
    Raises InvalidError for unequal lengths, fewer than 2 rounds or values that are not positive.
    """
    return _ratio_of_medians(tuple(numerator), tuple(denominator), level)


@lru_cache(maxsize=256)
def _ratio_of_medians(numerator: tuple[float, ...], denominator: tuple[float, ...], level: float) -> Interval:
    """The same, once for a verdict and its table."""
    above, below = np.asarray(numerator, float), np.asarray(denominator, float)
    require(len(above) == len(below) >= 2, "rounds", f"{len(above)}/{len(below)}", "equal numbers, at least 2")
    require(bool((above > 0).all() and (below > 0).all()), "seconds", "<= 0", "must all be positive")
    picks = np.random.default_rng(SEED).integers(len(above), size=(RESAMPLES, len(above)))
    ratios = np.median(above[picks], axis=1) / np.median(below[picks], axis=1)
    low, high = np.quantile(ratios, [(1 - level) / 2, (1 + level) / 2])
    return Interval(low=float(low), high=float(high), level=level, kind="bootstrap")
