"""The effect of one contrast on one task, computed from the members of two arms: estimate, intervals and call.

The reading of looks. `protocol.md` fixes 95 % intervals and Holm at .025, and blocks "look 1 at alpha .02, look 2 at
.03". Both hold if .05 (two-sided; .025 one-sided) is what a contrast may spend over ALL its looks: `pos` and `neg`
use the 98 % interval at the first look, the 97 % one at the second, and 95 % where no second block was ever
planned; one-sided p-values are divided by the same shares (`multiplicity.spent`) before Holm at .025. `null` keeps
the 90 % interval at both looks, as written: at the margin itself its error over two looks is .086, not .05 (12 then
24 members, SD 1.4 margins, simulated), and a claim needs it on every eligible real task.
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
from cnnlab.inference.multiplicity import LOOK_ALPHA
from cnnlab.spec.invalid import require, require_choice
from cnnlab.spec.verdict import Call, Effect, Interval, Setting

FEWEST = 6
"""Pairs below which nothing is called."""

POWER = 0.8
REAL_MARGIN = {"smoke": 0.01, "quick": 0.01, "full": 0.005}
SYNTHETIC_MARGIN = 0.02


def accuracy_margin(*, scale: str, real: bool) -> float:
    """Give delta of an accuracy: 1 point on a real task (.5 at full), 2 on a synthetic one. Raises InvalidError."""
    require_choice("scale", scale, REAL_MARGIN)
    return REAL_MARGIN[scale] if real else SYNTHETIC_MARGIN


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One arm's members at one learning rate: seeds, a metric of which higher is better, and who diverged.

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


def effect(better: Sample, worse: Sample, setting: Setting) -> Effect:
    """Compute the effect `better` minus `worse`. Below `FEWEST` pairs the call is `open`, with the reason."""
    paired = pair(better, worse)
    differences, n = np.array(paired.values), len(paired.values)
    ranked = uses_ranks(paired)
    interval = intervals.signed_rank if ranked else intervals.paired_t
    mean = float(differences.mean()) if n else math.nan
    estimate = intervals.hodges_lehmann(differences) if ranked and n else mean
    decision = interval(differences, 1 - LOOK_ALPHA[setting.look])
    interval90 = interval(differences, 0.90)
    call, reason = _call(estimate, decision, interval90, setting.margin)
    p = one_sided_p(paired)
    if n < FEWEST:
        call, reason = "open", f"too few members: {n} pairs, at least {FEWEST} needed"
    return Effect(
        setting=setting,
        seeds=paired.seeds,
        note=_left_out(better, worse, n),
        mean=mean,
        sd=float(differences.std(ddof=1)) if n > 1 else math.nan,
        estimate=estimate,
        decision=decision,
        interval95=interval(differences, 0.95),
        interval90=interval90,
        p_greater=p.greater,
        p_less=p.less,
        call=call,
        reason=reason,
        diverged_better=sum(better.diverged),
        diverged_worse=sum(worse.diverged),
        diverged_p=_fisher(better, worse),
        smallest_detectable=smallest_detectable(decision, n=n, margin=setting.margin),
    )


def uses_ranks(differences: Sample) -> bool:
    """Say whether signed ranks replace Student's t: a member diverged, or all differences are equal."""
    flat = len(differences.values) >= FEWEST and len(set(differences.values)) == 1
    return flat or any(differences.diverged)


def one_sided_p(differences: Sample) -> OneSided:
    """Test paired differences against 0 in both directions; 1 and 1 below `FEWEST` pairs."""
    if len(differences.values) < FEWEST:
        return OneSided(greater=1.0, less=1.0)
    test = intervals.signed_rank_p if uses_ranks(differences) else intervals.paired_t_p
    return test(np.array(differences.values))


def with_printed_checks(found: Effect, better: Sample, worse: Sample) -> Effect:
    """Add the sign-flip p and the BCa interval that are printed beside it and gate nothing."""
    differences = np.array(pair(better, worse).values)
    if len(differences) < 2:
        return found
    return dataclasses.replace(
        found, sign_flip_p=intervals.sign_flip_p(differences), bca95=intervals.bca(differences, 0.95)
    )


def smallest_detectable(
    decision: Interval, *, n: int, margin: float, alpha: float | None = None, power: float = POWER
) -> float:
    """Find the true effect that n pairs call `pos` with `power`: past the t test AND at least the margin.

    The larger of the two requirements taken singly, which is exact to a few percent since both hang on one estimate.
    The members' spread is read off the decision interval, so that one wild member in a signed-rank interval does
    not count as noise of all. `alpha` is one-sided and defaults to the interval's own.
    """
    width = decision.high - decision.low
    if not math.isfinite(width):
        return math.inf
    own = (1 - decision.level) / 2
    sem = width / 2 / float(scipy.special.stdtrit(n - 1, 1 - own))
    noncentrality = _detectable_noncentrality(n - 1, own if alpha is None else alpha, power)
    return max(noncentrality * sem, margin + float(scipy.special.ndtri(power)) * sem)


@lru_cache(maxsize=1024)
def _detectable_noncentrality(df: int, alpha: float, power: float) -> float:
    """Noncentrality at which a one-sided t test of size `alpha` with `df` degrees of freedom has `power`."""
    critical = float(scipy.special.stdtrit(df, 1 - alpha))
    return float(scipy.special.nctdtrinc(df, 1 - power, critical))


def _call(estimate: float, decision: Interval, interval90: Interval, margin: float) -> tuple[Call, str]:
    """R-DIR v2 on one task, and why it stays open. A tie (estimate 0) is nobody's win, whatever the margin."""
    if decision.low > 0 and estimate >= margin:
        return "pos", ""
    if decision.high < 0 and estimate <= -margin:
        return "neg", ""
    if is_null(interval90, margin):
        return "null", ""
    sign_known = decision.low > 0 or decision.high < 0
    return "open", "a sign, but too small an estimate" if sign_known else "neither beyond the margin nor inside it"


def _left_out(better: Sample, worse: Sample, pairs: int) -> str:
    alone = len(better.seeds) + len(worse.seeds) - 2 * pairs
    return f"{alone} members without a partner left out" if alone else ""


def _fisher(better: Sample, worse: Sample) -> float:
    """Fisher's exact p (two-sided) that members of both sides diverge equally often."""
    ours, theirs = sum(better.diverged), sum(worse.diverged)
    if not (ours or theirs):
        return 1.0
    table = np.array([[ours, len(better.seeds) - ours], [theirs, len(worse.seeds) - theirs]])
    return float(scipy.stats.fisher_exact(table).pvalue)


def _by_seed(sample: Sample) -> dict[int, tuple[float, bool]]:
    return {seed: (value, bad) for seed, value, bad in zip(sample.seeds, sample.values, sample.diverged, strict=True)}
