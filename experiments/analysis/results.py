"""The results of a sweep: its points, composed from its file, and the records that exist for them."""

import dataclasses
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cnnlab.inference.effects import Sample
from cnnlab.records import Store
from cnnlab.spec.record import Record
from cnnlab.spec.task import Task
from experiments.analysis.metrics import measured
from experiments.config.grid import Grid
from experiments.config.resolve import Point, Settings


@dataclass(frozen=True, kw_only=True)
class ArmResults:
    """One arm of a sweep and its record; none if the arm failed or has not run.

    Attributes:
        only: the seeds that are looked at, of the record's members; None for all.
    """

    point: Point
    record: Record | None
    only: frozenset[int] | None = None

    @property
    def members(self) -> int:
        """How many members there are."""
        return len(self._rows())

    def halves(self) -> "tuple[ArmResults, ArmResults]":
        """The same arm with the first half of its members alone, and with the second."""
        seeds = () if self.record is None else self.record.members
        middle = len(seeds) // 2
        first, second = (dataclasses.replace(self, only=frozenset(some)) for some in (seeds[:middle], seeds[middle:]))
        return first, second

    def sample(self, metric: str = "test_accuracy") -> Sample:
        """The metric of every member that has it, where the member is read; see `lacking`."""
        return self._sampled(() if self.record is None else measured(self.record, metric))

    def accuracies(self) -> Sample:
        """Test accuracy of every member where it is read, a fraction."""
        return self._sampled(() if self.record is None else self.record.finals.test_accuracy)

    def probed(self, path: str) -> Sample:
        """A probe of the trained members, as `sample`; nothing where no member has it."""
        there = self.record is not None and any(path in member for member in self.record.probes)
        return self.sample(f"probe:{path}") if there else Sample(seeds=(), values=(), diverged=())

    def lacking(self, metric: str) -> int:
        """Members without a value of the metric, such as a diverged one's probes: accuracies always have one."""
        return self.members - len(self.sample(metric).seeds)

    @property
    def mostly_lost(self) -> bool:
        """Whether more than half of the members have learned nothing where they are read."""
        lost = [self.record.finals.diverged[place] for place in self._rows()] if self.record is not None else []
        return 2 * sum(lost) > len(lost)

    def _rows(self) -> list[int]:
        """The places of the members that are looked at."""
        members = () if self.record is None else self.record.members
        return [place for place, seed in enumerate(members) if self.only is None or seed in self.only]

    def _sampled(self, values: Sequence[float]) -> Sample:
        """Values of a record's members as a sample; those that are not finite are left out."""
        rows = [place for place in self._rows() if math.isfinite(values[place])]
        record = self.record
        return Sample(
            seeds=() if record is None else tuple(record.members[place] for place in rows),
            values=tuple(values[place] for place in rows),
            diverged=() if record is None else tuple(record.finals.diverged[place] for place in rows),
        )


@dataclass(frozen=True, kw_only=True)
class SweepResults:
    """All cells of a sweep at one scale, in the order of its grid."""

    settings: Settings
    cells: tuple[ArmResults, ...]
    checks: tuple[ArmResults, ...]

    def tasks(self) -> tuple[Task, ...]:
        """The tasks, in the order of the grid."""
        return tuple(dict.fromkeys(cell.point.arm.task for cell in self.cells))

    def named(self, task: Task) -> str:
        """A task as the sweep names it: its file in conf/data/."""
        return next(cell.point.data for cell in self.cells if cell.point.arm.task == task)

    def label(self, task: Task) -> str:
        """A task's name with its dials; its training images too, where nothing else tells it from another."""
        alike = [other for other in self.tasks() if label(other) == label(task)]
        return label(task) if len(alike) < 2 else f"{label(task)}, {task.train_images} images"

    def is_reference(self, level: str) -> bool:
        """Whether this is the level that others are compared with and matched to."""
        return self.settings.sweep is not None and level == self.settings.sweep.reference

    def cell(self, task: Task, level: str, match: str) -> ArmResults | None:
        """The arm of one level; None if the sweep does not have it at this scale."""
        for cell in self.cells:
            point = cell.point
            if (point.arm.task, point.level, point.match) == (task, level, match):
                return cell
        return None

    def reference(self, task: Task) -> ArmResults | None:
        """The unmatched reference arm on a task."""
        return None if self.settings.sweep is None else self.cell(task, self.settings.sweep.reference, "none")

    def check(self, task: Task, name: str) -> ArmResults | None:
        """The arm of one of the three checks on a task."""
        for cell in self.checks:
            if (cell.point.arm.task, cell.point.check) == (task, name):
                return cell
        return None


def label(task: Task) -> str:
    """A task's name with its dials."""
    dials = ", ".join(f"{name} {value:g}" for name, value in task.dials)
    return f"{task.name} ({dials})" if dials else task.name


def view(grid: Grid) -> SweepResults:
    """Read the records of a grid's arms. Raises RecordError if one cannot be used."""
    store = Store(grid.settings.runs)
    return SweepResults(settings=grid.settings, cells=_cells(grid.points, store), checks=_cells(grid.checks, store))


def _cells(points: Iterable[Point], store: Store) -> tuple[ArmResults, ...]:
    return tuple(
        ArmResults(point=point, record=store.read(point.arm.key) if store.has(point.arm.key) else None)
        for point in points
    )
