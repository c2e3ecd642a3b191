"""R-SURVEY: the share of a frozen list."""

from dataclasses import dataclass

from cnnlab.inference.intervals import wilson
from cnnlab.inference.rules.contract import Decisions, PValues
from cnnlab.inference.sentences import sentence
from cnnlab.spec.invalid import require
from cnnlab.spec.verdict import Interval, Number, Table, Verdict, Word

MOSTLY, NEARLY_ALL, ALL = 0.5, 0.85, 1.0
SHARES = {MOSTLY: "most of them", NEARLY_ALL: "nearly all of them", ALL: "all of them"}
"""Bars in words."""


@dataclass(frozen=True, kw_only=True)
class Counted:
    """How many of a list frozen before counting have the property, which list it was, and tables for a reader.

    Attributes:
        list_name: to be read after "n of m in". plain: for a teacher, to be read after "n of m"; empty for none.
    """

    having: int
    total: int
    list_name: str
    plain: str = ""
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Survey:
    """R-SURVEY(bar): supported if Wilson's 95 % interval lies above the bar, refuted if below it.

    Attributes:
        bar: `MOSTLY`, `NEARLY_ALL`, or `ALL`, for which every single one must have the property.
        fewest: shortest list that may decide (40 networks).
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
            return Verdict(
                word="untested", reason=f"the list {evidence.list_name} is empty", sentence="Not tested yet."
            )
        interval = wilson(evidence.having, evidence.total)
        many = f"{evidence.having} of {evidence.total}"
        count, plain = f"{many} in {evidence.list_name}", f"{many} {evidence.plain or f'in {evidence.list_name}'}"
        reason = f"{count}, 95 % [{100 * interval.low:.1f} %, {100 * interval.high:.1f} %], bar {100 * self.bar:.0f} %"
        word, why = self._word(evidence, interval)
        share = Number(
            name="share",
            value=100 * evidence.having / evidence.total,
            low=100 * interval.low,
            high=100 * interval.high,
            unit="%",
        )
        return Verdict(
            word=word,
            reason=reason + why,
            sentence=sentence(f"{plain}: {self._judged(word)}"),
            nearest_true=count if word == "refuted" else None,
            number=share,
            n=evidence.total,
            tables=evidence.tables,
            evidence={"rule": "R-SURVEY", "bar": self.bar, "low": interval.low, "high": interval.high},
        )

    def _word(self, evidence: Counted, interval: Interval) -> tuple[Word, str]:
        """Say the word, and what the reason adds to the numbers."""
        if evidence.total < self.fewest:
            return "inconclusive", f"; needs {self.fewest} entries"
        every = evidence.having == evidence.total
        if every if self.bar == ALL else interval.low >= self.bar:
            return "supported", ""
        if interval.high < self.bar:
            return "refuted", ""
        enough = next((k for k in range(evidence.total + 1) if wilson(k, evidence.total).low >= self.bar), None)
        return "inconclusive", "" if enough is None else f"; {enough} of {evidence.total} would support"

    def _judged(self, word: Word) -> str:
        """What that count is beside the bar, for a teacher."""
        share = SHARES[self.bar] if self.bar in SHARES else f"{100 * self.bar:.0f} % of them"
        return {"supported": share, "refuted": f"not {share}"}.get(word) or f"too few to say whether it is {share}"
