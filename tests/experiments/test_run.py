"""A whole sweep through its door: it ends in a table, goes on where it stopped, and never runs an arm twice."""

import contextlib
import dataclasses
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from cnnlab.records import Store
from cnnlab.zoo import native
from experiments import run
from experiments.cli.command import ExitCode
from experiments.config.grid import Grid
from experiments.tracking import images
from experiments.tracking.workspace import ARM
from experiments.training import convolutions, session

from .conftest import Door, Ended, compose_once, train_nothing

ROOT = Path(__file__).parents[2]
TINY = ("+sweep=pool_position", "scale=smoke", "model.width=2", "scale.max_train_images=64", "scale.max_epochs=1")
ARMS = 6
Inspect = Callable[[Path], list[Any]]
Tiny = Callable[..., Ended]


@dataclass(frozen=True, kw_only=True)
class Swept:
    """The tiny sweep, trained once and not disturbed: its results, its cache, and what it printed."""

    results: Path
    cache: Path
    out: str


def swept_into(folder: Path, prepare: Callable[[pytest.MonkeyPatch], None]) -> Swept:
    """Run the sweep's command in this process, with W&B's files."""
    printed, complained = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(folder / "results", folder / "cache", folder / "wandb").items():
            patch.setenv(name, value)
        prepare(patch)
        patch.setattr(sys, "argv", ["run", *TINY, "workers=1", "tracker=offline"])
        # measured in a process of its own, which takes longer than all arms together
        patch.setattr(images, "energies", lambda graphs, seconds: [None] * len(graphs))
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(complained):
            code = run.main()
        sys.modules["wandb"].teardown()
    assert (code, complained.getvalue()) == (ExitCode.DONE, "")
    return Swept(results=folder / "results", cache=folder / "cache", out=printed.getvalue())


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Swept:
    """The sweep, really trained, once a session. Nothing is written to it; who changes results takes a copy."""
    return swept_into(tmp_path_factory.mktemp("trained"), lambda patch: None)


@pytest.fixture(scope="session")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Swept:
    """The same, with a training that takes no time."""
    return swept_into(tmp_path_factory.mktemp("quick"), train_nothing)


@pytest.fixture(scope="session", params=["quick", pytest.param("trained", marks=pytest.mark.slow)])
def swept(request: pytest.FixtureRequest) -> Swept:
    """What holds of the sweep holds with either training; the real one takes half a minute."""
    made: Swept = request.getfixturevalue(request.param)
    return made


def environment(results: Path, cache: Path, home: Path) -> dict[str, str]:
    """Where a command writes, and a W&B that knows no user."""
    places = {f"WANDB_{place}_DIR": str(home) for place in ("CONFIG", "CACHE", "DATA", "ARTIFACT")}
    return {
        "CNNLAB_RESULTS": str(results),
        "CNNLAB_CACHE": str(cache),
        "NETRC": str(home / "netrc"),
        "WANDB_ERROR_REPORTING": "false",
        **places,
    }


@pytest.fixture
def tiny(door: Door) -> Callable[..., Ended]:
    """The tiny sweep's command in this process, without W&B: `tiny(results, *words)`."""
    return lambda results, *words: door(run.main, *TINY, "tracker=off", f"results={results}", *words)


def records(results: Path) -> dict[str, bytes]:
    """Bytes of every record, by arm."""
    places = (path for path in results.rglob("record.json") if not path.parent.name.startswith("."))
    return {str(path.parent.relative_to(results)): path.read_bytes() for path in places}


def tables(text: str) -> str:
    """What a run prints of what it found, without the folder."""
    return text[text.index("Scale smoke") : text.index("tables of arms")]


