"""Does an effect come back with other seeds? An effect and its replication: how far apart they lie, and both calls."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import scipy

from cnnlab.inference.intervals import wilson
from cnnlab.spec.invalid import require
from cnnlab.spec.verdict import Effect, Interval

APART = 2.0
"""Standard errors of the difference beyond which two estimates of one effect lie apart: 4.6 % of honest pairs."""


@dataclass(frozen=True, kw_only=True)
class Replicated:
    """One effect, measured twice with members that have no seed in common.

    Raises InvalidError for effects of two settings, or with a seed in common.
    """

    first: Effect
    again: Effect

    def __post_init__(self) -> None:
        ours, theirs = self.first.setting, self.again.setting
        same = (ours.task, ours.match, ours.metric, ours.contrast) == (
            theirs.task,
            theirs.match,
            theirs.metric,
            theirs.contrast,
        )
        require(same, "replication", theirs.task, f"the effect on {ours.task} at the same match and metric")
        common = set(self.first.seeds) & set(self.again.seeds)
        require(not common, "replication.seeds", sorted(common), "a replication has other seeds")

    @property
    def z(self) -> float:
        """Difference of both estimates in standard errors of it; NaN where either interval is unbounded."""
        error = math.hypot(standard_error(self.first), standard_error(self.again))
        if not math.isfinite(error):
            return math.nan
        difference = self.again.estimate - self.first.estimate
        return difference / error if error else math.copysign(math.inf, difference) if difference else 0.0

    @property
    def changed_side(self) -> bool:
        """Whether both decided, and otherwise: Pos against Neg, or Null against either."""
        return "open" not in (self.first.call, self.again.call) and self.first.call != self.again.call


def standard_error(effect: Effect) -> float:
    """Calibrated standard error of an effect, read off its 95 % interval; infinite where that is unbounded."""
    width = effect.interval95.high - effect.interval95.low
    if not math.isfinite(width) or effect.n < 2:
        return math.inf
    return width / 2 / float(scipy.special.stdtrit(effect.n - 1, 0.975))


@dataclass(frozen=True, kw_only=True)
class Replication:
    """All effects of a sweep, each with its replication."""

    effects: tuple[Replicated, ...]

    @property
    def comparable(self) -> tuple[Replicated, ...]:
        """Those of which both intervals are bounded."""
        return tuple(one for one in self.effects if not math.isnan(one.z))

    @property
    def apart(self) -> tuple[Replicated, ...]:
        """Those that lie more than `APART` standard errors apart; an infinite z does."""
        return tuple(one for one in self.effects if abs(one.z) > APART)

    @property
    def share_apart(self) -> Interval | None:
        """Wilson's 95 % interval of the share of `comparable` that lies apart; at most 5 % is honest. None of none."""
        return wilson(len(self.apart), len(self.comparable)) if self.comparable else None

    @property
    def changed(self) -> tuple[Replicated, ...]:
        """Those whose call changed side."""
        return tuple(one for one in self.effects if one.changed_side)


def paired(first: Sequence[Effect], again: Sequence[Effect]) -> Replication:
    """Bring two lists of the same effects together, in the order of the first. Raises InvalidError as `Replicated`."""
    require(len(first) == len(again), "replication", len(again), f"as many effects as the original's {len(first)}")
    return Replication(effects=tuple(Replicated(first=a, again=b) for a, b in zip(first, again, strict=True)))
