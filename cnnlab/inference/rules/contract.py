"""The interface of a rule: evidence, p-values for the family, the family's decisions, and a verdict.

Judging takes two steps because Holm needs every claim's p at once: `p_values` of all claims, then `conclude` of
each with the decisions of the whole family (`cnnlab.inference.family` does both).
"""

from dataclasses import dataclass
from typing import Protocol, TypeVar

from cnnlab.inference.checks import Check
from cnnlab.inference.effects import Sample, one_sided_p, pair
from cnnlab.inference.sentences import plain_cap, sentence
from cnnlab.spec.verdict import Effect, Match, Verdict

EvidenceT = TypeVar("EvidenceT", contravariant=True)


@dataclass(frozen=True, kw_only=True)
class PValues:
    """The p-values of one claim in the registered family: one a direction, and one a moderator contrast.

    `moderators` follow the order of the evidence.
    """

    greater: float
    less: float
    moderators: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Decisions:
    """Holm's thresholds over the whole family: a p-value passes if it is at most the threshold of its kind.

    Attributes:
        greater, less: thresholds of a claim's p in either direction. moderators: of each moderator contrast.
        registered: size of the claims' family.
    """

    greater: float
    less: float
    moderators: float
    registered: int


class Rule(Protocol[EvidenceT]):
    """A rule as data that knows how to read its evidence."""

    def p_values(self, evidence: EvidenceT) -> PValues | None:
        """Give the p-values the family needs; None for a rule outside the family."""

    def conclude(self, evidence: EvidenceT, decisions: Decisions) -> Verdict:
        """Give the verdict."""


@dataclass(frozen=True, kw_only=True)
class ModeratorContrast:
    """Two levels of one moderator, each with its own effect, and the two-sided p that the effects differ.

    Attributes:
        moderator: the factor, or the task property. level_a, level_b: its two levels, as the verdict names them.
        effect_a, effect_b: better minus worse at each level. p: of their difference.
    """

    moderator: str
    level_a: str
    level_b: str
    effect_a: Effect
    effect_b: Effect
    p: float

    @property
    def eligible(self) -> bool:
        """Whether both levels were measured where a design effect can be read."""
        return self.effect_a.setting.eligible and self.effect_b.setting.eligible


def difference_p(level_a: tuple[Effect, Sample, Sample], level_b: tuple[Effect, Sample, Sample]) -> float:
    """Test whether the effects (effect, better, worse) of two moderator levels differ; two-sided, calibrated.

    Differences of differences, seed by seed: valid for levels of a factor on one task, and for two tasks, where the
    pairing is empty but harmless.
    """
    p = one_sided_p(pair(pair(level_a[1], level_a[2]), pair(level_b[1], level_b[2])))
    return min(1.0, 2 * min(p.greater, p.less))


@dataclass(frozen=True, kw_only=True)
class Longer:
    """A contrast measured again with three times the training.

    Attributes:
        effect: of half of the members; task and contrast in its setting say which effect it repeats.
        steps: training steps of the shorter training, which a verdict names.
    """

    effect: Effect
    steps: int

    def repeats(self, effect: Effect) -> bool:
        """Whether it is that effect's repetition: the same task and contrast."""
        ours, theirs = self.effect.setting, effect.setting
        return (ours.task, ours.contrast) == (theirs.task, theirs.contrast)

    def fades(self, effect: Effect) -> bool:
        """Whether a Pos or Neg effect is surely gone: the 90 % interval lies wholly below the margin on its side.

        Below includes the other sign. The estimate alone would not do: that of half the members falls inside the margin
        too often where the true effect is 1.5 margins and shrinks a little, as all do (`experiments.simulate`).
        """
        span, margin = self.effect.interval90, self.effect.setting.margin
        return span.high < margin if effect.call == "pos" else span.low > -margin


@dataclass(frozen=True, kw_only=True)
class TrainedEvidence:
    """Evidence on a claim from trained arms.

    Attributes:
        effects: every contrast: each task, at each match.
        moderators: the registered moderator contrasts.
        tasks: pairs of tasks, as contrasts of the moderator "task", for "qualified by task".
        longer: contrasts measured again with three times the training.
        checks: of the sweeps the effects come from; those that gate, on tasks that count, must all have passed.
        caps: one line each why no verdict may exceed `inconclusive` (rule changed after data, smoke scale, a capped
            learning rate).
        missing: what the claim needs and no record has, one line each.
    """

    effects: tuple[Effect, ...] = ()
    moderators: tuple[ModeratorContrast, ...] = ()
    tasks: tuple[ModeratorContrast, ...] = ()
    longer: tuple[Longer, ...] = ()
    checks: tuple[Check, ...] = ()
    caps: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


def trained_caps(evidence: TrainedEvidence, counted: tuple[Effect, ...]) -> tuple[str, ...]:
    """List why trained evidence stays inconclusive: arms missing, a failed check on a counted task, other caps."""
    tasks = {effect.setting.task for effect in counted}
    missing = (f"arms missing: {', '.join(evidence.missing)}",) if evidence.missing else ()
    failed = tuple(check.line for check in evidence.checks if check.holds_back and check.task in tasks)
    return missing + failed + evidence.caps


def deciding_first(effects: tuple[Effect, ...], match: Match) -> tuple[Effect, ...]:
    """Effects of a rule at one match: a verdict is shown by its first effect, so those that it reads come first."""
    return tuple(sorted(effects, key=lambda effect: effect.setting.match != match))


def untested(missing: tuple[str, ...]) -> Verdict:
    """Give the verdict of no evidence at all."""
    reason = f"no record: {', '.join(missing)}" if missing else "no record"
    return Verdict(word="untested", reason=reason, sentence="Not tested yet.")


def held_back(caps: tuple[str, ...], effects: tuple[Effect, ...] = ()) -> Verdict:
    """Give the verdict of evidence that may not be read: the first cap is the reason, the rest are counted."""
    more = f" (and {len(caps) - 1} more)" if len(caps) > 1 else ""
    plain = sentence(f"not judged: {plain_cap(caps[0])}")
    return Verdict(word="inconclusive", reason=caps[0] + more, sentence=plain, effects=effects, capped=caps)
