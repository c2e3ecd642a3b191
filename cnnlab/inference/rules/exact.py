"""R-EXACT: property tests over an enumerated domain and random cases."""

from dataclasses import dataclass
from typing import Literal

from cnnlab.inference.rules.contract import Decisions, PValues
from cnnlab.spec.verdict import Verdict


@dataclass(frozen=True, kw_only=True)
class Restricted:
    """A condition the notes omit, and how the same property fared over the cases that meet it."""

    condition: str
    cases: int
    counterexamples: int


@dataclass(frozen=True, kw_only=True)
class Enumerated:
    """The outcome of a property test.

    Attributes:
        cases: how many were tried. counterexamples: one line each, to the plain reading of the claim.
        restricted: the condition under which it was tried again, if any.
        nearest_true: the nearest true statement with its numbers, for a claim that fails.
    """

    cases: int
    counterexamples: tuple[str, ...] = ()
    restricted: Restricted | None = None
    nearest_true: str | None = None


@dataclass(frozen=True, kw_only=True)
class Exact:
    """R-EXACT: supported if all cases pass; qualified if true under a condition the notes omit; refuted otherwise.

    A `universal` reading ("always", "not possible") is not saved by a condition: one clean counterexample refutes,
    and the nearest true statement stands beside it.
    """

    reading: Literal["plain", "universal"] = "plain"

    def p_values(self, evidence: Enumerated) -> PValues | None:
        """Give nothing: exact."""
        return None

    def conclude(self, evidence: Enumerated, decisions: Decisions) -> Verdict:
        """Give the verdict."""
        numbers = {"rule": "R-EXACT", "cases": evidence.cases, "counterexamples": len(evidence.counterexamples)}
        if evidence.cases == 0:
            return Verdict(word="untested", reason="no case was tried", evidence=numbers)
        if not evidence.counterexamples:
            return Verdict(word="supported", reason=f"all {evidence.cases} cases pass", evidence=numbers)
        found = f"{len(evidence.counterexamples)} of {evidence.cases} cases fail, such as {evidence.counterexamples[0]}"
        under = evidence.restricted
        if self.reading == "plain" and under is not None and under.cases > 0 and under.counterexamples == 0:
            return Verdict(
                word="qualified",
                reason=f"true in all {under.cases} cases where {under.condition}; else {found}",
                condition=under.condition,
                nearest_true=evidence.nearest_true,
                evidence=numbers,
            )
        return Verdict(word="refuted", reason=found, nearest_true=evidence.nearest_true, evidence=numbers)
