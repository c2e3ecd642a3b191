"""A claim that several statements carry together, such as a mechanism: a drop, and no drop once it is repaired."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from cnnlab.inference.rules.contract import Decisions, PValues, Rule
from cnnlab.spec.invalid import require
from cnnlab.spec.verdict import Verdict

WEAKEST_FIRST = ("refuted", "untestable", "untested", "inconclusive", "qualified")
"""The first of these that any part has is the word of the whole; `supported` needs every part."""


@dataclass(frozen=True, kw_only=True)
class AllOf:
    """Supported if every part is; refuted if any part is; else as weak as its weakest part.

    The evidence is a mapping from each part's name to that part's evidence. In the family it is ONE claim: its p is
    the largest of its directional parts' (all must hold), its reversed p k times the smallest (one suffices).
    """

    parts: tuple[tuple[str, Rule[Any]], ...]

    def __post_init__(self) -> None:
        require(len(self.parts) > 0, "parts", "none", "at least one part")

    def p_values(self, evidence: Mapping[str, Any]) -> PValues | None:
        """Give the p-values of the whole; None if no part is directional."""
        found = [p for name, rule in self.parts if (p := rule.p_values(evidence[name])) is not None]
        if not found:
            return None
        return PValues(
            greater=max(p.greater for p in found),
            less=min(1.0, len(found) * min(p.less for p in found)),
            moderators=tuple(value for p in found for value in p.moderators),
        )

    def conclude(self, evidence: Mapping[str, Any], decisions: Decisions) -> Verdict:
        """Give the verdict; the reason names the part that decides."""
        directional = sum(rule.p_values(evidence[name]) is not None for name, rule in self.parts)
        share = replace(decisions, less=decisions.less / max(1, directional))
        return _whole({name: rule.conclude(evidence[name], share) for name, rule in self.parts})


def _whole(verdicts: Mapping[str, Verdict]) -> Verdict:
    words = {verdict.word for verdict in verdicts.values()}
    word = next((word for word in WEAKEST_FIRST if word in words), "supported")
    deciding = {name: verdict for name, verdict in verdicts.items() if verdict.word == word}
    first = next(iter(deciding.values()))
    return Verdict(
        word=first.word,
        reason="; ".join(f"{name}: {verdict.reason}" for name, verdict in deciding.items()),
        effects=tuple(effect for verdict in verdicts.values() for effect in verdict.effects),
        evidence={name: {"word": verdict.word, **verdict.evidence} for name, verdict in verdicts.items()},
        nearest_true=first.nearest_true,
        condition=first.condition,
        mechanism=word == "supported" and any(verdict.mechanism for verdict in verdicts.values()),
        capped=tuple(cap for verdict in verdicts.values() for cap in verdict.capped),
    )
