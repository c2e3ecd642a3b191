"""R-COST: one way is slower than another by a stated ratio."""

from dataclasses import dataclass

from cnnlab.inference.intervals import ratio_of_medians
from cnnlab.inference.rules.contract import Decisions, PValues, held_back
from cnnlab.spec.verdict import Verdict

SAME = (0.95, 1.05)


@dataclass(frozen=True, kw_only=True)
class Timings:
    """Seconds of interleaved rounds, warmed up: entry i of both sides was measured in round i.

    Attributes:
        dear, cheap: the side the claim calls slower, and the other. what: one phrase naming both.
        caps: why the ratio may not be read (see `Trained`).
    """

    dear: tuple[float, ...]
    cheap: tuple[float, ...]
    what: str
    caps: tuple[str, ...] = ()


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
        reason = f"{evidence.what}: ratio of medians 95 % [{interval.low:.3f}, {interval.high:.3f}], {rounds} rounds"
        numbers = {"rule": "R-COST", "ratio": self.ratio, "low": interval.low, "high": interval.high, "rounds": rounds}
        if interval.low > self.ratio:
            return Verdict(word="supported", reason=reason, evidence=numbers)
        if interval.inside(*SAME):
            return Verdict(word="refuted", reason=f"no difference, {reason}", evidence=numbers)
        if interval.high < 1:
            return Verdict(word="refuted", reason=f"reversed, {reason}", evidence=numbers)
        return Verdict(word="inconclusive", reason=reason, evidence=numbers)
