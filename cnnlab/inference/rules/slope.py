"""R-SLOPE: a slope, measured on independent nets, lies above a stated bar."""

from dataclasses import dataclass

import numpy as np

from cnnlab.inference.effects import FEWEST, smallest_detectable
from cnnlab.inference.intervals import paired_t
from cnnlab.inference.rules.contract import Decisions, PValues, held_back
from cnnlab.spec.verdict import Number, Table, Verdict, Word


@dataclass(frozen=True, kw_only=True)
class Slopes:
    """One slope of each independent net.

    Attributes:
        values: the slopes. what: one phrase that names them.
        caps: why they may not be read (see `Trained`). tables: the evidence as a reader looks at it.
    """

    values: tuple[float, ...]
    what: str
    caps: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Slope:
    """R-SLOPE: supported if the 95 % t interval of the mean slope lies above `above`, refuted if it lies below.

    Else inconclusive, and so with fewer than six nets.
    """

    above: float = 0.0

    def p_values(self, evidence: Slopes) -> PValues | None:
        """Give nothing: outside the directional family."""
        return None

    def conclude(self, evidence: Slopes, decisions: Decisions) -> Verdict:
        """Give the verdict."""
        nets = len(evidence.values)
        if nets == 0:
            return Verdict(word="untested", reason=f"not measured: {evidence.what}")
        if evidence.caps:
            return held_back(evidence.caps)
        if nets < FEWEST:
            return Verdict(word="inconclusive", reason=f"{nets} nets, at least {FEWEST} needed")
        values = np.asarray(evidence.values)
        mean, interval = float(values.mean()), paired_t(values, 0.95)
        word: Word = "inconclusive"
        if interval.low > self.above:
            word = "supported"
        elif interval.high < self.above:
            word = "refuted"
        finds = ""
        if word == "inconclusive":
            distance = smallest_detectable(interval, n=nets, margin=0.0)
            finds = f"; smallest distance from it found with power .8: {distance:.3g}"
        span = f"{mean:.3f}, 95 % t [{interval.low:.3f}, {interval.high:.3f}], {nets} nets"
        return Verdict(
            word=word,
            reason=f"{evidence.what} {span} (bar {self.above:g}){finds}",
            number=Number(name=evidence.what, value=mean, low=interval.low, high=interval.high),
            n=nets,
            tables=evidence.tables,
            evidence={"rule": "R-SLOPE", "above": self.above, "low": interval.low, "high": interval.high},
        )
