"""R-WITHIN: a measured quantity of one arm lies inside stated bounds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from cnnlab.inference.effects import FEWEST, smallest_detectable
from cnnlab.inference.rules.contract import Decisions, PValues, TrainedEvidence, held_back, trained_caps, untested
from cnnlab.inference.sentences import joined, sentence, tasks
from cnnlab.inference.wording import smallest
from cnnlab.spec.invalid import require
from cnnlab.spec.verdict import Effect, Match, Number, Verdict, Word


@dataclass(frozen=True, kw_only=True)
class Within:
    """R-WITHIN: supported where the members' mean, with its 95 % interval, is inside [low, high] on every counted task.

    Refuted where it lies wholly outside on one of them. For quantities of one arm against a fixed bound, such as a
    gradient's decay per layer or a share of weight energy; fewer than 4 members are inconclusive. The evidence's
    effects are the quantity itself (against 0), one a task.

    Attributes:
        low, high: the bounds; infinite where there is none. match: the match whose effects are read.
    """

    low: float = -math.inf
    high: float = math.inf
    match: Match = "none"

    def __post_init__(self) -> None:
        require(self.low < self.high, "bounds", f"[{self.low}, {self.high}]", "low must lie below high")

    def p_values(self, evidence: TrainedEvidence) -> PValues | None:
        """Give nothing: outside the directional family."""
        return None

    def conclude(self, evidence: TrainedEvidence, decisions: Decisions) -> Verdict:
        """Give the verdict."""
        primary = tuple(effect for effect in evidence.effects if effect.setting.match == self.match)
        if not primary:
            return untested(evidence.missing)
        counted = tuple(effect for effect in primary if effect.setting.eligible)
        caps = trained_caps(evidence, counted)
        if caps:
            return held_back(caps, evidence.effects)
        few = [effect for effect in counted if effect.n < FEWEST]
        if few or not counted:
            reason = f"too few members: {few[0].n}, at least {FEWEST} needed" if few else "no task counts"
            said = sentence(f"not decided: {reason}")
            return Verdict(word="inconclusive", reason=reason, sentence=said, effects=evidence.effects)
        outside = tuple(effect for effect in counted if effect.interval95.outside(self.low, self.high))
        inside = all(effect.interval95.inside(self.low, self.high) for effect in counted)
        word: Word = "refuted" if outside else "supported" if inside else "inconclusive"
        reason = f"{'; '.join(map(_shown, outside or counted))}; bounds [{self.low:g}, {self.high:g}]"
        if word == "inconclusive":
            reason += "; " + smallest(((e, _detectable(e)) for e in counted), "distance from a bound")
        first = (outside or counted)[0]
        where = {"refuted": "outside", "supported": "inside", "inconclusive": "not surely inside or outside"}[word]
        span = first.interval95
        return Verdict(
            word=word,
            reason=reason,
            sentence=sentence(f"{where} what is claimed ({self._bounds()}): {_said(outside or counted)}"),
            effects=evidence.effects,
            number=Number(name=first.setting.quantity, value=first.estimate, low=span.low, high=span.high),
            n=first.n,
            evidence={"rule": "R-WITHIN", "low": self.low, "high": self.high},
        )

    def _bounds(self) -> str:
        """The bounds in words."""
        if math.isinf(self.high):
            return f"at least {self.low:g}"
        return f"{'at most' if math.isinf(self.low) else f'{self.low:g} to'} {self.high:g}"


def _detectable(effect: Effect) -> float:
    """Smallest true distance from a bound that leaves the 95 % interval wholly on its side with power .8."""
    return smallest_detectable(effect.interval95, n=effect.n, margin=0.0)


def _said(effects: Sequence[Effect]) -> str:
    """The quantity, once, and its value on each task."""
    values = (f"{effect.estimate:.3g} on {tasks([effect], effects)}" for effect in effects)
    return f"{effects[0].setting.quantity} is {joined(values)}"


def _shown(effect: Effect) -> str:
    at, span = effect.setting, effect.interval95
    bounds = f"95 % {span.kind} [{span.low:.3g}, {span.high:.3g}]"
    return f"{at.task} {at.quantity} {effect.estimate:.3g} {bounds}, n={effect.n}"
