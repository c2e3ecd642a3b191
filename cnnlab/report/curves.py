"""Accuracy over learning rates, drawn: every member at every rate, and the rate where members are read marked."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cnnlab.report import canvas
from cnnlab.spec.curve import Curve, reading, usual_rate

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FILLED = 0.84
"""Share of an arm's place that its rates take up."""
NEAR = 0.5
"""Of the axis: how near the lowest curve has to come to a guess for that to be drawn."""
FOOT = 0.03
"""Of the axis: where lost members stand."""
LETTER = 0.65
"""Width of a letter and its share of the space between names, of its size."""
KEY = "mean at each learning rate; filled: where most members are read, ring: where some are; crosses at the foot: lost"


@dataclass(frozen=True, kw_only=True)
class ArmCurve:
    """One arm's curve in a panel: the name below it, and the look of the arm in the rest of the figure."""

    name: str
    curve: Curve
    colour: str = canvas.BLUE
    marker: str = "o"


def strip(axes: "Axes", one: ArmCurve, middle: float, width: float) -> None:
    """Draw a curve around `middle`, in `width` units of the axis: rates ascend to the right, one factor 2 a step."""
    read = reading(one.curve)
    counts = [read.count(place) for place in range(len(one.curve))]
    most = counts.index(max(counts))
    step = FILLED * width / max(len(one.curve), 2)
    across = [middle + step * (place - (len(one.curve) - 1) / 2) for place in range(len(one.curve))]
    foot = axes.get_xaxis_transform()  # to scale, lost members would press all others together
    for x, at in zip(across, one.curve, strict=True):
        there = [100 * v for v, lost in zip(at.test_accuracy, at.diverged, strict=True) if not lost]
        axes.plot([x] * len(there), there, ".", color=one.colour, alpha=0.35, markersize=3.5, zorder=1)
        if gone := sum(at.diverged):
            crosses = [FOOT] * gone
            axes.plot([x] * gone, crosses, "x", color=one.colour, alpha=0.35, markersize=4.5, transform=foot, zorder=1)
    means = [100 * statistics.fmean(at.test_accuracy) for at in one.curve]
    look: Any = {"color": one.colour, "linewidth": 1, "zorder": 2}
    shown = [place for place, at in enumerate(one.curve) if counts[place] or 2 * sum(at.diverged) <= len(at.diverged)]
    axes.plot([across[place] for place in shown], [means[place] for place in shown], "-", **look)
    for place, (x, mean) in enumerate(zip(across, means, strict=True)):
        if counts[place]:
            filled = one.colour if place == most else "white"
            axes.plot([x], [mean], one.marker, color=one.colour, markerfacecolor=filled, markersize=5.5, zorder=3)


def panel(axes: "Axes", arms: Sequence[ArmCurve], chance: float | None = None, letters: float = 8) -> None:
    """Draw arms' curves side by side, each over its own rates, with name and rate of most members below.

    Args:
        chance: accuracy of a guess. letters: size of the names, in points.
    """
    canvas.tidy(axes)
    for place, one in enumerate(arms):
        strip(axes, one, place, 1.0)
    if chance is not None:
        chance_line(axes, chance)
    names = [f"{one.name}\n{rate(one.curve)}" for one in arms]
    longest = max((len(line) for name in names for line in name.splitlines()), default=0)
    room = 72 * axes.get_window_extent().width / axes.figure.dpi / (LETTER * letters)
    axes.set_xticks(range(len(arms)), names, fontsize=letters, rotation=90 if longest * len(arms) > room else 0)
    axes.set_xlim(-0.6, len(arms) - 0.4)
    axes.grid(visible=False, axis="x")
    axes.set_ylabel("test accuracy, %,\nat every learning rate", fontsize=9)


def chance_line(axes: "Axes", chance: float) -> None:
    """A line at a guess, where curves come near it: elsewhere it would press them together."""
    low, high = axes.get_ylim()
    if low - NEAR * (high - low) <= 100 * chance:
        axes.axhline(100 * chance, color="0.6", linewidth=0.8, linestyle=":")


def rate(curve: Curve) -> str:
    """The learning rate where most members are read, as short as it is exact to two digits: `.012`."""
    value = usual_rate(curve)
    text = f"{value:.2g}"
    return text.removeprefix("0") if math.isfinite(value) and text.startswith("0.") else text
