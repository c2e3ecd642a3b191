"""R-EXACT: property tests over an enumerated domain and random cases."""

from dataclasses import dataclass
from typing import Literal

from cnnlab.inference.rules.contract import Decisions, PValues
from cnnlab.inference.sentences import sentence
from cnnlab.spec.verdict import Number, Table, Verdict, Word


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
        number: what decides, where that says more than how many cases fail.
        tables: the evidence as a reader looks at it.
    """

    cases: int
    counterexamples: tuple[str, ...] = ()
    restricted: Restricted | None = None
    nearest_true: str | None = None
    number: Number | None = None
    tables: tuple[Table, ...] = ()


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
        if evidence.cases == 0:
            return Verdict(word="untested", reason="no case was tried", sentence="Not tested yet.")
        word, reason, condition = self._word(evidence)
        failing = len(evidence.counterexamples)
        return Verdict(
            word=word,
            reason=reason,
            sentence=sentence(_plain(evidence, condition)),
            condition=condition,
            nearest_true=None if word == "supported" else evidence.nearest_true,
            counterexample=evidence.counterexamples[0] if failing else None,
            number=evidence.number or Number(name="cases that fail", value=failing),
            n=evidence.cases,
            tables=evidence.tables,
            evidence={"rule": "R-EXACT", "cases": evidence.cases, "counterexamples": failing},
        )

    def _word(self, evidence: Enumerated) -> tuple[Word, str, str | None]:
        """Say the word, the reason, and the condition of a qualified claim."""
        if not evidence.counterexamples:
            return "supported", f"all {evidence.cases} cases pass", None
        found = f"{len(evidence.counterexamples)} of {evidence.cases} cases fail, such as {evidence.counterexamples[0]}"
        under = evidence.restricted
        if self.reading == "plain" and under is not None and under.cases > 0 and under.counterexamples == 0:
            return (
                "qualified",
                f"true in all {under.cases} cases where {under.condition}; else {found}",
                under.condition,
            )
        return "refuted", found, None


def _plain(evidence: Enumerated, condition: str | None) -> str:
    """What was found, for a teacher."""
    if not evidence.counterexamples:
        return f"it holds in all {evidence.cases} cases that were tried"
    if condition is not None:
        return f"it does not always hold, but it does where {condition}"
    failing = len(evidence.counterexamples)
    many = "every case that was tried" if failing == evidence.cases else f"{failing} of {evidence.cases} cases"
    return f"it fails in {many}, for example: {evidence.counterexamples[0]}"
