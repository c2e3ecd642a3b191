"""What a contender is: where it can run, how it is spread over processes, and how some members are trained by it."""

import functools
import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import jax
import numpy as np
from numpy.typing import NDArray

from cnnlab.training.workers import cores
from experiments.bench import contenders
from experiments.bench.workloads import Workload

Batches = NDArray[np.int32]
"""Indices of training images, (members, steps, batch)."""
Values = NDArray[np.float32]
Kind = Literal["cpu", "gpu"]
GPU_ENVIRONMENT = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "XLA_FLAGS": "", "JAX_PLATFORMS": "cuda"}
"""Of a JAX process that shares the GPU's memory with the other contenders."""
COMPILED = "/jax/core/compile/backend_compile_duration"
"""Also recorded where the program then comes from the persistent cache."""
STAGES = ("/jax/core/compile/jaxpr_trace_duration", "/jax/core/compile/jaxpr_to_mlir_module_duration", COMPILED)


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Where a run takes place: on what, and how many cores it may use (`taskset` chooses them)."""

    kind: Kind
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

    Attributes:
        description: one line, what it is.
        needs: the only kind of device it runs on; empty for any.
        sweeps: whether it trains whole sweeps; others compile for minutes a variant, or are no way to train one.
        gated: whether its compiled step must pass the gates.
        slow_steps: where a step takes seconds, the steps of its one turn, in the first round alone; not warmed up.
        compile_seconds: spent so far on tracing, lowering and compiling, or on reading it from the cache.
    """

    description = needs = ""
    sweeps = gated = False
    slow_steps = 0
    compile_seconds: float = 0.0

    def __init__(self, workload: Workload, members: Sequence[int], machine: Machine) -> None:
        self.workload, self.members, self.machine = workload, members, machine

    def run(self, batches: Batches) -> Values:
        """Train one step a batch. Returns the losses, (members, steps), once all of it is computed."""
        raise NotImplementedError

    def logits(self, images: Values) -> Values:
        """Score images, (n, height, width, channels): (members, n, classes)."""
        raise NotImplementedError

    def images_trained(self, batches: Batches) -> float:
        """Images times models that one call of `run` counts for."""
        return float(batches.size)

    def device_bytes(self) -> int:
        """Peak memory on the accelerator; 0 on a CPU."""
        return 0

    @classmethod
    def setups(cls, machine: Machine) -> tuple[Setup, ...]:
        """Ways to spread it over a machine; the best of them counts."""
        raise NotImplementedError

    @classmethod
    def missing(cls, machine: Machine) -> str:
        """Why it cannot run on this machine; empty if it can."""
        return "" if cls.needs in ("", machine.kind) else f"needs a {cls.needs.upper()}"


@dataclass
class CompileCounter:
    """What JAX compiled since `watch` was called first, from its own monitoring events.

    Attributes:
        spans: (begin, end) of tracing, lowering and compiling, in seconds; tracing nests.
        programs: name of every program, in order. hits, misses: of the persistent cache.
    """

    spans: list[tuple[float, float]] = field(default_factory=list)
    programs: list[str] = field(default_factory=list)
    hits: int = 0
    misses: int = 0

    @property
    def seconds(self) -> float:
        """Seconds in which anything was traced, lowered or compiled; what nests counts once."""
        total, until = 0.0, 0.0
        for begin, end in sorted(self.spans):
            total, until = total + max(0.0, end - max(begin, until)), max(until, end)
        return total

    def span(self, event: str, start_time: float, end_time: float, **details: object) -> None:
        """Listen to an event that took its time."""
        if event in STAGES:
            self.spans.append((start_time, end_time))
        if event == COMPILED:
            self.programs.append(str(details["fun_name"]))

    def event(self, event: str, **_: object) -> None:
        """Listen to an event."""
        self.hits += event == "/jax/compilation_cache/cache_hits"
        self.misses += event == "/jax/compilation_cache/cache_misses"


@functools.cache
def watch() -> CompileCounter:
    """The process's counter; the first call begins to listen."""
    counter = CompileCounter()
    jax.monitoring.register_event_time_span_listener(counter.span)
    jax.monitoring.register_event_listener(counter.event)
    return counter


class JaxContender(Contender):
    """A contender that compiles by JAX; what it compiles is counted for the whole process."""

    def __init__(self, workload: Workload, members: Sequence[int], machine: Machine) -> None:
        super().__init__(workload, members, machine)
        self.compiling = watch()

    @property
    def compile_seconds(self) -> float:  # type: ignore[override]
        """See `Contender`."""
        return self.compiling.seconds

    def device_bytes(self) -> int:
        """See `Contender`."""
        found = jax.local_devices()[0].memory_stats()
        return int(found["peak_bytes_in_use"]) if found else 0


@functools.cache
def names() -> tuple[str, ...]:
    """Names of all contenders, in alphabetical order."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(contenders.__path__)))


def contender(name: str) -> type[Contender]:
    """The class of a contender: `TorchEager` in `contenders/torch_eager.py`."""
    module = importlib.import_module(f"{contenders.__name__}.{name}")
    found: type[Contender] = getattr(module, name.title().replace("_", ""))
    return found


def threads(count: int) -> dict[str, str]:
    """Environment that gives libraries so many threads and leaves every other choice at its default."""
    libraries = ("NPROC", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return {name: str(count) for name in libraries} | {"XLA_FLAGS": ""}
