"""Runs a contender in processes of its own: what the parent asks, and what a child answers."""

import multiprocessing
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from cnnlab.training.workers import environment
from experiments.bench import gates
from experiments.bench.contender import Contender, Machine, Setup, Values, contender
from experiments.bench.workloads import Workload, batch_indices, dataset


class ContenderError(RuntimeError):
    """A contender's process failed or died; the text says why, in one line."""


class TurnTiming(NamedTuple):
    """One process's turn by a clock that all share: images x members, and losses, (members, steps)."""

    begin: float
    end: float
    images: float
    losses: Values


def rate(timings: Sequence[TurnTiming]) -> float:
    """Images a second of processes that worked at the same time, from the first's begin to the last's end."""
    seconds = max(timing.end for timing in timings) - min(timing.begin for timing in timings)
    return sum(timing.images for timing in timings) / seconds


class ContenderSession:
    """A contender in this process; its methods are what the parent asks."""

    def __init__(self, name: str, workload: Workload, members: Sequence[int], machine: Machine) -> None:
        self.name, self.workload, self.members, self.machine = name, workload, members, machine
        self.trainer: Contender
        self.steps, self.compile_seconds = 0, 0.0

    def prepare(self) -> None:
        """Make the trainer."""
        self.trainer = contender(self.name)(self.workload, self.members, self.machine)

    def turn(self, steps: int) -> TurnTiming:
        """Train so many further steps, timed. Raises FloatingPointError where a loss is not finite."""
        before, self.steps = self.steps, self.steps + steps
        batches = np.stack([batch_indices(self.workload, member, self.steps)[before:] for member in self.members])
        begin = time.monotonic()
        losses = self.trainer.run(batches)
        end = time.monotonic()
        if not np.isfinite(losses).all():
            raise FloatingPointError("a loss is not finite")
        return TurnTiming(begin=begin, end=end, images=self.trainer.images_trained(batches), losses=losses)

    def costs(self) -> dict[str, float]:
        """Seconds of compiling so far, and peak memory in bytes: of the process, and of the accelerator."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        seconds, device = self.trainer.compile_seconds, self.trainer.device_bytes()
        return {"compile_seconds": seconds, "peak_memory_bytes": peak, "device_memory_bytes": device}

    def gates(self) -> dict[str, bool]:
        """Whether the compiled step passes each gate, after the steps that were taken so far."""
        trainer: Any = self.trainer
        programs = trainer.compiling.of(trainer.step)  # before another one is compiled to be read
        return gates.inspect(trainer.hlo(), programs, self.machine.kind, self.workload)

    def sweep(self, variant: Workload, seeds: Sequence[int], together: int) -> tuple[float, list[float]]:
        """Train members of a variant, `together` at once. Returns compile seconds, and a test accuracy a member."""
        test, steps = dataset(variant).test, variant.epochs * (variant.images // variant.batch)
        accuracies: list[float] = []
        for first in range(0, len(seeds), together):
            some = seeds[first : first + together]
            self.trainer = contender(self.name)(variant, some, self.machine)
            self.trainer.run(np.stack([batch_indices(variant, seed, steps) for seed in some]))
            scores = self.trainer.logits(test.images)
            accuracies += (scores.argmax(2) == test.labels).mean(1).tolist()
        # JAX trainers count for the whole process; PyTorch's in sweeps compile nothing
        before, self.compile_seconds = self.compile_seconds, self.trainer.compile_seconds
        return self.compile_seconds - before, accuracies


_session: list[ContenderSession] = []  # the one of this process


def _start(*arguments: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent ends this process
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _session.append(ContenderSession(*arguments))


def _end_with_parent() -> None:
    parent: Any = multiprocessing.parent_process()
    parent.join()
    os._exit(1)


def _call(method: str, *arguments: Any) -> Any:
    try:
        return getattr(_session[0], method)(*arguments)
    except Exception as error:
        raise ContenderError(f"{type(error).__name__}: {error}".splitlines()[0]) from error


class ContenderProcesses:
    """Fresh processes, in pools of `size` that share jobs; JAX keeps compiled programs in the folder `cache`."""

    def __init__(self, name: str, setup: Setup, workload: Workload, machine: Machine, cache: Path, size: int) -> None:
        cached = {"JAX_COMPILATION_CACHE_DIR": str(cache), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
        self.pools: list[ProcessPoolExecutor] = []
        with environment({**setup.environment, **cached}):
            for first in range(0, setup.processes, size):
                members = range(first * setup.together, (first + 1) * setup.together)
                arguments = (name, workload, members, machine)
                self.pools.append(ProcessPoolExecutor(size, multiprocessing.get_context("spawn"), _start, arguments))
                for _ in range(size):
                    self.pools[-1].submit(os.getpid)  # a process starts now, with this environment

    def ask(self, method: str, *arguments: Any, jobs: Sequence[tuple[Any, ...]] = ((),)) -> list[Any]:
        """Call a method in every pool, for each job; the answers, once all are there. Raises ContenderError."""
        try:
            calls = [(pool, (method, *arguments, *job)) for pool in self.pools for job in jobs]
            answers = [pool.submit(_call, *call) for pool, call in calls]
            return [answer.result() for answer in answers]
        except BrokenExecutor:
            raise ContenderError("the process has ended (out of memory, or killed)") from None

    def close(self) -> None:
        """End the processes, once what they do is done."""
        for pool in self.pools:
            pool.shutdown(cancel_futures=True)
