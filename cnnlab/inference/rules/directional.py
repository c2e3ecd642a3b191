"""R-DIR v3: one kind of design beats another, on at least two of the tasks that bear on the claim."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from cnnlab.inference import sentences
from cnnlab.inference.effects import smallest_detectable
from cnnlab.inference.multiplicity import BETWEEN_TASKS, ONE_SIDED, partial_conjunction
from cnnlab.inference.rules.contract import (
    Decisions,
    Longer,
    ModeratorContrast,
    PValues,
    TrainedEvidence,
    deciding_first,
    held_back,
    trained_caps,
    untested,
)
from cnnlab.inference.sentences import by_task, gap, rest, sentence, tasks
from cnnlab.inference.wording import CALLS, amount, describe, listed, measured, smallest
from cnnlab.spec.invalid import require
from cnnlab.spec.verdict import Effect, Match, Verdict, Word

Effects = tuple[Effect, ...]


@dataclass(frozen=True, kw_only=True)
class _Found:
    """A verdict before numbers are added, and the Pos and Neg effects that it rests on.

    `plain` is its sentence without capital letter and full stop.
    """

    word: Word
    reason: str
    plain: str
    rests_on: Effects = ()
    condition: str | None = None
    mechanism: bool = False


@dataclass(frozen=True, kw_only=True)
class Directional:
    """R-DIR v3: a direction on two of three real tasks, corrected for all registered claims (docs/method.md).

    Real tasks bear on a claim; generated ones too where it is a mechanism. A task without headroom does not count. "On
    two tasks" means two of different construction, so that two dials of one task are one. Order:

    1. capped, or a failed check: inconclusive.
    2. qualified by task: one task Pos and another Null or Neg, or one Neg and another Null, and their difference is
       significant at .05 / 40. By moderator: Pos at one level, Null or Neg at the other, at Holm's threshold over all
       moderators. By match: it would be supported, and another match is Neg on a real task.
    3. supported: Pos on two tasks, Neg on none, and Holm passes. Refuted, reversed: the mirror image.
    4. refuted, negligible: Null on two tasks, Pos or Neg on none.
    5. inconclusive, with the smallest effect that would have been found.

    Whatever of 2 and 3 rests on a Pos or Neg that surely fades with three times the training (`Longer.fades`) is
    qualified "within N steps": one such call suffices, although the others might carry the claim without it.

    Attributes:
        match: the claim's one primary match; another match can only overturn, by a Neg on a real task.
        margin: delta of the metric; None takes `effects.accuracy_margin` of scale and task. The effects carry it.
        mechanism: True for a claim that is synthetic by nature: generated tasks may carry it, printed "supported
            (mechanism)" unless two real ones do.
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
        greater = partial_conjunction([effect.p_greater for effect in counted])
        less = partial_conjunction([effect.p_less for effect in counted])
        return PValues(greater=greater, less=less, moderators=moderators)

    def conclude(self, evidence: TrainedEvidence, decisions: Decisions) -> Verdict:
        """Give the verdict. Raises InvalidError if one task has two primary effects."""
        if not self._primary(evidence):
            return untested(evidence.missing)
        counted = self._counted(evidence)
        caps = trained_caps(evidence, counted)
        if caps:
            return held_back(caps, evidence.effects)
        carried = self._carried(evidence, counted, decisions)
        found = (
            self._by_task(evidence, counted)
            or _by_moderator(evidence.moderators, decisions)
            or self._by_match(evidence, carried)
            or carried
        )
        found = _within_steps(found, evidence.longer) if found else self._negligible(counted)
        found = found or self._inconclusive(evidence, counted, decisions)
        return Verdict(
            word=found.word,
            reason=found.reason,
            sentence=sentence(found.plain),
            condition=found.condition,
            mechanism=found.mechanism,
            effects=deciding_first(evidence.effects, self.match),
            evidence=self._numbers(evidence, counted, decisions),
        )

    def _primary(self, evidence: TrainedEvidence) -> Effects:
        """The effects at the claim's match on tasks that bear on it."""
        found = tuple(e for e in evidence.effects if e.setting.match == self.match and self._bears(e))
        labels = [effect.setting.task for effect in found]
        require(len(set(labels)) == len(labels), "evidence", labels, "one primary effect for each task")
        return found

    def _bears(self, effect: Effect) -> bool:
        return effect.setting.real or self.mechanism

    def _counted(self, evidence: TrainedEvidence) -> Effects:
        return tuple(effect for effect in self._primary(evidence) if effect.setting.eligible)

    def _by_task(self, evidence: TrainedEvidence, counted: Effects) -> _Found | None:
        """Pos here and Null or Neg there, or Neg here and Null there, where the two surely differ."""
        order = {"pos": 0, "neg": 1, "null": 2}
        pairs: list[tuple[Effect, Effect, float]] = []
        for contrast in evidence.tasks:
            one, other = contrast.effect_a, contrast.effect_b
            apart = one.call in order and other.call in order and one.call != other.call
            bear = contrast.eligible and self._bears(one) and self._bears(other)
            if apart and bear and contrast.p <= BETWEEN_TASKS:
                ordered = (one, other) if order[one.call] < order[other.call] else (other, one)
                pairs.append((*ordered, contrast.p))
        if not pairs:
            return None
        first = min(order[holds.call] for holds, _, _ in pairs)
        pairs = [pair for pair in pairs if order[pair[0].call] == first]
        holding = _distinct(holds for holds, _, _ in pairs)
        failing = _distinct(fails for _, fails, _ in pairs)
        condition = f"on {_labels(holding)}, not on {_labels(failing)}"
        said = f"holds on {tasks(holding, counted)}, not on {tasks(failing, counted)}: {by_task(counted)}"
        if first:  # Neg against Null: it holds nowhere
            condition = f"reversed {condition}"
            said = f"does not hold, and on {tasks(holding, counted)} it is the other way round: {by_task(counted)}"
        largest = max(p for _, _, p in pairs)
        return _Found(
            word="qualified",
            reason=f"by task (p {largest:.1g}): {listed((*holding, *failing))}",
            plain=said,
            rests_on=tuple(effect for effect in (*holding, *failing) if effect.call != "null"),
            condition=condition,
        )

    def _by_match(self, evidence: TrainedEvidence, carried: _Found | None) -> _Found | None:
        """Overturn a claim that would be supported where another match is Neg on a real task."""
        if carried is None or carried.word != "supported":
            return None
        for effect in evidence.effects:
            at = effect.setting
            if at.match != self.match and at.real and at.eligible and effect.call == "neg":
                here, there = sentences.MATCHES[self.match], sentences.MATCHES[at.match]
                return _Found(
                    word="qualified",
                    reason=f"match {at.match}: {describe(effect)}",
                    plain=f"holds {here}, reversed {there}: on {tasks([effect])} {gap([effect])}",
                    rests_on=(*carried.rests_on, effect),
                    condition=f"at match {self.match}; reversed at match {at.match}",
                )
        return None

    def _carried(self, evidence: TrainedEvidence, counted: Effects, decisions: Decisions) -> _Found | None:
        """Supported, or reversed."""
        p = self.p_values(evidence)
        pos, neg = called(counted, "pos"), called(counted, "neg")
        if _on_two(pos) and not neg and p.greater <= decisions.greater:
            return _Found(
                word="supported",
                reason=f"Pos: {_results(pos)}",
                plain=f"holds on {tasks(pos, counted)}: {gap(pos)}{rest(counted, pos)}",
                rests_on=pos,
                mechanism=not _on_two(_real(pos)),
            )
        if _on_two(neg) and not pos and p.less <= decisions.less:
            return _Found(
                word="refuted",
                reason=f"reversed, Neg: {_results(neg)}",
                plain=f"the other way round on {tasks(neg, counted)}: {gap(neg)}{rest(counted, neg)}",
                rests_on=neg,
            )
        return None

    def _negligible(self, counted: Effects) -> _Found | None:
        null = called(counted, "null")
        if not _on_two(null) or called(counted, "pos") or called(counted, "neg"):
            return None
        plain = f"{sentences.NO_DIFFERENCE} on {tasks(null, counted)}{sentences.between(null[0].setting)}"
        return _Found(word="refuted", reason=f"negligible: {_results(null)}", plain=f"{plain}{rest(counted, null)}")

    def _inconclusive(self, evidence: TrainedEvidence, counted: Effects, decisions: Decisions) -> _Found:
        if not counted:
            leads = ", ".join(f"{e.setting.task} {100 * e.setting.headroom:+.1f} pp" for e in self._primary(evidence))
            reason = f"no task counts: the reference leads logistic regression by too little ({leads})"
            return _Found(word="inconclusive", reason=reason, plain="not decided: the tasks are too easy or too hard")
        pos, neg = called(counted, "pos"), called(counted, "neg")
        detectable = dict(zip(counted, _detectable(counted, decisions.registered), strict=True))
        finds = smallest(detectable.items())
        plain = f"not decided: {by_task(counted)}"
        if pos and neg:
            return _Found(word="inconclusive", reason=f"tasks disagree: {listed(counted)}; {finds}", plain=plain)
        if _on_two(pos or neg):
            p = self.p_values(evidence)
            fails = f"p {p.greater if pos else p.less:.2g} fails Holm over {decisions.registered} claims"
            plain += "; for one claim of many this is too weak a sign"
            return _Found(word="inconclusive", reason=f"{fails}: {listed(pos or neg)}; {finds}", plain=plain)
        return _Found(word="inconclusive", reason=f"{listed(counted)}; {finds}", plain=plain)

    def _numbers(self, evidence: TrainedEvidence, counted: Effects, decisions: Decisions) -> dict[str, Any]:
        p = self.p_values(evidence)
        return {
            "rule": "R-DIR v3",
            "match": self.match,
            "p_greater": p.greater,
            "p_less": p.less,
            "holm_registered": decisions.registered,
            "calls": {effect.setting.task: CALLS[effect.call] for effect in counted},
            "smallest_detectable": {
                effect.setting.task: found
                for effect, found in zip(counted, _detectable(counted, decisions.registered), strict=True)
            },
            "between_tasks": {f"{pair.level_a} and {pair.level_b}": pair.p for pair in evidence.tasks},
            "longer": {one.effect.setting.task: one.effect.estimate for one in evidence.longer},
            "not_counted": [e.setting.task for e in self._primary(evidence) if not e.setting.eligible],
        }


