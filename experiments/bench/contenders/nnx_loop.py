"""The loop of the Flax documentation: an NNX module, `nnx.Optimizer`, a `nnx.jit` step, batches from NumPy."""

import itertools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax import Array

from experiments.bench.contender import GPU_ENVIRONMENT, Batches, Contender, Machine, Setup, Values, threads
from experiments.bench.workloads import CLASSES, LEARNING_RATE, MOMENTUM, Workload, dataset, initial_weights


class CNN(nnx.Module):
    """The workload's net as a user writes it."""

    def __init__(self, widths: Any, kernel: int, pools: Any, flat: bool, side: int, in_channels: int, rngs: Any):
        self.pools, self.flat, window = tuple(pools), flat, (kernel, kernel)
        layers, side = itertools.pairwise((in_channels, *widths)), side // 2 ** len(self.pools)
        self.convs = nnx.List([nnx.Conv(read, made, window, rngs=rngs) for read, made in layers])
        self.logits = nnx.Linear(widths[-1] * (side * side if flat else 1), CLASSES, rngs=rngs)

    def __call__(self, x: Array) -> Any:
        """Logits of images, (batch, height, width, channels)."""
        for place, conv in enumerate(self.convs, start=1):
            x = nnx.relu(conv(x))
            if place in self.pools:
                x = nnx.max_pool(x, (2, 2), strides=(2, 2))  # type: ignore[no-untyped-call]
        return self.logits(x.reshape(len(x), -1) if self.flat else x.mean((1, 2)))


def settings(workload: Workload) -> dict[str, Any]:
    """Arguments of the net, but for the sizes of images."""
    net = workload.net
    return {"widths": net.widths, "kernel": net.kernel, "pools": net.pools, "flat": net.head == "flatten"}


def begun(workload: Workload, member: int) -> CNN:
    """The net with the initial weights of a member."""
    model = CNN(**settings(workload), side=workload.side, in_channels=workload.channels, rngs=nnx.Rngs(member))
    for name, drawn in initial_weights(workload, member).items():
        layer: Any = model.logits if name == "logits" else model.convs[int(name.removeprefix("conv")) - 1]
        layer.kernel[...], layer.bias[...] = jnp.asarray(drawn["kernel"]), jnp.asarray(drawn["bias"])
    return model


def loss_of(model: CNN, images: Array, labels: Array) -> Any:
    """Mean cross-entropy of a batch."""
    return optax.softmax_cross_entropy_with_integer_labels(model(images), labels).mean()


@nnx.jit
def train_step(model: CNN, optimizer: nnx.Optimizer[CNN], images: Array, labels: Array) -> Any:
    """One step; module and optimiser are updated in place."""
    loss, grads = nnx.value_and_grad(loss_of)(model, images, labels)
    optimizer.update(model, grads)
    return loss


class NnxLoop(Contender):
    """One member."""

    description, sweeps = "Flax NNX as its documentation writes it", True

    def __init__(self, workload: Workload, members: Sequence[int], machine: Machine) -> None:
        super().__init__(workload, members, machine)
        self.train = dataset(workload).pool
        self.model = begun(workload, *members)
        self.optimizer = nnx.Optimizer(self.model, optax.sgd(LEARNING_RATE, MOMENTUM), wrt=nnx.Param)

    def run(self, batches: Batches) -> Values:
        """See `Contender`."""
        images, labels = self.train.images, self.train.labels
        losses = [train_step(self.model, self.optimizer, images[batch], labels[batch]) for batch in batches[0]]
        return np.asarray(jax.device_get(losses))[None]

    def logits(self, images: Values) -> Values:
        """See `Contender`."""
        return np.asarray(nnx.jit(CNN.__call__)(self.model, jnp.asarray(images)))[None]

    @classmethod
    def setups(cls, machine: Machine) -> tuple[Setup, ...]:
        """As a user starts it: one process, all cores, default flags."""
        on_cpu = {**threads(machine.cores), "JAX_PLATFORMS": "cpu"}
        return (Setup(threads=machine.cores, environment=GPU_ENVIRONMENT if machine.kind == "gpu" else on_cpu),)
