"""The suite's training: stage by stage through one session, with the time left; a stage that fails stops no other."""

import contextlib
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from cnnlab.training.failure import failure_text
from experiments.analysis.convergence import longer_points
from experiments.analysis.results import view
from experiments.config.resolve import Point
from experiments.training.estimate import Pace, spoken
from experiments.training.session import Session
from experiments.training.suite_plan import Plan, Stage, stages
from experiments.training.summary import Summary


@dataclass(kw_only=True)
class Clock:
    """What is left to train, and how fast it goes.

    Attributes:
        pace: as supposed before; once something was trained, as that has shown.
        left: what has no record yet. over: what was trained, or has failed. seconds: how long that took.
    """

    pace: Pace
    left: list[Point]
    over: list[Point] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def remaining(self) -> float:
        """Seconds that the training of what is left will take."""
        return self.pace.seconds(self.left)

    def among(self, points: Iterable[Point]) -> list[Point]:
        """Those of the points that are left."""
        names = {point.arm.key for point in points}
        return [point for point in self.left if point.arm.key in names]

    def book(self, points: Iterable[Point], seconds: float) -> None:
        """Remove points from those that are left, and update the pace by the time that they took."""
        ended = self.among(points)
        names = {point.arm.key for point in ended}
        self.left = [point for point in self.left if point.arm.key not in names]
        if ended:
            self.over.extend(ended)
            self.seconds += seconds
            self.pace = self.pace.after(self.over, self.seconds)


def train(plan: Plan, session: Session, clock: Clock, folder: Path, console: Console) -> Summary:
    """Train every stage.

    Args:
        clock: knows what has no record, and is kept up to date.
        folder: gets the reason of a stage that fails as a whole.

    Returns:
        The counts of all stages, and every failure.
    """
    total, every = Summary(), stages(plan)
    for place, stage in enumerate(every, start=1):
        todo = clock.among(stage.points)
        if todo:
            console.print(f"{place}/{len(every)} {described(plan, stage)}: {len(todo)} to train")
        began = time.perf_counter()
        with going_on(stage.name, total, folder):
            _stage(plan, stage, session, total)
        clock.book(stage.points, time.perf_counter() - began)
        if todo and clock.left:
            console.print(f"    about {spoken(clock.remaining)} of training left")
    return total


def described(plan: Plan, stage: Stage) -> str:
    """A stage in a phrase: what it is, and of which bank."""
    if stage.name not in plan.sweeps:
        return f"{stage.name}, references and checks of several sweeps"
    sweep = plan.sweeps[stage.name].settings.sweep
    return f"{stage.name} ({sweep.bank if sweep else ''})"


def _stage(plan: Plan, stage: Stage, session: Session, total: Summary) -> None:
    """Train a stage, then with three times the training what decides in its sweep."""
    sweep = plan.sweeps[stage.name] if stage.name in plan.sweeps else None
    session.settings = plan.settings if sweep is None else sweep.settings
    total.add(session.train(stage.points))
    if sweep is not None:
        total.add(session.train(longer_points(view(sweep))))


@contextlib.contextmanager
def going_on(what: str, total: Summary, folder: Path) -> Iterator[None]:
    """Keep an exception of one sweep for the end of the suite, and go on with the others."""
    try:
        yield
    except Exception as problem:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{what}.failure.txt"
        told = failure_text(problem)
        path.write_text(told)
        total.failures.append((what, f"{told.splitlines()[-1]} (all of it: {path})"))
