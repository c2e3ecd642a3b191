"""A Slurm of one node in a folder, with its own key and ports; and a tiny sweep through its door."""

import contextlib
import csv
import getpass
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from experiments.faults import heed

ROOT = Path(__file__).parents[3]
DOOR = ("-m", "experiments.run")
TINY = (
    "+sweep=pool_position",
    "scale=smoke",
    "model.width=2",
    "scale.max_train_images=64",
    "scale.max_epochs=1",
    "train.rates=1",
    "tracker=off",
)

SLURM_CONF = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
MpiDefault=none
ReturnToService=2
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
NodeName=here NodeHostname={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory={memory} State=UNKNOWN
PartitionName=all Nodes=here Default=YES MaxTime=INFINITE State=UP
"""


@dataclass(frozen=True, kw_only=True)
class Sweeps:
    """The tiny sweep, run as a user would."""

    cache: Path

    def start(self, results: Path, *more: str, door: tuple[str, ...] = DOOR) -> subprocess.Popen[str]:
        variables = {"CNNLAB_RESULTS": str(results), "CNNLAB_CACHE": str(self.cache), "PYTHONPATH": str(ROOT)}
        return subprocess.Popen(
            [sys.executable, *door, *TINY, *more],
            env={**os.environ, **variables},
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=heed,
        )

    def run(self, results: Path, *more: str, door: tuple[str, ...] = DOOR) -> "Done":
        with self.start(results, *more, door=door) as running:
            out, err = running.communicate()
        return Done(code=running.returncode, out=out, err=err)

    @staticmethod
    def records(results: Path) -> dict[str, bytes]:
        """Bytes of every record, by arm."""
        paths = results.glob("runs/*/record.json")
        return {str(path.parent.relative_to(results)): path.read_bytes() for path in paths}

    @staticmethod
    def arms(results: Path) -> list[dict[str, str]]:
        """The rows of the table of arms."""
        with (results / "sweeps" / "pool_position" / "smoke" / "arms.csv").open() as file:
            return list(csv.DictReader(file))


@dataclass(frozen=True, kw_only=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def tables(self) -> str:
        """What was printed from the table of arms on, without the folder."""
        return self.out[self.out.index("Scale smoke") : self.out.index("tables of arms")]


@pytest.fixture(scope="session")
def sweeps(tmp_path_factory: pytest.TempPathFactory) -> Sweeps:
    return Sweeps(cache=tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def basic(sweeps: Sweeps, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    """Results and end of the sweep by this machine's own workers."""
    results = tmp_path_factory.mktemp("basic")
    done = sweeps.run(results)
    assert done.code == 0, done.err
    return results, done


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """A Slurm of this node alone, up while the tests of a file run; they are skipped where it cannot be."""
    if importlib.util.find_spec("submitit") is None:
        pytest.skip("submitit is not installed: pip install -e '.[slurm]'")
    for command in ("munged", "slurmctld", "slurmd", "sbatch"):
        if shutil.which(command, path=f"{os.environ['PATH']}:/usr/sbin") is None:
            pytest.skip(f"Slurm is not installed: there is no {command} (Debian: apt install slurm-wlm munge)")
    folder = tmp_path_factory.mktemp("slurm")
    with one_node(folder), pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
        yield SimpleNamespace(queue=queue, wait_for=wait_for)
        subprocess.run(["scancel", f"--user={os.getuid()}"], check=False)
        wait_for(lambda: not queue(), 60, "the queue is empty")


@pytest.fixture(scope="module")
def ray() -> None:
    if importlib.util.find_spec("ray") is None:
        pytest.skip("Ray is not installed: pip install -e '.[ray]'")


@contextlib.contextmanager
def one_node(folder: Path) -> Iterator[None]:
    """Munge, Slurm's controller and its node, configured, running and ended in one folder."""
    folder.chmod(0o755)
    for name in ("munge", "state", "spool"):
        (folder / name).mkdir(mode=0o755)
    key = folder / "munge" / "key"
    key.touch(mode=0o600)
    key.write_bytes(os.urandom(128))
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        ports = one.getsockname()[1], other.getsockname()[1]
    configuration = SLURM_CONF.format(
        folder=folder,
        ports=ports,
        host=socket.gethostname().partition(".")[0],
        user=getpass.getuser(),
        memory=psutil.virtual_memory().total // 2**20,
    )
    (folder / "slurm.conf").write_text(configuration)
    paths = [f"--{name}={folder}/munge/{name}" for name in ("socket", "pid-file", "log-file", "seed-file")]
    commands = (
        ("munged", "--foreground", "--force", f"--key-file={key}", *paths),
        ("slurmctld", "-D", "-i"),
        ("slurmd", "-D", "-N", "here"),
    )
    variables = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf"), "PATH": f"{os.environ['PATH']}:/usr/sbin"}
    with contextlib.ExitStack() as stack:
        for command in commands:
            log = stack.enter_context((folder / f"{command[0]}.log").open("w"))
            daemon = subprocess.Popen(command, env=variables, stdout=log, stderr=log)
            stack.callback(daemon.wait)
            stack.callback(daemon.terminate)
            if command[0] == "munged":
                wait_for((folder / "munge" / "socket").exists, 20, "munged has its socket")
        asked = ["sinfo", "--noheader", "--format=%T"]
        wait_for(lambda: "idle" in output(asked, variables), 60, f"the node is idle; its logs are in {folder}")
        yield


def output(command: list[str], variables: dict[str, str] | None = None) -> str:
    return subprocess.run(command, env=variables, capture_output=True, text=True, check=False).stdout


def queue() -> list[str]:
    """Every job in Slurm's queue, with its state."""
    return output(["squeue", "--noheader", "--array", "--format=%i %T"]).splitlines()


def wait_for(there: Callable[[], object], seconds: float, what: str) -> None:
    """Wait until something holds, asking every tenth of a second."""
    deadline = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < deadline, f"after {seconds:g} seconds not yet so: {what}"
        time.sleep(0.1)
