"""An own net for the tutorial: any Flax module will do."""

import jax
from flax import nnx


class TwoConvolutions(nnx.Module):
    """A convolution of stride 2, one of stride 1, and a linear head."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.first = nnx.Conv(1, 8, (3, 3), strides=2, rngs=rngs)
        self.second = nnx.Conv(8, 16, (3, 3), rngs=rngs)
        self.head = nnx.Linear(16, 10, rngs=rngs)

    def __call__(self, images: jax.Array) -> jax.Array:
        """Class scores (n, 10) of images (n, height, width, 1)."""
        maps = nnx.relu(self.second(nnx.relu(self.first(images))))
        return self.head(maps.mean(axis=(1, 2)))


def make() -> nnx.Module:
    """The net, as `experiments.geometry --module` asks for it."""
    return TwoConvolutions(nnx.Rngs(0))
