"""R-DIR v2: one kind of design beats another, on at least two tasks of which one is real."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from cnnlab.inference.effects import smallest_detectable
from cnnlab.inference.multiplicity import LOOK_ALPHA, ONE_SIDED, TWO_SIDED, partial_conjunction, spent
from cnnlab.inference.rules.contract import (
    Decisions,
    ModeratorContrast,
    PValues,
    TrainedEvidence,
    held_back,
    trained_caps,
    untested,
)
from cnnlab.inference.wording import CALLS, describe, listed, smallest
from cnnlab.spec.invalid import require
from cnnlab.spec.verdict import Effect, Match, Verdict

Effects = tuple[Effect, ...]


@dataclass(frozen=True, kw_only=True)
class Directional:
    """R-DIR v2 (`protocol.md` section 3).

    Order: failed check or other cap -> inconclusive; qualified; supported; refuted; inconclusive.

    Attributes:
        match: the claim's one primary match; another match can only overturn, by a Neg on a real task.
        margin: delta of the metric; None takes `effects.accuracy_margin` of scale and task. The effects carry it.
        mechanism: True for a claim that is synthetic by nature: two synthetic tasks of different construction may
            carry it, printed "supported (mechanism)".
    """

    match: Match = "none"
    margin: float | None = None
    mechanism: bool = False

    def p_values(self, evidence: TrainedEvidence) -> PValues:
        """Give one partial-conjunction p per direction; 1 where the evidence is capped."""
        counted = self._counted(evidence)
        moderators = tuple(contrast.p for contrast in evidence.moderators)
        if trained_caps(evidence, counted):
            return PValues(greater=1.0, less=1.0, moderators=(1.0,) * len(moderators))
        greater = partial_conjunction([spent(effect.p_greater, effect.setting.look) for effect in counted])
        less = partial_conjunction([spent(effect.p_less, effect.setting.look) for effect in counted])
        return PValues(greater=greater, less=less, moderators=moderators)

    def conclude(self, evidence: TrainedEvidence, decisions: Decisions) -> Verdict:
        """Give the verdict. Raises InvalidError if one task has two primary effects."""
        if not self._primary(evidence):
            return untested(evidence.missing)
        counted = self._counted(evidence)
        caps = trained_caps(evidence, counted)
        if caps:
            return held_back(caps, evidence.effects)
        verdict = (
            self._qualified(evidence, counted, decisions)
            or self._carried(evidence, counted, decisions)
            or self._negligible(counted)
            or Verdict(word="inconclusive", reason=self._why_inconclusive(evidence, counted, decisions))
        )
        numbers = self._numbers(evidence, counted, decisions)
        return Verdict(
            word=verdict.word,
            reason=verdict.reason,
            condition=verdict.condition,
            mechanism=verdict.mechanism,
            effects=evidence.effects,
            evidence=numbers,
        )

    def _primary(self, evidence: TrainedEvidence) -> Effects:
        found = tuple(e for e in evidence.effects if e.setting.match == self.match and e.setting.condition == "own")
        tasks = [effect.setting.task for effect in found]
        require(len(set(tasks)) == len(tasks), "evidence", tasks, "one primary effect for each task")
        return found

    def _counted(self, evidence: TrainedEvidence) -> Effects:
        return tuple(effect for effect in self._primary(evidence) if effect.setting.eligible)

    def _carries(self, winners: Effects) -> bool:
        """Two tasks of which one is real, or two constructions where the claim is a mechanism."""
        return _on_real(winners) or (self.mechanism and len(_constructions(winners)) >= 2)

    def _carried(self, evidence: TrainedEvidence, counted: Effects, decisions: Decisions) -> Verdict | None:
        p = self.p_values(evidence)
        pos, neg = called(counted, "pos"), called(counted, "neg")
        if self._carries(pos) and not neg and p.greater <= decisions.greater:
            mechanism = not _on_real(pos)
            return Verdict(word="supported", reason=f"Pos: {listed(pos)}", mechanism=mechanism)
        if self._carries(neg) and not pos and p.less <= decisions.less:
            return Verdict(word="refuted", reason=f"reversed, Neg: {listed(neg)}")
        return None

    def _negligible(self, counted: Effects) -> Verdict | None:
        """Null on every real task that counts and Pos on none; a mechanism without any: on every task, two kinds."""
        real = tuple(effect for effect in counted if effect.setting.real)
        bearing = real or (counted if self.mechanism and len(_constructions(counted)) >= 2 else ())
        if not bearing or called(counted, "pos") or called(bearing, "null") != bearing:
            return None
        return Verdict(word="refuted", reason=f"negligible: {listed(bearing)}")

    def _qualified(self, evidence: TrainedEvidence, counted: Effects, decisions: Decisions) -> Verdict | None:
        return (
            _by_moderator(evidence.moderators, decisions)
            or _by_learning_rate(tuple(e for e in evidence.effects if e.setting.match == self.match))
            or self._by_match(evidence, counted, decisions)
        )

    def _by_match(self, evidence: TrainedEvidence, counted: Effects, decisions: Decisions) -> Verdict | None:
        """Overturn a claim that would be supported where the other match is Neg on a real task."""
        verdict = self._carried(evidence, counted, decisions)
        if verdict is None or verdict.word != "supported":
            return None
        for effect in evidence.effects:
            at = effect.setting
            overturns = at.match != self.match and at.condition == "own" and at.real and at.eligible
            if overturns and effect.call == "neg":
                condition = f"at match {self.match}; reversed at match {at.match}"
                return Verdict(word="qualified", reason=f"match {at.match}: {describe(effect)}", condition=condition)
        return None

    def _why_inconclusive(self, evidence: TrainedEvidence, counted: Effects, decisions: Decisions) -> str:
        if not counted:
            leads = ", ".join(f"{e.setting.task} {100 * e.setting.headroom:+.1f} pp" for e in self._primary(evidence))
            return f"no task counts: the reference leads logistic regression by too little ({leads})"
        pos, neg = called(counted, "pos"), called(counted, "neg")
        finds = smallest(zip(counted, _detectable(counted, decisions.registered), strict=True))
        if pos and neg:
            return f"tasks disagree: {listed(pos + neg)}; {finds}"
        if self._carries(pos or neg):
            p = self.p_values(evidence)
            value = p.greater if pos else p.less
            return f"p {value:.2g} fails Holm over {decisions.registered} claims: {listed(pos or neg)}; {finds}"
        return f"{listed(counted)}; {finds}"

    def _numbers(self, evidence: TrainedEvidence, counted: Effects, decisions: Decisions) -> dict[str, Any]:
        p = self.p_values(evidence)
        return {
            "rule": "R-DIR v2",
            "match": self.match,
            "p_greater": p.greater,
            "p_less": p.less,
            "holm_registered": decisions.registered,
            "calls": {effect.setting.task: CALLS[effect.call] for effect in counted},
            "smallest_detectable": {
                effect.setting.task: found
                for effect, found in zip(counted, _detectable(counted, decisions.registered), strict=True)
            },
            "not_counted": [e.setting.task for e in self._primary(evidence) if not e.setting.eligible],
        }


def called(effects: Effects, call: str) -> Effects:
    """Pick the effects with that call."""
    return tuple(effect for effect in effects if effect.call == call)


def _on_real(winners: Effects) -> bool:
    return len(winners) >= 2 and any(effect.setting.real for effect in winners)


def _constructions(effects: Iterable[Effect]) -> set[str]:
    return {effect.setting.construction for effect in effects}


def learning_rates_disagree(effects: Effects) -> tuple[tuple[Effect, Effect], ...]:
    """Pick the (own, common) pairs, on tasks that count, of which one is Pos and the other Null or Neg."""
    common = {(e.setting.task, e.setting.match): e for e in effects if e.setting.condition == "common"}
    own = (e for e in effects if e.setting.condition == "own" and e.setting.eligible)
    pairs = ((e, common[key]) for e in own if (key := (e.setting.task, e.setting.match)) in common)
    return tuple((one, other) for one, other in pairs if _pos_against_no(one, other) or _pos_against_no(other, one))


def _by_learning_rate(effects: Effects) -> Verdict | None:
    for own, common in learning_rates_disagree(effects)[:1]:
        at_own, at_common = "each arm at its own best learning rate", "the common learning rate"
        holds, fails = (at_own, at_common) if own.call == "pos" else (at_common, at_own)
        line = f"learning rate: own best: {describe(own)}; common: {describe(common)}"
        return Verdict(word="qualified", reason=line, condition=f"with {holds}, not with {fails}")
    return None


def _pos_against_no(one: Effect, other: Effect) -> bool:
    return one.call == "pos" and other.call in ("null", "neg")


def _by_moderator(contrasts: tuple[ModeratorContrast, ...], decisions: Decisions) -> Verdict | None:
    """One level Pos, another Null or Neg, and their difference survives Holm over the suite's contrasts."""
    for contrast in contrasts:
        if contrast.p > decisions.moderators or not contrast.eligible:
            continue
        levels = ((contrast.level_a, contrast.effect_a), (contrast.level_b, contrast.effect_b))
        for (holds, yes), (fails, no) in (levels, levels[::-1]):
            if _pos_against_no(yes, no):
                name = contrast.moderator
                line = f"{name}={holds}: {describe(yes)}; {name}={fails}: {describe(no)}; p {contrast.p:.2g}"
                return Verdict(word="qualified", reason=line, condition=f"{name}={holds}, not {name}={fails}")
    return None


def _detectable(counted: Effects, registered: int) -> tuple[float, ...]:
    """Smallest effect each task finds with power .8 at the family's strictest threshold."""
    tests = max(1, len(counted) - 1) * registered
    return tuple(
        smallest_detectable(
            effect.decision,
            n=effect.n,
            margin=effect.setting.margin,
            alpha=ONE_SIDED / tests * LOOK_ALPHA[effect.setting.look] / TWO_SIDED,
        )
        for effect in counted
    )
