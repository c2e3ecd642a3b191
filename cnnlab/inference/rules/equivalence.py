"""R-EQ v2: two designs do the same, to within rho, on every task that counts."""

from dataclasses import dataclass

from cnnlab.inference.effects import smallest_detectable
from cnnlab.inference.equivalence import is_different, is_equivalent
from cnnlab.inference.rules.contract import Decisions, PValues, TrainedEvidence, held_back, trained_caps, untested
from cnnlab.inference.wording import amount, listed, smallest
from cnnlab.spec.verdict import Effect, Match, Verdict


@dataclass(frozen=True, kw_only=True)
class Equivalence:
    """R-EQ v2: supported where the 90 % interval lies inside +-rho, refuted where the 95 % one is wholly outside.

    Over several tasks: supported needs it on EVERY task that counts, `tasks` of them at least, one real unless the
    claim is a mechanism; one real task (or any, for a mechanism) wholly outside refutes. Too few members: inconclusive.

    Attributes:
        rho: half-width of "the same", in units of the metric.
        match: the primary match. tasks: fewest tasks that must count (1 for a claim about one task).
        mechanism: True if synthetic tasks may carry it.
    """

    rho: float
    match: Match = "none"
    tasks: int = 2
    mechanism: bool = False

    def p_values(self, evidence: TrainedEvidence) -> PValues | None:
        """Give nothing: R-EQ is outside the directional family."""
        return None

    def conclude(self, evidence: TrainedEvidence, decisions: Decisions) -> Verdict:
        """Give the verdict."""
        primary = tuple(e for e in evidence.effects if e.setting.match == self.match and e.setting.condition == "own")
        if not primary:
            return untested(evidence.missing)
        counted = tuple(effect for effect in primary if effect.setting.eligible)
        caps = trained_caps(evidence, counted)
        if caps:
            return held_back(caps, evidence.effects)
        return self._judge(counted, evidence.effects)

    def _judge(self, counted: tuple[Effect, ...], effects: tuple[Effect, ...]) -> Verdict:
        enough = tuple(effect for effect in counted if not effect.reason.startswith("too few"))
        real = any(effect.setting.real for effect in enough)
        bearing = [effect for effect in enough if effect.setting.real or self.mechanism]
        apart = tuple(effect for effect in bearing if is_different(effect, self.rho))
        numbers = {"rule": "R-EQ v2", "rho": self.rho, "tasks": [effect.setting.task for effect in counted]}
        if apart:
            reason = f"apart by more than {amount(self.rho, apart[0].setting, signed=False)}: {listed(apart)}"
            return Verdict(word="refuted", reason=reason, effects=effects, evidence=numbers)
        same = enough == counted and all(is_equivalent(effect, self.rho) for effect in counted)
        if same and len(counted) >= self.tasks and (real or self.mechanism):
            reason = f"within {amount(self.rho, counted[0].setting, signed=False)} at 90 %: {listed(counted)}"
            return Verdict(word="supported", reason=reason, effects=effects, evidence=numbers, mechanism=not real)
        reason = listed(counted) if len(counted) >= self.tasks else f"{len(counted)} of {self.tasks} tasks count"
        if counted:
            reason += "; " + smallest(((effect, self._detectable(effect)) for effect in counted), "difference")
        return Verdict(word="inconclusive", reason=reason, effects=effects, evidence=numbers)

    def _detectable(self, effect: Effect) -> float:
        """Smallest true difference whose interval lies wholly outside +-rho with power .8."""
        return self.rho + smallest_detectable(effect.decision, n=effect.n, margin=0.0)
