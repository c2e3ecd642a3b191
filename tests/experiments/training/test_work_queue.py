"""Copies of one command: the work is shared, nothing is trained twice, and what a dead copy held is taken over."""

import dataclasses
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from cnnlab.data import Source
from cnnlab.records import Store, lease
from cnnlab.spec.record import Record
from cnnlab.training.arm import Training
from cnnlab.training.workers import ArmOutcome, WorkerPlan, WorkerPool
from experiments.config.resolve import Point
from experiments.training.work_queue import WorkQueue

from ..conftest import Compose, planted_record

ARMS = 12


@pytest.fixture(scope="module")
def points(composed: Compose) -> dict[str, Point]:
    """Arms that differ in their learning rate."""
    (first,) = composed("", "smoke").points
    rates = [0.001 * (1 + place) for place in range(ARMS)]
    recipes = [dataclasses.replace(first.arm.recipe, learning_rate=rate) for rate in rates]
    arms = [dataclasses.replace(first.arm, recipe=recipe) for recipe in recipes]
    return {arm.key: dataclasses.replace(first, arm=arm) for arm in arms}


class Copy:
    """A copy of a command that trains by sleeping, one arm at a time."""

    def __init__(self, root: Path, points: dict[str, Point], seconds: float = 0.02) -> None:
        self.store, self.points, self.seconds = Store(root), points, seconds
        self.trained: list[str] = []
        self.found: list[str] = []
        self.said: list[str] = []

    def begin(self, name: str) -> Training:
        time.sleep(self.seconds)
        return planted_record(self.points[name], 0.8)
        yield

    def run(self) -> None:
        plan = WorkerPlan(
            workers=1, backend="cpu", source=Source(cache_dir=self.store.root), compile_cache=self.store.root
        )
        pool = WorkerPool(plan)
        pool._worker = lambda number: idle(pool)  # type: ignore[method-assign]
        with WorkQueue(self.store, tuple(self.points), self.said.append) as share:
            for outcome in pool.run(share.offers(self.begin, self.found.append)):
                self.end(outcome)
                share.release(outcome.name)

    def end(self, outcome: ArmOutcome) -> None:
        assert isinstance(outcome.record, Record)
        self.store.write(outcome.record, {})
        self.trained.append(outcome.record.arm)


def idle(pool: WorkerPool) -> "object":
    """A worker that is never given anything: these arms ask for no work."""

    class Idle:
        busy = None

    return Idle()


def at_once(copies: list[Copy]) -> None:
    running = [threading.Thread(target=copy.run) for copy in copies]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()


def trained_twice(copies: list[Copy]) -> int:
    counts = Counter(name for copy in copies for name in copy.trained)
    return sum(count - 1 for count in counts.values())


@pytest.mark.parametrize("count", [2, 4])
def test_copies_share_the_work(tmp_path: Path, points: dict[str, Point], count: int) -> None:
    copies = [Copy(tmp_path, points) for _ in range(count)]
    at_once(copies)
    assert trained_twice(copies) == 0
    assert all(copy.trained for copy in copies)
    for copy in copies:
        assert {*copy.trained, *copy.found} == set(points)
    for name in points:
        assert Store(tmp_path).read(name).arm == name
    assert not [path.name for path in tmp_path.glob(".*")]


def test_without_leases_the_work_is_done_twice(
    tmp_path: Path, points: dict[str, Point], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: every copy believes that it may train every arm."""
    free = lease.Lease(path=tmp_path / "none", handle=-1, firm=True)
    monkeypatch.setattr(lease.Lease, "release", lambda self: None)
    monkeypatch.setattr(Store, "take", lambda self, arm: free)
    copies = [Copy(tmp_path, points) for _ in range(2)]
    at_once(copies)
    assert trained_twice(copies) > 0


def test_an_arm_that_another_has_is_left_to_the_end_and_taken_over_when_that_one_gives_up(
    tmp_path: Path, points: dict[str, Point]
) -> None:
    store, first = Store(tmp_path), next(iter(points))
    theirs = store.take(first)
    assert theirs is not None
    copy = Copy(tmp_path, points, seconds=0.0)
    thread = threading.Thread(target=copy.run)
    thread.start()
    deadline = time.monotonic() + 20
    while not copy.said and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(copy.trained) == ARMS - 1
    assert first not in copy.trained
    assert len(copy.said) == 1
    assert copy.said[0].startswith("1 arm is being trained by ")
    theirs.release()
    thread.join()
    assert copy.trained[-1] == first


def test_an_arm_that_another_finishes_meanwhile_is_found(tmp_path: Path, points: dict[str, Point]) -> None:
    store, first = Store(tmp_path), next(iter(points))
    theirs = store.take(first)
    assert theirs is not None
    copy = Copy(tmp_path, points, seconds=0.0)
    thread = threading.Thread(target=copy.run)
    thread.start()
    store.write(planted_record(points[first], 0.8), {"host": "elsewhere"})
    theirs.release()
    thread.join()
    assert copy.found == [first]
    assert len(copy.trained) == ARMS - 1
