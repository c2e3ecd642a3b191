"""Effects as a reader meets them: how many times as many errors, with its interval, and the points beside it."""

import math
from dataclasses import dataclass

from cnnlab.inference.wording import amount, interval, times
from cnnlab.spec.verdict import Effect

FEWEST_FOR_INTERVAL = 3
"""Members below which no interval is shown: that of two is wider than the scale."""


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """How many times as many errors: above 1 are more. Ends are 0 and infinite where the interval has no bound."""

    middle: float
    low: float
    high: float

    @property
    def printed(self) -> str:
        """`x1.40 [1.22, 1.61]`; without the interval where it has no bound."""
        if math.isnan(self.middle):
            return ""
        middle, low, high = (times(math.log(one)) if one else "0" for one in (self.middle, self.low, self.high))
        bounded = self.low > 0 and math.isfinite(self.high)
        return f"x{middle} [{low}, {high}]" if bounded else f"x{middle}"


def errors_of_worse(effect: Effect) -> Ratio:
    """The worse side's errors over the better side's: above 1 where the better side wins."""
    span = effect.interval95
    return Ratio(middle=_exp(effect.estimate), low=_exp(span.low), high=_exp(span.high))


def errors_of_better(effect: Effect) -> Ratio:
    """The better side's errors over the worse side's: an arm's over the reference's, whose effect is arm minus it."""
    span = effect.interval95
    return Ratio(middle=_exp(-effect.estimate), low=_exp(-span.high), high=_exp(-span.low))


def points(effect: Effect) -> str:
    """Mean difference of accuracy, better minus worse: `-3.1 pp`; empty for what is no accuracy."""
    return "" if effect.points is None or math.isnan(effect.points) else f"{100 * effect.points:+.1f} pp"


def size(effect: Effect) -> str:
    """How large an effect is, in the unit of its metric: a ratio of errors, points of a share, or the plain number."""
    at = effect.setting
    if at.ratio:
        return errors_of_worse(effect).printed
    known = effect.n >= FEWEST_FOR_INTERVAL and math.isfinite(effect.interval95.low)
    span = f" {interval(effect.interval95, at)}" if known else ""
    return f"{at.quantity} {amount(effect.estimate, at)}{span}"


def _exp(log: float) -> float:
    try:
        return math.exp(log)
    except OverflowError:
        return math.inf
