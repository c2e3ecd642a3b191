"""Tasks of a Ray cluster, or of a Ray on this machine that lasts as long as the command.

Ray itself, not its Hydra plugin: that one cannot be installed beside this suite's locked versions, since it needs
an older cloudpickle, and boto3 for clusters on AWS.
"""

import importlib.util
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cnnlab.spec.invalid import InvalidError, require
from cnnlab.spec.ranges import Between
from cnnlab.training.workers import cores, devices

OBJECTS = 100 * 2**20
"""Bytes of a local Ray's object store, which would be a third of the memory: nothing goes through it but pickles."""


@dataclass
class Ray:
    """What a task asks for, and of which cluster; see conf/hydra/launcher/ray.yaml.

    Attributes:
        cores: of a task, a worker each.
        gpus: of a task; with one the members of its arm train side by side.
        address: of a cluster, such as auto or ray://head:10001; null starts a Ray on this machine.
    """

    cores: Annotated[int, Between(1, 1024)] = 1
    gpus: Annotated[int, Between(0, 64)] = 0
    address: str | None = None

    def require(self) -> None:
        """Raise InvalidError unless Ray is installed."""
        there = importlib.util.find_spec("ray") is not None
        require(there, "hydra/launcher", "ray", "needs Ray: pip install -e '.[ray]'")

    def launch(self, jobs: Sequence[Callable[[], None]], folder: Path) -> "Tasks":
        """Start one task a job. Raises InvalidError where there is no cluster at the address."""
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # without it, Ray reports to its makers
        import ray

        local = self.address is None and "RAY_ADDRESS" not in os.environ
        own: dict[str, Any] = (
            {"num_cpus": cores(), "num_gpus": len(devices()), "object_store_memory": OBJECTS} if local else {}
        )
        try:
            ray.init(
                address=self.address, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR, **own
            )
        except (ConnectionError, ValueError) as problem:
            said = str(problem).splitlines()[0]
            raise InvalidError("hydra.launcher.address", self.address, said) from problem
        # a process a job, so that none inherits what another left; and none is tried twice
        task = ray.remote(num_cpus=self.cores, num_gpus=self.gpus, max_calls=1, max_retries=0)(_run)
        folder.mkdir(parents=True, exist_ok=True)
        return Tasks(ray=ray, left={task.remote(job): place for place, job in enumerate(jobs)}, folder=folder)


def _run(job: Callable[[], None]) -> None:
    """Body of a task."""
    job()


@dataclass(kw_only=True)
class Tasks:
    """Ray's tasks under way, by their references."""

    ray: Any
    left: dict[Any, int]
    folder: Path

    @property
    def title(self) -> str:
        """How many there are, and where."""
        return f"{len(self.left)} tasks of Ray at {self.ray.get_runtime_context().gcs_address}"

    def running(self) -> bool:
        """Whether any task is left; what those that failed say is written to their logs."""
        if not self.left:
            return False
        ended, _ = self.ray.wait(list(self.left), num_returns=len(self.left), timeout=0)
        for reference in ended:
            place = self.left.pop(reference)
            try:
                self.ray.get(reference)
            except Exception as problem:
                self.log(place).write_text(f"{problem}\n")
        return bool(self.left)

    def log(self, place: int) -> Path:
        """Why Ray says that a task failed; what it printed is in Ray's own folder."""
        return self.folder / f"{os.getpid()}_{place}.err"

    def end(self) -> None:
        """Leave the cluster, which ends this command's tasks; a local one ends itself."""
        self.ray.shutdown()


LAUNCHER = Ray