def test_a_sweep_ends_with_tables_verdicts_and_a_figure(swept: Swept) -> None:
    assert len(records(swept.results)) == ARMS
    for word in ("sweeps/pool_position/smoke", "Scale smoke only shows that everything runs"):
        assert word in swept.out
    folder = swept.results / "sweeps" / "pool_position" / "smoke"
    arms = pd.read_csv(folder / "arms.csv")
    assert list(arms["n"]) == [2] * ARMS
    assert {"accuracy", "low", "high", "params", "macs", "receptive_field", "learning_rate"} <= set(arms.columns)
    pd.testing.assert_frame_equal(arms[["task", "n"]], pd.read_parquet(folder / "arms.parquet")[["task", "n"]])
    verdicts = json.loads((folder / "verdicts.json").read_text())
    assert verdicts["mp-early-smallest"]["word"] == "qualified"
    trained = {name: verdict["word"] for name, verdict in verdicts.items() if name != "mp-early-smallest"}
    assert set(trained.values()) == {"inconclusive"}
    assert sorted(trained) == ["mp-after-features", "mp-after-two-convs"]
    assert (folder / "pool_position.png").stat().st_size > 10_000


def test_run_again_it_trains_nothing_and_prints_the_same_tables(swept: Swept, tiny: Tiny) -> None:
    before = {path: path.stat().st_mtime_ns for path in swept.results.rglob("record.json")}
    done = tiny(swept.results)
    assert (done.code, done.err) == (0, "")
    assert f"trained 0 arms, found {ARMS} done" in done.out
    assert tables(done.out) == tables(swept.out)
    assert {path: path.stat().st_mtime_ns for path in swept.results.rglob("record.json")} == before


def test_provenance_lies_beside_the_record_and_not_in_it(swept: Swept) -> None:
    for path in swept.results.rglob("record.json"):
        facts = json.loads((path.parent / "provenance.json").read_text())
        assert {"started", "seconds", "host", "pid", "packages", "git", "backend", "convolutions"} <= set(facts)
        assert facts["host"].encode() not in path.read_bytes() or len(facts["host"]) < 4
    store = Store(swept.results / "runs")
    assert {store.read(arm).members for arm in store.arms()} == {(2000, 2001)}


def test_a_damaged_record_is_named_before_anything_runs(swept: Swept, tiny: Tiny, tmp_path: Path) -> None:
    name, content = next(iter(records(swept.results).items()))
    place = tmp_path / name / "record.json"
    place.parent.mkdir(parents=True)
    place.write_bytes(content[:-100])
    done = tiny(tmp_path)
    assert done.code == ExitCode.USAGE
    assert str(place) in done.err
    assert len(done.err.splitlines()) == 1
    assert len(records(tmp_path)) == 1


def test_missing_data_is_one_line_and_nothing_is_written(door: Door, tmp_path: Path) -> None:
    words = ("data=fashion_mnist", f"data.raw_dir={tmp_path / 'nowhere'}", f"cache={tmp_path / 'empty'}")
    done = door(run.main, *TINY, "tracker=off", *words)
    assert (done.code, done.out) == (ExitCode.USAGE, "")
    assert len(done.err.splitlines()) == 1
    assert "nowhere" in done.err
    assert list(tmp_path.iterdir()) == []


# How W&B is told.


def told(arms: Sequence[Any], plan: Grid) -> list[str]:
    """What is wrong with the offline runs of a sweep's arms: names, labels, and the lines of the panel by level."""
    asked = {point.arm.key: point for point in (*plan.points, *plan.checks)}
    wrong = [] if {one.run["run_id"] for one in arms} == set(asked) else ["not a run an arm"]
    config = {one.run["run_id"]: one.run["config"]["update"] for one in arms}
    for one in arms:
        point, label = asked[one.run["run_id"]], config[one.run["run_id"]][ARM]
        name = " ".join((point.data, point.level, *(part for part in (point.match, point.check) if part != "none")))
        wrong += [f"named {shown}, not {name}" for shown in {one.run["display_name"], label} - {name}]
    lines = Counter(each[ARM] for each in config.values())
    wrong += [f"one line for {count} arms: {line}" for line, count in lines.items() if count > 1]
    unchecked = Counter(each[ARM] for each in config.values() if each["check"] == "none")
    levels = {(point.data, point.level, point.match) for point in plan.points}
    return wrong if len(unchecked) == len(levels) else [*wrong, f"{len(unchecked)} lines for {len(levels)} levels"]


