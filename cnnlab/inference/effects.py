"""The effect of one contrast on one task, computed from the members of two arms: estimate, intervals and call.

Intervals and p-values are calibrated. A member is read at a learning rate that the other members chose
(`cnnlab.spec.curve`), and the error of that choice, of which all members of an arm have nearly the same share, does not
show in the spread over members. Standard errors are therefore multiplied by `CALIBRATION`.
"""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy

from cnnlab.inference import intervals
from cnnlab.inference.equivalence import is_null
from cnnlab.inference.intervals import OneSided
from cnnlab.spec.invalid import require, require_choice
from cnnlab.spec.verdict import Call, Effect, Interval, Setting

FEWEST = 4
"""Pairs below which nothing is called: half of eight members."""

POWER = 0.8
CALIBRATION = 1.25
"""By how much a standard error over members is too small, found by planting curves (`cnnlab.inference.simulation`)."""
RATIO_MARGIN = {"smoke": 1.15, "quick": 1.15, "full": 1.07}
"""Ratio of errors that matters on a real task, by scale."""
GENERATED_RATIO = 1.3
"""Ratio of errors that matters on a generated task."""
NULL_DETECTS = 1.5
"""Null is called only where an effect of so many margins would have been found with power .8."""


def accuracy_margin(*, scale: str, real: bool) -> float:
    """Give delta of an error ratio, its log: `RATIO_MARGIN` on a real task, else `GENERATED_RATIO`.

    Raises InvalidError for a scale that is none.
    """
    require_choice("scale", scale, RATIO_MARGIN)
    return math.log(RATIO_MARGIN[scale] if real else GENERATED_RATIO)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One arm's members as they are read: seeds, a metric of which higher is better, and who diverged.

    An error ratio takes -log(errors + 1/2) of every member, so that a difference is the log of the ratio.

    Raises InvalidError for unequal lengths, a seed that appears twice, or a value that is not finite (a diverged member
    counts as chance, it is never missing).
    """

    seeds: tuple[int, ...]
    values: tuple[float, ...]
    diverged: tuple[bool, ...]

    def __post_init__(self) -> None:
        same = len(self.seeds) == len(self.values) == len(self.diverged)
        require(same, "members", len(self.seeds), f"has {len(self.values)} values, {len(self.diverged)} flags")
        require(len(set(self.seeds)) == len(self.seeds), "members", self.seeds, "each seed may appear once")
        require(all(map(math.isfinite, self.values)), "values", self.values, "must be finite")

    @classmethod
    def constant(cls, value: float, seeds: Sequence[int]) -> "Sample":
        """Make a sample with one fixed value, such as the accuracy of a convex optimum."""
        return cls(seeds=tuple(seeds), values=(value,) * len(seeds), diverged=(False,) * len(seeds))

    @classmethod
    def mean_of(cls, samples: Sequence["Sample"]) -> "Sample":
        """Merge arms into one sample: the mean at each common seed, diverged where any of them diverged."""
        require(len(samples) > 0, "samples", "none", "a group needs at least one arm")
        rows = [_by_seed(sample) for sample in samples]
        seeds = tuple(seed for seed in samples[0].seeds if all(seed in row for row in rows))
        return cls(
            seeds=seeds,
            values=tuple(sum(row[seed][0] for row in rows) / len(rows) for seed in seeds),
            diverged=tuple(any(row[seed][1] for row in rows) for seed in seeds),
        )


def pair(better: Sample, worse: Sample) -> Sample:
    """Subtract worse from better, seed by seed, over the seeds both have; diverged where either side did."""
    ours, theirs = _by_seed(better), _by_seed(worse)
    seeds = tuple(sorted(ours.keys() & theirs.keys()))
    return Sample(
        seeds=seeds,
        values=tuple(ours[seed][0] - theirs[seed][0] for seed in seeds),
        diverged=tuple(ours[seed][1] or theirs[seed][1] for seed in seeds),
    )


def effect(
    better: Sample,
    worse: Sample,
    setting: Setting,
    *,
    accuracies: tuple[Sample, Sample] | None = None,
    at_chance: tuple[bool, bool] = (False, False),
) -> Effect:
    """Compute the effect `better` minus `worse`.

    The call is `open`, with the reason, below `FEWEST` pairs and where both sides are at chance: a floor shows nothing.

    Args:
        better, worse: members of both sides; paired by seed. setting: where and how they were measured.
        accuracies: the same members' accuracies, fractions, for the points beside an error ratio.
        at_chance: whether every member of the better and of the worse side was lost at every learning rate.
    """
    paired = pair(better, worse)
    differences, n = np.array(paired.values), len(paired.values)
    interval95, interval90 = _interval(paired, 0.95), _interval(paired, 0.90)
    estimate = _centre(paired)
    smallest = smallest_detectable(interval95, n=n, margin=setting.margin)
    call, reason = _call(estimate, interval95, interval90, setting.margin, smallest)
    p = one_sided_p(paired)
    if n < FEWEST:
        call, reason = "open", f"too few members: {n} pairs, at least {FEWEST} needed"
    elif all(at_chance):
        call, reason, p = "open", "both at chance", OneSided(greater=1.0, less=1.0)
    points = None if accuracies is None else pair(*accuracies)
    return Effect(
        setting=setting,
        seeds=paired.seeds,
        note=_note(better, worse, n, at_chance),
        mean=float(differences.mean()) if n else math.nan,
        sd=float(differences.std(ddof=1)) if n > 1 else math.nan,
        estimate=estimate,
        interval95=interval95,
        interval90=interval90,
        p_greater=p.greater,
        p_less=p.less,
        call=call,
        reason=reason,
        diverged_better=sum(better.diverged),
        diverged_worse=sum(worse.diverged),
        diverged_p=_fisher(better, worse),
        smallest_detectable=smallest,
        points=None if points is None else _centre(points),
        points95=None if points is None else _interval(points, 0.95),
    )


def uses_ranks(differences: Sample) -> bool:
    """Say whether signed ranks replace Student's t: a member diverged, or all differences are equal."""
    flat = len(differences.values) >= FEWEST and len(set(differences.values)) == 1
    return flat or any(differences.diverged)


