"""The body of a process that competes: it is told what to do through a pipe, and answers with what it measured."""

import importlib
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from experiments.bench import gates, given
from experiments.bench.contract import Machine, Trainer, Values, contender
from experiments.bench.workloads import Workload


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One timing of one process: seconds of a clock that all processes share, and the work done in between.

    Attributes:
        work: images x members, or a gauge's unit. losses: of every step, (members, steps).
    """

    begin: float
    end: float
    work: float
    losses: Values


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A variant's members, trained and scored in one process of a sweep: seconds, and a test accuracy a member."""

    compile_seconds: float
    accuracies: tuple[float, ...]


class Seat:
    """A contender in this process; its methods are the commands."""

    def __init__(self, name: str, workload: Workload, members: Sequence[int], machine: Machine) -> None:
        self.workload, self.members, self.machine = workload, tuple(members), machine
        self.module: Any = contender(name)
        self.trainer: Trainer
        self.done, self.counted = 0, 0.0

    def ready(self) -> bool:
        """Answer as soon as everything is imported."""
        return True

    def prepare(self) -> float:
        """Make the trainer. Returns seconds of compiling so far."""
        self.trainer = self.module.trainer(self.workload, self.members, self.machine)
        return self.trainer.compile_seconds

    def turn(self, steps: int) -> Turn:
        """Train so many further steps, timed. Raises FloatingPointError where a loss is not finite."""
        every = [given.batches(self.workload, member, self.done + steps)[self.done :] for member in self.members]
        batches = np.stack(every)
        self.done += steps
        begin = time.monotonic()
        losses = self.trainer.run(batches)
        end = time.monotonic()
        if not np.isfinite(losses).all():
            raise FloatingPointError("a loss is not finite")
        return Turn(begin=begin, end=end, work=float(batches.size), losses=losses)

    def compiled(self) -> float:
        """Seconds of compiling so far."""
        return self.trainer.compile_seconds

    def memory(self) -> dict[str, int]:
        """Peak memory in bytes: of the process, and of the accelerator (0 on a CPU)."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        unit = 1 if sys.platform == "darwin" else 1024
        return {"peak_memory_bytes": peak * unit, "device_memory_bytes": self.trainer.device_bytes()}

    def cache(self) -> tuple[int, int]:
        """Programs that a JAX trainer found in the compile cache, and those it did not."""
        trainer: Any = self.trainer
        return trainer.compiling.hits, trainer.compiling.misses

    def gates(self) -> dict[str, bool]:
        """Whether the compiled step passes each gate, after the steps that were taken so far."""
        trainer: Any = self.trainer
        programs = steps_compiled(trainer)
        convolutions, channels = self.workload.net.depth, self.workload.channels
        known = self.workload.name in gates.KERNELS
        budget = gates.KERNELS[self.workload.name] if known else max(gates.KERNELS.values())
        return gates.inspect(trainer.hlo(), programs, self.machine.kind, convolutions, channels, budget)

    def sweep(self, variant: Workload, seeds: Sequence[int], together: int) -> Trained:
        """Train the members of a variant from start to test accuracy, `together` at once."""
        test, steps = given.dataset(variant).test, variant.sweep_epochs * (variant.images // variant.batch)
        accuracies: list[float] = []
        for first in range(0, len(seeds), together):
            some = seeds[first : first + together]
            self.trainer = self.module.trainer(variant, some, self.machine)
            self.trainer.run(np.stack([given.batches(variant, seed, steps) for seed in some]))
            scores = self.trainer.logits(test.images)
            accuracies += [float(value) for value in (scores.argmax(2) == test.labels).mean(1)]
        # trainers count for the whole process
        before, self.counted = self.counted, self.trainer.compile_seconds
        return Trained(compile_seconds=self.counted - before, accuracies=tuple(accuracies))


class LimitSeat:
    """The limit in this process; its methods are the commands."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.gauges: dict[str, Callable[[], float]]

    def prepare(self) -> tuple[str, ...]:
        """Warm up. Returns the names of all gauges."""
        limit = importlib.import_module("experiments.bench.limit")
        self.gauges = limit.gauges(self.machine)
        return tuple(self.gauges)

    def gauge(self, name: str) -> Turn:
        """Read one gauge."""
        begin = time.monotonic()
        work = self.gauges[name]()
        return Turn(begin=begin, end=time.monotonic(), work=work, losses=np.zeros((1, 0), np.float32))


def steps_compiled(trainer: Any) -> int:
    """Programs that were compiled, or fetched from the cache, for the steps that a JAX trainer took."""
    name = f"jit({trainer.step.__name__})"
    return sum(program == name for program in trainer.compiling.programs)


def serve(pipe: Connection, seat: Seat | LimitSeat) -> None:
    """Answer commands, (name, arguments), until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent ends this process
    while True:
        try:
            command, arguments = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send(("done", getattr(seat, command)(*arguments)))
        except Exception:
            pipe.send(("failed", traceback.format_exc()))


def compete(pipe: Connection, name: str, workload: Workload, members: Sequence[int], machine: Machine) -> None:
    """Body of a contender's process."""
    serve(pipe, Seat(name, workload, members, machine))


def gauge(pipe: Connection, machine: Machine) -> None:
    """Body of a process that measures the limit."""
    serve(pipe, LimitSeat(machine))
