"""R-POW2: whether a width that is a power of two is faster than its other divisors explain."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from cnnlab.inference.rules.contract import Decisions, PValues, held_back
from cnnlab.inference.rules.cost import Timings
from cnnlab.spec.invalid import require
from cnnlab.spec.verdict import Number, Scalar, Table, Verdict, Word

DIVISORS = (8, 16, 32, 64)


@dataclass(frozen=True, kw_only=True)
class PowersOfTwo:
    """R-POW2(gain): supported if powers of two are faster by more than `gain` beyond being multiples of 8, 16 and 32.

    The log of time per multiply-accumulate is regressed on indicators of {power of two, %8, %16, %32} and on a
    quadratic trend in log2 of the width (small widths are slower whatever divides them, and powers of two crowd
    there); supported if the 95 % interval of the power-of-two coefficient lies wholly below -log(gain). Refuted if,
    with %64 in the regression too, its 90 % interval lies inside +-log(gain) (R-EQ). Where both hold, the gain belongs
    to multiples of 64, so the claim is refuted. Fewer than `fewest` rounds are inconclusive.

    The evidence is a mapping from the width (as text) to its timings: `dear` is that width, `cheap` the same reference
    width in every cell and round, `counted` the ratio of their multiply-accumulates.
    """

    gain: float = 1.05
    fewest: int = 30

    def p_values(self, evidence: Mapping[str, Timings]) -> PValues | None:
        """Give nothing: outside the directional family."""
        return None

    def conclude(self, evidence: Mapping[str, Timings], decisions: Decisions) -> Verdict:
        """Give the verdict. Raises InvalidError for widths too few to tell the indicators apart."""
        first = next(iter(evidence.values()))
        if first.caps:
            return held_back(first.caps)
        rounds = len(first.dear)
        if rounds < self.fewest:
            return Verdict(word="inconclusive", reason=f"{rounds} rounds, at least {self.fewest} needed")
        widths, speed = seconds_per_mac(evidence)
        plain, given64 = (power_of_two(widths, np.log(speed), divisors) for divisors in (DIVISORS[:3], DIVISORS))
        word = self._word(plain, given64)
        where = f" on {first.device}" if first.device else ""
        shown = given64 if word == "refuted" else plain
        low, high = shown.interval(0.90 if word == "refuted" else 0.95)
        return Verdict(
            word=word,
            reason=(
                f"{first.what}: a power of two changes the time per multiply-accumulate by {plain.printed(0.95)} "
                f"beyond multiples of 8, 16 and 32, and by {given64.printed(0.90)} beyond multiples of 64; "
                f"{len(widths)} widths, {rounds} rounds{where}"
            ),
            nearest_true=divisors_say(widths, speed) if word == "refuted" else None,
            number=Number(
                name="time of a power of two",
                value=percent(shown.middle),
                low=percent(low),
                high=percent(high),
                unit="%",
            ),
            n=len(widths),
            tables=(_table(plain, given64),),
            evidence={
                "rule": "R-POW2",
                "gain": self.gain,
                "widths": len(widths),
                "rounds": rounds,
                "device": first.device,
            },
        )

    def _word(self, plain: "Coefficient", given64: "Coefficient") -> Word:
        low, high = given64.interval(0.90)
        if -math.log(self.gain) < low and high < math.log(self.gain):
            return "refuted"
        return "supported" if plain.interval(0.95)[1] < -math.log(self.gain) else "inconclusive"


@dataclass(frozen=True, kw_only=True)
class Coefficient:
    """A coefficient of an ordinary least-squares fit, in log units: estimate, standard error, degrees of freedom."""

    middle: float
    error: float
    freedom: int

    def interval(self, level: float) -> tuple[float, float]:
        """Student's t interval of the coefficient."""
        half = float(scipy.stats.t.ppf((1 + level) / 2, self.freedom)) * self.error
        return self.middle - half, self.middle + half

    def printed(self, level: float) -> str:
        """The change of time in per cent, with its interval."""
        low, high = self.interval(level)
        span = f"[{percent(low):+.1f}, {percent(high):+.1f}]"
        return f"{percent(self.middle):+.1f} %, {100 * level:.0f} % {span}"


def seconds_per_mac(cells: Mapping[str, Timings]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Widths, ascending, and the time of each per multiply-accumulate, relative to the reference width's.

    Each round is divided by the reference of that round, so that drift of the machine cancels.
    """
    widths = np.array(sorted(int(cell) for cell in cells))
    speed = []
    for width in widths:
        timings = cells[str(width)]
        require(timings.counted is not None, "counted", None, f"the ratio of multiply-accumulates of width {width}")
        ratios = np.asarray(timings.dear) / np.asarray(timings.cheap)
        speed.append(float(np.median(ratios)) / float(timings.counted or 1.0))
    return widths, np.array(speed)


def power_of_two(
    widths: NDArray[np.int64], values: NDArray[np.float64], divisors: tuple[int, ...] = DIVISORS
) -> Coefficient:
    """Partial coefficient of being a power of two, given the divisors and a quadratic trend in log2 of the width.

    Raises InvalidError where the widths cannot tell the indicators apart.
    """
    trend = np.log2(widths)
    columns = [is_power_of_two(widths), np.ones(len(widths)), trend, trend**2, *(widths % d == 0 for d in divisors)]
    design = np.stack(columns, axis=1).astype(float)
    freedom = len(widths) - design.shape[1]
    apart = freedom > 0 and np.linalg.matrix_rank(design) == design.shape[1]
    require(bool(apart), "widths", f"{len(widths)} of them", "more widths, so that the divisors can be told apart")
    solution, *_ = np.linalg.lstsq(design, values, rcond=None)
    residual = values - design @ solution
    covariance = np.linalg.inv(design.T @ design) * float(residual @ residual) / freedom
    return Coefficient(middle=float(solution[0]), error=float(np.sqrt(covariance[0, 0])), freedom=freedom)


def is_power_of_two(widths: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each width is 1, 2, 4, 8, ..."""
    powers: NDArray[np.bool_] = (widths & (widths - 1)) == 0
    return powers


def divisors_say(widths: NDArray[np.int64], speed: NDArray[np.float64]) -> str:
    """Say what divisibility does instead: median time per multiply-accumulate against widths that 8 does not divide."""
    odd = float(np.median(speed[widths % 8 != 0]))
    changes = {divisor: 100 * (float(np.median(speed[widths % divisor == 0])) / odd - 1) for divisor in (8, 64)}
    found = [f"{change:+.0f} % for multiples of {divisor}" for divisor, change in changes.items()]
    return f"time per multiply-accumulate, against widths that 8 does not divide: {', '.join(found)}"


def percent(log_ratio: float) -> float:
    """The change in per cent that a log ratio stands for."""
    return 100 * math.expm1(log_ratio)


def _table(plain: Coefficient, given64: Coefficient) -> Table:
    rows = list[tuple[Scalar, ...]]()
    for given, found, level in (("8, 16, 32", plain, 0.95), ("8, 16, 32, 64", given64, 0.90)):
        numbers = (float(f"{percent(value):.3g}") for value in (found.middle, *found.interval(level)))
        rows.append((given, *numbers, f"{level:.0%}"))
    return Table(
        title="Change of time per multiply-accumulate at a power of two, %",
        columns=("given multiples of", "change", "low", "high", "level"),
        rows=tuple(rows),
    )
