"""An epoch as one program: `lax.scan` over the steps of the same Flax net, as is usual on accelerators."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax import Array

from experiments.bench.compiling import watch
from experiments.bench.contenders import nnx_loop
from experiments.bench.contenders.engine import device_bytes
from experiments.bench.contract import Batches, Machine, Setup, Values
from experiments.bench.given import given
from experiments.bench.workloads import LEARNING_RATE, MOMENTUM, Workload

SAYS = "the same Flax net under a scan over steps"
STEPS = 3
"""Of one program: as slow a step as one of a whole epoch's, and there in minutes."""


def missing(machine: Machine) -> str:
    """Nothing: Flax comes with the suite."""
    return ""


def setups(machine: Machine) -> tuple[Setup, ...]:
    """As the loop, but of few steps, which take many seconds on a CPU."""
    (loop,) = nnx_loop.setups(machine)
    return (Setup(name=loop.name, processes=1, environment=loop.environment, steps=STEPS, turns=1),)


class Scan:
    """One member; its program is compiled when it is made."""

    def __init__(self, workload: Workload, member: int) -> None:
        self.compiling = watch()
        start = given(workload, member)
        model = nnx_loop.CNN(workload, nnx.Rngs(member))
        model.begin(start.weights)
        graph, params = nnx.split(model, nnx.Param)
        optimizer = optax.sgd(LEARNING_RATE, MOMENTUM)

        def step(carry: Any, batch: Array) -> tuple[Any, Array]:
            params, moments, images, labels = carry

            def loss_of(params: Any) -> Array:
                return nnx_loop.loss_of(nnx.merge(graph, params), images[batch], labels[batch])

            loss, grads = jax.value_and_grad(loss_of)(params)
            updates, moments = optimizer.update(grads, moments, params)
            return (optax.apply_updates(params, updates), moments, images, labels), loss

        self.graph = graph
        self.carry = (params, optimizer.init(params), jnp.asarray(start.train.images), jnp.asarray(start.train.labels))
        places = np.zeros((STEPS, workload.batch), np.int32)
        self.epoch = (
            jax.jit(lambda carry, batches: jax.lax.scan(step, carry, batches)).lower(self.carry, places).compile()
        )

    @property
    def compile_seconds(self) -> float:
        """See `Trainer`."""
        return self.compiling.seconds

    def run(self, batches: Batches) -> Values:
        """See `Trainer`; the number of steps must be a multiple of `STEPS`."""
        losses = []
        for some in batches[0].reshape(-1, STEPS, batches.shape[-1]):
            self.carry, found = self.epoch(self.carry, some)
            losses.append(found)
        return np.concatenate(jax.device_get(losses))[None]

    def logits(self, images: Values) -> Values:
        """See `Trainer`."""
        return np.asarray(nnx_loop.forward(nnx.merge(self.graph, self.carry[0]), jnp.asarray(images)))[None]

    def device_bytes(self) -> int:
        """See `Trainer`."""
        return device_bytes()

    def hlo(self) -> str:
        """What XLA makes of the program."""
        return self.epoch.as_text() or ""


def trainer(workload: Workload, members: Sequence[int], machine: Machine) -> Scan:
    """See `Contender`."""
    (member,) = members
    return Scan(workload, member)