def one_sided_p(differences: Sample) -> OneSided:
    """Test paired differences against 0 in both directions, calibrated; 1 and 1 below `FEWEST` pairs."""
    if len(differences.values) < FEWEST:
        return OneSided(greater=1.0, less=1.0)
    values = np.array(differences.values)
    if uses_ranks(differences):
        return intervals.signed_rank_p(values)
    return intervals.paired_t_p(values, CALIBRATION)


def with_printed_checks(found: Effect, better: Sample, worse: Sample) -> Effect:
    """Add the sign-flip p and the BCa interval that are printed beside it and gate nothing."""
    differences = np.array(pair(better, worse).values)
    if len(differences) < 2:
        return found
    return dataclasses.replace(
        found, sign_flip_p=intervals.sign_flip_p(differences), bca95=intervals.bca(differences, 0.95)
    )


def smallest_detectable(
    interval: Interval, *, n: int, margin: float, alpha: float | None = None, power: float = POWER
) -> float:
    """Find the true effect that n pairs call `pos` with `power`: past the t test AND at least the margin.

    The larger of the two requirements taken singly, which is exact to a few percent since both hang on one estimate.
    The standard error is read off the interval, calibration included, so that one wild member in a signed-rank interval
    does not count as noise of all. `alpha` is one-sided and defaults to the interval's own.
    """
    width = interval.high - interval.low
    if not math.isfinite(width):
        return math.inf
    own = (1 - interval.level) / 2
    sem = width / 2 / float(scipy.special.stdtrit(n - 1, 1 - own))
    noncentrality = _detectable_noncentrality(n - 1, own if alpha is None else alpha, power)
    return max(noncentrality * sem, margin + float(scipy.special.ndtri(power)) * sem)


@lru_cache(maxsize=1024)
def _detectable_noncentrality(df: int, alpha: float, power: float) -> float:
    """Noncentrality at which a one-sided t test of size `alpha` with `df` degrees of freedom has `power`."""
    critical = float(scipy.special.stdtrit(df, 1 - alpha))
    return float(scipy.special.nctdtrinc(df, 1 - power, critical))


def _interval(differences: Sample, level: float) -> Interval:
    """Student's calibrated interval of paired differences, or Wilcoxon's."""
    values = np.array(differences.values)
    if uses_ranks(differences):
        return intervals.signed_rank(values, level)
    return intervals.paired_t(values, level, CALIBRATION)


def _centre(differences: Sample) -> float:
    """The estimate that belongs to the interval; NaN of no differences."""
    values = np.array(differences.values)
    if not len(values):
        return math.nan
    return intervals.hodges_lehmann(values) if uses_ranks(differences) else float(values.mean())


def _call(
    estimate: float, interval95: Interval, interval90: Interval, margin: float, smallest: float
) -> tuple[Call, str]:
    """Call one task, and say why it stays open. A tie (estimate 0) is nobody's win, whatever the margin."""
    if interval95.low > 0 and estimate >= margin:
        return "pos", ""
    if interval95.high < 0 and estimate <= -margin:
        return "neg", ""
    if is_null(interval90, margin):
        fine = smallest <= NULL_DETECTS * margin
        return ("null", "") if fine else ("open", "inside the margin, but too noisy to be sure")
    sign_known = interval95.low > 0 or interval95.high < 0
    return "open", "a sign, but too small an estimate" if sign_known else "neither beyond the margin nor inside it"


def _note(better: Sample, worse: Sample, pairs: int, at_chance: tuple[bool, bool]) -> str:
    """What was left out, and which single side is at chance."""
    alone = len(better.seeds) + len(worse.seeds) - 2 * pairs
    notes = [f"{alone} members without a partner left out"] if alone else []
    if at_chance[0] != at_chance[1]:
        side = "better" if at_chance[0] else "worse"
        notes.append(f"the {side} side is at chance: the ratio is capped")
    return "; ".join(notes)


def _fisher(better: Sample, worse: Sample) -> float:
    """Fisher's exact p (two-sided) that members of both sides diverge equally often."""
    ours, theirs = sum(better.diverged), sum(worse.diverged)
    if not (ours or theirs):
        return 1.0
    table = np.array([[ours, len(better.seeds) - ours], [theirs, len(worse.seeds) - theirs]])
    return float(scipy.stats.fisher_exact(table).pvalue)


def _by_seed(sample: Sample) -> dict[int, tuple[float, bool]]:
    return {seed: (value, bad) for seed, value, bad in zip(sample.seeds, sample.values, sample.diverged, strict=True)}
