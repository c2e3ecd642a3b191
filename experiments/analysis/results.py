"""The results of a sweep: its points, composed from its file, and the records that exist for them."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from cnnlab.inference.effects import Sample
from cnnlab.records import Store
from cnnlab.spec.record import OWN, Record
from cnnlab.spec.task import Task
from experiments.analysis.metrics import measured
from experiments.config.grid import Grid
from experiments.config.resolve import Point, Settings


@dataclass(frozen=True, kw_only=True)
class ArmResults:
    """One arm of a sweep and its records by block; no records if the arm failed or has not run."""

    point: Point
    records: tuple[Record, ...]

    @property
    def members(self) -> int:
        """Members over all blocks."""
        return sum(len(record.members) for record in self.records)

    def in_block(self, block: int) -> "ArmResults":
        """The same arm with the record of one block alone."""
        return ArmResults(point=self.point, records=tuple(record for record in self.records if record.block == block))

    def sample(self, condition: str, metric: str = "test_accuracy") -> Sample:
        """The metric of every member that has it, at the `own` or the `common` learning rate; see `lacking`."""
        seeds: list[int] = []
        values: list[float] = []
        diverged: list[bool] = []
        for record in self.records:
            for seed, value, bad in zip(
                record.members, measured(record, condition, metric), record.finals[condition].diverged, strict=True
            ):
                if math.isfinite(value):
                    seeds.append(seed)
                    values.append(value)
                    diverged.append(bad)
        return Sample(seeds=tuple(seeds), values=tuple(values), diverged=tuple(diverged))

    def probed(self, path: str) -> Sample:
        """A probe of the trained members, as `sample`; without the records of which no member has it."""
        there = tuple(record for record in self.records if any(path in member for member in record.probes))
        return ArmResults(point=self.point, records=there).sample(OWN, f"probe:{path}")

    def lacking(self, condition: str, metric: str) -> int:
        """Members without a value of the metric, such as a diverged one's probes: accuracies always have one."""
        return self.members - len(self.sample(condition, metric).seeds)


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
        ArmResults(
            point=point,
            records=tuple(
                store.read(point.arm.key, block)
                for block in range(len(point.blocks))
                if store.has(point.arm.key, block)
            ),
        )
        for point in points
    )
