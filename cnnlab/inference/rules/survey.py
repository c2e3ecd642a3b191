"""R-SURVEY: the share of a frozen list."""

from dataclasses import dataclass

from cnnlab.inference.intervals import wilson
from cnnlab.inference.rules.contract import Decisions, PValues
from cnnlab.spec.invalid import require
from cnnlab.spec.verdict import Verdict

MOSTLY, NEARLY_ALL, ALL = 0.5, 0.85, 1.0


@dataclass(frozen=True, kw_only=True)
class Counted:
    """How many of a list frozen before counting have the property, and which list it was."""

    having: int
    total: int
    list_name: str


@dataclass(frozen=True, kw_only=True)
class Survey:
    """R-SURVEY(bar): supported if Wilson's 95 % interval lies above the bar, refuted if below it.

    Attributes:
        bar: `MOSTLY`, `NEARLY_ALL`, or `ALL`, for which every single one must have the property.
        fewest: shortest list that may decide (`protocol.md` section 5 asks for 40 networks).
    """

    bar: float = MOSTLY
    fewest: int = 40

    def __post_init__(self) -> None:
        require(0 < self.bar <= 1, "bar", self.bar, "must lie in (0, 1]")

    def p_values(self, evidence: Counted) -> PValues | None:
        """Give nothing: outside the directional family."""
        return None

    def conclude(self, evidence: Counted, decisions: Decisions) -> Verdict:
        """Give the verdict."""
        if evidence.total == 0:
            return Verdict(word="untested", reason=f"the list {evidence.list_name} is empty")
        interval = wilson(evidence.having, evidence.total)
        share = f"{evidence.having} of {evidence.total} in {evidence.list_name}"
        reason = f"{share}, 95 % [{100 * interval.low:.1f} %, {100 * interval.high:.1f} %], bar {100 * self.bar:.0f} %"
        numbers = {"rule": "R-SURVEY", "bar": self.bar, "low": interval.low, "high": interval.high}
        if evidence.total < self.fewest:
            return Verdict(word="inconclusive", reason=f"{reason}; needs {self.fewest} entries", evidence=numbers)
        every = evidence.having == evidence.total
        if every if self.bar == ALL else interval.low >= self.bar:
            return Verdict(word="supported", reason=reason, evidence=numbers)
        if interval.high < self.bar:
            return Verdict(word="refuted", reason=reason, evidence=numbers, nearest_true=share)
        return Verdict(word="inconclusive", reason=reason, evidence=numbers)
