"""A small share of what `experiments.faults` does to a real sweep, and whether it would notice: planted faults."""

import dataclasses
import random
import signal
import sys
from pathlib import Path

import pytest

from experiments import faults
from experiments.cli import signals
from experiments.faults import Lab, Whole

SHARE = [*faults.planned(kills=2, stops=1, takeovers=1)]


# what is done between fork and exec touches no JAX
pytestmark = pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return Lab(folder=tmp_path_factory.mktemp("faults"))


@pytest.fixture(scope="module")
def whole(lab: Lab) -> Whole:
    found = faults.undisturbed(lab)
    assert len(found.records) == 6
    assert {Path(name).name for name in found.tables} == {"arms.csv", "curves.csv", "effects.csv", "verdicts.json"}
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "name"), SHARE, ids=[name for _, name in SHARE])
def test_it_ends_as_if_nothing_had_been(lab: Lab, whole: Whole, fault: faults.Fault, name: str) -> None:
    assert faults.hit(fault, lab, whole, name, random.Random(name)).wrong == []


@pytest.mark.slow
def test_two_copies_share_the_work(lab: Lab, whole: Whole) -> None:
    assert faults.copies(lab, whole, 2).wrong == []


RENEWING = """
import os, signal, sys
from cnnlab.training import workers
from experiments import run
from experiments.cli import signals

workers.SETTLED, workers.STEADY, workers.GROWTH = 0, 1, 0.0
if __name__ == "__main__":
    sys.argv.append("workers=2")
    start, started = workers.WorkerPool._start, []

    def disturbed(pool, number):
        started.append(number)
        print("worker", len(started), "starts", flush=True)
        if len(started) == 6:
            os.kill(os.getpid(), signal.SIGKILL)
        worker = start(pool, number)
        if len(started) == 3:
            worker.process.kill()
        return worker

    workers.WorkerPool._start = disturbed
    signals.door(run.main)
"""
"""A sweep whose two workers are renewed after every arm. The third that starts is killed at once, in the place of one
that was renewed; the parent is killed after it has ended a worker, before it starts the sixth."""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_kills_in_the_middle_of_renewal_change_no_record(lab: Lab, whole: Whole, tmp_path: Path) -> None:
    script = tmp_path / "renewing.py"
    script.write_text(RENEWING)
    run = dataclasses.replace(lab, door=(sys.executable, str(script))).start(lab.results())
    assert run.process.wait() == -signal.SIGKILL, run.said
    assert "worker 6 starts" in run.said
    (failure,) = run.results.glob("runs/*/failure.txt")
    assert "ended with signal SIGKILL" in failure.read_text()
    found = faults._resumed(lab, whole, run, faults.Try(fault="renewal", seconds=run.gone()))
    assert found.wrong == []
    assert 0 < found.kept < len(whole.records)


SWEEP = """
import os, signal, subprocess, sys, time
from pathlib import Path

fault = sys.argv[1]
results = Path(os.environ["CNNLAB_RESULTS"])
if fault == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
else:
    signal.signal(signal.SIGTERM, lambda *_: (print({line!r} if fault != "mute" else "", flush=True), os._exit(143)))
print("records in", flush=True)
if fault == "orphan":
    subprocess.Popen(["sleep", "60"], start_new_session=True)
trained = 0
for arm in range(6):
    path = results / "runs" / f"arm{arm}" / "record.json"
    if path.exists():
        continue
    path.parent.mkdir(parents=True, exist_ok=True)
    written = path if fault == "torn" else path.with_name(f"draft{os.getpid()}")
    with written.open("wb", buffering=0) as file:
        file.write(b"first half,")
        time.sleep(0.1)
        file.write(b"second half" if fault != "moody" else os.urandom(4))
    written.rename(path)
    trained += 1
    if fault == "messy":
        (path.parent.parent / ".draft").touch()
folder = results / "sweeps" / "x"
folder.mkdir(parents=True, exist_ok=True)
(folder / "arms.csv").write_text("table")
print(f"trained {trained} arms")
""".replace("{line!r}", repr(signals.GO_ON))

LINGERING = """
import os, signal, sys, time
from pathlib import Path

signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
folder = Path(os.environ["CNNLAB_RESULTS"]) / "sweeps" / "x"
folder.mkdir(parents=True, exist_ok=True)
(folder / "arms.csv").write_text("table")
print("records in", flush=True)
time.sleep(2)
"""

NOTICED = {
    ("group", "torn"): "another record than undisturbed before it was resumed",
    ("group", "messy"): "left lying about: .draft",
    ("parent", "orphan"): "a process was left behind",
    ("SIGTERM", "mute"): "no line on how to go on",
    ("SIGTERM", "deaf"): "exit code 0",
    ("group", "moody"): "other records than undisturbed",
}


def pretended(folder: Path, fault: str) -> Lab:
    """A lab whose sweep is a script that takes a second, with a fault of its own."""
    script = folder / "sweep.py"
    script.write_text(SWEEP)
    return Lab(folder=folder, door=(sys.executable, str(script), fault))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "planted"), NOTICED)
def test_a_planted_fault_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, planted: str) -> None:
    monkeypatch.setattr(faults, "PATIENCE", 1.0)
    honest = pretended(tmp_path, "none")
    good = faults.undisturbed(honest)
    act = faults.stop if name in faults.STOPPED else faults.kill
    found = act(honest, good, name, 0.35)
    assert found is not None
    assert found.wrong == [], "the same without the planted fault"
    found = act(pretended(tmp_path, planted), good, name, 0.35)
    assert found is not None
    assert any(line.startswith(NOTICED[name, planted]) for line in found.wrong), found.wrong


@pytest.mark.slow
def test_a_signal_that_comes_when_all_is_done_is_no_try(tmp_path: Path) -> None:
    """Nor is one to a sweep that ends by itself meanwhile, if its tables are there; without them it went on, deaf."""
    honest = pretended(tmp_path, "none")
    good = faults.undisturbed(honest)
    lingering = Lab(folder=tmp_path, door=(sys.executable, "-c", LINGERING))
    assert faults.stop(lingering, good, "SIGTERM", 0.3) is None
    other = dataclasses.replace(good, tables={"another": b"table"})
    found = faults.stop(lingering, other, "SIGTERM", 0.3)
    assert found is not None
    assert "exit code 0" in found.wrong


def test_a_folder_is_named_from_where_the_command_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sweep itself runs in the folder of the checkout."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path)
    asked = faults.command_line().parse_args(["--folder", "here", "--copies", "0"])
    assert (asked.folder, asked.copies) == (tmp_path / "here", ())


def test_copies_that_do_not_share_are_noticed(tmp_path: Path) -> None:
    lab = pretended(tmp_path, "none")
    found = faults.copies(lab, faults.undisturbed(lab), 2)
    assert any("together not 6" in line for line in found.wrong)
