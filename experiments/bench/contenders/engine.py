"""The suite's engine, stepped as `cnnlab.training.members` steps it: a process a core, or side by side on a GPU."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cnnlab.training import members as engine
from cnnlab.training.program import State
from cnnlab.training.workers import ONE_THREAD
from experiments.bench.compiling import watch
from experiments.bench.contract import Batches, Machine, Setup, Values, on_gpu
from experiments.bench.given import given
from experiments.bench.workloads import LEARNING_RATE, Workload

SAYS = "this suite's engine"
TOGETHER = 16
"""Members side by side on a GPU."""


def missing(machine: Machine) -> str:
    """Nothing: the suite runs wherever the benchmark does."""
    return ""


def setups(machine: Machine) -> tuple[Setup, ...]:
    """As a sweep uses the machine: on a CPU one process a core, of one thread each."""
    if machine.kind == "gpu":
        return (Setup(name="1", processes=1, together=TOGETHER, environment=on_gpu()),)
    return (Setup(name=f"{machine.cores}x1", processes=machine.cores, environment=ONE_THREAD),)


class Engine:
    """Members of one workload; statistics of every step are computed, kept and fetched if `watched`."""

    def __init__(self, workload: Workload, members: Sequence[int], *, lone: bool, watched: bool) -> None:
        self.compiling = watch()
        self.lone, self.watched, self.arm = lone, watched, workload.arm
        built = engine.compiled(self.arm, lone)
        self.step: Any = built.step
        self.look, self.score = built.look, built.logits
        start = [given(workload, member) for member in members]
        states = [placed(built.init(member), own.weights) for member, own in zip(members, start, strict=True)]
        self.state = self._joined(states)
        self.images = self._joined([jnp.asarray(own.train.images) for own in start])
        self.labels = self._joined([jnp.asarray(own.train.labels) for own in start])
        self.rates = self._joined([np.float32(LEARNING_RATE) for _ in members])

    @property
    def compile_seconds(self) -> float:
        """See `Trainer`."""
        return self.compiling.seconds

    def run(self, batches: Batches) -> Values:
        """See `Trainer`; what a step gives is fetched once, at the end, as `members` fetches it."""
        steps = batches[0] if self.lone else batches.swapaxes(0, 1)
        losses, looks = [], []
        for batch in steps:
            shown = (self.images, self.labels, batch, self.rates * np.float32(1))
            if self.watched:
                looks.append(self.look(self.state, *shown))
            self.state, loss = self.step(self.state, *shown)
            losses.append(loss)
        jax.device_get(looks)
        return np.asarray(jax.device_get(losses)).reshape(len(losses), -1).T

    def logits(self, images: Values) -> Values:
        """See `Trainer`."""
        count = 1 if self.lone else len(self.images)
        shown = jnp.asarray(images)
        found = self.score(self.state, shown if self.lone else jnp.stack([shown] * count))
        return np.asarray(found).reshape(count, len(images), -1)

    def device_bytes(self) -> int:
        """See `Trainer`."""
        return device_bytes()

    def hlo(self) -> str:
        """What XLA makes of one step: the same text, sooner, without the machine code that follows it."""
        batch = np.zeros((*self.labels.shape[:-1], self.arm.recipe.batch_size), np.int32)
        lowered = self.step.lower(self.state, self.images, self.labels, batch, self.rates)
        return lowered.compile(compiler_options={"xla_backend_optimization_level": 0}).as_text() or ""

    def _joined(self, values: Sequence[Any]) -> Any:
        """The one value of a lone member, or those of all along a leading axis."""
        if self.lone:
            (value,) = values
            return value
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *values)


def trainer(workload: Workload, members: Sequence[int], machine: Machine) -> Engine:
    """See `Contender`."""
    return Engine(workload, members, lone=engine.strategy_for(machine.kind) == "sequential", watched=False)


def placed(state: State, weights: Any) -> State:
    """A member's state with other weights of the same names and shapes."""
    params = {**state.params, "layers": jax.tree.map(jnp.asarray, weights)}
    before, after = (jax.tree.map(jnp.shape, tree) for tree in (state.params, params))
    if before != after:
        raise ValueError(f"the weights do not fit the net: {after}, where it has {before}")
    return State(params, state.statistics, state.moments)


def device_bytes() -> int:
    """Peak memory that JAX has used on its accelerator; 0 on a CPU."""
    found = jax.local_devices()[0].memory_stats()
    return int(found["peak_bytes_in_use"]) if found else 0
