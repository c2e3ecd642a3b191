"""Training by jobs of a cluster, one job an arm; their results are read from the shared folder.

A job trains its arm as this command would, on as many workers as it has cores, and writes its record or the reason
why there is none. The job that ends last writes the sweep's tables too, so that nothing is lost if this command is.
"""

import dataclasses
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import Progress

from cnnlab.data import keep
from cnnlab.records import Store
from cnnlab.training.failure import failure_text
from experiments.cli import signals
from experiments.cli.console import terminal
from experiments.config.grid import Grid
from experiments.config.resolve import Point, Settings
from experiments.launchers import Launched, Launcher
from experiments.training.session import LOG_EVERY_SECONDS, OnRecord, Session
from experiments.training.suite_plan import distinct
from experiments.training.summary import Summary

SILENT = "its job ended without a word: killed, or out of memory or time"
SETTLING = 5.0
"""Seconds that records of jobs that are over may take to be seen on a shared folder."""


@dataclass(frozen=True, kw_only=True)
class JobEnds:
    """What a job does with what it has trained; both are called on its own machine.

    Attributes:
        show_records: a context that gives what is done with a record, such as showing it in W&B.
        finish: writes the sweep's tables, once every job has ended.
    """

    show_records: Callable[[Settings], AbstractContextManager[OnRecord]]
    finish: Callable[[Grid, Summary, Console], object]


@dataclass(frozen=True, kw_only=True)
class ArmJob:
    """One job: an arm of a sweep to train, wherever it is called.

    Attributes:
        plan: the whole sweep. beside: all that the jobs started with this one train, itself included.
        ends: what is done with the record, and with the sweep if this is the last job.
    """

    plan: Grid
    point: Point
    beside: tuple[str, ...]
    ends: JobEnds

    def __call__(self) -> None:
        """Train the arm; write the sweep's tables if this was the last one."""
        store = Store(self.plan.settings.runs)
        try:
            with (
                self.ends.show_records(self.plan.settings) as on_record,
                Session(self.plan.settings, on_record=on_record) as session,
            ):
                session.train([self.point])
        except Exception as problem:
            store.write_failure(self.point.arm.key, failure_text(problem))
            raise
        finally:
            if all(ended(store, name) for name in self.beside):
                self.ends.finish(self.plan, outcomes(store, self.beside), terminal())


class RemoteTrainer:
    """Trains points by jobs of a launcher. Use as a context manager, in a session's place."""

    def __init__(self, plan: Grid, launcher: Launcher, console: Console, ends: JobEnds) -> None:
        self.launcher, self.console, self.ends = launcher, console, ends
        self.plan = dataclasses.replace(plan, settings=portable(plan.settings, launcher), launcher=None)
        self.store = Store(self.plan.settings.runs)
        self.force = plan.settings.force

    def __enter__(self) -> "RemoteTrainer":
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is left: `train` ends what it starts."""

    def train(self, points: Sequence[Point]) -> Summary:
        """Train every point that has no record yet, each distinct arm once; returns when all jobs are over.

        Raises:
            InvalidError: the launcher refuses what it was asked for.
        """
        every = distinct(points)
        if self.force:
            for point in every:
                self.store.set_aside(point.arm.key)
        todo = [point for point in every if not self.store.has(point.arm.key)]
        for point in every:
            if point not in todo:
                self.store.tidy(point.arm.key)
        summary = Summary(skipped=len(every) - len(todo))
        if todo:
            for point in todo:
                self.store.forget_failure(point.arm.key)
            more = self._train(todo)
            summary.trained, summary.failures = more.trained, more.failures
        return summary

    def _train(self, todo: Sequence[Point]) -> Summary:
        names = tuple(point.arm.key for point in todo)
        for task in {point.arm.task for point in todo}:
            keep(task, self.plan.settings.source)
        errands = [ArmJob(plan=self.plan, point=point, beside=names, ends=self.ends) for point in todo]
        started = self.launcher.launch(errands, self.store.root / ".jobs")
        try:
            with signals.ending(started.end):
                self.console.print(started.title)
                self._wait(started, names)
        finally:
            started.end()
        for place, name in enumerate(names):
            if not ended(self.store, name):
                self.store.write_failure(name, f"{SILENT} (its log: {started.log(place)})")
        return outcomes(self.store, names)

    def _wait(self, started: Launched, names: tuple[str, ...]) -> None:
        """Return when all jobs are over, and what they wrote is here."""
        began = shown = time.monotonic()
        with Progress(console=self.console, transient=True, disable=not self.console.is_terminal) as bar:
            task = bar.add_task("jobs", total=len(names))
            while started.running():
                over = sum(ended(self.store, name) for name in names)
                bar.update(task, completed=over)
                now = time.monotonic()
                if not self.console.is_terminal and now - shown > LOG_EVERY_SECONDS:
                    shown = now
                    self.console.print(f"{over}/{len(names)} arms")
                time.sleep(min(10.0, max(0.5, (now - began) / 50)))
        late = time.monotonic() + SETTLING
        while time.monotonic() < late and not all(ended(self.store, name) for name in names):
            time.sleep(0.1)


def portable(settings: Settings, launcher: Launcher) -> Settings:
    """The settings for a job on any machine: absolute paths, and as many workers as the job has cores or GPUs."""
    return dataclasses.replace(
        settings,
        results=settings.results.absolute(),
        cache=settings.cache.absolute(),
        force=False,
        workers=launcher.gpus or launcher.cores,
    )


def ended(store: Store, name: str) -> bool:
    """Whether a job has left its record, or the reason why there is none."""
    return store.has(name) or store.failure(name) is not None


def outcomes(store: Store, names: Sequence[str]) -> Summary:
    """How jobs ended, as their records and notes have it."""
    summary = Summary()
    for name in names:
        note = store.failure(name)
        if store.has(name):
            summary.trained += 1
        elif note is not None:
            reason = note.read_text().strip().splitlines() or ["unknown"]
            summary.failures.append((name, f"{reason[-1]} (all of it: {note})"))
    return summary
