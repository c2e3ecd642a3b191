"""R-EQ v3: two designs do the same, to within rho, on every task that counts."""

from dataclasses import dataclass

from cnnlab.inference.effects import smallest_detectable
from cnnlab.inference.equivalence import is_different, is_equivalent
from cnnlab.inference.rules.contract import (
    Decisions,
    PValues,
    TrainedEvidence,
    deciding_first,
    held_back,
    trained_caps,
    untested,
)
from cnnlab.inference.sentences import NO_DIFFERENCE, between, by_task, gap, rest, sentence, tasks
from cnnlab.inference.wording import amount, listed, smallest, times
from cnnlab.spec.verdict import Effect, Match, Verdict


@dataclass(frozen=True, kw_only=True)
class Equivalence:
    """R-EQ v3: supported where the 90 % interval lies inside +-rho, refuted where the 95 % one is wholly outside.

    Over several tasks: supported needs it on EVERY task that counts, `tasks` of them at least, one real unless the
    claim is a mechanism; one real task (or any, for a mechanism) wholly outside refutes. Too few members, or both sides
    at chance: inconclusive.

    Attributes:
        rho: half-width of "the same", in units of the metric; of an error ratio its log.
        match: the primary match. tasks: fewest tasks that must count (1 for a claim about one task).
        mechanism: True if synthetic tasks may carry it.
        one_sided: True if better minus worse only has to stay below rho ("not needed", "no benefit"): the upper end of
            the 90 % interval below rho supports, the 95 % interval wholly above rho refutes.
    """

    rho: float
    match: Match = "none"
    tasks: int = 2
    mechanism: bool = False
    one_sided: bool = False

    def p_values(self, evidence: TrainedEvidence) -> PValues | None:
        """Give nothing: R-EQ is outside the directional family."""
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
        return self._judge(counted, deciding_first(evidence.effects, self.match))

    def _judge(self, counted: tuple[Effect, ...], effects: tuple[Effect, ...]) -> Verdict:
        enough = tuple(e for e in counted if not e.reason.startswith(("too few", "both at chance")))
        real = any(effect.setting.real for effect in enough)
        bearing = [effect for effect in enough if effect.setting.real or self.mechanism]
        apart = tuple(effect for effect in bearing if is_different(effect, self.rho, one_sided=self.one_sided))
        numbers = {"rule": "R-EQ v3", "rho": self.rho, "tasks": [effect.setting.task for effect in counted]}
        if self.one_sided:
            numbers["one_sided"] = True
        if apart:
            bar = amount(self.rho, apart[0].setting, signed=False)
            return Verdict(
                word="refuted",
                reason=f"apart by more than {bar}: {listed(apart)}",
                sentence=sentence(f"the difference matters on {self._words(apart, counted)}{rest(counted, apart)}"),
                effects=effects,
                evidence=numbers,
            )
        same = enough == counted and all(is_equivalent(e, self.rho, one_sided=self.one_sided) for e in counted)
        if same and len(counted) >= self.tasks and (real or self.mechanism):
            at, side = counted[0].setting, "upper end of 90 %" if self.one_sided else "90 %"
            bar = amount(self.rho, at, signed=False)
            gain = f"no gain that matters from {at.better or 'the one side'} over {at.worse or 'the other'}"
            kept = gain if self.one_sided else f"{NO_DIFFERENCE}{between(at)}"
            size = f"{times(self.rho)} times the errors" if at.ratio else bar
            return Verdict(
                word="supported",
                reason=f"within {bar} at {side}: {listed(counted)}",
                sentence=sentence(f"{kept} ({size}) on {tasks(counted, counted)}"),
                effects=effects,
                evidence=numbers,
                mechanism=not real,
            )
        reason = listed(counted) if len(counted) >= self.tasks else f"{len(counted)} of {self.tasks} tasks count"
        if counted:
            reason += "; " + smallest(((effect, self._detectable(effect)) for effect in counted), "difference")
        plain = f"not decided: {by_task(counted)}" if counted else "not decided: no task counts"
        return Verdict(word="inconclusive", reason=reason, sentence=sentence(plain), effects=effects, evidence=numbers)

    def _words(self, apart: tuple[Effect, ...], counted: tuple[Effect, ...]) -> str:
        """Tasks and gaps, those of one sign together: rho may be passed on either side."""
        signs = [tuple(e for e in apart if (e.estimate > 0) == above) for above in (True, False)]
        return "; on ".join(f"{tasks(found, counted)}: {gap(found)}" for found in signs if found)

    def _detectable(self, effect: Effect) -> float:
        """Smallest true difference whose interval lies wholly outside +-rho with power .8."""
        return self.rho + smallest_detectable(effect.interval95, n=effect.n, margin=0.0)
