"""Judge a whole registered family of claims at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cnnlab.inference.multiplicity import ONE_SIDED, TWO_SIDED, holm_threshold
from cnnlab.inference.rules.contract import Decisions, PValues, Rule
from cnnlab.spec.verdict import Verdict


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
