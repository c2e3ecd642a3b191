"""An epoch as one program: `lax.scan` over the steps of the same Flax net, as is usual on accelerators."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax import Array

from experiments.bench.contender import Batches, Machine, Values
from experiments.bench.contenders import nnx_loop
from experiments.bench.workloads import LEARNING_RATE, MOMENTUM, Workload


class NaiveScan(nnx_loop.NnxLoop):
    """One member; its program, of few steps that are as slow as a whole epoch's, is compiled when it is made."""

    description, sweeps, slow_steps = "the same Flax net under a scan over steps", False, 3

    def __init__(self, workload: Workload, members: Sequence[int], machine: Machine) -> None:
        super().__init__(workload, members, machine)
        graph, params = nnx.split(self.model, nnx.Param)
        optimizer = optax.sgd(LEARNING_RATE, MOMENTUM)

        def step(carry: Any, batch: Array) -> tuple[Any, Array]:
            params, moments, images, labels = carry
            data = images[batch], labels[batch]
            loss, grads = jax.value_and_grad(lambda own: nnx_loop.loss_of(nnx.merge(graph, own), *data))(params)
            updates, moments = optimizer.update(grads, moments, params)
            return (optax.apply_updates(params, updates), moments, images, labels), loss

        self.carry = (params, optimizer.init(params), jnp.asarray(self.train.images), jnp.asarray(self.train.labels))
        scan = jax.jit(lambda carry, batches: jax.lax.scan(step, carry, batches))
        self.epoch = scan.lower(self.carry, np.zeros((self.slow_steps, workload.batch), np.int32)).compile()

    def run(self, batches: Batches) -> Values:
        """See `Contender`; the number of steps must be a multiple of `slow_steps`."""
        losses = []
        for some in batches[0].reshape(-1, self.slow_steps, batches.shape[-1]):
            self.carry, found = self.epoch(self.carry, some)
            losses.append(found)
        return np.concatenate(jax.device_get(losses))[None]
