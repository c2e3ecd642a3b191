"""A sweep on a real Slurm of one node and on a real local Ray: table, exit code and bytes as without a launcher."""

import signal
from pathlib import Path

import pytest

# Slurm's daemons and Ray are forked, and whichever test came before may have begun JAX in this process
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800), pytest.mark.filterwarnings("ignore:os.fork")]
ARMS = 6

PLANTED = """
import os, signal, sys
from experiments import run
from experiments.training import remote
from experiments.training import session

def failing(arm, *rest):
    raise MemoryError("planted")
    yield

class Planted(remote.ArmJob):
    def __call__(self):
        if self.point.arm.net.pools == (0, 4):
            os.kill(os.getpid(), signal.SIGKILL)
        if self.point.arm.net.pools == (2, 6):
            session.training = failing
        super().__call__()

remote.ArmJob = Planted
if __name__ == "__main__":
    sys.exit(run.main())
"""


def lose_two(sweeps, basic, launcher: str, folder: Path) -> None:
    """Run the sweep with a failing arm and a killed job: two lines of failure, and all else as without a launcher."""
    script, results = folder / "planted.py", folder / "results"
    script.write_text(PLANTED)
    done = sweeps.run(results, f"hydra/launcher={launcher}", door=(str(script),))
    assert done.code == 1, done.err
    assert f"trained {ARMS - 2} arms, found 0 done, 2 failed" in done.out
    assert "Traceback" not in done.err
    failed = sorted(line for line in done.err.splitlines() if line.startswith("failed: "))
    assert [("max0_4" in line, "killed" in line) for line in failed] == [(True, True), (False, False)]
    assert "max2_6" in failed[1]
    assert "MemoryError: planted" in failed[1]
    there, wanted = sweeps.records(results), sweeps.records(basic[0])
    assert len(there) == ARMS - 2
    assert there.items() < wanted.items()
    rows = zip(sweeps.arms(results), sweeps.arms(basic[0]), strict=True)
    lost = [(ours["level"], ours["n"]) for ours, theirs in rows if ours["accuracy"] != theirs["accuracy"]]
    assert lost == [("[0,4]", "0"), ("[2,6]", "0")]


def test_ray_loses_only_what_failed_and_goes_on_to_the_same_bytes(ray, sweeps, basic, tmp_path: Path) -> None:
    lose_two(sweeps, basic, "ray", tmp_path)
    again = sweeps.run(tmp_path / "results", "hydra/launcher=ray")
    assert again.code == 0, again.err
    assert f"trained 2 arms, found {ARMS - 2} done, 0 failed" in again.out
    assert sweeps.records(tmp_path / "results") == sweeps.records(basic[0])
    assert again.tables == basic[1].tables


def test_slurm_loses_only_what_failed_and_its_last_job_makes_the_tables(slurm, sweeps, basic, tmp_path: Path) -> None:
    """The command that goes on is killed as soon as its jobs are queued: they run on, and the last one aggregates."""
    results = tmp_path / "results"
    lose_two(sweeps, basic, "slurm", tmp_path)
    assert slurm.queue() == []
    with sweeps.start(results, "hydra/launcher=slurm") as running:
        slurm.wait_for(lambda: len(slurm.queue()) == 2, 600, "two jobs are queued")
        running.kill()
    slurm.wait_for(lambda: not slurm.queue(), 900, "the queue is empty")
    assert sweeps.records(results) == sweeps.records(basic[0])
    assert sweeps.arms(results) == sweeps.arms(basic[0])
    again = sweeps.run(results, "hydra/launcher=slurm")
    assert again.code == 0, again.err
    assert f"trained 0 arms, found {ARMS} done, 0 failed" in again.out
    assert again.tables == basic[1].tables


def test_an_interrupt_takes_the_jobs_out_of_slurms_queue(slurm, sweeps, tmp_path: Path) -> None:
    with sweeps.start(tmp_path, "hydra/launcher=slurm") as running:
        slurm.wait_for(lambda: len(slurm.queue()) == ARMS, 600, "all jobs are queued")
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=300)
    assert running.returncode == 130
    assert "The same command goes on from here" in err
    slurm.wait_for(lambda: not slurm.queue(), 60, "the queue is empty")


def test_what_slurm_refuses_is_one_line_and_nothing_is_written(slurm, sweeps, tmp_path: Path) -> None:
    done = sweeps.run(tmp_path / "results", "hydra/launcher=slurm", "hydra.launcher.partition=nowhere")
    assert done.code == 2
    assert "Invalid partition name" in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert done.out == ""
    assert list(tmp_path.iterdir()) == []
