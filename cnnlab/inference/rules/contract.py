"""The interface of a rule: evidence, p-values for the family, the family's decisions, and a verdict.

Judging takes two steps because Holm needs every claim's p at once: `p_values` of all claims, then `conclude` of
each with the decisions of the whole family (`cnnlab.inference.family` does both).
"""

from dataclasses import dataclass
from typing import Protocol, TypeVar

from cnnlab.inference.checks import Check
from cnnlab.inference.effects import Sample, one_sided_p, pair
from cnnlab.inference.multiplicity import LOOK_ALPHA, spent
from cnnlab.spec.verdict import Effect, Verdict

EvidenceT = TypeVar("EvidenceT", contravariant=True)


@dataclass(frozen=True, kw_only=True)
class PValues:
    """The p-values of one claim in the registered family: one a direction, and one a moderator contrast.

    Looks are already paid for. `moderators` follow the order of the evidence.
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
        effect_a, effect_b: better minus worse at each level. p: of their difference, its look already paid for.
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
    """Test whether the effects (effect, better, worse) of two moderator levels differ; two-sided, looks paid for.

    Differences of differences, seed by seed: valid for levels of a factor on one task, and for two tasks, where the
    pairing is empty but harmless. The dearer of the two looks is paid.
    """
    p = one_sided_p(pair(pair(level_a[1], level_a[2]), pair(level_b[1], level_b[2])))
    look = min((level_a[0].setting.look, level_b[0].setting.look), key=lambda name: LOOK_ALPHA[name])
    return spent(min(1.0, 2 * min(p.greater, p.less)), look)


@dataclass(frozen=True, kw_only=True)
class TrainedEvidence:
    """Evidence on a claim from trained arms.

    Attributes:
        effects: every contrast: each task, at its own and at the common learning rate, at each match.
        moderators: the registered moderator contrasts.
        checks: of the sweeps the effects come from; those of tasks that count must all have passed.
        caps: one line each why no verdict may exceed `inconclusive` (rule changed after data, smoke scale, a capped
            learning rate).
        missing: what the claim needs and no record has, one line each.
    """

    effects: tuple[Effect, ...] = ()
    moderators: tuple[ModeratorContrast, ...] = ()
    checks: tuple[Check, ...] = ()
    caps: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


def trained_caps(evidence: TrainedEvidence, counted: tuple[Effect, ...]) -> tuple[str, ...]:
    """List why trained evidence stays inconclusive: arms missing, a failed check on a counted task, other caps."""
    tasks = {effect.setting.task for effect in counted}
    missing = (f"arms missing: {', '.join(evidence.missing)}",) if evidence.missing else ()
    failed = tuple(check.line for check in evidence.checks if not check.passed and check.task in tasks)
    return missing + failed + evidence.caps


def untested(missing: tuple[str, ...]) -> Verdict:
    """Give the verdict of no evidence at all."""
    return Verdict(word="untested", reason=f"no record: {', '.join(missing)}" if missing else "no record")


def held_back(caps: tuple[str, ...], effects: tuple[Effect, ...] = ()) -> Verdict:
    """Give the verdict of evidence that may not be read: the first cap is the reason, the rest are counted."""
    more = f" (and {len(caps) - 1} more)" if len(caps) > 1 else ""
    return Verdict(word="inconclusive", reason=caps[0] + more, effects=effects, capped=caps)
