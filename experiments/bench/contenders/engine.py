"""The suite's engine, driven as `cnnlab.training.members` drives it: a process a core, or side by side on a GPU."""

import dataclasses
import itertools
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np

from cnnlab.spec.net import Net
from cnnlab.training import members as engine
from cnnlab.training.program import State
from cnnlab.zoo import native
from experiments.bench.contender import Batches, Contender, Machine, Values
from experiments.bench.workloads import LEARNING_RATE, InitialWeights, Workload, dataset, initial_weights


class Engine(Contender):
    """Members of one workload; on a CPU with our own convolutions, on a GPU with TF32 as all contenders."""

    description = "this suite's engine"
    sweeps = gated = native = True
    statistics, gpu_precision = False, "default"

    def __init__(self, workload: Workload, members: Sequence[int], machine: Machine) -> None:
        super().__init__(workload, members, machine)
        strategy = engine.strategy_for(machine.kind)
        if machine.kind == "cpu" and self.native:
            strategy, config = "native", cast(Any, jax.config)
            if not native.used():  # the library lies beside the compiled programs
                native.use(native.build(Path(config.jax_compilation_cache_dir or tempfile.mkdtemp())))
        precision = self.gpu_precision if machine.kind == "gpu" else "highest"
        recipe = dataclasses.replace(workload.arm.recipe, precision=precision)
        self.arm = dataclasses.replace(workload.arm, recipe=recipe, net=self.net())
        self.lone = strategy != "side_by_side"
        self.compiled = engine.compiled(self.arm, strategy)
        self.step: Any = self.compiled.many or self.compiled.step
        join: Callable[[Sequence[Any]], Any] = engine.only if self.lone else engine.stack
        self.state = join([self.begun(one) for one in members])
        train = dataset(workload).pool
        self.data = [jax.device_put(join([part for _ in members])) for part in (train.images, train.labels)]
        self.epoch = workload.images // workload.batch
        self.rates = np.full((self.epoch, *(() if self.lone else (len(members),))), LEARNING_RATE, np.float32)

    def net(self) -> Net:
        """What is trained."""
        return self.workload.net

    def begun(self, member: int) -> State:
        """A member's state before its first step."""
        return with_weights(self.compiled.init(member), initial_weights(self.workload, member))

    def run(self, batches: Batches) -> Values:
        """See `Contender`; what a step gives is fetched at an epoch's end, as `members` fetches it."""
        steps = batches[0] if self.lone else batches.swapaxes(0, 1)
        losses, statistics = list[Any](), list[Any]()
        for first in range(0, len(steps), self.epoch):
            some = steps[first : first + self.epoch]
            # an epoch cut short is still an epoch's program
            whole = np.concatenate([some, np.repeat(some[-1:], self.epoch - len(some), axis=0)])
            found = list[Any]()
            for at, end in itertools.pairwise(range(len(some) + 1) if self.statistics else (0, len(some))):
                state, (images, labels) = self.state, self.data
                if self.statistics:
                    statistics.append(self.compiled.measure_step(state, images, labels, whole[at], self.rates[at]))
                steps_taken = range(at, end)
                self.state, values = self.compiled.advance(state, images, labels, whole, self.rates, steps_taken)
                found += values
            losses += jax.device_get(found)
        jax.device_get(statistics)
        return np.asarray(losses).reshape(len(losses), -1).T

    def logits(self, images: Values) -> Values:
        """See `Contender`."""
        shown = jnp.asarray(images)
        scores = self.compiled.logits(self.state, shown if self.lone else jnp.stack([shown] * len(self.members)))
        return np.asarray(scores).reshape(len(self.members), len(images), -1)

    def hlo(self) -> str:
        """What XLA makes of one step, or of a stretch of them: the text without the machine code that follows it."""
        batch = np.zeros((*self.data[1].shape[:-1], self.workload.batch), np.int32)
        stretch = (np.stack([batch] * self.epoch), self.rates, 0, self.epoch)
        lowered = self.step.lower(self.state, *self.data, *(stretch if self.compiled.many else (batch, self.rates[0])))
        sooner = {"xla_backend_optimization_level": 0} if jax.default_backend() == "cpu" else None
        return lowered.compile(compiler_options=sooner).as_text() or ""

    @classmethod
    def missing(cls, machine: Machine) -> str:
        """On a CPU our own convolutions must be compiled."""
        try:
            if machine.kind == "cpu" and cls.native:
                native.compiler()
        except native.LibraryError as problem:
            return str(problem)
        return super().missing(machine)


def with_weights(state: State, weights: InitialWeights) -> State:
    """A member's state with other weights. Raises ValueError where names or shapes are not the same."""
    params = {**state.params, "layers": jax.device_put(weights)}
    if jax.tree.map(jnp.shape, state.params) != jax.tree.map(jnp.shape, params):
        raise ValueError("the weights do not fit the net")
    return State(params, state.statistics, state.moments)
