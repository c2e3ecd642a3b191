"""Even kernels on trial: what each kernel and padding costs, against how far it moves the windows off their outputs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cnnlab.geometry.fields import fields
from cnnlab.report import canvas
from cnnlab.report.figures import NAMES
from cnnlab.spec.arm import Arm
from cnnlab.spec.record import OWN
from cnnlab.spec.task import Task
from cnnlab.spec.verdict import Effect
from cnnlab.zoo.lowering import network
from experiments import judging
from experiments.pictures import Lacking
from experiments.view import Cell, View

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FEWEST = 3
"""Members below which an interval says nothing."""
APART = 0.06
"""Pixels between two matches of one arm, so that neither hides the other."""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """One arm on one task, under one match.

    Attributes:
        drift: pixels by which the window of the last map's first unit lies further to the right than the reference's.
        effect: the arm minus the reference; None for the reference itself.
    """

    level: str
    match: str
    drift: float
    effect: Effect | None

    @property
    def points(self) -> float:
        """The difference from the reference in points of accuracy."""
        return 0.0 if self.effect is None else 100 * self.effect.estimate


def figure(now: View) -> "Figure":
    """A panel a task: difference from the reference over drift. Raises Lacking."""
    found = marks(now)
    drawn, axes = canvas.canvas(title(now, found), width=max(8.0, 4.3 * len(found)), height=5.2, columns=len(found))
    levels = list(dict.fromkeys(mark.level for several in found.values() for mark in several))
    for panel, (task, several) in zip(axes[0], found.items(), strict=True):
        _panel(panel, several, levels)
        panel.set_title(now.named(task), fontsize=10)
    axes[0][0].set_ylabel("difference from the reference, points")
    drawn.supxlabel(
        "pixels by which the last map's windows lie beside those of the reference (exact)\n"
        "filled: same width; open: same number of parameters; bars: 95 % intervals, paired by seed",
        fontsize=9,
    )
    parts = [panel.get_legend_handles_labels() for panel in axes[0]]
    shown = {label: handle for handles, labels in parts for handle, label in zip(handles, labels, strict=True)}
    drawn.legend(list(shown.values()), list(shown), loc="outside right upper", frameon=False, fontsize=9)
    return drawn


def marks(now: View) -> dict[Task, tuple[Mark, ...]]:
    """Every arm that has run, by task. Raises Lacking."""
    own = {id(cell): effect for cell, effect in judging.pairwise(now) if effect.setting.condition == OWN}
    found = {}
    for task in now.tasks():
        reference = now.reference(task)
        ran = [cell for cell in now.cells if cell.point.arm.task == task and cell.records]
        if not ran:
            continue
        if reference is None or not reference.records:
            raise Lacking(f"the reference has no record on {now.label(task)}")
        middle = centre(reference.point.arm)
        found[task] = tuple(
            Mark(
                level=cell.point.level, match=cell.point.match, drift=centre(cell.point.arm) - middle,
                effect=None if cell.point.arm == reference.point.arm else _effect(own, cell),
            )
            for cell in ran
        )  # fmt: skip
    if not found:
        raise Lacking("no arm has a record")
    return found


def _effect(own: dict[int, Effect], cell: Cell) -> Effect:
    if id(cell) not in own:
        raise Lacking(f"{cell.point.arm.key} shares no member with the reference")
    return own[id(cell)]


def centre(arm: Arm) -> float:
    """Centre of the window that the last map's first unit looks at, in pixels along an axis.

    Where channel groups are padded towards different corners, it is the middle of all that any of them sees.
    """
    size = (arm.task.side, arm.task.side)
    net = network(arm.net, arm.task.side, arm.task.channels, arm.task.classes)
    field = fields(net, size)[net.features]
    low = field.padding[0]
    if field.rf is None or low is None:
        raise Lacking(f"the last map of {arm.key} has no windows of one size")
    return float((field.rf[0] - 1) / 2 - low)


def title(now: View, found: dict[Task, tuple[Mark, ...]]) -> str:
    """What is seen: the arm that drifts most on each task, and what its paddings without drift do."""
    lines = []
    for task, several in found.items():
        there = [mark for mark in several if mark.effect is not None and mark.match == "none"]
        if there:
            best, worst = (of(there, key=lambda mark: mark.points) for of in (max, min))
            lines.append(
                f"{now.named(task)}: from {worst.level} {worst.points:+.1f} to {best.level} {best.points:+.1f} points"
            )
    return "\n".join(lines) or "Only the reference has run"


def _panel(panel: "Axes", several: Sequence[Mark], levels: Sequence[str]) -> None:
    margins = {mark.effect.setting.margin for mark in several if mark.effect is not None}
    for margin in margins:
        panel.axhspan(-100 * margin, 100 * margin, color="0.93", zorder=0)
    panel.axhline(0, color="0.6", linewidth=1)
    for mark in several:
        place = levels.index(mark.level)
        colour, marker, matched = canvas.SERIES[place], canvas.MARKERS[place], mark.match != "none"
        across = mark.drift + APART * matched
        if mark.effect is not None and mark.effect.n >= FEWEST:
            interval = mark.effect.interval95
            panel.plot([across] * 2, [100 * interval.low, 100 * interval.high], color=colour, linewidth=1.5)
        label = mark.level if not matched else f"{mark.level}, {NAMES[mark.match]}"
        panel.plot(
            across, mark.points, marker, color=colour, markerfacecolor="white" if matched else colour, markersize=8,
            label=label, linestyle="none",
        )  # fmt: skip
