"""Workers: the same bytes whoever does the work, failures that stay in their arm, and no orphan."""

import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from cnnlab.data import Source
from cnnlab.records.coding import decode, encode
from cnnlab.spec.arm import Arm
from cnnlab.spec.record import Record
from cnnlab.training import workers
from cnnlab.training.arm import Training, training
from cnnlab.training.run import MemberRun
from cnnlab.training.workers import ArmOutcome, WorkerPlan, WorkerPool


def plan(workers: int, folder: Path, library: Path | None = None) -> WorkerPlan:
    source = Source(cache_dir=folder)
    return WorkerPlan(workers=workers, backend="cpu", source=source, compile_cache=folder / "compiled", native=library)


def tuned(arm: Arm) -> Arm:
    return dataclasses.replace(arm, recipe=dataclasses.replace(arm.recipe, rates=2))


def outcomes(
    arm: Arm, workers: int, folder: Path, seeds: tuple[int, ...] = (0, 1, 2), library: Path | None = None
) -> list[ArmOutcome]:
    with WorkerPool(plan(workers, folder, library)) as pool:
        return list(pool.run([("one", training(tuned(arm), seeds, {}))]))


def content(
    arm: Arm, workers: int, folder: Path, seeds: tuple[int, ...] = (0, 1, 2), library: Path | None = None
) -> bytes:
    (outcome,) = outcomes(arm, workers, folder, seeds, library)
    assert outcome.failure is None, outcome.failure
    assert isinstance(outcome.record, Record)
    return encode(outcome.record)


@pytest.mark.slow
def test_one_and_two_workers_write_the_same_bytes_and_other_seeds_others(learner: Arm, tmp_path: Path) -> None:
    """Three pools of fresh processes; the second finds the first's compiled programs, the third has its own cache."""
    alone = content(learner, 1, tmp_path / "a")
    assert all(decode(alone, tmp_path).probes), "every member was looked into"
    kept = {path.name.split("-")[0] for path in (tmp_path / "a/compiled").iterdir()}
    assert {"jit_step", "jit__shaped"} <= kept, "small programs are kept as well: an arm has twenty"
    assert content(learner, 2, tmp_path / "a") == alone
    assert content(learner, 2, tmp_path / "b", seeds=(3, 4, 5)) != alone


@pytest.mark.slow
def test_with_our_own_convolutions_too_and_these_bytes_are_others(
    learner: Arm, tmp_path: Path, library_file: Path
) -> None:
    alone = content(learner, 1, tmp_path / "a", library=library_file)
    assert content(learner, 2, tmp_path / "b", library=library_file) == alone
    by_xla = content(learner, 1, tmp_path / "a")
    assert by_xla != alone
    one, other = (decode(text, tmp_path).finals for text in (by_xla, alone))
    assert np.mean(one.test_accuracy) == pytest.approx(np.mean(other.test_accuracy), abs=0.1)


def _broken(arm: Arm) -> Training:
    """An arm that asks for what no worker can do: zero training images."""
    broken = dataclasses.replace(arm, task=dataclasses.replace(arm.task, name="no_such_task"))
    yield [MemberRun(arm=broken, seed=0, learning_rate=0.1)]
    raise AssertionError("the worker was expected to fail")


@pytest.mark.slow
def test_a_failing_arm_leaves_its_reason_and_the_others_run_on(arm: Arm, tmp_path: Path) -> None:
    with WorkerPool(plan(1, tmp_path)) as pool:
        ended = {
            outcome.name: outcome for outcome in pool.run([("bad", _broken(arm)), ("good", training(arm, (0,), {}))])
        }
    assert "no_such_task" in (ended["bad"].failure or "")
    assert ended["good"].record is not None


@pytest.mark.slow
def test_a_killed_worker_fails_its_arm_alone(arm: Arm, tmp_path: Path) -> None:
    with WorkerPool(plan(1, tmp_path)) as pool:
        killed: list[int] = []

        def shoot(count: int) -> None:
            if not killed:
                killed.append(pool._workers[0].process.pid or 0)
                os.kill(killed[0], signal.SIGKILL)

        ended = {
            outcome.name: outcome
            for outcome in pool.run(
                [("slow", training(arm, tuple(range(50)), {})), ("good", training(arm, (0,), {}))], shoot
            )
        }
    assert "SIGKILL" in (ended["slow"].failure or "")
    assert ended["good"].record is not None


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(psutil, "RLIMIT_AS"), reason="only Linux limits another process's memory")
def test_an_arm_that_exhausts_memory_fails_alone(arm: Arm, tmp_path: Path) -> None:
    """The worker may not have more than a little beyond what it has; one convolution needs 600 MB of weights."""
    huge = dataclasses.replace(arm, net=dataclasses.replace(arm.net, width=4096))
    with WorkerPool(plan(1, tmp_path)) as pool:
        (before,) = pool.run([("before", training(arm, (0,), {}))])
        assert before.record is not None
        worker = psutil.Process(pool._workers[0].process.pid)
        worker.rlimit(psutil.RLIMIT_AS, (worker.memory_info().vms + 300 * 2**20,) * 2)
        trainings = [("huge", training(huge, (0,), {})), ("good", training(arm, (1,), {}))]
        ended = {outcome.name: outcome for outcome in pool.run(trainings)}
    failure = ended["huge"].failure or ""
    assert any(word in failure for word in ("RESOURCE_EXHAUSTED", "MemoryError", "out of memory")), failure
    assert ended["good"].record is not None