def shown_arms(results: Path, inspect: Inspect) -> list[Any]:
    return [one for one in inspect(results / "runs") if one.run["job_type"] == "arm"]


def test_wandbs_runs_are_named_by_task_level_match_and_check_and_no_two_alike(swept: Swept, inspect: Inspect) -> None:
    arms = shown_arms(swept.results, inspect)
    assert sorted(one.run["display_name"] for one in arms) == sorted(
        f"digits12 {rest}" for rest in ("[0,4]", "[2,4]", "[2,6]", "[2,4] positive", "[2,4] sensitivity", "[2,4] a_a")
    )
    assert told(arms, compose_once(list(TINY))) == []


TWO_SETTINGS = ("+sweep=pool_position", "scale=smoke", "data=digits12,digits12_noisy", "model.pools=[0,4],[2,4]")


def unnamed(words: list[str]) -> Grid:
    """The fault: points that know neither their level nor the file of their task."""
    made = compose_once(words)
    points = tuple(dataclasses.replace(point, level="", data="") for point in made.points)
    checks = tuple(dataclasses.replace(point, level="", data="") for point in made.checks)
    return dataclasses.replace(made, points=points, checks=checks)


@pytest.mark.parametrize("compose", [compose_once, unnamed])
def test_points_made_without_level_and_data_are_noticed(
    compose: Callable[[list[str]], Grid],
    door: Door,
    untrained: list[str],
    home_of_wandb: None,
    inspect: Inspect,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Two settings of one task, and their twin: the same command with the fault."""
    monkeypatch.setattr(run, "grid", compose)
    monkeypatch.setattr(images, "of_arm", lambda *_: {})
    monkeypatch.setattr(run.sweep_report, "finish", lambda *_, verbose: None)
    assert door(run.main, *TWO_SETTINGS, "tracker=offline").code == 0
    wrong = told(shown_arms(tmp_path / "results", inspect), compose_once(list(TWO_SETTINGS)))
    if compose is compose_once:
        assert wrong == []
    else:
        assert "named digits12 sensitivity, not digits12_noisy [2,4] sensitivity" in wrong
        assert any(line.startswith("one line for ") for line in wrong)
        assert any(line.endswith(" lines for 4 levels") for line in wrong)


# Which convolutions train.


def without_compiler(*_: object) -> None:
    raise native.LibraryError("no C++ compiler is installed (planted)")


@pytest.fixture
def bare(untrained: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A CPU without a compiler."""
    monkeypatch.setattr(convolutions, "accelerator", lambda: "cpu")
    monkeypatch.setattr(native, "compiler", without_compiler)
    monkeypatch.setattr(native, "build", without_compiler)


def test_without_a_compiler_our_own_are_refused_before_anything_is_written(
    bare: None, door: Door, untrained: list[str], tmp_path: Path
) -> None:
    done = door(run.main, *TINY, "tracker=off", "convolutions=native")
    assert (done.code, done.out, untrained) == (ExitCode.USAGE, "", [])
    line = "error: convolutions=native is not valid: no C++ compiler is installed (planted); choose xla\n"
    assert done.err == line
    assert list(tmp_path.iterdir()) == []


def test_left_open_they_are_xlas_there_and_a_line_says_so(
    bare: None, door: Door, untrained: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(run.sweep_report, "finish", lambda *_, verbose: None)
    done = door(run.main, *TINY, "tracker=off", "convolutions=auto")
    assert (done.code, done.err, len(untrained)) == (0, "", ARMS)
    assert "no C++ compiler is installed (planted): convolutions are XLA's" in done.out
    store = Store(tmp_path / "results" / "runs")
    assert {store.provenance(arm)["convolutions"] for arm in store.arms()} == {"xla"}


def test_records_of_both_kinds_are_used_side_by_side_and_a_line_says_so(
    swept: Swept, tiny: Tiny, tmp_path: Path
) -> None:
    """A sweep goes on with records of either kind; the twin: of one kind alone nothing is said."""
    assert "stand side by side" not in swept.out
    results = Path(shutil.copytree(swept.results, tmp_path / "mixed"))
    store = Store(results / "runs")
    made = store.folder(sorted(store.arms())[0]) / "provenance.json"
    facts = json.loads(made.read_text())
    other = "xla" if facts["convolutions"] != "xla" else "native-0123"
    made.write_text(json.dumps({**facts, "convolutions": other}))
    done = tiny(results)
    assert (done.code, done.err) == (0, "")
    kinds = (1, 5) if other != "xla" else (5, 1)
    line = f"convolutions: {kinds[0]} native and {kinds[1]} xla records stand side by side; last digits differ"
    assert line in done.out
    assert f"trained 0 arms, found {ARMS} done" in done.out
    assert tables(done.out).replace(f"{line}\n", "") == tables(swept.out)


# What else may happen to it: killed, copied, an arm that fails.


def start(results: Path, cache: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "experiments.run", *TINY, "tracker=off"],
        env={**os.environ, "CNNLAB_RESULTS": str(results), "CNNLAB_CACHE": str(cache)},
        cwd=ROOT,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def wait_for_records(results: Path, count: int, running: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 200
    while len(records(results)) < count and running.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(records(results)) >= count


@pytest.mark.slow
def test_killed_in_the_middle_it_resumes_to_the_same_bytes_and_table(
    trained: Swept, tiny: Tiny, tmp_path: Path
) -> None:
    with start(tmp_path, trained.cache) as running:
        wait_for_records(tmp_path, 2, running)
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
    survivors = records(tmp_path)
    assert 2 <= len(survivors) < ARMS
    done = tiny(tmp_path, f"cache={trained.cache}")
    assert done.code == 0, done.err
    assert f"found {len(survivors)} done" in done.out
    assert records(tmp_path) == records(trained.results)
    assert tables(done.out) == tables(trained.out)


@pytest.mark.slow
def test_two_sweeps_at_once_do_not_corrupt_each_other(trained: Swept, tmp_path: Path) -> None:
    with start(tmp_path, trained.cache) as one, start(tmp_path, trained.cache) as other:
        assert (one.wait(), other.wait()) == (0, 0)
    assert records(tmp_path) == records(trained.results)
    assert not [path for path in (tmp_path / "runs").rglob(".*-*") if path.is_dir()]


@pytest.mark.slow
def test_a_failed_arm_leaves_its_reason_and_the_sweep_says_so(
    trained: Swept, tiny: Tiny, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    honest = session.training

    def training(arm: Any, *rest: Any) -> Any:
        if arm.net.pools == (2, 6):
            raise MemoryError("planted")
        return (yield from honest(arm, *rest))

    with monkeypatch.context() as patch:
        patch.setattr(session, "training", training)
        done = tiny(tmp_path, f"cache={trained.cache}")
    assert done.code == ExitCode.FAILED
    assert f"trained {ARMS - 1} arms, found 0 done, 1 failed" in done.out
    (reason,) = tmp_path.rglob("failure.txt")
    assert "planted" in reason.read_text()
    assert str(reason) in done.err
    assert "Traceback" not in done.err
    assert "Scale smoke only shows that everything runs" in done.out
    again = tiny(tmp_path, f"cache={trained.cache}")
    assert again.code == 0, again.err
    assert f"trained 1 arms, found {ARMS - 1} done, 0 failed" in again.out
    assert not list(tmp_path.rglob("failure.txt"))
