"""R-COST: one way is slower than another by a stated ratio."""

from dataclasses import dataclass

import numpy as np

from cnnlab.inference.intervals import ratio_of_medians
from cnnlab.inference.rules.contract import Decisions, PValues, held_back
from cnnlab.spec.verdict import Interval, Number, Table, Verdict, Word

SAME = (0.95, 1.05)


@dataclass(frozen=True, kw_only=True)
class Timings:
    """Seconds of interleaved rounds, warmed up: entry i of both sides was measured in round i.

    Attributes:
        dear, cheap: the side the claim calls slower, and the other. what: one phrase naming both.
        caps: why the ratio may not be read (see `Trained`). device: what it was measured on.
        tables: the timings as a reader looks at them.
    """

    dear: tuple[float, ...]
    cheap: tuple[float, ...]
    what: str
    caps: tuple[str, ...] = ()
    device: str = ""
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Cost:
    """R-COST(ratio): supported if the 95 % interval of the ratio of medians lies above `ratio`.

    Refuted if it lies inside [.95, 1.05] or below 1 (reversed). Fewer than `fewest` rounds are inconclusive.
    """

    ratio: float = 1.10
    fewest: int = 30

    def p_values(self, evidence: Timings) -> PValues | None:
        """Give nothing: outside the directional family."""
        return None

    def conclude(self, evidence: Timings, decisions: Decisions) -> Verdict:
        """Give the verdict. Raises Invalid for unequal or non-positive rounds."""
        if not evidence.dear:
            return Verdict(word="untested", reason=f"not timed: {evidence.what}")
        if evidence.caps:
            return held_back(evidence.caps)
        rounds = len(evidence.dear)
        if rounds < self.fewest:
            return Verdict(word="inconclusive", reason=f"{rounds} rounds, at least {self.fewest} needed")
        interval = ratio_of_medians(evidence.dear, evidence.cheap)
        word, how = self._word(interval)
        where = f" on {evidence.device}" if evidence.device else ""
        span = f"ratio of medians 95 % [{interval.low:.3f}, {interval.high:.3f}], {rounds} rounds{where}"
        middle = float(np.median(evidence.dear) / np.median(evidence.cheap))
        return Verdict(
            word=word,
            reason=f"{how}{evidence.what}: {span}",
            number=Number(name="ratio of medians", value=middle, low=interval.low, high=interval.high, unit="x"),
            n=rounds,
            tables=evidence.tables,
            evidence={
                "rule": "R-COST", "ratio": self.ratio, "low": interval.low, "high": interval.high, "rounds": rounds,
                "device": evidence.device,
            },
        )  # fmt: skip

    def _word(self, interval: Interval) -> tuple[Word, str]:
        """Say the word, and how the reason begins."""
        if interval.low > self.ratio:
            return "supported", ""
        if interval.inside(*SAME):
            return "refuted", "no difference, "
        return ("refuted", "reversed, ") if interval.high < 1 else ("inconclusive", "")
