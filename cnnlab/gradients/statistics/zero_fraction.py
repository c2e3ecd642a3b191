"""How much of each gradient is exactly zero."""

import jax.numpy as jnp
from jax import Array

from cnnlab.gradients.snapshot import Snapshot, named


def statistic(snapshot: Snapshot) -> dict[str, Array]:
    """Share of the entries of the gradient that are exactly zero, in [0, 1], by layer/parameter."""
    return {path: jnp.mean(gradient == 0, dtype=jnp.float32) for path, gradient in named(snapshot.grads)}
