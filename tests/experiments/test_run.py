"""A whole sweep through its door: it ends in a table, goes on where it stopped, and never runs an arm twice."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from cnnlab.records import Store
from experiments import run
from experiments.training.provenance import kind

ROOT = Path(__file__).parents[2]
TINY = (
    "+sweep=pool_position",
    "scale=smoke",
    "model.width=2",
    "scale.max_train_images=64",
    "scale.max_epochs=1",
    "tracker=off",
)
ARMS = 6


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def environment(results: Path, cache: Path) -> dict[str, str]:
    return {**os.environ, "CNNLAB_RESULTS": str(results), "CNNLAB_CACHE": str(cache)}


def sweep(results: Path, cache: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "experiments.run", *TINY, *more],
        env=environment(results, cache),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def records(results: Path) -> dict[str, bytes]:
    """Bytes of every record, by arm and block."""
    places = (path for path in results.rglob("record.json") if not path.parent.name.startswith("."))
    return {str(path.parent.relative_to(results)): path.read_bytes() for path in places}


@pytest.fixture(scope="module")
def whole(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Results and printed text of an uninterrupted sweep."""
    results = tmp_path_factory.mktemp("whole")
    done = sweep(results, cache)
    assert done.returncode == 0, done.stderr
    return results, done.stdout


def tables(text: str) -> str:
    """What a run prints from its table of arms on, without the folder."""
    return text[text.index("Arms: test accuracy") : text.index("table, effects, verdicts")]


def test_a_sweep_ends_with_tables_verdicts_and_a_figure(whole: tuple[Path, str]) -> None:
    results, text = whole
    assert len(records(results)) == ARMS
    for word in ("Arms: test accuracy", "Paired difference from [2,4]", "check: ", "Verdicts", "mp-after-two-convs"):
        assert word in text
    folder = results / "sweeps" / "pool_position" / "smoke"
    arms = pd.read_csv(folder / "arms.csv")
    assert list(arms["n"]) == [2] * ARMS
    assert {"accuracy", "low", "high", "params", "macs", "receptive_field", "learning_rate"} <= set(arms.columns)
    pd.testing.assert_frame_equal(arms[["task", "n"]], pd.read_parquet(folder / "arms.parquet")[["task", "n"]])
    verdicts = json.loads((folder / "verdicts.json").read_text())
    assert verdicts["mp-early-smallest"]["word"] == "qualified"
    trained = {name: verdict["word"] for name, verdict in verdicts.items() if name != "mp-early-smallest"}
    assert set(trained.values()) == {"inconclusive"}
    assert len(trained) == 4
    assert (folder / "pool_position.png").stat().st_size > 10_000


def test_run_again_it_trains_nothing_and_prints_the_same_tables(whole: tuple[Path, str], cache: Path) -> None:
    results, text = whole
    before = {path: path.stat().st_mtime_ns for path in results.rglob("record.json")}
    done = sweep(results, cache)
    assert done.returncode == 0, done.stderr
    assert f"trained 0 arms, found {ARMS} done" in done.stdout
    assert tables(done.stdout) == tables(text)
    assert {path: path.stat().st_mtime_ns for path in results.rglob("record.json")} == before


def test_records_of_other_convolutions_are_not_gone_on_with(
    whole: tuple[Path, str], cache: Path, tmp_path: Path
) -> None:
    results, text = whole
    before = records(results)
    store = Store(results / "runs")
    (made,) = {kind(store.provenance(*name)) for name in store.names()}
    assert f"convolutions: {made}" in text
    (other,) = {"xla", "native"} - {made}
    done = sweep(results, cache, f"convolutions={other}")
    assert done.returncode == 2, done.stderr
    line = f"error: convolutions={other} is not valid: {results / 'runs'} was begun with {made}, and the two are never"
    assert done.stderr.startswith(line)
    assert done.stderr.count("\n") == 1
    assert records(results) == before


