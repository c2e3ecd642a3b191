"""Figures for a reader who has not seen the code."""

import itertools
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cnnlab.inference.effects import CALIBRATION
from cnnlab.inference.intervals import paired_t
from cnnlab.report.canvas import bars
from cnnlab.report.curves import KEY, ArmCurve, chance_line, strip
from cnnlab.spec.curve import Curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {"none": "#0072b2", "macs": "#d55e00", "params": "#009e73"}
"""Okabe and Ito's palette, told apart by colour-blind readers; markers differ too."""
MARKERS = {"none": "o", "macs": "D", "params": "s"}
LETTERS = 110
"""That fit side by side below all panels together."""
INCH = 13.5
"""Letters of nine points that fit into an inch."""
NAMES = {"none": "same width", "macs": "same compute (multiply-accumulates)", "params": "same parameters"}


WIDTH = 10.0
"""Inches of all panels together: shown as wide as a page of text, ten points are still read."""
LABELS = 1.2
"""Inches that the labels of axes take up beside the panels."""
LEAST = 1.3
"""How far an axis of ratios reaches at least."""
PLACE = 0.84
"""Share of a level's place that its arms take up, side by side."""
NOTE = (
    "{factor}\n"
    "above, at every learning rate, a factor 2 a step: {key}\n"
    "below: above x1 more errors than the reference (star); inside the grey band no difference that matters"
)
TICKS = (0.1, 0.2, 0.33, 0.5, 0.67, 0.8, 1, 1.25, 1.5, 2, 3, 5, 10, 20, 50, 100)
"""Where an axis of ratios may have ticks."""


@dataclass(frozen=True, kw_only=True)
class ArmDot:
    """One arm in a figure.

    Attributes:
        level: of the factor, as the axis names it. match: `none`, `macs` or `params`.
        members: test accuracy of every member where it is read, fractions.
        curve: every member at every learning rate.
        ratio: errors of the arm over those of the reference, with its 95 % interval; None for the reference itself.
    """

    level: str
    match: str
    members: tuple[float, ...]
    curve: Curve
    ratio: tuple[float, float, float] | None


@dataclass(frozen=True, kw_only=True)
class TaskPanel:
    """One task's column of a figure: its title, the margin (a ratio) and the dots, in the order of the axis."""

    title: str
    margin: float
    chance: float
    dots: tuple[ArmDot, ...]


def sweep(panels: Sequence[TaskPanel], *, title: str, factor: str, reference: str) -> "Figure":
    """Draw every arm's curve over learning rates, its members where they are read, and its errors as a multiple.

    One column a task, from above to below.
    """
    from matplotlib.figure import Figure

    arms = max(len(panel.dots) for panel in panels)
    wide = max(7.5, min(5.2 * len(panels), WIDTH), 0.3 * arms * len(panels)) + 0.6
    figure = Figure(figsize=(wide, 9.6), layout="constrained")
    axes = figure.subplots(3, len(panels), squeeze=False, height_ratios=[0.8, 1, 1.1], sharex="col")
    for column, panel in enumerate(panels):
        _curves(axes[0][column], panel, (wide - LABELS) / len(panels))
        _members(axes[1][column], panel)
        _ratios(axes[2][column], panel)
    axes[0][0].set_ylabel("test accuracy, %,\nat every learning rate")
    axes[1][0].set_ylabel("test accuracy, %, where read\n(large: mean, 95 % interval)")
    axes[2][0].set_ylabel(f"errors, as a multiple of {reference}'s\n(paired by seed, 95 % interval)")
    handles, labels = axes[1][0].get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=3,
        frameon=False,
        title=_filled(NOTE.format(key=KEY, factor=factor), wide),
        title_fontsize=9,
    )
    figure.suptitle(title, fontsize=12, fontweight="bold")
    return figure


