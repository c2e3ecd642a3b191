"""Worker processes, one thread each, and the scheduler that feeds many arms' work to them.

A worker computes on ONE thread, pinned before JAX starts, also when it is the only one: bytes then depend neither on
the number of workers nor on who does what. All cores are used by having as many workers.
"""

import collections
import contextlib
import importlib.metadata
import math
import multiprocessing
import os
import signal
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing import connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

import psutil

from cnnlab import jax_environment
from cnnlab.data import Source
from cnnlab.spec.record import Record
from cnnlab.training import compiled
from cnnlab.training.arm import Training
from cnnlab.training.failure import failure_text
from cnnlab.training.run import LinearFit

ONE_THREAD = {
    "XLA_FLAGS": " ".join(jax_environment.FLAGS),
    "NPROC": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "JAX_PLATFORMS": "cpu",
    # glibc gives large buffers back to the system after every step and has their pages faulted in again at the next
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(2**40),
    # XLA computes on a thread of its own, whose heap can hold no large buffer: those would go back all the same
    "MALLOC_ARENA_MAX": "1",
    # one entry of the processor's page table for 2 MiB in place of 4 KiB
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}


SETTLED, STEADY, GROWTH = 5, 5, 1.1
"""A worker is ended, and another started in its place, once it takes so many times the memory that a worker of this
pool took after its first `SETTLED` arms, and has served `STEADY` more: JAX keeps some of every program that it has
run, some 10 MiB an arm of digits8, and 50 of a few. A start takes some 3 s of a core."""
PAUSE = 0.3
"""Seconds after which an idle worker asks again, while arms are left of which none may be begun just now."""


@dataclass(frozen=True, kw_only=True)
class WorkerPlan:
    """How many worker processes run, on which backend, with which data, caches and convolutions.

    Attributes:
        workers: processes. backend: `cpu` or `gpu`.
        source: where data lie. compile_cache: folder of compiled programs.
        native: library that a CPU's workers convolve by, of `cnnlab.zoo.native`; None for XLA's own convolutions.
    """

    workers: int
    backend: str
    source: Source
    compile_cache: Path
    native: Path | None = None


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def devices() -> tuple[str, ...]:
    """The GPUs this process may use: the entries of CUDA_VISIBLE_DEVICES, which a batch system sets."""
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return tuple(name for name in os.environ["CUDA_VISIBLE_DEVICES"].split(",") if name not in ("", "-1"))
    return tuple(str(place) for place, _ in enumerate(Path("/dev").glob("nvidia[0-9]*")))


def accelerator() -> str:
    """`gpu` if a JAX GPU plugin is installed, a device visible and JAX_PLATFORMS not cpu, else `cpu`.

    JAX itself is not started.
    """
    if os.environ.get("JAX_PLATFORMS") == "cpu":
        return "cpu"
    plugins = {entry.name for entry in importlib.metadata.entry_points(group="jax_plugins")}
    return "gpu" if any("cuda" in name for name in plugins) and devices() else "cpu"


def placed(number: int, backend: str) -> dict[str, str]:
    """Environment of a worker by its number: one thread on a CPU; of several GPUs one, in turn, memory as needed."""
    if backend == "cpu":
        return ONE_THREAD
    there = devices()
    # the first worker would take three quarters of the memory, and others of the same GPU would find none
    name = "XLA_PYTHON_CLIENT_PREALLOCATE"
    shared = {name: os.environ.get(name, "false")}
    return shared if len(there) <= 1 else {**shared, "CUDA_VISIBLE_DEVICES": there[number % len(there)]}


@dataclass(frozen=True, kw_only=True)
class ArmOutcome:
    """How one arm ended: its record, or the reason why there is none."""

    name: str
    record: Record | None
    failure: str | None


@dataclass(kw_only=True)
class _Job:
    """An arm under way: its generator, the current batch of work and what has come back."""

    name: str
    training: Training
    work: Sequence[Any] = ()
    waiting: collections.deque[int] = field(default_factory=collections.deque)
    answers: dict[int, Any] = field(default_factory=dict)
    hosts: set[int] = field(default_factory=set)

    def load(self, work: Sequence[Any]) -> None:
        self.work, self.answers = work, {}
        self.waiting = collections.deque(range(len(work)))


