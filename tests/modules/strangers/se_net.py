"""An NNX net with a squeeze-excite gate, and dropout that is given its random numbers in the call."""

import jax.numpy as jnp
from flax import nnx


class SqueezeExcite(nnx.Module):
    def __init__(self, channels, ratio, rngs):
        self.down = nnx.Linear(channels, max(1, channels // ratio), rngs=rngs)
        self.up = nnx.Linear(max(1, channels // ratio), channels, rngs=rngs)

    def __call__(self, x):
        gate = nnx.sigmoid(self.up(nnx.relu(self.down(jnp.mean(x, axis=(1, 2))))))
        return x * gate[:, None, None, :]


class SENet(nnx.Module):
    def __init__(self, width, classes, in_channels, rate, rngs):
        self.conv1 = nnx.Conv(in_channels, width, (3, 3), rngs=rngs)
        self.gate = SqueezeExcite(width, 4, rngs)
        self.conv2 = nnx.Conv(width, 2 * width, (3, 3), rngs=rngs)
        self.dropout = nnx.Dropout(rate)
        self.out = nnx.Linear(2 * width, classes, rngs=rngs)

    def __call__(self, x, *, training: bool = False, rngs: nnx.Rngs | None = None):
        x = self.gate(nnx.relu(self.conv1(x)))
        x = nnx.max_pool(x, (2, 2), strides=(2, 2))
        x = nnx.relu(self.conv2(x)).mean(axis=(1, 2))
        return self.out(self.dropout(x, deterministic=not training, rngs=rngs))


def build(*, width: int, classes: int, in_channels: int, rate: float = 0.25, rngs: nnx.Rngs):
    return SENet(width, classes, in_channels, rate, rngs)
