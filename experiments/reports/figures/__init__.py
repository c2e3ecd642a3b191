"""Pictures that single sweeps have beside the figure of every sweep: one file a sweep, found by the sweep's name.

A file has `figure(now)`: a matplotlib figure, drawn from the records of a view and from what can be computed at once,
with a title that says what is seen. It raises `LackingRecordsError` where the records do not have what the picture
shows.
"""

from pathlib import Path

from cnnlab.report import canvas
from cnnlab.report.curves import ArmCurve
from cnnlab.rooms import Room
from cnnlab.spec.task import Task
from cnnlab.spec.verdict import Effect
from experiments.analysis.results import ArmResults, SweepResults
from experiments.analysis.verdicts import pairwise_effects

ROOM = Room(package=__name__, folder="figures", needs=("figure",))
FEWEST = 3
"""Members below which a picture shows no interval: it would say nothing."""


class LackingRecordsError(Exception):
    """Why there is no picture, in one line: what is missing, and where."""


def names() -> tuple[str, ...]:
    """The sweeps that have a picture of their own."""
    return ROOM.names()


def ran(now: SweepResults, task: Task) -> tuple[ArmResults, ...]:
    """The arms that have records on a task, in the order of the sweep."""
    return tuple(cell for cell in now.cells if cell.point.arm.task == task and cell.record is not None)


def against_reference(now: SweepResults) -> dict[int, Effect]:
    """Every arm's effect, arm minus the reference of its task, by the cell's `id`."""
    return {id(cell): effect for cell, effect in pairwise_effects(now)}


def curve(cell: ArmResults, name: str, place: int = 0) -> ArmCurve:
    """An arm's curve as a panel shows it. Raises LackingRecordsError for an arm without a record."""
    if cell.record is None:
        raise LackingRecordsError(f"{cell.point.arm.key} has no record")
    colour, marker = canvas.style(place)
    return ArmCurve(name=name, curve=cell.record.rates, colour=colour, marker=marker)


def draw(now: SweepResults, folder: Path) -> str:
    """Write a sweep's own picture, `<sweep>_picture.png` and `.svg`.

    Returns a line that says where it is or why there is none; empty for a sweep that has no picture of its own. One
    that an earlier run has left is removed where the records of now lack what it shows.
    """
    name = now.settings.sweep_name
    if name not in names():
        return ""
    paths = [folder / f"{name}_picture.{suffix}" for suffix in ("png", "svg")]
    try:
        figure = ROOM.load(name).figure(now)
    except LackingRecordsError as lack:
        for path in paths:
            path.unlink(missing_ok=True)
        return f"no picture of {name}: {lack}"
    for path in paths:
        canvas.save(figure, path)
    return f"picture: {paths[0]}"