@dataclass(kw_only=True)
class _Offers:
    """Arms that have not begun, drawn one by one when a worker has time for them."""

    source: Iterator[tuple[str, Training] | None]
    over: bool = False

    def draw(self) -> _Job | None:
        """Return the next arm; None if there is none left, or none that may begin now."""
        for offer in self.source:
            return None if offer is None else _Job(name=offer[0], training=offer[1])
        self.over = True
        return None


@dataclass(kw_only=True)
class _Worker:
    """A worker process, its pipe and what it is doing: (job, places in the job's batch).

    Attributes:
        arms: that it has served.
    """

    number: int
    process: SpawnProcess
    pipe: connection.Connection
    busy: tuple[_Job, list[int]] | None = None
    arms: int = 0


class WorkerPool:
    """Trains arms on a set of worker processes.

    Use as a context manager; leaving it ends the workers. `run` may be called more than once.
    """

    def __init__(self, plan: WorkerPlan) -> None:
        self.plan = plan
        self._workers: list[_Worker] = []
        self._settled = math.inf  # bytes: the least that a worker took after its first `SETTLED` arms
        self._context = multiprocessing.get_context("spawn")

    def __enter__(self) -> "WorkerPool":
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.process.terminate()
        for worker in self._workers:
            _end(worker)
        self._workers.clear()

    def run(
        self, trainings: Iterable[tuple[str, Training] | None], done: Callable[[int], None] = lambda count: None
    ) -> Iterator[ArmOutcome]:
        """Drive named arms, as many at once as there are workers, and yield each outcome as it is reached.

        Args:
            trainings: (name, generator) pairs; earlier ones start first. Each is drawn when a worker is free for it;
                None stands for "none just now": the next is asked for a moment later.
            done: told the number of work items finished, each time.
        """
        offers, started = _Offers(source=iter(trainings)), list[_Job]()
        while started or not offers.over:
            yield from self._assign(offers, started)
            for worker in self._ready(offers.over):
                job, places = worker.busy or (None, [])
                worker.busy = None
                if job is None:
                    continue
                answer = self._receive(worker)
                if job not in started:
                    continue
                done(len(places))
                outcome = self._take(job, places, answer)
                if outcome is not None:
                    started.remove(job)
                    yield outcome

    def _assign(self, offers: _Offers, started: list[_Job]) -> Iterator[ArmOutcome]:
        """Give every idle worker work: of an arm it has compiled, else of a new arm, else of the longest queue."""
        for number in range(self.plan.workers):
            worker = self._worker(number)
            while worker.busy is None:
                job = self._choose(number, offers, started)
                if job is None:
                    break
                if not job.work:
                    outcome = self._advance(job, None)
                    if outcome is not None:
                        started.remove(job)
                        yield outcome
                        continue
                count = 1 if self.plan.backend == "cpu" else len(job.waiting)
                places = [job.waiting.popleft() for _ in range(min(count, len(job.waiting)))]
                if number not in job.hosts:
                    worker = self._for_another_arm(worker)
                    job.hosts.add(number)
                worker.busy = (job, places)
                with contextlib.suppress(BrokenPipeError):  # a dead worker is noticed when its answer is read
                    worker.pipe.send([job.work[place] for place in places])

    @staticmethod
    def _choose(number: int, offers: _Offers, started: list[_Job]) -> _Job | None:
        """The arm that this worker should serve now, or None if there is nothing to do."""
        open_jobs = [job for job in started if job.waiting]
        at_home = [job for job in open_jobs if number in job.hosts]
        if at_home:
            return at_home[0]
        fresh = offers.draw()
        if fresh is not None:
            started.append(fresh)
            return fresh
        return max(open_jobs, key=lambda job: len(job.waiting), default=None)

    def _take(self, job: _Job, places: list[int], answer: tuple[str, Any]) -> ArmOutcome | None:
        """Book a worker's answer; the outcome once the arm has ended."""
        kind, content = answer
        if kind == "failed":
            job.training.close()
            return ArmOutcome(name=job.name, record=None, failure=content)
        job.answers.update(zip(places, content, strict=True))
        if len(job.answers) < len(job.work):
            return None
        return self._advance(job, [job.answers[place] for place in range(len(job.work))])

    @staticmethod
    def _advance(job: _Job, answers: list[Any] | None) -> ArmOutcome | None:
        """Send answers into the arm and load its next batch of work; the outcome if it has ended."""
        try:
            # a generator's first value must be fetched with None
            job.load(job.training.send(answers))  # type: ignore[arg-type]
        except StopIteration as end:
            return ArmOutcome(name=job.name, record=end.value, failure=None)
        except Exception as problem:
            return ArmOutcome(name=job.name, record=None, failure=failure_text(problem))
        return None

    def _worker(self, number: int) -> _Worker:
        """The worker of that number, started if it is not there yet.

        Raises:
            InvalidError: none may be started with this environment, or with this folder of compiled programs.
        """
        if not self._workers:
            jax_environment.check()
            compiled.clean(self.plan.compile_cache)
        if number == len(self._workers):
            self._workers.append(self._start(number))
        return self._workers[number]

    def _for_another_arm(self, worker: _Worker) -> _Worker:
        """An idle worker that is about to serve an arm that is new to it; a fresh one where it has grown too much."""
        taken = memory(worker.process.pid)
        if worker.arms == SETTLED:
            self._settled = min(self._settled, taken or math.inf)  # none: it is gone
        if worker.arms >= SETTLED + STEADY and taken > GROWTH * self._settled:
            _end(worker)
            worker = self._workers[worker.number] = self._start(worker.number)
        worker.arms += 1
        return worker

    def _start(self, number: int) -> _Worker:
        """A fresh worker process."""
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=serve, args=(theirs, self.plan), daemon=True)
        with environment(placed(number, self.plan.backend)):
            process.start()
        theirs.close()
        return _Worker(number=number, process=process, pipe=ours)

    def _ready(self, none_left: bool) -> list[_Worker]:
        """Workers that have answered or died; waits for one, or a moment where one is idle and arms are left."""
        busy = {worker.pipe: worker for worker in self._workers if worker.busy is not None}
        if none_left and not busy:
            return []
        patience = None if none_left or len(busy) == self.plan.workers else PAUSE
        pipes = connection.wait(list(busy), patience)
        return [busy[pipe] for pipe in pipes if isinstance(pipe, connection.Connection)]

    def _receive(self, worker: _Worker) -> tuple[str, Any]:
        """A worker's answer; if it died, the reason, and a new worker in its place."""
        try:
            kind, content = worker.pipe.recv()
        except (EOFError, ConnectionResetError):
            worker.process.join()
            code = worker.process.exitcode or 0
            how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
            _end(worker)
            self._workers[worker.number] = self._start(worker.number)
            return "failed", f"the worker process ended with {how} (out of memory, or killed)"
        return kind, content