def called(effects: Effects, call: str) -> Effects:
    """Pick the effects with that call."""
    return tuple(effect for effect in effects if effect.call == call)


def _results(effects: Effects) -> str:
    """Effects whose call is said already."""
    return "; ".join(f"{effect.setting.task} {measured(effect)}" for effect in effects)


def _on_two(effects: Iterable[Effect]) -> bool:
    """Two tasks of different construction."""
    return len({effect.setting.construction for effect in effects}) >= 2


def _distinct(effects: Iterable[Effect]) -> Effects:
    return tuple({effect.setting.task: effect for effect in effects}.values())


def _labels(effects: Effects) -> str:
    return sentences.joined(effect.setting.task for effect in effects)


def _real(effects: Effects) -> Effects:
    return tuple(effect for effect in effects if effect.setting.real)


def _within_steps(found: _Found, longer: tuple[Longer, ...]) -> _Found:
    """Qualify what rests on a call that fades with three times the training."""
    for effect in found.rests_on:
        for again in longer:
            if again.repeats(effect) and again.fades(effect):
                steps, after = f"within {again.steps} steps", again.effect
                shown = amount(after.estimate, after.setting)
                left = gap([after]) if after.call in ("pos", "neg") else sentences.NO_DIFFERENCE
                return _Found(
                    word="qualified",
                    reason=f"{steps}: {describe(effect)}; three times as long {measured(after)}",
                    plain=f"{found.plain}; but {steps} only: with three times the training {left} on "
                    f"{tasks([effect])} ({shown})",
                    rests_on=found.rests_on,
                    condition=_condition(found, steps),
                )
    return found


