"""The suite's engine, driven as `cnnlab.training.members` drives it: a process a core, or side by side on a GPU."""

import dataclasses
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cnnlab.training import members as engine
from cnnlab.training.program import State
from cnnlab.training.workers import ONE_THREAD
from cnnlab.zoo import native
from experiments.bench.compiling import watch
from experiments.bench.contract import Batches, Machine, Setup, Values, on_gpu
from experiments.bench.given import given
from experiments.bench.workloads import LEARNING_RATE, Workload

SAYS = "this suite's engine, on a CPU with our own convolutions"


def missing(machine: Machine) -> str:
    """On a CPU our own convolutions, which must be compiled."""
    try:
        if machine.kind == "cpu":
            native.compiler()
    except native.LibraryError as problem:
        return str(problem)
    return ""


def setups(machine: Machine) -> tuple[Setup, ...]:
    """As a sweep uses the machine: on a CPU one process a core, of one thread each."""
    if machine.kind == "gpu":
        return (Setup(name="1", processes=1, together=engine.SIDE_BY_SIDE, environment=on_gpu()),)
    return (Setup(name=f"{machine.cores}x1", processes=machine.cores, environment=ONE_THREAD),)


class Engine:
    """Members of one workload; statistics of every step are computed, kept and fetched if `watched`."""

    def __init__(
        self, workload: Workload, members: Sequence[int], *, strategy: str, watched: bool, precision: str = "highest"
    ) -> None:
        self.compiling = watch()
        recipe = dataclasses.replace(workload.arm.recipe, precision=precision)
        self.watched, self.arm = watched, dataclasses.replace(workload.arm, recipe=recipe)
        self.lone = lone = strategy != "side_by_side"
        self.built = engine.compiled(self.arm, strategy)
        self.step: Any = self.built.many or self.built.step
        start = [given(workload, member) for member in members]
        join: Callable[[Sequence[Any]], Any] = engine.only if lone else engine.stack
        states = [placed(self.built.init(member), own.weights) for member, own in zip(members, start, strict=True)]
        self.state = join(states)
        self.images = jax.device_put(join([own.train.images for own in start]))
        self.labels = jax.device_put(join([own.train.labels for own in start]))
        self.epoch = workload.images // workload.batch
        self.rates = np.full((self.epoch,) if lone else (self.epoch, len(members)), LEARNING_RATE, np.float32)

    @property
    def compile_seconds(self) -> float:
        """See `Trainer`."""
        return self.compiling.seconds

    def run(self, batches: Batches) -> Values:
        """See `Trainer`; what a step gives is fetched at an epoch's end, as `members` fetches it."""
        steps = batches[0] if self.lone else batches.swapaxes(0, 1)
        losses, looks = list[Any](), list[Any]()
        for first in range(0, len(steps), self.epoch):
            some = steps[first : first + self.epoch]
            # an epoch cut short is still an epoch's program
            whole = np.concatenate([some, np.repeat(some[-1:], self.epoch - len(some), axis=0)])
            stretches = [range(at, at + 1) for at in range(len(some))] if self.watched else [range(len(some))]
            given, found = (self.images, self.labels), list[Any]()
            for steps_taken in stretches:
                if self.watched:
                    at = steps_taken.start
                    looks.append(self.built.measure_step(self.state, *given, whole[at], self.rates[at]))
                self.state, values = self.built.advance(self.state, *given, whole, self.rates, steps_taken)
                found += values
            losses += jax.device_get(found)
        jax.device_get(looks)
        return np.asarray(losses).reshape(len(losses), -1).T

    def logits(self, images: Values) -> Values:
        """See `Trainer`."""
        count = 1 if self.lone else len(self.images)
        shown = jnp.asarray(images)
        found = self.built.logits(self.state, shown if self.lone else jnp.stack([shown] * count))
        return np.asarray(found).reshape(count, len(images), -1)

    def device_bytes(self) -> int:
        """See `Trainer`."""
        return device_bytes()

    def hlo(self) -> str:
        """What XLA makes of one step, or of a stretch of them: the text without the machine code that follows it."""
        batch = np.zeros((*self.labels.shape[:-1], self.arm.recipe.batch_size), np.int32)
        if self.built.many is None:
            lowered = self.step.lower(self.state, self.images, self.labels, batch, self.rates[0])
        else:
            epoch = np.stack([batch] * self.epoch)
            lowered = self.step.lower(self.state, self.images, self.labels, epoch, self.rates, 0, self.epoch)
        sooner = {"xla_backend_optimization_level": 0} if jax.default_backend() == "cpu" else None
        return lowered.compile(compiler_options=sooner).as_text() or ""


def trainer(workload: Workload, members: Sequence[int], machine: Machine) -> Engine:
    """See `Contender`."""
    return engine_on(machine, workload, members)


def engine_on(
    machine: Machine,
    workload: Workload,
    members: Sequence[int],
    *,
    watched: bool = False,
    precision: str = "",
    natively: bool = True,
) -> Engine:
    """The engine as a machine of that kind has it; on a GPU with TF32 products, as all contenders, if not told else."""
    strategy = engine.strategy_for(machine.kind)
    if machine.kind == "cpu" and natively:
        load_library()
        strategy = "native"
    usual = {"cpu": "highest", "gpu": "default"}[machine.kind]
    return Engine(workload, members, strategy=strategy, watched=watched, precision=precision or usual)


def load_library() -> None:
    """Let this process use our own convolutions; the library is kept beside the compiled programs.

    Raises LibraryError.
    """
    if native.used():
        return
    config: Any = jax.config
    kept = config.jax_compilation_cache_dir
    native.use(native.build(Path(kept or tempfile.mkdtemp())))


def placed(state: State, weights: Any) -> State:
    """A member's state with other weights of the same names and shapes."""
    params = {**state.params, "layers": jax.device_put(weights)}
    before, after = (jax.tree.map(jnp.shape, tree) for tree in (state.params, params))
    if before != after:
        raise ValueError(f"the weights do not fit the net: {after}, where it has {before}")
    return State(params, state.statistics, state.moments)


def device_bytes() -> int:
    """Peak memory that JAX has used on its accelerator; 0 on a CPU."""
    found = jax.local_devices()[0].memory_stats()
    return int(found["peak_bytes_in_use"]) if found else 0
