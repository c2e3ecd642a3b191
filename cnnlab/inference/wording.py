"""How numbers read in a reason line."""

import math
from collections.abc import Iterable

from cnnlab.spec.verdict import Effect, Interval, Setting

CALLS = {"pos": "Pos", "neg": "Neg", "null": "Null", "open": "open"}


def amount(value: float, setting: Setting, *, signed: bool = True) -> str:
    """Write a difference of the setting's metric: an error ratio as times, accuracies in points, else as it is."""
    sign = "+" if signed else ""
    if not math.isfinite(value):
        return "unknown" if math.isnan(value) else f"{value:{sign}}"
    if setting.ratio:
        return f"x{times(value)}"
    if setting.metric.endswith("accuracy"):
        return f"{100 * value:{sign}.2f} pp"
    return f"{value:{sign}.3g}"


def times(log_ratio: float) -> str:
    """Write a ratio of errors from its log, to two decimals; three digits where it is large; 0 and inf as they are."""
    try:
        ratio = math.exp(log_ratio)
    except OverflowError:
        return "inf"
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:.3g}"


def measured(effect: Effect) -> str:
    """Write estimate and 95 % interval, the points beside an error ratio, n, and what limits the call or the ratio."""
    at, span = effect.setting, effect.interval95
    few = f", {effect.reason}" if effect.reason.startswith(("too few", "both at chance")) else ""
    few += ", ratio capped by chance" if "at chance" in effect.note else ""
    points = "" if effect.points is None else f" ({100 * effect.points:+.1f} pp)"
    errors = " times the errors" if at.ratio else ""
    return f"{amount(effect.estimate, at)} {interval(span, at)}{errors}{points}, n={effect.n}{few}"


def interval(span: Interval, at: Setting) -> str:
    """Write an interval, naming its kind unless it is Student's."""
    kind = "" if span.kind == "paired t" else f"{span.kind} "
    ends = (times(end) if at.ratio else amount(end, at) for end in (span.low, span.high))
    return f"{kind}[{', '.join(ends)}]"


def describe(effect: Effect) -> str:
    """Write one effect: task, call, estimate, 95 % interval and n."""
    return f"{effect.setting.task} {CALLS[effect.call]} {measured(effect)}"


def smallest(found: Iterable[tuple[Effect, float]], what: str = "effect") -> str:
    """Write what each task could have shown: (effect, the smallest that its n finds with power .8)."""
    sizes = ", ".join(
        f"{effect.setting.task} {amount(size, effect.setting, signed=False) if math.isfinite(size) else 'none'}"
        for effect, size in found
    )
    return f"smallest {what} found with power .8: {sizes}"


def listed(effects: tuple[Effect, ...]) -> str:
    """Write several effects in one line."""
    return "; ".join(map(describe, effects))
