"""How numbers read in a reason line."""

import math
from collections.abc import Iterable

from cnnlab.spec.verdict import Effect, Setting

CALLS = {"pos": "Pos", "neg": "Neg", "null": "Null", "open": "open"}


def amount(value: float, setting: Setting, *, signed: bool = True) -> str:
    """Write a difference of the setting's metric: accuracies in percentage points, anything else as it is."""
    sign = "+" if signed else ""
    if not math.isfinite(value):
        return "unknown" if math.isnan(value) else f"{value:{sign}}"
    if setting.metric.endswith("accuracy"):
        return f"{100 * value:{sign}.2f} pp"
    return f"{value:{sign}.3g}"


def describe(effect: Effect) -> str:
    """Write one effect: task, estimate, the interval that decides, call and n."""
    at, interval = effect.setting, effect.decision
    low, high = amount(interval.low, at), amount(interval.high, at)
    span = f"{100 * interval.level:.0f} % {interval.kind} [{low}, {high}]"
    few = f", {effect.reason}" if effect.reason.startswith("too few") else ""
    return f"{at.task} {amount(effect.estimate, at)} {span} {CALLS[effect.call]}, n={effect.n}{few}"


def smallest(found: Iterable[tuple[Effect, float]], what: str = "effect") -> str:
    """Write what each task could have shown: (effect, the smallest that its n finds with power .8)."""
    sizes = ", ".join(
        f"{effect.setting.task} {amount(size, effect.setting, signed=False) if math.isfinite(size) else 'none'}"
        for effect, size in found
    )
    return f"smallest {what} found with power .8: {sizes}"


def listed(effects: tuple[Effect, ...]) -> str:
    """Write several effects in one line."""
    return "; ".join(describe(effect) for effect in effects)
