"""The phase diagram of pool position: accuracy by the places of the first and of the second pool."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cnnlab.report import canvas
from cnnlab.report.curves import ArmCurve, rate, strip
from cnnlab.report.figures import NAMES
from cnnlab.spec.net import ConvNet
from cnnlab.spec.task import Task
from cnnlab.spec.verdict import Effect
from experiments.analysis.results import ArmResults, SweepResults
from experiments.reports.figures import FEWEST, LackingRecordsError, against_reference, curve
from experiments.reports.ratios import errors_of_better

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Place = tuple[int, int]
"""After which convolution the first pool stands, and after which the second; 0 is the image."""


@dataclass(frozen=True, kw_only=True)
class Square:
    """One arm in the map.

    Attributes:
        accuracy: mean over members where they are read, in %. effect: the arm minus the reference; None for the
            reference itself. field: receptive field of the last map in pixels, along one axis.
        curve: test accuracies at every learning rate.
    """

    accuracy: float
    effect: Effect | None
    field: int
    curve: ArmCurve

    @property
    def lines(self) -> tuple[str, ...]:
        """The square in words: accuracy, errors as a multiple of the reference's with the interval, field, rate."""
        last = f"field {self.field}, rate {rate(self.curve.curve)}"
        if self.effect is None:
            return f"{self.accuracy:.1f} %", "reference", last
        ratio = errors_of_better(self.effect).printed
        middle, _, span = ratio.partition(" ")
        return f"{self.accuracy:.1f} %", middle, *((span,) if span and self.effect.n >= FEWEST else ()), last


@dataclass(frozen=True, kw_only=True)
class PlacementPanel:
    """One panel: a task and a match, and a square for every placement that has run."""

    task: Task
    match: str
    squares: Mapping[Place, Square]