def _condition(found: _Found, steps: str) -> str:
    if found.condition:
        return f"{found.condition}; {steps}"
    return steps if found.word == "supported" else f"reversed {steps}"


def _by_moderator(contrasts: tuple[ModeratorContrast, ...], decisions: Decisions) -> _Found | None:
    """One level Pos, another Null or Neg, and their difference survives Holm over the suite's contrasts."""
    for contrast in contrasts:
        if contrast.p > decisions.moderators or not contrast.eligible:
            continue
        levels = ((contrast.level_a, contrast.effect_a), (contrast.level_b, contrast.effect_b))
        for (holds, yes), (fails, no) in (levels, levels[::-1]):
            if yes.call == "pos" and no.call in ("null", "neg"):
                name = contrast.moderator
                line = f"{name}={holds}: {describe(yes)}; {name}={fails}: {describe(no)}; p {contrast.p:.2g}"
                left = gap([no]) if no.call == "neg" else sentences.NO_DIFFERENCE
                return _Found(
                    word="qualified",
                    reason=line,
                    plain=f"holds with {name} {holds}, not with {name} {fails}: on {tasks([yes])} {gap([yes])}, "
                    f"against {left}",
                    rests_on=(yes,),
                    condition=f"{name}={holds}, not {name}={fails}",
                )
    return None


def _detectable(counted: Effects, registered: int) -> tuple[float, ...]:
    """Smallest effect each task finds with power .8 at the family's strictest threshold."""
    tests = max(1, len(counted) - 1) * registered
    return tuple(
        smallest_detectable(effect.interval95, n=effect.n, margin=effect.setting.margin, alpha=ONE_SIDED / tests)
        for effect in counted
    )
