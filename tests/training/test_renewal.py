"""Workers whose memory grows are renewed between arms, and nothing of them is left in this process."""

import os
import threading
from collections.abc import Callable, Generator
from multiprocessing import Pipe, connection
from pathlib import Path
from typing import Any

import pytest

from cnnlab.data import Source
from cnnlab.spec.invalid import InvalidError
from cnnlab.training import workers
from cnnlab.training.workers import WorkerPlan, WorkerPool


class Threads:
    """Stands for multiprocessing: a worker is a thread that answers each piece of work with its double."""

    Pipe = staticmethod(Pipe)

    def __init__(self) -> None:
        self.started = 0

    def Process(self, target: Any, args: tuple[connection.Connection, WorkerPlan], daemon: bool) -> "Worker":
        self.started += 1
        return Worker(args[0], self.started)


class Worker:
    def __init__(self, pipe: connection.Connection, pid: int) -> None:
        self.pipe, self.pid = connection.Connection(os.dup(pipe.fileno())), pid
        self.thread = threading.Thread(target=self.serve)

    def start(self) -> None:
        self.thread.start()

    def serve(self) -> None:
        try:
            while True:
                self.pipe.send(("done", [2 * item for item in self.pipe.recv()]))
        except (EOFError, OSError):
            self.pipe.close()

    def terminate(self) -> None:
        """Its pipe is closed by whoever ends it."""

    def join(self) -> None:
        """As `terminate`."""

    def close(self) -> None:
        """As `terminate`."""


def doubling(number: int) -> Generator[list[Any], list[Any], Any]:
    """An arm of two pieces of work."""
    answers = yield [number, number + 1]
    return answers


def trained(
    arms: int, folder: Path, memory: Callable[[int, int], int], monkeypatch: pytest.MonkeyPatch
) -> tuple[dict[str, Any], int]:
    """What came of so many arms on one worker, and how many workers there were.

    Args:
        memory: bytes of a worker by its number and the arms that it has served.
    """
    threads, served = Threads(), dict[int, int]()

    def measured(pid: int | None) -> int:
        assert pid is not None
        served[pid] = served[pid] + 1 if pid in served else 0
        return memory(pid, served[pid])

    monkeypatch.setattr(workers, "memory", measured)
    plan = WorkerPlan(workers=1, backend="cpu", source=Source(cache_dir=folder), compile_cache=folder / "compiled")
    with WorkerPool(plan) as pool:
        monkeypatch.setattr(pool, "_context", threads)
        jobs: Any = ((f"arm {number}", doubling(number)) for number in range(arms))
        found = {outcome.name: outcome.record for outcome in pool.run(jobs)}
    return found, threads.started


EXPECTED = {f"arm {number}": [2 * number, 2 * number + 2] for number in range(60)}
MEGABYTE = 2**20


def test_a_worker_that_grows_is_renewed_and_every_arm_has_its_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Growth as it was measured: 3.5 MB an arm."""
    taken: list[float] = []

    def memory(worker: int, arms: int) -> int:
        size = int((400 + 3.5 * arms) * MEGABYTE)
        taken.append(size / ((400 + 3.5 * workers.SETTLED) * MEGABYTE))
        return size

    found, started = trained(60, tmp_path, memory, monkeypatch)
    assert found == EXPECTED
    assert 2 <= started <= 4
    assert max(taken) < 1.2


def test_one_that_does_not_grow_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin. Large arms may need more memory than small ones."""
    found, started = trained(60, tmp_path, lambda worker, arms: 400 * MEGABYTE, monkeypatch)
    assert (found, started) == (EXPECTED, 1)


def test_none_is_renewed_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, started = trained(60, tmp_path, lambda worker, arms: 2**arms * MEGABYTE, monkeypatch)
    assert started == 60 // (workers.SETTLED + workers.STEADY)


def test_one_that_begins_larger_than_the_first_is_held_to_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else every worker might be larger than the one before: nets often grow along a sweep."""
    taken: list[int] = []

    def memory(worker: int, arms: int) -> int:
        taken.append((400 + 30 * (worker > 1) + 9 * arms) * MEGABYTE)
        return taken[-1]

    trained(60, tmp_path, memory, monkeypatch)
    assert max(taken) < 1.2 * (400 + 9 * workers.SETTLED) * MEGABYTE


class Leak:
    """Work that has 8 MiB stay with the worker that reads it, and ends its arm there."""

    CODE = "__import__('builtins').__dict__.setdefault('leaked', []).append(bytearray(b'x') * 2**23)"

    def __reduce__(self) -> tuple[Any, ...]:
        return eval, (self.CODE,)


def leaking() -> Generator[list[Any], list[Any], Any]:
    yield [Leak()]


def sizes(folder: Path, arms: int) -> list[float]:
    """Of the worker, a real process, after every arm: over its size after `SETTLED` arms."""
    jobs: Any = ((f"arm {number}", leaking()) for number in range(arms))
    with WorkerPool(plan(folder)) as pool:
        found = [workers.memory(pool._workers[0].process.pid) for _ in pool.run(jobs)]
    return [size / found[workers.SETTLED - 1] for size in found]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_real_worker_that_leaks_stays_within_a_fifth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the memory is given back. The twin: none is renewed."""
    ratios = sizes(tmp_path, 20)
    assert max(ratios) < 1.2
    assert min(ratios[workers.SETTLED + workers.STEADY :]) < 1.0
    monkeypatch.setattr(workers, "GROWTH", 2.0**20)
    assert max(sizes(tmp_path, 20)) > 1.2


def plan(folder: Path) -> WorkerPlan:
    return WorkerPlan(workers=1, backend="cpu", source=Source(cache_dir=folder), compile_cache=folder / "compiled")


def test_renewed_processes_leave_no_descriptor_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "memory", lambda pid: 2**40)
    with WorkerPool(plan(tmp_path)) as pool:
        pool._worker(0)
        before, pids = len(list(Path("/proc/self/fd").iterdir())), set[int | None]()
        for _ in range(5):
            worker = pool._worker(0)
            worker.arms, pool._settled = workers.SETTLED + workers.STEADY, 1
            pids.add(pool._for_another_arm(worker).process.pid)
        assert len(pids) == 5
        assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_no_worker_is_started_in_an_environment_that_changes_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAX_DISABLE_JIT", "1")
    with WorkerPool(plan(tmp_path)) as pool, pytest.raises(InvalidError, match="JAX_DISABLE_JIT"):
        pool._worker(0)


def test_no_worker_is_started_on_programs_that_others_may_have_planted(tmp_path: Path) -> None:
    (tmp_path / "compiled").mkdir()
    (tmp_path / "compiled").chmod(0o777)
    with WorkerPool(plan(tmp_path)) as pool, pytest.raises(InvalidError, match="may be written by others"):
        pool._worker(0)


def test_memory_is_that_of_the_process() -> None:
    assert workers.memory(os.getpid()) > 10 * MEGABYTE
    assert workers.memory(2**22 + 1) == 0
