"""A session trains the points of a grid: it skips those with a record, and writes a record as each arm ends."""

import collections
import dataclasses
import datetime
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from cnnlab.data import keep
from cnnlab.records import RecordError, Store, require_writable
from cnnlab.spec.record import Record
from cnnlab.training import compiled
from cnnlab.training.arm import LINEAR_FITS, Training, training
from cnnlab.training.workers import ArmOutcome, WorkerPlan, WorkerPool, accelerator, cores, devices
from experiments.claims.registry import claim_digests
from experiments.cli.console import progress_bar, terminal
from experiments.cli.signals import undisturbed
from experiments.config.resolve import Point, Settings
from experiments.paths import sweep_folder
from experiments.training import convolutions, memory, own_modules
from experiments.training.estimate import machine_pace, require_time
from experiments.training.provenance import other_version, provenance
from experiments.training.summary import Summary
from experiments.training.work_queue import WorkQueue

LOG_EVERY_SECONDS = 15.0
COMPILED = "compiled"
"""Folder of the cache that holds compiled programs."""
OnRecord = Callable[[Point, Record, Settings], None]
"""What is done with a record once it is written, such as showing it in W&B."""


def require_folders(settings: Settings) -> None:
    """Raise InvalidError if results or the cache cannot be written."""
    tables = [] if settings.sweep is None else [str(sweep_folder(settings.sweep_name, settings.scale, Path()))]
    require_writable(settings.results, "results", "runs", *tables)
    require_writable(settings.cache, "cache")


def workers_of(settings: Settings, backend: str) -> int:
    """How many workers train: as many as are asked for, else one a core, or one a GPU."""
    return settings.workers or (cores() if backend == "cpu" else len(devices()))


def require_machine(settings: Settings, points: Iterable[Point], *places: Path) -> str:
    """Look, before anything is trained here, whether this machine has the memory and anybody the time.

    Args:
        places: folders of records besides those of the settings that show how fast this machine is.

    Returns:
        A line about what training the points without a record will take; empty where there is none.

    Raises:
        InvalidError: naming the key that asks for too much.
    """
    backend, store = accelerator(), Store(settings.runs)
    workers = workers_of(settings, backend)
    every = {point.arm.key: point for point in points}
    todo = [point for key, point in every.items() if settings.force or not store.has(key)]
    if not todo:
        return ""
    memory.require_memory(todo, workers, backend)
    pace = machine_pace((settings.runs, *places), every.values(), workers, backend)
    require_time(todo, pace)
    wanted, there = memory.largest(todo, workers, backend).bytes, memory.available()
    arms = "1 arm" if len(todo) == 1 else f"{len(todo)} arms"
    many = f"{workers} worker{'s' * (workers > 1)}"
    return (
        f"{arms} to train: some {pace.spoken(pace.seconds(todo))} on {many} ({pace.known}), "
        f"at least {memory.spoken(wanted)} of this machine's {memory.spoken(there)} of memory"
    )


def require_trainable(settings: Settings, points: Iterable[Point], gpus: int | None = None) -> None:
    """Try, before any worker starts, what would fail in every one: users' own modules, and our own convolutions.

    Args:
        points: of which those without a record will be trained. gpus: as `convolutions.check`.

    Raises:
        InvalidError: a module cannot be trained, or convolutions that are asked for by name cannot be had.
        RecordError: as `usable`.
    """
    store = Store(settings.runs)
    todo = [point for point in points if settings.force or not usable(store, point)]
    if todo:
        own_modules.check(todo)
        convolutions.check(settings, gpus)
        compiled.check(settings.cache / COMPILED)


def usable(store: Store, point: Point) -> bool:
    """Whether there is a record that can be used. Raises RecordError for one that cannot, and for other seeds."""
    if not store.has(point.arm.key):
        return False
    members = store.read(point.arm.key).members
    if members != point.seeds:
        have, want = (f"{seeds[0]} to {seeds[-1]}" for seeds in (members, point.seeds))
        why = f"has the members {have}, and {want} are asked for: name another folder (results=DIR)"
        raise RecordError(store.record(point.arm.key), why)
    return True


