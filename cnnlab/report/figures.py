"""Figures for a reader who has not seen the code."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cnnlab.report import canvas
from cnnlab.spec.verdict import Effect

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {"none": "#0072b2", "macs": "#d55e00", "params": "#009e73"}
"""Okabe and Ito's palette, told apart by colour-blind readers; markers differ too."""
MARKERS = {"none": "o", "macs": "D", "params": "s"}
CROWDED = 48
"""Letters that fit side by side below a panel."""
NAMES = {"none": "same width", "macs": "same compute (multiply-accumulates)", "params": "same parameters"}


@dataclass(frozen=True, kw_only=True)
class ArmDot:
    """One arm in a figure.

    Attributes:
        level: of the factor, as the axis names it. match: `none`, `macs` or `params`.
        members: test accuracy of every member, fractions.
        effect: the arm minus the reference; None for the reference itself.
    """

    level: str
    match: str
    members: tuple[float, ...]
    effect: Effect | None


@dataclass(frozen=True, kw_only=True)
class TaskPanel:
    """One task's column of a figure: its title, the margin (a fraction) and the dots, in the order of the axis."""

    title: str
    margin: float
    chance: float
    dots: tuple[ArmDot, ...]


def sweep(panels: Sequence[TaskPanel], *, title: str, factor: str, reference: str, path: Path) -> None:
    """Draw every arm's members above, and its paired difference from the reference below; one column a task.

    Writes PNG, or whatever the suffix of `path` says.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(max(7.5, 5.2 * len(panels) + 0.6), 7.6), layout="constrained")
    axes = figure.subplots(2, len(panels), squeeze=False, height_ratios=[1, 1], sharex="col")
    for column, panel in enumerate(panels):
        _members(axes[0][column], panel)
        _effects(axes[1][column], panel, reference)
        axes[1][column].set_xlabel(factor)
    axes[0][0].set_ylabel("test accuracy, %\n(small: members; large: mean, 95 % interval)")
    axes[1][0].set_ylabel(f"difference from {reference}, points\n(paired by seed, 95 % interval)")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    figure.suptitle(title, fontsize=12, fontweight="bold")
    canvas.save(figure, path)


def _places(panel: TaskPanel) -> tuple[list[str], dict[str, float]]:
    """Levels in order, and how far each match stands beside its level."""
    levels = list(dict.fromkeys(dot.level for dot in panel.dots))
    matches = list(dict.fromkeys(dot.match for dot in panel.dots))
    spread = 0.26 if len(matches) > 1 else 0.0
    return levels, {match: (place - (len(matches) - 1) / 2) * spread for place, match in enumerate(matches)}


def _members(axes: "Axes", panel: TaskPanel) -> None:
    from cnnlab.inference.intervals import paired_t

    levels, beside = _places(panel)
    named = set()
    for dot in panel.dots:
        x = levels.index(dot.level) + beside[dot.match]
        colour, marker = COLOURS[dot.match], MARKERS[dot.match]
        percent = [100 * value for value in dot.members]
        shift = [x + 0.05 * ((member % 5) - 2) / 2 for member in range(len(percent))]
        axes.plot(shift, percent, marker, color=colour, alpha=0.25, markersize=3.5, linestyle="none", zorder=1)
        mean = sum(percent) / len(percent)
        interval = paired_t(np.asarray(dot.members), 0.95)
        label = NAMES[dot.match] if dot.match not in named else None
        named.add(dot.match)
        error = [[mean - 100 * interval.low], [100 * interval.high - mean]] if len(percent) > 2 else None
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
    axes.axhline(100 * panel.chance, color="0.6", linewidth=0.8, linestyle=":")
    axes.set_title(panel.title, fontsize=10.5)
    _finish(axes, levels)


def _effects(axes: "Axes", panel: TaskPanel, reference: str) -> None:
    levels, beside = _places(panel)
    margin = 100 * panel.margin
    axes.axhspan(-margin, margin, color="0.9", zorder=0)
    axes.axhline(0, color="0.4", linewidth=0.8, zorder=1)
    for dot in panel.dots:
        x = levels.index(dot.level) + beside[dot.match]
        if dot.effect is None:
            axes.plot([x], [0], "*", color="0.2", markersize=11, zorder=3)
            continue
        mean, interval = 100 * dot.effect.estimate, dot.effect.interval95
        known = dot.effect.n > 2
        error = [[mean - 100 * interval.low], [100 * interval.high - mean]] if known else None
        axes.errorbar(
            [x],
            [mean],
            yerr=error,
            fmt=MARKERS[dot.match],
            color=COLOURS[dot.match],
            markersize=7,
            capsize=3,
            zorder=3,
            markeredgecolor="white",
        )
    note = f"$\\bigstar$ reference {reference}; differences inside the grey band do not matter"
    axes.set_title(note, fontsize=8.5, color="0.3", loc="left")
    _finish(axes, levels)


def _finish(axes: "Axes", levels: Sequence[str]) -> None:
    shown = [level.strip("[]").replace(",", ", ") for level in levels]
    crowded = sum(map(len, shown)) > CROWDED
    axes.set_xticks(range(len(levels)), shown, rotation=35 if crowded else 0, ha="right" if crowded else "center")
    axes.grid(axis="y", color="0.92")
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
