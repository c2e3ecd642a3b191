"""Judge a whole registered family of claims at once, and list the contrasts that need their second block."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cnnlab.inference.multiplicity import ONE_SIDED, TWO_SIDED, holm_threshold
from cnnlab.inference.rules.contract import Decisions, PValues, Rule
from cnnlab.inference.rules.directional import learning_rates_disagree
from cnnlab.spec.verdict import Effect, Setting, Verdict


@dataclass(frozen=True, kw_only=True)
class Case:
    """One claim to judge: its rule and its evidence."""

    rule: Rule[Any]
    evidence: Any


@dataclass(frozen=True, kw_only=True)
class Family:
    """What was registered before any data: directional claims, and moderator contrasts over all of them.

    Both sizes are fixed whatever has run: a claim or a contrast without data counts as p = 1.
    """

    claims: int
    moderator_contrasts: int


def judge(cases: Mapping[str, Case], family: Family) -> dict[str, Verdict]:
    """Give each claim its verdict, by id; `cases` may be any part of the family.

    Raises InvalidError if more directional claims or moderator contrasts come than were registered.
    """
    brought = (case.rule.p_values(case.evidence) for case in cases.values())
    decisions = decide([p for p in brought if p is not None], family)
    return {claim: case.rule.conclude(case.evidence, decisions) for claim, case in cases.items()}


def decide(brought: Sequence[PValues], family: Family) -> Decisions:
    """Apply Holm at .025 to each direction of the claims, and at .05 to the two-sided moderator contrasts."""
    contrasts = [value for p in brought for value in p.moderators]
    return Decisions(
        greater=holm_threshold([p.greater for p in brought], registered=family.claims, level=ONE_SIDED),
        less=holm_threshold([p.less for p in brought], registered=family.claims, level=ONE_SIDED),
        moderators=holm_threshold(contrasts, registered=family.moderator_contrasts, level=TWO_SIDED),
        registered=family.claims,
    )


def undecided(verdict: Verdict) -> tuple[Setting, ...]:
    """List the settings whose second block should run, at the first look only; never a third block.

    Of an inconclusive claim: everything but Null, which is decided. Of a qualified one: what its own and the common
    learning rate disagree about, since two calls that each held alone do not yet make a difference. Nothing of a
    claim that is capped for another reason than noise.
    """
    if verdict.capped:
        return ()
    by_word: dict[str, tuple[Effect, ...]] = {
        "inconclusive": tuple(effect for effect in verdict.effects if effect.call != "null"),
        "qualified": tuple(effect for pair in learning_rates_disagree(verdict.effects) for effect in pair),
    }
    wanted = by_word.get(verdict.word, ())
    return tuple(e.setting for e in wanted if e.setting.look == "first" and e.setting.eligible)