class Session:
    """The workers and the store of one command. Use as a context manager."""

    def __init__(
        self, settings: Settings, console: Console | None = None, on_record: OnRecord = lambda *_: None
    ) -> None:
        self.settings = settings
        self.store = Store(settings.runs)
        self.console = console or terminal()
        backend = accelerator()
        cache, workers = settings.cache / COMPILED, workers_of(settings, backend)
        self.pool = WorkerPool(
            WorkerPlan(workers=workers, backend=backend, source=settings.source, compile_cache=cache)
        )
        self.on_record = on_record
        self._settled = False

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        self.pool.__exit__()

    def train(self, points: Sequence[Point]) -> Summary:
        """Train every point that has no record yet; each distinct arm once, whoever else trains them too.

        Raises:
            RecordError: for a record that is there but cannot be used.
            InvalidError: our own convolutions are asked for and cannot be had.
        """
        distinct = {point.arm.key: point for point in points}
        if self.settings.force:
            for arm in distinct:
                self.store.set_aside(arm)
        todo = {name: point for name, point in distinct.items() if not self._done(point)}
        if todo and not self._settled:
            library = convolutions.library(self.settings, self.pool.plan.compile_cache, self.console)
            self.pool.plan = dataclasses.replace(self.pool.plan, native=library)
            self._settled = True
        self._tell_versions(self.store.provenance(name) for name in distinct if name not in todo)
        summary = Summary(skipped=len(distinct) - len(todo))
        if todo:
            self._train(todo, summary)
        return summary

    def _done(self, point: Point) -> bool:
        """Whether a usable record is there. Raises as `usable`."""
        if not usable(self.store, point):
            return False
        self.store.tidy(point.arm.key)
        return True

    @property
    def _library(self) -> str:
        """Of our own convolutions; empty for XLA's, and where nothing is trained."""
        return self.pool.plan.native.stem if self.pool.plan.native else ""

    def _tell_versions(self, found: Iterable[Mapping[str, Any]]) -> None:
        """Print which records were made by other versions of the code, packages or processor."""
        library = self._library if self._settled else None
        versions = collections.Counter(other_version(facts, library) for facts in found)
        for version, count in versions.items():
            if version:
                self.console.print(f"found {count} made by {version}, of the same protocol: used")

    def _train(self, todo: dict[str, Point], summary: Summary) -> None:
        claims = claim_digests()
        for task in {point.arm.task for point in todo.values()}:
            keep(task, self.settings.source)

        def begin(name: str) -> Training:
            return training(todo[name].arm, todo[name].seeds, claims, self.store.checkpoints(name))

        started, clock = datetime.datetime.now(datetime.UTC), time.perf_counter()
        with (
            _Progress(self.console, len(todo), expected_runs(todo.values())) as progress,
            WorkQueue(self.store, tuple(todo), progress.say) as share,
        ):

            def found(name: str) -> None:
                self._done(todo[name])
                summary.skipped += 1
                progress.arm_done(name)

            for outcome in self.pool.run(share.offers(begin, found), progress.runs_done):
                point = todo[outcome.name]
                with undisturbed():
                    if outcome.record is None:
                        self._fail(point, outcome, summary)
                    else:
                        plan, seconds = self.pool.plan, time.perf_counter() - clock
                        facts = provenance(started, seconds, plan.backend, plan.workers, self._library)
                        self.store.write(outcome.record, facts)
                        self.on_record(point, outcome.record, self.settings)
                        summary.trained += 1
                    share.release(outcome.name)
                progress.arm_done(outcome.name, failed=outcome.record is None)

    def _fail(self, point: Point, outcome: ArmOutcome, summary: Summary) -> None:
        """Write the reason of a failure into the arm's folder; other arms go on."""
        reason = outcome.failure or "unknown"
        path = self.store.write_failure(point.arm.key, reason)
        summary.failures.append((point.arm.key, f"{reason.strip().splitlines()[-1]} (all of it: {path})"))


def expected_runs(points: Iterable[Point]) -> int:
    """How many pieces of work there are at least: every member at the first rates, and the linear baselines."""
    return sum(len(point.seeds) * point.arm.recipe.rates + len(point.seeds[:LINEAR_FITS]) for point in points)


class _Progress:
    """A bar on a terminal, a plain line now and then in a log."""

    def __init__(self, console: Console, arms: int, runs: int) -> None:
        self.console, self.arms, self.runs = console, arms, runs
        self.arms_done, self.done, self.last = 0, 0, time.perf_counter()
        self.bar = progress_bar(console, "members")
        self.task = self.bar.add_task("", total=runs)

    def __enter__(self) -> "_Progress":
        self.bar.start()
        self._describe()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def runs_done(self, count: int) -> None:
        """Book finished members."""
        self.done += count
        self.runs = max(self.runs, self.done)
        self.bar.update(self.task, completed=self.done, total=self.runs)

    def arm_done(self, name: str, *, failed: bool = False) -> None:
        """Book a finished arm."""
        self.arms_done += 1
        self._describe()
        quiet = time.perf_counter() - self.last < LOG_EVERY_SECONDS
        if not self.console.is_terminal and (failed or not quiet or self.arms_done == self.arms):
            self.last = time.perf_counter()
            self.console.print(f"{self.arms_done}/{self.arms} arms, {'failed: ' if failed else ''}{name}")

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        self.console.print(line)

    def _describe(self) -> None:
        self.bar.update(self.task, description=f"{self.arms_done}/{self.arms} arms")
