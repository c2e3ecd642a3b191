"""A fixed verdict: for what is not tested yet, cannot be tested, or may not be judged."""

from dataclasses import dataclass

from cnnlab.inference.rules.contract import Decisions, PValues
from cnnlab.spec.verdict import Verdict


@dataclass(frozen=True, kw_only=True)
class Given:
    """Stands in for the rule of a claim, or of one part of it, that has no evidence to read."""

    verdict: Verdict

    def p_values(self, evidence: None) -> PValues | None:
        """Give nothing: the family counts the claim all the same, as p = 1."""
        return None

    def conclude(self, evidence: None, decisions: Decisions) -> Verdict:
        """Give the verdict."""
        return self.verdict