def figure(now: SweepResults) -> "Figure":
    """A map for each task and match, two side by side. Raises LackingRecordsError."""
    found = maps(now)
    columns = min(2, len(found))
    rows = -(-len(found) // columns)
    drawn, axes = canvas.canvas(
        title(now, found), width=max(8.0, 5.0 * columns), height=4.9 * rows + 1.3, rows=rows, columns=columns
    )
    for panel in axes.flat[len(found) :]:
        panel.set_visible(False)
    for one, panel in zip(found, axes.flat, strict=False):
        alike = [square for other in found if other.task == one.task for square in other.squares.values()]
        _map(panel, one, alike)
        panel.set_title(f"{now.named(one.task)}, {NAMES[one.match]}", fontsize=10)
        panel.set_ylabel("convolutions before the second pool")
    drawn.supxlabel(
        "In a square: test accuracy; errors as a multiple of the reference's, paired by seed, with the 95 % interval;\n"
        "receptive field of the last map in pixels, learning rate where most members are read. Below it every member's "
        "test accuracy\nat every learning rate (a factor 2 a step, one scale a task; filled: where most are read). "
        "Red frame: the reference. Colours: accuracy.",
        fontsize=8.5,
    )
    return drawn


def maps(now: SweepResults) -> tuple[PlacementPanel, ...]:
    """A map for each task and match that has records beside the reference's. Raises LackingRecordsError."""
    own = against_reference(now)
    found = []
    for task in now.tasks():
        reference = now.reference(task)
        for match in dict.fromkeys(cell.point.match for cell in now.cells):
            cells = [cell for cell in now.cells if (cell.point.arm.task, cell.point.match) == (task, match)]
            ran = {place(cell): cell for cell in cells if cell.record is not None}
            if not ran:
                continue
            if reference is None or reference.record is None:
                raise LackingRecordsError(f"the reference has no record on {now.label(task)}")
            squares = {at: _square(cell, reference, own) for at, cell in ran.items()}
            if match != "none" and all(square.effect is None for square in squares.values()):
                continue  # at a match the reference stands for itself
            found.append(PlacementPanel(task=task, match=match, squares=squares))
    if not found:
        raise LackingRecordsError("no arm has a record")
    return tuple(found)


def place(cell: ArmResults) -> Place:
    """Where an arm's two pools stand. Raises LackingRecordsError for an arm without two."""
    net = cell.point.arm.net
    if not isinstance(net, ConvNet) or len(net.pools) != 2:
        raise LackingRecordsError(f"{cell.point.arm.key} has not two pools")
    first, second = net.pools
    return first, second


def _square(cell: ArmResults, reference: ArmResults, own: Mapping[int, Effect]) -> Square:
    """An arm's square; only the reference, under whichever match, has no effect."""
    values = cell.accuracies().values
    effect = None if cell.point.arm == reference.point.arm else own[id(cell)]
    if cell.record is None or cell.record.geometry.receptive_field is None:
        raise LackingRecordsError(f"{cell.point.arm.key} has no record with a receptive field")
    field = max(cell.record.geometry.receptive_field)
    shown = curve(cell, cell.point.level)
    return Square(accuracy=100 * sum(values) / len(values), effect=effect, field=field, curve=shown)


def title(now: SweepResults, found: Sequence[PlacementPanel]) -> str:
    """What is seen: the best and the worst placement on each task, at the reference's own width."""
    lines = []
    for one in found:
        if one.match == "none":
            ranked = sorted(one.squares, key=lambda at: one.squares[at].accuracy)
            best, worst = (f"{at[0]} and {at[1]} ({one.squares[at].accuracy:.1f} %)" for at in (ranked[-1], ranked[0]))
            lines.append(f"{now.named(one.task)}: best with pools after {best}, worst after {worst}")
    return "\n".join(lines)


def _map(panel: "Axes", one: PlacementPanel, alike: Sequence[Square]) -> None:
    """Draw the squares with their numbers and curves; colours and curves on the scale of all squares of the task."""
    from matplotlib import colormaps
    from matplotlib.patches import Rectangle

    firsts = range(min(first for first, _ in one.squares), max(first for first, _ in one.squares) + 1)
    seconds = range(min(second for _, second in one.squares), max(second for _, second in one.squares) + 1)
    values = np.full((len(seconds), len(firsts)), np.nan)
    for (first, second), square in one.squares.items():
        values[seconds.index(second), firsts.index(first)] = square.accuracy
    low, high = min(square.accuracy for square in alike), max(square.accuracy for square in alike)
    low, high = (low, high) if low < high else (low - 1, high + 1)
    panel.grid(visible=False)
    panel.imshow(
        np.ma.masked_invalid(values),
        cmap=colormaps[canvas.COUNTS],
        vmin=low,
        vmax=high,
        origin="lower",
        aspect="auto",
        interpolation="nearest",
    )
    for (first, second), square in one.squares.items():
        column, row = firsts.index(first), seconds.index(second)
        colour = "white" if square.accuracy < (low + high) / 2 else "black"
        panel.text(column, row + 0.42, "\n".join(square.lines), ha="center", va="top", fontsize=8.5, color=colour)
        _inset(panel, square, (column, row), alike)
        if square.effect is None:
            frame = Rectangle((column - 0.48, row - 0.48), 0.96, 0.96, fill=False, edgecolor=canvas.RED, linewidth=3)
            panel.add_patch(frame)
    panel.set_xticks(range(len(firsts)), list(map(str, firsts)))
    panel.set_yticks(range(len(seconds)), list(map(str, seconds)))
    panel.set_xlabel("convolutions before the first pool")


def _inset(panel: "Axes", square: Square, at: Place, alike: Sequence[Square]) -> None:
    """The square's curve over learning rates, on a scale that all squares of the task share."""
    inset = panel.inset_axes((at[0] - 0.4, at[1] - 0.45, 0.8, 0.33), transform=panel.transData)
    every = [100 * value for one in alike for rates in one.curve.curve for value in rates.test_accuracy]
    room = 0.08 * (max(every) - min(every) or 1.0)
    strip(inset, square.curve, 0, 1.0)
    inset.set_ylim(min(every) - room, max(every) + room)
    inset.set_xlim(-0.5, 0.5)
    inset.set_xticks([])
    inset.set_yticks([])
    inset.patch.set_alpha(0.85)
    for side in inset.spines.values():
        side.set_visible(False)
