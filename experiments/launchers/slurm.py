"""RemoteTrainer of a Slurm cluster, by submitit. They are over when Slurm's queue has them no more.

Submitit itself asks `sacct` and waits for a job's pickled result: where accounting is off, a job that was killed is
then waited for without end. The queue is there on every cluster.
"""

import importlib.util
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from cnnlab.spec.invalid import require
from cnnlab.spec.ranges import Between

PATIENCE = 10
"""How often in a row the queue may not answer before that is an error: a controller may be started anew."""


@dataclass
class Slurm:
    """What a job asks for, and how many run at once; see conf/hydra/launcher/slurm.yaml.

    Attributes:
        cores: of a job, a worker each.
        gpus: of a job; with one the members of its arm train side by side.
        memory_gb: of a job; null is the cluster's default.
        minutes: after which Slurm kills a job.
        at_once: how many jobs run at once.
        partition: of the cluster.
        account: that pays.
        qos: quality of service.
        options: others of sbatch, by name.
    """

    cores: Annotated[int, Between(1, 1024)] = 1
    gpus: Annotated[int, Between(0, 64)] = 0
    memory_gb: Annotated[float, Between(0, 100_000, above=True)] | None = 3
    minutes: Annotated[int, Between(1, 10_000_000)] = 240
    at_once: Annotated[int, Between(1, 1_000_000)] = 100
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    options: dict[str, Any] = field(default_factory=dict)

    def require(self) -> None:
        """Raise InvalidError unless submitit is installed, and Slurm is here and has what a job asks for."""
        there = importlib.util.find_spec("submitit") is not None
        require(there, "hydra/launcher", "slurm", "needs submitit: pip install -e '.[slurm]'")
        for command in ("sbatch", "squeue", "scancel"):
            found = shutil.which(command) is not None
            require(found, "hydra/launcher", "slurm", f"needs a machine that submits to Slurm; here is no {command}")
        flags = [f"--{name.replace('_', '-')}={value}" for name, value in self.asked().items()]
        tried = subprocess.run(
            ["sbatch", "--test-only", *flags, "--wrap=true"], capture_output=True, text=True, check=False
        )
        said = [line for line in tried.stderr.splitlines() if line and not line.startswith("Try ")]
        why = f"a job as hydra.launcher has it is refused: {said[-1] if said else 'sbatch does not say why'}"
        require(tried.returncode == 0, "hydra/launcher", "slurm", why)

    def asked(self) -> dict[str, Any]:
        """What a job asks for, as options of sbatch."""
        named = {
            "job_name": "cnnlab",
            "time": self.minutes,
            "cpus_per_task": self.cores,
            "mem": None if self.memory_gb is None else f"{round(1024 * self.memory_gb)}M",
            "gpus_per_node": self.gpus or None,
            "partition": self.partition,
            "account": self.account,
            "qos": self.qos,
        }
        return {**{name: value for name, value in named.items() if value is not None}, **self.options}

    def launch(self, jobs: Sequence[Callable[[], None]], folder: Path) -> "Queued":
        """Submit one array of jobs."""
        import submitit

        executor = submitit.SlurmExecutor(folder=folder, max_num_timeout=0)
        executor.update_parameters(array_parallelism=self.at_once, use_srun=False, additional_parameters=self.asked())
        return Queued(jobs=executor.submit_array([Ending(job) for job in jobs]))


@dataclass(frozen=True)
class Ending:
    """A job that ends when it is told to: submitit would ignore SIGTERM, and what is written is whole at any time."""

    job: Callable[[], None]

    def __call__(self) -> None:
        """Run the job."""
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        self.job()


@dataclass(kw_only=True)
class Queued:
    """An array of jobs in Slurm's queue, or one job, as submitit has them."""

    jobs: Sequence[Any]
    silent: int = 0

    @property
    def number(self) -> str:
        """Slurm's number of the whole array."""
        return str(self.jobs[0].job_id).partition("_")[0]

    @property
    def title(self) -> str:
        """Slurm's number of them."""
        return f"Slurm job {self.number}, {len(self.jobs)} arms (scancel {self.number} stops them all)"

    def running(self) -> bool:
        """Whether the queue has any of them. Raises RuntimeError if it has not answered for a while."""
        asked = ["squeue", "--noheader", "--format=%F", f"--user={os.getuid()}"]
        answer = subprocess.run(asked, capture_output=True, text=True, check=False)
        self.silent = self.silent + 1 if answer.returncode else 0
        if self.silent == PATIENCE:
            raise RuntimeError(f"Slurm's queue does not answer: {answer.stderr.strip()}")
        return bool(answer.returncode) or self.number in answer.stdout.split()

    def log(self, place: int) -> Path:
        """What a job wrote to its standard error."""
        return Path(self.jobs[place].paths.stderr)

    def end(self) -> None:
        """Cancel what is still queued or running; what is left of the jobs is their logs."""
        subprocess.run(["scancel", "--quiet", self.number], capture_output=True, check=False)
        for job in self.jobs:
            job.paths.submitted_pickle.unlink(missing_ok=True)
            job.paths.result_pickle.unlink(missing_ok=True)


LAUNCHER = Slurm
