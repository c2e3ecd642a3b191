"""Disks that are full or may not be written, clocks that jump, records of other versions: told, and nothing lost."""

import contextlib
import dataclasses
import datetime
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from cnnlab.records import Store, require_writable
from cnnlab.training.workers import WorkerPool
from experiments import run
from experiments.config.grid import Grid
from experiments.reports import sweep as sweep_report
from experiments.training import provenance, session
from experiments.training.session import Summary

from .test_suite import invented

WORDS = ("+sweep=relu_at_zero", "scale=smoke", "model.width=2", "tracker=off")
ARMS = 6


@dataclasses.dataclass
class Door:
    """The door of `experiments.run` with a training that takes no time."""

    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch

    def __call__(self, results: Path, *words: str) -> tuple[int, str, list[str]]:
        """Exit code, standard output, and the lines of standard error."""
        self.monkeypatch.setattr(sys, "argv", ["run", *WORDS, f"results={results}", *words])
        code = run.main()
        out, err = self.capsys.readouterr()
        return code, out, err.strip().splitlines()


class Idle:
    """A worker that is never given anything: invented arms ask for no work."""

    busy = None


def counts(plan: Grid, summary: Summary, console: Console) -> None:
    """The end of a run without its verdicts, which take a while."""
    console.print(f"trained {summary.trained} arms, found {summary.skipped} done")


@pytest.fixture
def door(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Door:
    monkeypatch.setenv("CNNLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(session, "training", invented)
    monkeypatch.setattr(WorkerPool, "_worker", lambda self, number: Idle())
    monkeypatch.setattr(sweep_report, "report", counts)
    return Door(capsys=capsys, monkeypatch=monkeypatch)


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
    return {path.parent.parent.name: path.read_bytes() for path in results.glob("runs/*/0/record.json")}


def test_a_full_disk_is_one_line_and_what_is_done_is_kept(door: Door, tmp_path: Path) -> None:
    assert door(tmp_path / "whole")[0] == 0
    whole = records(tmp_path / "whole")
    disk = tmp_path / "disk"
    with mounted(disk, "size=64k"):
        code, _, err = door(disk)
        assert code == run.FAILED
        assert len(err) == 1
        assert err[0].startswith("error: ")
        assert "No space left on device" in err[0]
        assert "The same command goes on from here" in err[0]
        kept = records(disk)
        assert 0 < len(kept) < ARMS
        assert kept.items() <= whole.items()
        for arm in kept:
            Store(disk / "runs").read(arm, 0)
        assert not list(disk.glob("runs/*/.*")), "no draft, no lease"
        remount(disk, "size=16m")
        code, out, err = door(disk)
        assert (code, err) == (0, [])
        assert f"trained {ARMS - len(kept)} arms, found {len(kept)} done" in out
        assert records(disk) == whole


def test_a_folder_that_cannot_be_written_is_one_line_before_anything_runs(door: Door, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    with mounted(disk, "size=1m"):
        remount(disk, "ro")
        for words, key in (((), "results"), ((f"cache={disk / 'cache'}",), "cache")):
            code, out, err = door(disk / "results" if key == "results" else tmp_path / "results", *words)
            assert (code, out) == (run.MISTAKE, "")
            assert len(err) == 1
            assert f"error: {key}={disk}" in err[0]
            assert "cannot be written to: choose another folder" in err[0]
        assert not (tmp_path / "results").exists()
        assert not (tmp_path / "cache").exists()


def test_a_file_where_a_folder_should_be_is_one_line(door: Door, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, _, err = door(tmp_path / "file")
    assert code == run.MISTAKE
    assert len(err) == 1
    assert "cannot be written to" in err[0]


def test_a_record_that_was_edited_is_refused_by_name_and_set_aside_by_force(door: Door, tmp_path: Path) -> None:
    assert door(tmp_path)[0] == 0
    before = records(tmp_path)
    path = next(tmp_path.glob("runs/*/0/record.json"))
    content = json.loads(path.read_bytes())
    content["finals"]["own"]["test_accuracy"] = [1.0] * len(content["finals"]["own"]["test_accuracy"])
    path.write_text(json.dumps(content, sort_keys=True, separators=(",", ":")) + "\n")
    code, out, err = door(tmp_path)
    assert (code, out) == (run.MISTAKE, "")
    assert len(err) == 1
    assert str(path) in err[0]
    assert "edited" in err[0]
    code, out, _ = door(tmp_path, "force=true")
    assert code == 0
    assert records(tmp_path) == before
    assert len(list(tmp_path.glob("runs/*/0.aside-*/record.json"))) == ARMS, "nothing is deleted"


HERE = provenance.processor()


def test_records_of_another_commit_or_processor_are_named(
    door: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = {"commit": "0123456789abcdef", "dirty": False}
    monkeypatch.setattr(provenance, "git_state", lambda: state)
    assert door(tmp_path)[0] == 0
    assert "made by" not in door(tmp_path)[1]
    monkeypatch.setattr(provenance, "git_state", lambda: {"commit": "fedcba9876543210", "dirty": False})
    _, out, _ = door(tmp_path)
    assert f"found {ARMS} made by commit 012345678, of the same protocol: used" in out
    monkeypatch.setattr(provenance, "processor", lambda: "an older one (avx2)")
    assert f"made by commit 012345678, processor {HERE}, of the same protocol" in " ".join(door(tmp_path)[1].split())


class Jumping:
    """A clock that goes back a day, forward a year, and stands still."""

    def __init__(self) -> None:
        self.steps = itertools.cycle([0.0, -86_400.0, 3.2e7, 3.2e7, -1.0e9])

    def time(self) -> float:
        return 1.7e9 + next(self.steps)

    def now(self, zone: Any = None) -> datetime.datetime:
        return datetime.datetime.fromtimestamp(self.time(), zone)


def test_a_clock_that_jumps_changes_no_record_and_loses_none(
    door: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert door(tmp_path / "steady")[0] == 0
    clock = Jumping()

    class Time(datetime.datetime):
        now = clock.now

    monkeypatch.setattr(time, "time", clock.time)
    monkeypatch.setattr(time, "strftime", lambda *_: "20260101-000000")
    monkeypatch.setattr(session.datetime, "datetime", Time)
    results = tmp_path / "jumping"
    for again in range(3):
        code, out, err = door(results, f"force={'true' if again else 'false'}")
        assert (code, err) == (0, [])
        assert f"trained {ARMS} arms" in out
        assert records(results) == records(tmp_path / "steady")
    assert len(list(results.glob("runs/*/0.aside-*/record.json"))) == 2 * ARMS, "set aside twice in the same second"


def test_what_else_cannot_be_written_is_told_and_another_fault_is_not_hidden(
    door: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Store, record: Any, facts: Any) -> None:
        raise OSError(99, "a fault of the code")

    monkeypatch.setattr(Store, "write", broken)
    with pytest.raises(OSError, match="a fault of the code"):
        door(tmp_path)


def test_a_plain_folder_can_be_written(tmp_path: Path) -> None:
    require_writable(tmp_path / "a" / "b", "results")
    assert not (tmp_path / "a").exists()
