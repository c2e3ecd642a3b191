import os
import pty
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cnnlab.spec.invalid import InvalidError
from cnnlab.spec.record import Record
from cnnlab.tracking import Artifact, Off, TrackedRun, Tracker, arm_runs, mirror, run_id, tracker
from cnnlab.tracking.members import each
from cnnlab.tracking.mirror import WandbTracker, fill
from cnnlab.tracking.series import AXIS, Histogram, rows, summary

Make = Callable[..., Record]
Inspect = Callable[[Path], list[Any]]

PAGE = "<!doctype html><p>größer &amp; more</p>"


def run_of(record: Record, **fields: Any) -> TrackedRun:
    return replace(runs_of(record, "arm")[0], **fields)


def runs_of(record: Record, unit: str, **fields: Any) -> tuple[TrackedRun, ...]:
    return arm_runs(
        record,
        unit=unit,
        name="two pools",
        group="pool_position",
        tags=("smoke",),
        notes="n",
        config={"sweep": "pool_position"},
        **fields,
    )


def logged(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows as logged, without W&B's own clocks and counters."""
    return [{name: value for name, value in row.items() if not name.startswith("_")} for row in history]


def wanted(record: Record) -> list[dict[str, Any]]:
    """The record's rows as W&B's reader prints them: a histogram becomes three flat keys."""
    flat = []
    for row in rows(record):
        out: dict[str, Any] = {}
        for name, value in row.items():
            if isinstance(value, Histogram):
                out |= {f"{name}._type": "histogram", f"{name}.values": [*value.counts], f"{name}.bins": [*value.edges]}
            else:
                out[name] = value
        flat.append(out)
    return flat


def holds(seen: Any, record: Record, end: str = "") -> bool:
    """Whether an offline run, read back, is exactly this record, under an id with this end."""
    promised = summary(record)
    return (
        seen.run["run_id"] == f"{record.arm}{end}"
        and seen.run["config"]["update"]["arm"] == record.arm
        and logged(seen.history) == wanted(record)
        and {name: seen.summary[name] for name in promised} == pytest.approx(promised)
    )


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Warnings that reach a user; W&B keeps its own log to itself."""
    lines = [entry.getMessage() for entry in caplog.records if entry.name == mirror.__name__]
    assert not any("\n" in line for line in lines)
    return lines


def test_an_offline_run_holds_the_record_whatever_the_environment_says(
    tmp_path: Path,
    make: Make,
    inspect: Inspect,
    totals: Callable[[Path], dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    for name, value in {"MODE": "disabled", "RUN_ID": "other", "PROJECT": "other", "RUN_GROUP": "other"}.items():
        monkeypatch.setenv(f"WANDB_{name}", value)
    directory = tmp_path / "not" / "there" / "yet"
    mirrored = tracker("offline", directory)
    mirrored.log(run_of(make()))
    mirrored.close()
    mirrored.close()
    (seen,) = inspect(directory)
    assert holds(seen, make())
    assert not holds(seen, make(offset=1.0))
    whole = totals(directory)
    assert whole["config"] == {
        "net": {"width": 8},
        "recipe": {"epochs": 2},
        "task": {"name": "digits12"},
        "sweep": "pool_position",
        "protocol": 1,
        "arm": make().arm,
        "members": [12, 13, 14],
    }
    assert whole["state"] == "finished"
    assert whole["summary"]["final/test_accuracy/mean"] == pytest.approx(1.6 / 3)
    assert whole["summary"]["accuracy/validation"] == {"max": 0.25}
    assert whole["summary"]["loss/train"] == {"min": 0.75}
    assert "grad_norm/conv1/kernel" not in whole["summary"], "it was finite before, but not at the end"
    told = {name: seen.run[name] for name in ("display_name", "run_group", "job_type", "tags", "notes", "project")}
    assert told == {
        "display_name": "two pools",
        "run_group": "pool_position",
        "job_type": "arm",
        "tags": ["smoke"],
        "notes": "n",
        "project": "cnnlab",
    }
    assert (seen.metrics[-1]["glob_name"], seen.metrics[-1]["step_metric"]) == ("*", AXIS)
    assert not {"host", "git"} & seen.run.keys(), "a mirrored run tells nothing about the machine"
    assert not list(directory.rglob("requirements.txt"))
    assert capfd.readouterr() == ("", "")


class Careless(WandbTracker):
    """Leaves a run open when it fails, and takes an open run for the next one: W&B's own defaults."""

    def _send(self, run: TrackedRun) -> None:
        import wandb

        self._opened = True
        self.directory.mkdir(exist_ok=True)
        opened = wandb.init(
            dir=str(self.directory), id=run.id, config=dict(run.config), mode=self.mode, settings=self._settings()
        )
        fill(opened, run)
        opened.finish()


def keeps_runs_apart(mirrored: Tracker, directory: Path, make: Make, inspect: Inspect) -> bool:
    """Whether a run that breaks in the middle leaves the next two untouched."""
    records = [make(f"arm{place}", offset=10.0 * place) for place in range(3)]
    torn = run_of(records[0], tables={"torn": ({"a": 1}, {"b": 2})})
    for run in (torn, run_of(records[1]), run_of(records[2])):
        mirrored.log(run)
    mirrored.close()
    seen = inspect(directory)
    return (
        len(seen) == 3
        and [bool(run.exit_code) for run in seen] == [True, False, False]
        and logged(seen[0].history) == wanted(records[0])
        and all(holds(run, record) for run, record in zip(seen[1:], records[1:], strict=True))
    )


def test_runs_never_mix_even_when_one_breaks_in_the_middle(
    tmp_path: Path, make: Make, inspect: Inspect, caplog: pytest.LogCaptureFixture
) -> None:
    assert keeps_runs_apart(tracker("offline", tmp_path), tmp_path, make, inspect)
    assert len(warnings_of(caplog)) == 1


def test_the_check_of_mixing_notices_a_run_left_open(tmp_path: Path, make: Make, inspect: Inspect) -> None:
    careless = Careless(mode="offline", directory=tmp_path, project="cnnlab")
    assert not keeps_runs_apart(careless, tmp_path, make, inspect)


@pytest.mark.slow
def test_an_arm_logged_again_lands_in_the_same_run(tmp_path: Path, make: Make, inspect: Inspect) -> None:
    mirrored = tracker("offline", tmp_path)
    for _ in range(2):
        mirrored.log(run_of(make()))
    mirrored.close()
    seen = inspect(tmp_path)
    assert len(seen) == 2
    assert all(holds(run, make()) for run in seen)


def one_run_a_member(runs: list[Any], record: Record) -> bool:
    """Whether offline runs, read back, are exactly the members of a record."""
    return len(runs) == len(record.members) and all(
        holds(seen, one, f"-s{one.members[0]}") and seen.run["job_type"] == "seed"
        for seen, one in zip(runs, each(record), strict=True)
    )


def test_an_arm_may_be_one_run_a_member(tmp_path: Path, make: Make, inspect: Inspect) -> None:
    mirrored = tracker("offline", tmp_path)
    for run in runs_of(make(), "seed"):
        mirrored.log(run)
    mirrored.close()
    seen = inspect(tmp_path)
    assert one_run_a_member(seen, make())
    assert not one_run_a_member(seen[:2], make())
    assert not one_run_a_member([seen[1], seen[0], seen[2]], make())
    assert [run.run["config"]["update"]["seed"] for run in seen] == [12, 13, 14]
    assert {run.run["run_group"] for run in seen} == {"pool_position"}


def test_pictures_of_an_arm_stand_in_the_run_of_its_first_member(make: Make, tmp_path: Path) -> None:
    pictures = {"map": tmp_path / "map.png"}
    assert [run.pictures for run in runs_of(make(), "seed", pictures=pictures)] == [pictures, {}, {}]
    assert [run.pictures for run in runs_of(make(), "arm", pictures=pictures)] == [pictures]


def test_an_unknown_unit_lists_the_choices(make: Make) -> None:
    with pytest.raises(InvalidError, match="arm, seed"):
        runs_of(make(), "member")


def test_pictures_numbers_and_files_are_kept_as_they_are(tmp_path: Path, inspect: Inspect) -> None:
    figure, kept = tmp_path / "figure.png", tmp_path / "record.json"
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    Image.fromarray(255 - pixels).save(figure)
    kept.write_text("{}")
    mirrored = tracker("offline", tmp_path / "tracked")
    mirrored.log(
        TrackedRun(
            id="s",
            name="summary",
            group="g",
            job_type="sweep",
            numbers={"arms": 6},
            pictures={"figure": figure, "map": lambda: pixels},
            artifact=Artifact(name="records-of-g", kind="records", files={"arm/0/record.json": kept}),
            page=lambda: PAGE,
        )
    )
    mirrored.close()
    (seen,) = inspect(tmp_path / "tracked")
    assert seen.summary["arms"] == 6
    (folder,) = (tmp_path / "tracked" / "wandb").glob("offline-run-*")
    shown = {
        name: np.asarray(Image.open(folder / "files" / seen.summary[f"{name}.path"])) for name in ("figure", "map")
    }
    np.testing.assert_array_equal(shown["map"], pixels)
    np.testing.assert_array_equal(shown["figure"], 255 - pixels)
    assert (folder / "files" / seen.summary["report.path"]).read_text() == PAGE
    page, artifact = seen.artifacts
    assert (page["name"], page["type"]) == ("s-report", "report")
    (content,) = page["manifest"]["contents"]
    assert (content["path"], Path(content["local_path"]).read_text()) == ("report.html", PAGE)
    assert (artifact["name"], artifact["type"]) == ("records-of-g", "records")
    (content,) = artifact["manifest"]["contents"]
    assert (content["path"], content["local_path"]) == ("arm/0/record.json", str(kept))


def test_a_page_that_could_not_be_made_is_not_there(tmp_path: Path, inspect: Callable[[Path], list[Any]]) -> None:
    mirrored = tracker("offline", tmp_path / "tracked", "p")
    mirrored.log(TrackedRun(id="s", name="summary", group="g", job_type="sweep", numbers={"a": 1}, page=lambda: None))
    mirrored.close()
    (seen,) = inspect(tmp_path / "tracked")
    assert seen.summary["a"] == 1
    assert "report.path" not in seen.summary
    assert seen.artifacts == []


def test_what_is_not_tracked_is_not_drawn(tmp_path: Path) -> None:
    def drawn() -> Any:
        raise AssertionError

    tracker("off", tmp_path).log(TrackedRun(id="a", name="a", group="a", job_type="a", pictures={"map": drawn}))


def test_tables_are_shown_with_all_their_rows(tmp_path: Path, inspect: Inspect) -> None:
    verdicts = ({"claim": "pool/first", "verdict": "supported"}, {"claim": "pool/second", "verdict": "refuted"})
    mirrored = tracker("offline", tmp_path)
    mirrored.log(TrackedRun(id="v", name="verdicts", group="g", job_type="verdicts", tables={"verdicts": verdicts}))
    mirrored.close()
    (seen,) = inspect(tmp_path)
    assert (seen.summary["verdicts.nrows"], seen.summary["verdicts.ncols"]) == (2, 2)
    (file,) = tmp_path.rglob("verdicts*.table.json")
    assert '["pool/second","refuted"]' in file.read_text()


def imports_wandb(mode: str, directory: Path) -> bool:
    """Whether logging a run in a process of its own imports W&B."""
    program = (
        "import sys, pathlib; from cnnlab.tracking import TrackedRun, tracker;"
        f"t = tracker({mode!r}, pathlib.Path({str(directory)!r}));"
        "assert 'wandb' not in sys.modules;"
        "t.log(TrackedRun(id='a', name='a', group='a', job_type='a')); t.close(); print('wandb' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    return done.stdout.strip() == "True"


def test_off_never_imports_wandb_and_writes_nothing(tmp_path: Path) -> None:
    assert not imports_wandb("off", tmp_path / "off")
    assert not (tmp_path / "off").exists()


def test_the_check_of_imports_notices_a_tracker_that_does(tmp_path: Path) -> None:
    assert imports_wandb("offline", tmp_path)


def test_making_a_tracker_writes_nothing(tmp_path: Path) -> None:
    tracker("offline", tmp_path / "a").close()
    tracker("online", tmp_path / "b").close()
    assert not list(tmp_path.iterdir())


def test_an_unknown_mode_lists_the_choices(tmp_path: Path) -> None:
    assert isinstance(tracker("off", tmp_path), Off)
    with pytest.raises(InvalidError, match="off, offline, online"):
        tracker("disabled", tmp_path)


def no_space(_: Path) -> SimpleNamespace:
    return SimpleNamespace(free=0)


def broken_init(**_: Any) -> None:
    raise RuntimeError("W&B\nis\nbroken")


def broken(fault: str, directory: Path, run: TrackedRun, monkeypatch: pytest.MonkeyPatch) -> TrackedRun:
    """Break something for all runs, or the run itself; returns the run to log."""
    if fault == "directory":
        directory.write_text("a file")
    elif fault == "disk":
        monkeypatch.setattr(mirror.shutil, "disk_usage", no_space)
    elif fault == "wandb":
        import wandb

        monkeypatch.setattr(wandb, "init", broken_init)
    elif fault == "missing":
        monkeypatch.setitem(sys.modules, "wandb", None)
    elif fault == "record":
        assert run.record is not None
        return replace(run, record=replace(run.record, histories=({"images_seen": [1, 2], "loss/train": [1.0]},)))
    else:
        return replace(run, pictures={"map": directory / "no such picture.png"})
    return run


@pytest.mark.parametrize("fault", ["directory", "disk", "wandb", "missing", "record", "picture"])
def test_trouble_costs_one_line_and_a_run_that_cannot_be_shown_costs_only_itself(
    fault: str,
    tmp_path: Path,
    make: Make,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    directory = tmp_path / "tracked"
    run = broken(fault, directory, run_of(make()), monkeypatch)
    mirrored = tracker("offline", directory)
    for _ in range(4):
        mirrored.log(run)
    ends = [line.endswith("no further run is tried") for line in warnings_of(caplog)]
    assert ends == ([False, True] if fault in ("record", "picture") else [True])
    monkeypatch.undo()
    mirrored.close()
    assert capfd.readouterr().err == ""


def test_a_success_between_failures_keeps_the_tracker_trying(
    tmp_path: Path, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    torn = run_of(make(), tables={"torn": ({"a": 1}, {"b": 2})})
    mirrored = tracker("offline", tmp_path)
    for run in (torn, run_of(make()), torn, run_of(make())):
        mirrored.log(run)
    mirrored.close()
    assert len(warnings_of(caplog)) == 2
    assert "no further" not in caplog.text
    assert len(list((tmp_path / "wandb").glob("offline-run-*"))) == 4


def test_an_interrupt_is_not_swallowed(tmp_path: Path, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(opened: Any, run: TrackedRun) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(mirror, "fill", interrupted)
    mirrored = tracker("offline", tmp_path)
    with pytest.raises(KeyboardInterrupt):
        mirrored.log(run_of(make()))
    mirrored.close()


def test_an_online_run_sends_every_row(tmp_path: Path, make: Make, server: Any) -> None:
    mirrored = tracker("online", tmp_path)
    records = [make("arm0"), make("arm1", offset=10.0)]
    for record in records:
        mirrored.log(run_of(record))
    mirrored.close()
    assert sorted(server.runs) == ["arm0", "arm1"]
    assert server.runs["arm0"]["groupName"] == "pool_position"
    for record in records:
        got = logged(server.history(f"{record.arm}"))
        assert [row[AXIS] for row in got] == [row[AXIS] for row in rows(record)]
        assert [row.get("loss/train") for row in got] == [row.get("loss/train") for row in rows(record)]


SLOW_TROUBLES = ("malformed key", "fails in the middle", "says nothing")


@pytest.mark.parametrize(
    "trouble", ["refused key", "is gone", *(pytest.param(trouble, marks=pytest.mark.slow) for trouble in SLOW_TROUBLES)]
)
def test_a_server_in_trouble_costs_one_line_and_is_then_left_alone(
    trouble: str,
    tmp_path: Path,
    make: Make,
    server: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(mirror, "SECONDS", 1.0)
    if trouble == "refused key":
        server.refuse_queries = 401
    elif trouble == "malformed key":
        monkeypatch.setenv("WANDB_API_KEY", "short")
    elif trouble == "fails in the middle":
        server.refuse_streams = 500
    elif trouble == "is gone":
        monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    else:
        server.delay = 60.0
    mirrored = tracker("online", tmp_path)
    began = time.monotonic()
    for place in range(3):
        mirrored.log(run_of(make(f"arm{place}")))
    mirrored.close()
    assert len(warnings_of(caplog)) == 1
    assert time.monotonic() - began < 30
    assert not {"arm1", "arm2"} & set(server.runs)
    assert capfd.readouterr() == ("", "")


def test_a_server_that_dies_in_mid_sweep_costs_one_line(
    tmp_path: Path, make: Make, server: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(mirror, "SECONDS", 1.0)
    mirrored = tracker("online", tmp_path)
    mirrored.log(run_of(make("before")))
    assert not warnings_of(caplog)
    server.die()
    for place in range(3):
        mirrored.log(run_of(make(f"arm{place}")))
    mirrored.close()
    assert len(warnings_of(caplog)) == 1
    assert server.history("before")
    assert list(server.runs) == ["before"]


def test_without_a_key_nobody_is_asked_at_the_terminal(tmp_path: Path) -> None:
    program = (
        "import pathlib; from cnnlab.tracking import TrackedRun, tracker;"
        f"t = tracker('online', pathlib.Path({str(tmp_path / 'tracked')!r}));"
        "t.log(TrackedRun(id='a', name='a', group='a', job_type='a')); t.close()"
    )
    terminal, end = pty.openpty()
    environment = os.environ | {"WANDB_BASE_URL": "http://127.0.0.1:9"}
    subprocess.run(
        [sys.executable, "-c", program], stdin=end, stdout=end, stderr=end, env=environment, check=True, timeout=60
    )
    os.close(end)
    shown = os.read(terminal, 10_000).decode()
    os.close(terminal)
    assert "run `wandb login` or set WANDB_API_KEY" in shown
    assert len(shown.splitlines()) == 1


@settings(max_examples=50)
@given(st.text(min_size=1, max_size=200))
def test_any_name_becomes_an_id_that_wandb_takes(name: str) -> None:
    made = run_id(name)
    assert not set(made) & set(":;,#?/'")
    assert 1 <= len(made) <= 128
    assert made.isascii()


def test_an_id_keeps_the_end_of_a_long_name_and_names_that_are_fine() -> None:
    assert run_id("x" * 200 + "-0123456789-s1").endswith("x-0123456789-s1")
    assert run_id("digits12-convnet-0123456789-s7") == "digits12-convnet-0123456789-s7"
