"""Disks that are full or may not be written, clocks that jump, records of other versions: told, and nothing lost."""

import contextlib
import datetime
import itertools
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from cnnlab.records import Store, require_writable
from experiments import run
from experiments.cli.command import ExitCode
from experiments.config.grid import Grid
from experiments.reports import sweep as sweep_report
from experiments.training import provenance, session
from experiments.training.summary import Summary

from .conftest import Door, Ended

WORDS = ("+sweep=relu_at_zero", "scale=smoke", "model.width=2", "tracker=off")
ARMS = 6
Sweep = Callable[..., Ended]


def counts(plan: Grid, summary: Summary, console: Console, *, verbose: bool) -> None:
    """The end of a run without its verdicts, which take a while."""
    console.print(f"trained {summary.trained} arms, found {summary.skipped} done")


@pytest.fixture
def sweep(
    door: Door, untrained: list[str], composed_once: Callable[[list[str]], Grid], monkeypatch: pytest.MonkeyPatch
) -> Sweep:
    """The command with a training that takes no time: `sweep(results, *words)`."""
    monkeypatch.setattr(run, "grid", composed_once)
    monkeypatch.setattr(sweep_report, "finish", counts)
    return lambda results, *words: door(run.main, *WORDS, f"results={results}", *words)


@contextlib.contextmanager
def mounted(place: Path, options: str) -> Iterator[None]:
    """A file system in memory; skips where it may not be mounted."""
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", options, "none", str(place)]
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("only root may mount a small disk, and not in every container")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def remount(place: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(place)], check=True)


def records(results: Path) -> dict[str, bytes]:
    store = Store(results / "runs")
    return {arm: store.record(arm).read_bytes() for arm in store.arms()}


def test_a_full_disk_is_one_line_and_what_is_done_is_kept(sweep: Sweep, tmp_path: Path) -> None:
    assert sweep(tmp_path / "whole").code == 0
    whole = records(tmp_path / "whole")
    disk = tmp_path / "disk"
    with mounted(disk, "size=64k"):
        done = sweep(disk)
        assert done.code == ExitCode.FAILED
        assert done.err.count("\n") == 1
        assert done.err.startswith("error: ")
        assert "No space left on device" in done.err
        assert "The same command goes on from here" in done.err
        kept = records(disk)
        assert 0 < len(kept) < ARMS
        assert kept.items() <= whole.items()
        for arm in kept:
            Store(disk / "runs").read(arm)
        assert not list(disk.glob("runs/*/.*")), "no draft, no lease"
        remount(disk, "size=16m")
        done = sweep(disk)
        assert (done.code, done.err) == (0, "")
        assert f"trained {ARMS - len(kept)} arms, found {len(kept)} done" in done.out
        assert records(disk) == whole


def test_a_folder_that_cannot_be_written_is_one_line_before_anything_runs(sweep: Sweep, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    with mounted(disk, "size=1m"):
        remount(disk, "ro")
        for words, key in (((), "results"), ((f"cache={disk / 'cache'}",), "cache")):
            done = sweep(disk / "results" if key == "results" else tmp_path / "results", *words)
            assert (done.code, done.out) == (ExitCode.USAGE, "")
            assert done.err.count("\n") == 1
            assert f"error: {key}={disk}" in done.err
            assert "cannot be written to: choose another folder" in done.err
        assert not (tmp_path / "results").exists()
        assert not (tmp_path / "cache").exists()


def test_a_file_where_a_folder_should_be_is_one_line(sweep: Sweep, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = sweep(tmp_path / "file")
    assert done.code == ExitCode.USAGE
    assert done.err.count("\n") == 1
    assert "cannot be written to" in done.err


def test_a_record_that_was_edited_is_refused_by_name_and_set_aside_by_force(sweep: Sweep, tmp_path: Path) -> None:
    assert sweep(tmp_path).code == 0
    before = records(tmp_path)
    path = next(tmp_path.glob("runs/*/record.json"))
    content = json.loads(path.read_bytes())
    content["rates"][0]["test_accuracy"] = [1.0] * len(content["members"])
    path.write_text(json.dumps(content, sort_keys=True, separators=(",", ":")) + "\n")
    done = sweep(tmp_path)
    assert (done.code, done.out) == (ExitCode.USAGE, "")
    assert done.err.count("\n") == 1
    assert str(path) in done.err
    assert "edited" in done.err
    done = sweep(tmp_path, "force=true")
    assert done.code == 0
    assert records(tmp_path) == before
    assert len(list(tmp_path.glob("runs/*.aside-*/record.json"))) == ARMS, "nothing is deleted"


HERE = provenance.with_vectors()


def test_records_of_another_commit_or_processor_are_named(
    sweep: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = {"commit": "0123456789abcdef", "dirty": False}
    monkeypatch.setattr(provenance, "git_state", lambda: state)
    assert sweep(tmp_path).code == 0
    assert "made by" not in sweep(tmp_path).out
    monkeypatch.setattr(provenance, "git_state", lambda: {"commit": "fedcba9876543210", "dirty": False})
    done = sweep(tmp_path)
    assert f"found {ARMS} made by commit 012345678, of the same protocol: used" in done.out
    monkeypatch.setattr(provenance, "with_vectors", lambda: "an older one (avx2)")
    assert f"made by commit 012345678, processor {HERE}, of the same protocol" in " ".join(sweep(tmp_path).out.split())


class Jumping:
    """A clock that goes back a day, forward a year, and stands still."""

    def __init__(self) -> None:
        self.steps = itertools.cycle([0.0, -86_400.0, 3.2e7, 3.2e7, -1.0e9])

    def time(self) -> float:
        return 1.7e9 + next(self.steps)

    def now(self, zone: Any = None) -> datetime.datetime:
        return datetime.datetime.fromtimestamp(self.time(), zone)


def test_a_clock_that_jumps_changes_no_record_and_loses_none(
    sweep: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sweep(tmp_path / "steady").code == 0
    clock = Jumping()

    class Time(datetime.datetime):
        now = clock.now

    monkeypatch.setattr(time, "time", clock.time)
    monkeypatch.setattr(time, "strftime", lambda *_: "20260101-000000")
    monkeypatch.setattr(session.datetime, "datetime", Time)
    results = tmp_path / "jumping"
    for again in range(3):
        done = sweep(results, f"force={'true' if again else 'false'}")
        assert (done.code, done.err) == (0, "")
        assert f"trained {ARMS} arms" in done.out
        assert records(results) == records(tmp_path / "steady")
    assert len(list(results.glob("runs/*.aside-*/record.json"))) == 2 * ARMS, "set aside twice in the same second"


def test_what_else_cannot_be_written_is_told_and_another_fault_is_not_hidden(
    sweep: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Store, record: Any, facts: Any) -> None:
        raise OSError(99, "a fault of the code")

    monkeypatch.setattr(Store, "write", broken)
    with pytest.raises(OSError, match="a fault of the code"):
        sweep(tmp_path)


def test_a_plain_folder_can_be_written(tmp_path: Path) -> None:
    require_writable(tmp_path / "a" / "b", "results")
    assert not (tmp_path / "a").exists()
