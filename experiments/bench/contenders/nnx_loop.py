"""The loop of the Flax documentation: an NNX module, `nnx.Optimizer`, a `nnx.jit` step, batches from NumPy."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax import Array

from experiments.bench.compiling import watch
from experiments.bench.contenders.engine import device_bytes
from experiments.bench.contract import Batches, Machine, Setup, Values, on_gpu, threads
from experiments.bench.given import Weights, given
from experiments.bench.workloads import CLASSES, LEARNING_RATE, MOMENTUM, Workload

SAYS = "Flax NNX as its documentation writes it"


def missing(machine: Machine) -> str:
    """Nothing: Flax comes with the suite."""
    return ""


def setups(machine: Machine) -> tuple[Setup, ...]:
    """As a user starts it: one process, all cores, default flags."""
    environment = on_gpu() if machine.kind == "gpu" else {**threads(machine.cores), "JAX_PLATFORMS": "cpu"}
    return (Setup(name=f"1x{machine.cores}", processes=1, environment=environment),)


max_pool: Callable[..., Array] = nnx.max_pool


class CNN(nnx.Module):
    """The workload's net as a user writes it."""

    def __init__(self, workload: Workload, rngs: nnx.Rngs) -> None:
        net, side = workload.net, workload.side
        self.pools, self.flat = net.pools, net.head == "flatten"
        channels = (workload.channels, *net.widths)
        window = (net.kernel, net.kernel)
        self.convs = nnx.List([nnx.Conv(read, made, window, rngs=rngs) for read, made in itertools.pairwise(channels)])
        for _ in self.pools:
            side //= 2
        self.logits = nnx.Linear(channels[-1] * (side * side if self.flat else 1), CLASSES, rngs=rngs)

    def __call__(self, images: Array) -> Array:
        """Logits of images, (batch, height, width, channels)."""
        x = images
        for place, conv in enumerate(self.convs, start=1):
            x = nnx.relu(conv(x))
            if place in self.pools:
                x = max_pool(x, (2, 2), strides=(2, 2))
        x = x.reshape(len(x), -1) if self.flat else x.mean((1, 2))
        logits: Array = self.logits(x)
        return logits

    def begin(self, weights: Weights) -> None:
        """Take the given initial weights."""
        for name, drawn in weights.items():
            layer: Any = self.logits if name == "logits" else self.convs[int(name.removeprefix("conv")) - 1]
            layer.kernel[...], layer.bias[...] = jnp.asarray(drawn["kernel"]), jnp.asarray(drawn["bias"])


def loss_of(model: CNN, images: Array, labels: Array) -> Array:
    """Mean cross-entropy of a batch."""
    loss: Array = optax.softmax_cross_entropy_with_integer_labels(model(images), labels).mean()
    return loss


@nnx.jit
def train_step(model: CNN, optimizer: nnx.Optimizer[CNN], images: Array, labels: Array) -> Array:
    """One step; module and optimiser are updated in place."""
    value, grads = nnx.value_and_grad(loss_of)(model, images, labels)
    optimizer.update(model, grads)
    loss: Array = value
    return loss


@nnx.jit
def forward(model: CNN, images: Array) -> Array:
    """Logits, compiled."""
    logits: Array = model(images)
    return logits


class Loop:
    """One member."""

    def __init__(self, workload: Workload, member: int) -> None:
        self.compiling = watch()
        self.given = given(workload, member)
        self.model = CNN(workload, nnx.Rngs(member))
        self.model.begin(self.given.weights)
        self.optimizer = nnx.Optimizer(self.model, optax.sgd(LEARNING_RATE, MOMENTUM), wrt=nnx.Param)

    @property
    def compile_seconds(self) -> float:
        """See `Trainer`."""
        return self.compiling.seconds

    def run(self, batches: Batches) -> Values:
        """See `Trainer`."""
        train = self.given.train
        losses = [
            train_step(self.model, self.optimizer, train.images[batch], train.labels[batch]) for batch in batches[0]
        ]
        return np.asarray(jax.device_get(losses))[None]

    def logits(self, images: Values) -> Values:
        """See `Trainer`."""
        return np.asarray(forward(self.model, jnp.asarray(images)))[None]

    def device_bytes(self) -> int:
        """See `Trainer`."""
        return device_bytes()


def trainer(workload: Workload, members: Sequence[int], machine: Machine) -> Loop:
    """See `Contender`."""
    (member,) = members
    return Loop(workload, member)