def start(results: Path, cache: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "experiments.run", *TINY],
        env=environment(results, cache),
        cwd=ROOT,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def wait_for_records(results: Path, count: int, running: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 200
    while len(records(results)) < count and running.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(records(results)) >= count


def test_killed_in_the_middle_it_resumes_to_the_same_bytes_and_table(
    whole: tuple[Path, str], cache: Path, tmp_path: Path
) -> None:
    with start(tmp_path, cache) as running:
        wait_for_records(tmp_path, 2, running)
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
    survivors = records(tmp_path)
    assert 2 <= len(survivors) < ARMS
    done = sweep(tmp_path, cache)
    assert done.returncode == 0, done.stderr
    assert f"found {len(survivors)} done" in done.stdout
    assert records(tmp_path) == records(whole[0])
    assert tables(done.stdout) == tables(whole[1])


def test_two_sweeps_at_once_do_not_corrupt_each_other(whole: tuple[Path, str], cache: Path, tmp_path: Path) -> None:
    with start(tmp_path, cache) as one, start(tmp_path, cache) as other:
        assert (one.wait(), other.wait()) == (0, 0)
    assert records(tmp_path) == records(whole[0])
    assert not [path for path in (tmp_path / "runs").rglob(".*-*") if path.is_dir() and path.name != ".hydra"]


PLANTED_FAILURE = """
import sys
from experiments import run
from experiments.training import session

honest = session.training

def training(arm, *rest):
    if arm.net.pools == (2, 6):
        raise MemoryError("planted")
    return (yield from honest(arm, *rest))

session.training = training
if __name__ == "__main__":
    sys.exit(run.main())
"""


def test_a_failed_arm_leaves_its_reason_and_the_sweep_says_so(cache: Path, tmp_path: Path) -> None:
    script, results = tmp_path / "planted.py", tmp_path / "results"
    script.write_text(PLANTED_FAILURE)
    done = subprocess.run(
        [sys.executable, str(script), *TINY],
        env=environment(results, cache),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == run.FAILED
    assert f"trained {ARMS - 1} arms, found 0 done, 1 failed" in done.stdout
    (reason,) = results.rglob("failure.txt")
    assert "planted" in reason.read_text()
    assert str(reason) in done.stderr
    assert "Traceback" not in done.stderr
    assert "Verdicts" in done.stdout
    again = sweep(results, cache)
    assert again.returncode == 0, again.stderr
    assert f"trained 1 arms, found {ARMS - 1} done, 0 failed" in again.stdout
    assert not list(results.rglob("failure.txt"))


def test_a_damaged_record_is_named_before_anything_runs(whole: tuple[Path, str], cache: Path, tmp_path: Path) -> None:
    name, content = next(iter(records(whole[0]).items()))
    place = tmp_path / name / "record.json"
    place.parent.mkdir(parents=True)
    place.write_bytes(content[:-100])
    done = sweep(tmp_path, cache)
    assert done.returncode == run.MISTAKE
    assert str(place) in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert len(records(tmp_path)) == 1


def test_missing_data_is_one_line_and_nothing_is_written(tmp_path: Path) -> None:
    done = sweep(tmp_path / "results", tmp_path / "empty", "data=fashion_mnist", f"data.raw_dir={tmp_path / 'nowhere'}")
    assert done.returncode == run.MISTAKE
    assert len(done.stderr.strip().splitlines()) == 1
    assert "nowhere" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_provenance_lies_beside_the_record_and_not_in_it(whole: tuple[Path, str]) -> None:
    results, _ = whole
    for path in results.rglob("record.json"):
        facts = json.loads((path.parent / "provenance.json").read_text())
        assert {"started", "seconds", "host", "pid", "packages", "git", "backend"} <= set(facts)
        assert facts["host"].encode() not in path.read_bytes() or len(facts["host"]) < 4
    arms = [folder.name for folder in (results / "runs").iterdir() if not folder.name.startswith(".")]
    for arm in arms:
        assert Store(results / "runs").read(arm, 0).members == (1000, 1001)
