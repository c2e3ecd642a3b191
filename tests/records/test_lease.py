"""Leases: one holder at a time, none after its death, and nothing left lying about."""

import fcntl
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from cnnlab.records import Store, lease

HOLDER = """
import sys, time
from pathlib import Path
from cnnlab.records import lease
assert lease.take(Path(sys.argv[1])) is not None
print("held", flush=True)
time.sleep(600)
"""


def hold(path: Path) -> "subprocess.Popen[bytes]":
    """Another process that holds a lease."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    return process


def test_one_holder_at_a_time_and_its_file_goes_with_it(tmp_path: Path) -> None:
    path = tmp_path / "arm" / ".0.lease"
    first = lease.take(path)
    assert first is not None
    assert first.firm
    assert lease.take(path) is None
    assert f"process {os.getpid()}" in lease.holder(path)
    first.release()
    assert not path.exists()
    assert lease.holder(path) == ""
    second = lease.take(path)
    assert second is not None
    second.release()


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_a_dead_process_holds_nothing(tmp_path: Path, end: signal.Signals) -> None:
    path = tmp_path / ".0.lease"
    with hold(path) as other:
        assert lease.take(path) is None
        assert f"process {other.pid}" in lease.holder(path)
        other.send_signal(end)
        other.wait()
    assert path.exists(), "nobody took its file away"
    mine = lease.take(path)
    assert mine is not None
    assert f"process {os.getpid()}" in lease.holder(path)
    mine.release()


def test_a_process_that_is_only_stopped_keeps_it(tmp_path: Path) -> None:
    path = tmp_path / ".0.lease"
    with hold(path) as other:
        other.send_signal(signal.SIGSTOP)
        assert lease.take(path) is None
        other.kill()


def held_at_once(take: Callable[[Path], lease.Lease | None], path: Path, threads: int = 8, rounds: int = 200) -> int:
    """The most holders that there ever were at a time, of threads that take and release as fast as they can."""
    holders, most, counting = 0, 0, threading.Lock()

    def work() -> None:
        nonlocal holders, most
        for _ in range(rounds):
            mine = take(path)
            if mine is None:
                continue
            with counting:
                holders += 1
                most = max(most, holders)
            with counting:
                holders -= 1
            mine.release()

    running = [threading.Thread(target=work) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return most


def test_a_file_that_is_taken_away_between_opening_and_locking_is_no_lease(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The race that taking the file away brings: two would hold, each a file of its own."""

    def race() -> int:
        """Holders at once, after the first released between the second's opening and its locking."""
        path = tmp_path / ".0.lease"
        first, lock = lease.take(path), fcntl.flock
        assert first is not None
        third: list[lease.Lease | None] = []

        def late(handle: int, how: int) -> None:
            monkeypatch.setattr(fcntl, "flock", lock)
            first.release()
            third.append(lease.take(path))
            lock(handle, how)

        monkeypatch.setattr(fcntl, "flock", late)
        second = lease.take(path)
        holders = [one for one in (second, *third) if one is not None]
        for one in holders:
            one.release()
        return len(holders)

    assert race() == 1
    monkeypatch.setattr(lease, "_is_at", lambda handle, path: True)
    assert race() == 2, "the twin: without the second look both hold"


def test_many_at_once_are_one_at_a_time(tmp_path: Path) -> None:
    assert held_at_once(lease.take, tmp_path / ".0.lease") == 1


def test_a_file_system_without_locks_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(handle: int, how: int) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    one, other = lease.take(tmp_path / ".0.lease"), lease.take(tmp_path / ".0.lease")
    assert one is not None
    assert other is not None
    assert not one.firm
    one.release()
    other.release()


def test_drafts_of_killed_writers_go_and_those_of_other_arms_and_machines_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    monkeypatch.setattr("socket.gethostname", lambda: "here")
    names = (".arm-here-123-abc", ".other-here-123-abc", ".arm-there-123-abc")
    for name in names:
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "record.json").write_text("{")
    mine = store.take("arm")
    assert mine is not None
    assert {path.name for path in tmp_path.iterdir()} == {*names[1:], ".arm.lease"}
    assert store.take("arm") is None
    assert store.take("other") is not None
    mine.release()


def test_a_lease_beside_a_finished_record_goes_unless_it_is_held(tmp_path: Path) -> None:
    """Killed between the record and the giving back."""
    store, path = Store(tmp_path), tmp_path / ".arm.lease"
    with hold(path) as other:
        store.tidy("arm")
        assert path.exists()
        other.kill()
        other.wait()
    store.tidy("arm")
    assert not path.exists()
    store.tidy("arm")