def memory(pid: int | None) -> int:
    """Bytes of main memory that a process takes; 0 once it is gone."""
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


def _end(worker: _Worker) -> None:
    """End a worker process, and give back all that this one holds of it."""
    worker.process.terminate()
    worker.process.join()
    worker.process.close()
    worker.pipe.close()


@contextlib.contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for processes that are started inside the `with` block.

    They must be there before its first import: BLAS libraries read them when they are loaded, and a worker's fits
    took several times longer with BLAS threads spinning on the other worker's core.
    """
    before = {name: os.environ[name] for name in values if name in os.environ}
    os.environ.update(values)
    try:
        yield
    finally:
        for name in values:
            del os.environ[name]
        os.environ.update(before)


def serve(pipe: connection.Connection, plan: WorkerPlan) -> None:
    """Main loop of a worker: read work from the pipe and answer, until the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides what ends
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import jax

    settings: Any = jax.config
    settings.update("jax_compilation_cache_dir", str(plan.compile_cache))
    # small programs too: an arm has twenty, which take XLA a second to compile and JAX a third of one to read
    settings.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    warnings.filterwarnings("ignore", compiled.HALF_READ)
    from cnnlab.training import linear, members
    from cnnlab.zoo import native

    strategy = members.strategy_for(plan.backend)
    if plan.native is not None:
        native.use(plan.native)
        strategy = "native"
    while True:
        try:
            work = pipe.recv()
        except EOFError:
            return
        try:
            answer: list[Any]
            if isinstance(work[0], LinearFit):
                answer = [linear.fit(item, plan.source) for item in work]
            else:
                answer = members.train(work, plan.source, strategy)
            pipe.send(("done", answer))
        except (Exception, SystemExit, KeyboardInterrupt) as problem:  # the user's code may raise anything
            pipe.send(("failed", failure_text(problem)))


def _end_with_parent() -> None:
    """End this process the moment its parent does, whatever it is doing (also after kill -9 of the parent)."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
