"""Small classifiers, each in another style of public Flax repositories."""

import functools

import jax.numpy as jnp
from flax import linen as nn
from flax import nnx


class RunningAverage(nn.Module):
    """Linen: batch norm whose flag is an argument of the call, under Flax's own name."""

    width: int
    classes: int

    @nn.compact
    def __call__(self, x, use_running_average: bool = True):
        x = nn.BatchNorm(use_running_average=use_running_average, momentum=0.9)(nn.Conv(self.width, (3, 3))(x))
        return nn.Dense(self.classes)(nn.relu(x).mean((1, 2)))


class TrainKeyword(nnx.Module):
    """NNX: `train=` handed on to batch norm and dropout by hand."""

    def __init__(self, width: int, in_channels: int, num_classes: int, *, rngs: nnx.Rngs):
        self.conv = nnx.Conv(in_channels, width, (3, 3), rngs=rngs)
        self.norm = nnx.BatchNorm(width, momentum=0.9, rngs=rngs)
        self.drop = nnx.Dropout(0.25, rngs=rngs)
        self.head = nnx.Linear(width, num_classes, rngs=rngs)

    def __call__(self, x, *, train: bool = False):
        x = nnx.relu(self.norm(self.conv(x), use_running_average=not train)).mean((1, 2))
        return self.head(self.drop(x, deterministic=not train))


class RandomOrNot(nnx.Module):
    """NNX: dropout acts where random numbers are handed over, and there alone."""

    def __init__(self, width: int, in_channels: int, num_classes: int, *, rngs: nnx.Rngs):
        self.conv = nnx.Conv(in_channels, width, (3, 3), rngs=rngs)
        self.drop = nnx.Dropout(0.25)
        self.head = nnx.Linear(width, num_classes, rngs=rngs)

    def __call__(self, x, rngs: nnx.Rngs | None = None):
        x = nnx.relu(self.conv(x)).mean((1, 2))
        return self.head(self.drop(x, deterministic=rngs is None, rngs=rngs))


class Gated(nn.Module):
    """Linen: a squeeze-and-excitation gate in a pre-activation block with group norms."""

    width: int
    classes: int

    @nn.compact
    def __call__(self, x):
        x = nn.Conv(self.width, (3, 3))(x)
        y = nn.Conv(self.width, (3, 3))(nn.swish(nn.GroupNorm(2)(x)))
        gate = nn.sigmoid(nn.Dense(self.width)(nn.relu(nn.Dense(2)(y.mean((1, 2), keepdims=True)))))
        return nn.Dense(self.classes)((x + y * gate).mean((1, 2)))


class Shared(nnx.Module):
    """NNX: one module used twice."""

    def __init__(self, width: int, in_channels: int, num_classes: int, *, rngs: nnx.Rngs):
        self.stem = nnx.Conv(in_channels, width, (3, 3), rngs=rngs)
        self.step = nnx.Conv(width, width, (3, 3), rngs=rngs)
        self.head = nnx.Linear(width, num_classes, rngs=rngs)

    def __call__(self, x):
        x = nnx.relu(self.stem(x))
        for _ in range(2):
            x = x + nnx.relu(self.step(x))
        return self.head(x.mean((1, 2)))


class Decoder(nnx.Module):
    """NNX: to a code, and back from it to a map that is up-sampled."""

    def __init__(self, width: int, in_channels: int, num_classes: int, *, rngs: nnx.Rngs):
        self.width = width
        self.encode = nnx.Conv(in_channels, width, (3, 3), strides=(2, 2), rngs=rngs)
        self.lift = nnx.Linear(width, 3 * 3 * width, rngs=rngs)
        self.up = nnx.ConvTranspose(width, width, (4, 4), strides=(2, 2), rngs=rngs)
        self.head = nnx.Linear(width, num_classes, rngs=rngs)

    def __call__(self, x):
        code = nnx.tanh(self.encode(x)).mean((1, 2))
        x = nnx.relu(self.lift(code).reshape(-1, 3, 3, self.width))
        return self.head(nnx.relu(self.up(x)).mean((1, 2)))


class Inverted(nnx.Module):
    """NNX: an inverted residual with a depthwise convolution, its switches set by `train()` and `eval()`."""

    def __init__(self, width: int, in_channels: int, num_classes: int, *, rngs: nnx.Rngs):
        self.stem = nnx.Conv(in_channels, width, (3, 3), rngs=rngs)
        self.expand = nnx.Conv(width, 2 * width, (1, 1), use_bias=False, rngs=rngs)
        self.depth = nnx.Conv(2 * width, 2 * width, (3, 3), feature_group_count=2 * width, rngs=rngs)
        self.norm = nnx.BatchNorm(2 * width, momentum=0.9, rngs=rngs)
        self.project = nnx.Conv(2 * width, width, (1, 1), rngs=rngs)
        self.head = nnx.Linear(width, num_classes, rngs=rngs)

    def __call__(self, x):
        x = nnx.relu6(self.stem(x))
        x = x + self.project(nnx.relu6(self.norm(self.depth(self.expand(x)))))
        return self.head(x.mean((1, 2)))


class DenselyConnected(nn.Module):
    """Linen: each layer reads all before it; what it sows belongs to a loss of its author's own."""

    width: int
    classes: int

    @nn.compact
    def __call__(self, x, train: bool):
        for _ in range(2):
            y = nn.relu(nn.BatchNorm(use_running_average=not train, momentum=0.9)(x))
            x = jnp.concatenate([x, nn.Conv(self.width, (3, 3), use_bias=False)(y)], axis=-1)
        self.sow("losses", "activity", jnp.square(x).mean())
        return nn.Dense(self.classes)(nn.avg_pool(x, (2, 2), strides=(2, 2)).mean((1, 2)))


def sequential(width: int, in_channels: int, num_classes: int, rngs: nnx.Rngs) -> nnx.Sequential:
    """NNX: layers and functions in a row."""
    return nnx.Sequential(
        nnx.Conv(in_channels, width, (3, 3), rngs=rngs),
        nnx.LayerNorm(width, rngs=rngs),
        nnx.gelu,
        functools.partial(nnx.max_pool, window_shape=(4, 4), strides=(4, 4)),
        lambda x: x.reshape(x.shape[0], -1),
        nnx.Dropout(0.25, rngs=rngs),
        nnx.Linear(9 * width, num_classes, rngs=rngs),
    )