def ratio_axis(axes: "Axes", margin: float | None) -> None:
    """Make the vertical axis one of ratios of errors: logarithmic, with a line at 1 and a band inside the margin.

    `margin` is None where margins differ, and are drawn by whoever calls.
    """
    from matplotlib.ticker import NullFormatter

    axes.set_yscale("log")
    if margin is not None:
        axes.axhspan(1 / margin, margin, color="0.9", zorder=0)
    axes.axhline(1, color="0.4", linewidth=0.8, zorder=1)
    low, high = axes.get_ylim()
    least = LEAST if margin is None else margin**2
    low, high = min(low, 1 / least), max(high, least)
    axes.set_ylim(low, high)
    ticks = [tick for tick in TICKS if low <= tick <= high]
    if high / low > 30:
        ticks = [tick for tick in ticks if tick in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)]
    axes.set_yticks(ticks, [f"x{tick:g}" for tick in ticks])
    axes.yaxis.set_minor_formatter(NullFormatter())


def _places(panel: TaskPanel) -> tuple[list[str], dict[str, float]]:
    """Levels in order, and how far each match stands beside its level."""
    levels = list(dict.fromkeys(dot.level for dot in panel.dots))
    matches = list(dict.fromkeys(dot.match for dot in panel.dots))
    spread = PLACE / len(matches)
    return levels, {match: (place - (len(matches) - 1) / 2) * spread for place, match in enumerate(matches)}


def _members(axes: "Axes", panel: TaskPanel) -> None:
    levels, beside = _places(panel)
    named = set()
    for dot in panel.dots:
        x = levels.index(dot.level) + beside[dot.match]
        colour, marker = COLOURS[dot.match], MARKERS[dot.match]
        percent = [100 * value for value in dot.members]
        shift = [x + 0.05 * ((member % 5) - 2) / 2 for member in range(len(percent))]
        axes.plot(shift, percent, marker, color=colour, alpha=0.25, markersize=3.5, linestyle="none", zorder=1)
        mean = sum(percent) / len(percent)
        interval = paired_t(np.asarray(dot.members), 0.95, CALIBRATION)
        label = NAMES[dot.match] if dot.match not in named else None
        named.add(dot.match)
        error = bars(mean, 100 * interval.low, 100 * interval.high) if len(percent) > 2 else None
        axes.errorbar(
            [x],
            [mean],
            yerr=error,
            fmt=marker,
            color=colour,
            markersize=7,
            capsize=3,
            label=label,
            zorder=3,
            markeredgecolor="white",
        )
    _finish(axes, levels)


def _filled(text: str, wide: float) -> str:
    """Lines of nine points broken where they would be longer than so many inches."""
    return "\n".join(textwrap.fill(line, int(INCH * wide)) for line in text.splitlines())


def _curves(axes: "Axes", panel: TaskPanel, wide: float) -> None:
    levels, beside = _places(panel)
    width = PLACE / len(beside)
    for dot in panel.dots:
        one = ArmCurve(name=dot.level, curve=dot.curve, colour=COLOURS[dot.match], marker=MARKERS[dot.match])
        strip(axes, one, levels.index(dot.level) + beside[dot.match], width)
    chance_line(axes, panel.chance)
    axes.set_title(_filled(panel.title, wide), fontsize=9)
    _finish(axes, levels)


def _ratios(axes: "Axes", panel: TaskPanel) -> None:
    levels, beside = _places(panel)
    for dot in panel.dots:
        x = levels.index(dot.level) + beside[dot.match]
        if dot.ratio is None:
            axes.plot([x], [1], "*", color="0.2", markersize=11, zorder=3)
            continue
        middle, low, high = dot.ratio
        known = len(dot.members) > 2 and low > 0 and np.isfinite(high)
        axes.errorbar(
            [x],
            [middle],
            yerr=bars(middle, low, high) if known else None,
            fmt=MARKERS[dot.match],
            color=COLOURS[dot.match],
            markersize=7,
            capsize=3,
            zorder=3,
            markeredgecolor="white",
        )
    ratio_axis(axes, panel.margin)
    _finish(axes, levels)


def _finish(axes: "Axes", levels: Sequence[str]) -> None:
    shown = [level.strip("[]").replace(",", ", ") for level in levels]
    grid = axes.get_gridspec()
    room = LETTERS / (1 if grid is None else grid.ncols) / len(shown)
    crowded = any((len(one) + len(other)) / 2 + 1 > room for one, other in itertools.pairwise(shown))
    axes.set_xticks(range(len(levels)), shown, rotation=35 if crowded else 0, ha="right" if crowded else "center")
    axes.grid(axis="y", color="0.92")
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
