"""Claims of several parts: statements that must all hold, and words that can be read in several senses."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from cnnlab.inference.rules.contract import Decisions, PValues, Rule
from cnnlab.inference.sentences import joined, of_parts, sentence
from cnnlab.spec.invalid import require
from cnnlab.spec.verdict import Verdict, Word

WEAKEST_FIRST: tuple[Word, ...] = ("refuted", "inconclusive", "qualified")
"""The first of these that any part has is the word of the whole; `supported` needs every part."""
OPEN = ("untested", "untestable")
"""Words of a part that says nothing either way."""
Parts = tuple[tuple[str, Rule[Any]], ...]


@dataclass(frozen=True, kw_only=True)
class AllOf:
    """Supported if every part is; refuted if any part is; else as weak as its weakest part.

    With some parts untested the whole is inconclusive and names them, unless a part is refuted already. The evidence
    is a mapping from each part's name to that part's evidence. In the family it is ONE claim: its p is the largest of
    its directional parts' (all must hold), its reversed p k times the smallest (one suffices): one link
    that is Neg on two tasks refutes a chain.

    Attributes:
        parts: (name, rule) of each.
        together: True if no part alone may refute: the whole waits until every part has evidence.
    """

    parts: Parts
    together: bool = False

    def __post_init__(self) -> None:
        require(len(self.parts) > 0, "parts", "none", "at least one part")

    def p_values(self, evidence: Mapping[str, Any]) -> PValues | None:
        """Give the p-values of the whole; None if no part is directional."""
        return _p_values(self.parts, evidence)

    def conclude(self, evidence: Mapping[str, Any], decisions: Decisions) -> Verdict:
        """Give the verdict; the reason names the part that decides."""
        verdicts = _conclude(self.parts, evidence, decisions)
        words = [verdict.word for verdict in verdicts.values()]
        waiting = [name for name, verdict in verdicts.items() if verdict.word in OPEN]
        if waiting and len(waiting) == len(words):
            return _whole(verdicts, words[0], verdicts)
        if waiting and (self.together or "refuted" not in words):
            return _halfway(verdicts, waiting)
        word: Word = next((word for word in WEAKEST_FIRST if word in words), "supported")
        return _whole(verdicts, word, (name for name, verdict in verdicts.items() if verdict.word == word))


@dataclass(frozen=True, kw_only=True)
class Senses:
    """A claim whose words can be read in several senses, each with its own rule.

    Supported if it holds in every sense, refuted if it fails in every one; qualified, naming the senses, if it holds in
    some and fails in others. Else inconclusive (untested if no sense was tested).
    """

    parts: Parts

    def __post_init__(self) -> None:
        require(len(self.parts) > 0, "parts", "none", "at least one sense")

    def p_values(self, evidence: Mapping[str, Any]) -> PValues | None:
        """Give the p-values of the whole; None if no part is directional."""
        return _p_values(self.parts, evidence)

    def conclude(self, evidence: Mapping[str, Any], decisions: Decisions) -> Verdict:
        """Give the verdict; the reason names the senses."""
        verdicts = _conclude(self.parts, evidence, decisions)
        words = {verdict.word for verdict in verdicts.values()}
        holds = [name for name, verdict in verdicts.items() if verdict.word in ("supported", "qualified")]
        fails = [name for name, verdict in verdicts.items() if verdict.word == "refuted"]
        if holds and fails:
            condition = f"it holds {joined(holds)}, but not {joined(fails, 'or')}"
            whole = _whole(verdicts, "qualified", (*fails, *holds))
            return replace(whole, condition=condition, sentence=f"{sentence(condition)} {whole.sentence}")
        if words & set(OPEN) and len(words) > 1:
            return _halfway(verdicts, [name for name, verdict in verdicts.items() if verdict.word in OPEN])
        order: tuple[Word, ...] = ("inconclusive", "untested", "untestable", "qualified", "supported", "refuted")
        word = next(word for word in order if word in words)
        return _whole(verdicts, word, (name for name, verdict in verdicts.items() if verdict.word == word))


def _p_values(parts: Parts, evidence: Mapping[str, Any]) -> PValues | None:
    found = [p for name, rule in parts if (p := rule.p_values(evidence[name])) is not None]
    if not found:
        return None
    return PValues(
        greater=max(p.greater for p in found),
        less=min(1.0, len(found) * min(p.less for p in found)),
        moderators=tuple(value for p in found for value in p.moderators),
    )


def _conclude(parts: Parts, evidence: Mapping[str, Any], decisions: Decisions) -> dict[str, Verdict]:
    directional = sum(rule.p_values(evidence[name]) is not None for name, rule in parts)
    share = replace(decisions, less=decisions.less / max(1, directional))
    return {name: rule.conclude(evidence[name], share) for name, rule in parts}


def _halfway(verdicts: Mapping[str, Verdict], waiting: list[str]) -> Verdict:
    """Say what is missing, and what the other parts have found so far."""
    missing = "; ".join(f"{name}: {verdicts[name].reason}" for name in waiting)
    tested = [name for name in verdicts if name not in waiting]
    found = "; ".join(f"{name}: {verdicts[name].word}, {verdicts[name].reason}" for name in tested)
    whole = _whole(verdicts, "inconclusive", tested)
    waits = sentence(f"not decided yet: {joined(waiting)} {'are' if len(waiting) > 1 else 'is'} still to be tested")
    return replace(
        whole, reason=f"missing {missing}; so far {found}", sentence=f"{waits} {whole.sentence}", condition=None
    )


def _whole(verdicts: Mapping[str, Verdict], word: Word, deciding: Iterable[str]) -> Verdict:
    """Join the parts' verdicts; number, counterexample and condition are those of the first part that decides.

    The effects of the parts that decide come first: a verdict is shown by its first effect.
    """
    names = tuple(deciding)
    first = verdicts[names[0]]
    ordered = (*names, *(name for name in verdicts if name not in names))
    return Verdict(
        word=word,
        reason="; ".join(f"{name}: {verdicts[name].reason}" for name in names),
        sentence=of_parts({name: said for name in names if (said := verdicts[name].sentence)}),
        effects=tuple(effect for name in ordered for effect in verdicts[name].effects),
        evidence={name: {"word": verdict.word, **verdict.evidence} for name, verdict in verdicts.items()},
        nearest_true=next((found for name in names if (found := verdicts[name].nearest_true)), None),
        condition=first.condition,
        mechanism=word == "supported" and any(verdict.mechanism for verdict in verdicts.values()),
        capped=tuple(cap for verdict in verdicts.values() for cap in verdict.capped),
        number=first.number,
        n=first.n,
        counterexample=next((found for name in names if (found := verdicts[name].counterexample)), None),
        tables=tuple(table for verdict in verdicts.values() for table in verdict.tables),
    )
