"""Even kernels on trial: what each kernel and padding costs, against how far it moves the windows off their outputs."""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cnnlab.geometry.fields import fields
from cnnlab.modules.graph import zoo_network
from cnnlab.report import canvas, curves
from cnnlab.report.figures import NAMES, ratio_axis
from cnnlab.spec.arm import Arm
from cnnlab.spec.task import Task
from cnnlab.spec.verdict import Effect
from experiments.analysis.results import ArmResults, SweepResults
from experiments.reports.figures import FEWEST, LackingRecordsError, against_reference, curve, ran
from experiments.reports.ratios import Ratio, errors_of_better

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

APART = 0.02
"""Share of the axis between neighbouring marks of one drift, so that none hides another."""


LETTERS = 84
"""Of a line of the title."""


@dataclass(frozen=True, kw_only=True)
class DriftPoint:
    """One arm on one task, under one match.

    Attributes:
        drift: pixels by which the window of the last map's first unit lies further right and down than the reference's.
        effect: the arm minus the reference; None for the reference itself. cell: the arm.
    """

    cell: ArmResults

    level: str
    match: str
    drift: float
    effect: Effect | None

    @property
    def ratio(self) -> Ratio:
        """Errors as a multiple of the reference's."""
        return Ratio(middle=1.0, low=1.0, high=1.0) if self.effect is None else errors_of_better(self.effect)


def figure(now: SweepResults) -> "Figure":
    """A row a task: errors over drift, and beside the curves over learning rates. Raises LackingRecordsError."""
    found = marks(now)
    lines = title(now, found)
    tall = 3.4 * len(found) + 1.5 + 0.25 * lines.count("\n")
    drawn, axes = canvas.canvas(lines, width=11, height=tall, rows=len(found), columns=2)
    kinds = list(dict.fromkeys((mark.level, mark.match) for several in found.values() for mark in several))
    levels = list(dict.fromkeys(level for level, _ in kinds))
    for (panel, beside), (task, several) in zip(axes, found.items(), strict=True):
        _panel(panel, several, kinds)
        panel.set_title(now.named(task), fontsize=10)
        panel.set_ylabel("errors, as a multiple\nof the reference's")
        shown = [curve(mark.cell, named(mark), levels.index(mark.level)) for mark in several]
        curves.panel(beside, shown, task.chance)
    axes[-1][0].set_xlabel("drift of the last map's windows in pixels")
    drawn.supxlabel(
        "left: drift right and down is exact, beside the reference; of windows padded towards four corners the "
        "middle; neighbours are moved apart;\nfilled: same width; open: same number of parameters; "
        f"bars: 95 % intervals; grey: too small to matter\nright: {curves.KEY};\nunder the name its rate",
        fontsize=8.5,
    )
    canvas.legend(drawn, axes[:, 0], "outside right center")
    return drawn


def marks(now: SweepResults) -> dict[Task, tuple[DriftPoint, ...]]:
    """Every arm that has run, by task. Raises LackingRecordsError."""
    own = against_reference(now)
    found = {}
    for task in now.tasks():
        reference = now.reference(task)
        cells = ran(now, task)
        if not cells:
            continue
        if reference is None or reference.record is None:
            raise LackingRecordsError(f"the reference has no record on {now.label(task)}")
        middle = centre(reference.point.arm)
        found[task] = tuple(
            DriftPoint(
                cell=cell,
                level=cell.point.level,
                match=cell.point.match,
                drift=centre(cell.point.arm) - middle,
                effect=None if cell.point.arm == reference.point.arm else own[id(cell)],
            )
            for cell in cells
            if cell.point.arm == reference.point.arm or own[id(cell)].n
        )
    if not found:
        raise LackingRecordsError("no arm has a record")
    return found


def centre(arm: Arm) -> float:
    """Centre of the window that the last map's first unit looks at, in pixels along an axis.

    Where channel groups are padded towards different corners, it is the middle of all that any of them sees.
    """
    size = (arm.task.side, arm.task.side)
    net = zoo_network(arm.net, arm.task.side, arm.task.channels, arm.task.classes)
    field = fields(net, size)[net.features]
    low = field.padding[0]
    if field.rf is None or low is None:
        raise LackingRecordsError(f"the last map of {arm.key} has no windows of one size")
    return float((field.rf[0] - 1) / 2 - low)


def title(now: SweepResults, found: dict[Task, tuple[DriftPoint, ...]]) -> str:
    """What is seen: every arm's errors, at equal parameters where that was run, beside its drift."""
    lines = []
    for task, several in found.items():
        marks_ = {mark.level: mark for mark in sorted(several, key=lambda mark: mark.match != "none")}
        shown = [mark for mark in marks_.values() if mark.effect is not None]
        if shown:
            parts = ", ".join(f"{mark.level} x{mark.ratio.middle:.2f} ({mark.drift:+g} px)" for mark in shown)
            lines += textwrap.wrap(f"{now.named(task)}, times the errors: {parts}", LETTERS)
    return "\n".join(lines) or "Only the reference has run"


def _panel(panel: "Axes", several: Sequence[DriftPoint], kinds: Sequence[tuple[str, str]]) -> None:
    levels = list(dict.fromkeys(level for level, _ in kinds))
    apart = APART * max(1.0, max(mark.drift for mark in several) - min(mark.drift for mark in several))
    for mark in several:
        colour, marker = canvas.style(levels.index(mark.level))
        matched = mark.match != "none"
        across = mark.drift + apart * (kinds.index((mark.level, mark.match)) - len(kinds) / 2)
        if mark.effect is not None and mark.effect.n >= FEWEST:
            panel.plot([across] * 2, [mark.ratio.low, mark.ratio.high], color=colour, linewidth=1.5)
        panel.plot(
            across,
            mark.ratio.middle,
            marker,
            color=colour,
            markerfacecolor="none" if matched else colour,
            markersize=8,
            label=f"{mark.level}, {NAMES[mark.match]}" if matched else mark.level,
            linestyle="none",
        )
    margins = [mark.effect.setting.margin for mark in several if mark.effect is not None]
    ratio_axis(panel, math.exp(max(margins, default=0.0)))


def named(mark: DriftPoint) -> str:
    """A mark below its curve."""
    return mark.level if mark.match == "none" else f"{mark.level}\nsame {mark.match}"
