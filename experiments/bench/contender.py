"""What a contender is: where it can run, how it is spread over processes, and how some members are trained by it."""

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import jax
import numpy as np
from numpy.typing import NDArray

from cnnlab.training.members import SIDE_BY_SIDE
from cnnlab.training.workers import ONE_THREAD, cores
from experiments.bench import contenders
from experiments.bench.workloads import Workload
from experiments.timing.compiling import watch

Batches = NDArray[np.int32]  # indices of training images, (members, steps, batch)
Values = NDArray[np.float32]
GPU_ENVIRONMENT = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "XLA_FLAGS": "", "JAX_PLATFORMS": "cuda"}  # it is shared


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Where a run takes place: `cpu` or `gpu`, and how many cores it may use (`taskset` chooses them)."""

    kind: str
    cores: int = field(default_factory=cores)


@dataclass(frozen=True, kw_only=True)
class Setup:
    """One way to spread a contender: processes, threads of each, members that each trains side by side, variables."""

    processes: int = 1
    threads: int = 1
    together: int = 1
    environment: Mapping[str, str] = field(default_factory=dict)


class Contender:
    """One way to train; an instance has members of a workload under way, from `initial_weights`, by SGD with momentum.

    Unless it says otherwise it compiles by JAX, and uses the machine as a sweep of this suite does.

    Attributes:
        needs: the only kind of device it runs on; empty for any. gated: whether its step must pass the gates.
        sweeps: whether it trains whole sweeps; others compile for minutes a variant, or are no way to train one.
        slow_steps: where a step takes seconds, the steps of its one turn, in the first round alone; not warmed up.
    """

    description = needs = ""
    sweeps = gated = False
    slow_steps = 0

    def __init__(self, workload: Workload, members: Sequence[int], machine: Machine) -> None:
        self.workload, self.members, self.machine, self.compiling = workload, members, machine, watch()

    def run(self, batches: Batches) -> Values:
        """Train one step a batch. Returns the losses, (members, steps), once all of it is computed."""
        raise NotImplementedError

    def logits(self, images: Values) -> Values:
        """Score images, (n, height, width, channels): (members, n, classes). Only a sweep needs it."""
        raise NotImplementedError

    def images_trained(self, batches: Batches) -> float:
        """Images times models that one call of `run` counts for."""
        return float(batches.size)

    @property
    def compile_seconds(self) -> float:
        """Spent so far, by the whole process, on tracing, lowering and compiling, or on reading it from the cache."""
        return self.compiling.seconds

    def device_bytes(self) -> int:
        """Peak memory on the accelerator; 0 on a CPU."""
        found = jax.local_devices()[0].memory_stats()
        return int(found["peak_bytes_in_use"]) if found else 0

    @classmethod
    def setups(cls, machine: Machine) -> tuple[Setup, ...]:
        """Ways to spread it over a machine; the best of them counts."""
        if machine.kind == "gpu":
            return (Setup(together=SIDE_BY_SIDE, environment=GPU_ENVIRONMENT),)
        return (Setup(processes=machine.cores, environment=ONE_THREAD),)

    @classmethod
    def missing(cls, machine: Machine) -> str:
        """Why it cannot run on this machine; empty if it can."""
        return "" if cls.needs in ("", machine.kind) else f"needs a {cls.needs.upper()}"


def names() -> tuple[str, ...]:
    """Names of all contenders, in alphabetical order."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(contenders.__path__)))


def contender(name: str) -> type[Contender]:
    """The class of a contender: `TorchEager` in `contenders/torch_eager.py`."""
    module = importlib.import_module(f"{contenders.__name__}.{name}")
    return cast(type[Contender], getattr(module, name.title().replace("_", "")))


def threads(count: int) -> dict[str, str]:
    """Environment that gives libraries so many threads and leaves every other choice at its default."""
    libraries = ("NPROC", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return {"XLA_FLAGS": "", **dict.fromkeys(libraries, str(count))}
