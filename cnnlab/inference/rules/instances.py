"""R-EXISTS and R-ALWAYS: claims that single instances decide, each repeated on a fresh block of members.

The two halves of an arm's members are the two blocks.
"""

from dataclasses import dataclass, replace
from typing import Any

from cnnlab.inference.checks import Check
from cnnlab.inference.rules.contract import Decisions, PValues, TrainedEvidence, held_back, trained_caps, untested
from cnnlab.inference.sentences import by_task, gap, sentence
from cnnlab.inference.wording import describe, listed, smallest
from cnnlab.spec.invalid import require
from cnnlab.spec.verdict import Effect, Verdict, Word

ALWAYS_ALPHA = 0.05


@dataclass(frozen=True, kw_only=True)
class Instance:
    """One instance: its first block and, where there is one, a fresh block of other members.

    Raises InvalidError if the fresh block has a member of the first: it would repeat itself.
    """

    name: str
    first: Effect
    fresh: Effect | None = None

    def __post_init__(self) -> None:
        again = set() if self.fresh is None else set(self.first.seeds) & set(self.fresh.seeds)
        require(not again, "fresh", sorted(again), "a fresh block has no member of the first")


@dataclass(frozen=True, kw_only=True)
class Instances:
    """All instances that were tried, with the checks and caps of their sweeps (see `TrainedEvidence`)."""

    tried: tuple[Instance, ...] = ()
    checks: tuple[Check, ...] = ()
    caps: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def counted(self) -> tuple[Instance, ...]:
        """Those on tasks where a design effect can be read."""
        return tuple(instance for instance in self.tried if instance.first.setting.eligible)

    @property
    def effects(self) -> tuple[Effect, ...]:
        """All effects, first and fresh."""
        pairs = ((instance.first, instance.fresh) for instance in self.tried)
        return tuple(effect for pair in pairs for effect in pair if effect is not None)

    def readable(self) -> Verdict | None:
        """Give the verdict of evidence that may not be read, else None."""
        if not self.tried:
            return untested(self.missing)
        trained = TrainedEvidence(checks=self.checks, caps=self.caps, missing=self.missing)
        caps = trained_caps(trained, tuple(instance.first for instance in self.counted))
        return held_back(caps, self.effects) if caps else None


@dataclass(frozen=True, kw_only=True)
class Exists:
    """R-EXISTS ("can", "it can so happen"): one instance that is Pos, and Pos again in a fresh block, supports.

    Not finding one refutes nothing.
    """

    def p_values(self, evidence: Instances) -> PValues | None:
        """Give nothing: outside the directional family."""
        return None

    def conclude(self, evidence: Instances, decisions: Decisions) -> Verdict:
        """Give the verdict."""
        unread = evidence.readable()
        if unread:
            return unread
        numbers = {"rule": "R-EXISTS", "tried": len(evidence.counted)}
        for instance in evidence.counted:
            if instance.first.call == "pos" and instance.fresh is not None and instance.fresh.call == "pos":
                reason = (
                    f"{instance.name}: {describe(instance.first)}; again in a fresh block: {describe(instance.fresh)}"
                )
                plain = f"it happens: {instance.name}, {gap([instance.first])}"
                return _verdict("supported", reason, plain, evidence, numbers)
        waiting = [i.name for i in evidence.counted if i.first.call == "pos" and i.fresh is None]
        reason = f"no instance among the {len(evidence.counted)} tried"
        if waiting:
            reason = f"awaits a fresh block: {', '.join(waiting)}"
        reason += _finds(evidence.counted)
        return _verdict("inconclusive", reason, "no instance has been found twice", evidence, numbers)


@dataclass(frozen=True, kw_only=True)
class Always:
    """R-ALWAYS: a counterexample, Neg in the first block and Neg again in a fresh one, refutes a universal.

    The fresh test is one test at .05 / number of counterexamples tried. Supported only where EVERY instance tried is
    Pos, on two tasks of which one is real: all must be, so no correction is due. Anything else is inconclusive.
    """

    def p_values(self, evidence: Instances) -> PValues | None:
        """Give nothing: outside the directional family."""
        return None

    def conclude(self, evidence: Instances, decisions: Decisions) -> Verdict:
        """Give the verdict; a refuted one names its counterexample and how many instances held."""
        unread = evidence.readable()
        if unread:
            return unread
        counted = evidence.counted
        against = tuple(instance for instance in counted if instance.first.call == "neg")
        level = ALWAYS_ALPHA / max(1, len(against))
        holding = sum(instance.first.call == "pos" for instance in counted)
        numbers = {"rule": "R-ALWAYS", "tried": len(counted), "counterexamples_tried": len(against), "level": level}
        for instance in against:
            if instance.fresh is not None and instance.fresh.call == "neg" and instance.fresh.p_less <= level:
                twice = f"{describe(instance.first)}; again: {describe(instance.fresh)}"
                reason = f"counterexample {instance.name}: {twice}"
                plain = f"not always: {instance.name}, {gap([instance.first])}"
                nearest = f"it holds in {holding} of the {len(counted)} instances tried"
                return replace(_verdict("refuted", reason, plain, evidence, numbers), nearest_true=nearest)
        firsts = tuple(instance.first for instance in counted)
        tasks = {effect.setting.task for effect in firsts}
        if holding == len(counted) and len(tasks) >= 2 and any(effect.setting.real for effect in firsts):
            reason = f"Pos in all {holding} instances tried: {listed(firsts)}"
            return _verdict("supported", reason, f"holds wherever it was tried: {by_task(firsts)}", evidence, numbers)
        waiting = [instance.name for instance in against if instance.fresh is None]
        reason = f"no confirmed counterexample; Pos in {holding} of {len(counted)}"
        if waiting:
            reason = f"counterexample awaits a fresh block: {', '.join(waiting)}"
        reason += _finds(counted)
        plain = f"not decided: it holds in {holding} of the {len(counted)} instances tried, no other is sure"
        return _verdict("inconclusive", reason, plain, evidence, numbers)


def _verdict(word: Word, reason: str, plain: str, evidence: Instances, numbers: dict[str, Any]) -> Verdict:
    return Verdict(word=word, reason=reason, sentence=sentence(plain), effects=evidence.effects, evidence=numbers)


def _finds(counted: tuple[Instance, ...]) -> str:
    """What the least and the most precise instance could have shown; nothing where none counts."""
    ordered = sorted((instance.first for instance in counted), key=lambda effect: effect.smallest_detectable)
    ends = dict.fromkeys((*ordered[:1], *ordered[-1:]))
    return "; " + smallest((effect, effect.smallest_detectable) for effect in ends) if ends else ""
