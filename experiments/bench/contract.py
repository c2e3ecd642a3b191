"""What a contender offers: how it is spread over processes, and a trainer that runs given batches on given weights."""

import functools
import importlib
import importlib.util
import os
import pkgutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from cnnlab.training.workers import cores
from experiments.bench import contenders
from experiments.bench.workloads import Workload

Batches = NDArray[np.int32]
"""Places of training images, (members, steps, batch)."""
Values = NDArray[np.float32]
Kind = Literal["cpu", "gpu"]


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Where a run takes place: on what, and how many cores it may use (`taskset` chooses them)."""

    kind: Kind
    cores: int = field(default_factory=cores)


@dataclass(frozen=True, kw_only=True)
class Setup:
    """One way to spread a contender over the machine.

    Attributes:
        name: `processes x threads`.
        processes: each trains members of its own.
        together: members that a process trains side by side, in one program.
        environment: variables that each process is started with.
        steps: of one turn; 0 takes the workload's.
        turns: in a round; 0 takes the plan's, after a warm-up. 1 means one turn without warm-up, for what is slow and
            compiled ahead of time.
    """

    name: str
    processes: int
    together: int = 1
    environment: Mapping[str, str] = field(default_factory=dict)
    steps: int = 0
    turns: int = 0


class Trainer(Protocol):
    """Members of one workload under way, of a contender; made by its `trainer(workload, members, machine)`.

    All members begin with `experiments.bench.given.weights` and train by stochastic gradient descent with momentum.
    """

    compile_seconds: float
    """Spent so far, by the whole process, on tracing, lowering and compiling, or on reading it from the cache."""

    def run(self, batches: Batches) -> Values:
        """Train one step a batch. Returns the losses, (members, steps), once all of it is computed."""

    def logits(self, images: Values) -> Values:
        """Score images, (n, height, width, channels): (members, n, classes)."""

    def device_bytes(self) -> int:
        """Peak memory on the accelerator; 0 on a CPU."""


class Contender(Protocol):
    """A module in `experiments/bench/contenders/`.

    Attributes:
        SAYS: one line, what it is.
    """

    SAYS: str

    def missing(self, machine: Machine) -> str:
        """Why it cannot run on this machine; empty if it can."""

    def setups(self, machine: Machine) -> tuple[Setup, ...]:
        """Ways to spread it; the best of them counts."""

    def trainer(self, workload: Workload, members: Sequence[int], machine: Machine) -> Trainer:
        """Members at their start."""


@functools.cache
def names() -> tuple[str, ...]:
    """Names of all contenders, in alphabetical order."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(contenders.__path__)))


def contender(name: str) -> ModuleType:
    """The module of a contender; a `Contender`."""
    return importlib.import_module(f"{contenders.__name__}.{name}")


def torch_missing(machine: Machine, needs: str = "") -> str:
    """Why PyTorch cannot compete: it is not installed, or there is no GPU that it or the contender needs."""
    if importlib.util.find_spec("torch") is None:
        return "PyTorch is not installed: pip install -e '.[bench]'"
    return "needs a GPU" if needs == "gpu" and machine.kind != "gpu" else ""


def threads(count: int) -> dict[str, str]:
    """Environment that gives libraries so many threads and leaves every other choice at its default."""
    libraries = ("NPROC", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return {name: str(count) for name in libraries} | {"XLA_FLAGS": ""}


def on_gpu() -> dict[str, str]:
    """Environment of a JAX process that shares the GPU's memory with the other contenders."""
    return {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "XLA_FLAGS": "", "JAX_PLATFORMS": "cuda"}


def cache(folder: "os.PathLike[str]") -> dict[str, str]:
    """Environment that makes JAX keep compiled programs in a folder, as the suite's workers do."""
    return {"JAX_COMPILATION_CACHE_DIR": os.fspath(folder), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