def outliving(tmp_path: Path, seconds: int, sabotage: str = "") -> list[int]:
    """Workers that are still there so long after a kill -9 of their parent; they are killed then."""
    script = tmp_path / "parent.py"
    script.write_text(
        "from pathlib import Path\n"
        "from cnnlab.data import Source\n"
        "from cnnlab.training import workers\n"
        "from cnnlab.training.workers import WorkerPlan, WorkerPool\n"
        "import time\n"
        f"{sabotage}\n"
        "if __name__ == '__main__':\n"
        f"    here = Path({str(tmp_path)!r})\n"
        "    plan = WorkerPlan(workers=2, backend='cpu', source=Source(cache_dir=here), compile_cache=here)\n"
        "    pool = WorkerPool(plan)\n"
        "    workers = [pool._worker(number) for number in range(2)]\n"
        "    print(*(worker.process.pid for worker in workers), flush=True)\n"
        "    time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        workers = [int(word) for word in parent.stdout.readline().split()]
        assert len(workers) == 2
        time.sleep(3)  # let them get past their imports
        parent.kill()
    there: list[int] = []
    for _ in range(20 * seconds):
        there = [pid for pid in workers if psutil.pid_exists(pid)]
        if not there:
            break
        time.sleep(0.05)
    for pid in there:
        os.kill(pid, signal.SIGKILL)
    return there


@pytest.mark.slow
def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    assert outliving(tmp_path, 20) == []


@pytest.mark.slow
def test_workers_that_wait_for_more_work_instead_are_found(tmp_path: Path) -> None:
    """The twin: they neither watch their parent nor read that its pipe is closed."""
    assert len(outliving(tmp_path, 2, "def deaf(*_):\n    time.sleep(60)\nworkers.serve = deaf")) == 2


@pytest.mark.parametrize(("visible", "expected"), [("4,7", ["4", "7", "4"]), ("5", ["5", "5", "5"])])
def test_each_worker_has_a_gpu_of_its_own_in_turn(
    visible: str, expected: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read back from the operating system; no GPU is needed to see which one a worker was given."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    on_gpus = dataclasses.replace(plan(3, tmp_path), backend="gpu")
    with WorkerPool(on_gpus) as pool:
        seen = []
        for number in range(3):
            process = psutil.Process(pool._worker(number).process.pid)
            deadline = time.monotonic() + 20
            while "spawn_main" not in " ".join(process.cmdline()) and time.monotonic() < deadline:  # not yet exec
                time.sleep(0.01)
            seen.append(process.environ()["CUDA_VISIBLE_DEVICES"])
    assert seen == expected
    assert os.environ["CUDA_VISIBLE_DEVICES"] == visible


@pytest.mark.parametrize(("visible", "expected"), [("", ()), ("-1", ()), ("3", ("3",)), ("0,2", ("0", "2"))])
def test_a_batch_system_says_which_gpus_there_are(
    visible: str, expected: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert workers.devices() == expected


def test_workers_of_a_gpu_take_memory_as_they_need_it_unless_told_else(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "XLA_PYTHON_CLIENT_PREALLOCATE"
    monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    assert workers.placed(3, "gpu") == {name: "false", "CUDA_VISIBLE_DEVICES": "7"}
    monkeypatch.setenv(name, "true")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4")
    assert workers.placed(3, "gpu") == {name: "true"}
    assert name not in workers.placed(3, "cpu")


def test_an_unknown_strategy_is_refused(arm: Arm, source: Source) -> None:
    from cnnlab.spec.invalid import InvalidError
    from cnnlab.training import members

    with pytest.raises(InvalidError, match="sequential, native, side_by_side"):
        members.train([], source, "spread")


def test_a_worker_finds_its_thread_limits_before_its_first_import(tmp_path: Path) -> None:
    """Read back from the operating system: what the process was started with, not what it set later."""
    before = dict(os.environ)
    with WorkerPool(plan(1, tmp_path)) as pool:
        pid = pool._worker(0).process.pid
        assert pid is not None
        started_with = psutil.Process(pid).environ()
        deadline = time.monotonic() + 20
        while "XLA_FLAGS" not in started_with and time.monotonic() < deadline:  # between fork and exec
            time.sleep(0.01)
            started_with = psutil.Process(pid).environ()
    for name, value in workers.ONE_THREAD.items():
        assert started_with[name] == value
    assert dict(os.environ) == before


RAISES = """
import sys, multiprocessing, pathlib, threading
from cnnlab.data import Source
from cnnlab.training import members, workers

def train(work, source, strategy):
    raise {raised}

here = pathlib.Path(sys.argv[1])
members.train = train
ours, theirs = multiprocessing.Pipe()

def ask():
    for _ in range(2):  # it serves on
        ours.send([1])
        print(ours.recv()[1].splitlines()[-1])
    ours.close()

threading.Thread(target=ask).start()
workers.serve(theirs, workers.WorkerPlan(workers=1, backend="cpu", source=Source(cache_dir=here), compile_cache=here))
"""


@pytest.mark.parametrize("raised", ["ValueError('no')", "SystemExit('no')", "KeyboardInterrupt('no')"])
def test_whatever_the_users_code_raises_a_worker_answers(raised: str, tmp_path: Path) -> None:
    asked = [sys.executable, "-c", RAISES.format(raised=raised), str(tmp_path)]
    done = subprocess.run(asked, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == 2 * f"{raised.partition('(')[0]}: no\n"
