"""How the sizes of a gradient's entries spread over powers of two."""

import jax.numpy as jnp
import numpy as np
from jax import Array

from cnnlab.gradients.snapshot import Snapshot, kernels

LOWEST, HIGHEST = -40, 8
BINS = HIGHEST - LOWEST + 2


def statistic(snapshot: Snapshot) -> dict[str, Array]:
    """Count the entries of each weight gradient by size, as int32 of shape (BINS,), by layer/parameter.

    With e = LOWEST + i, bin i + 1 holds 2**e <= |g| < 2**(e + 1). Bin 0 holds what is smaller than 2**LOWEST, exact
    zeros among it; the last bin holds what is not smaller than 2**HIGHEST, and everything not finite. The counts sum
    to the number of entries. Kernels only: biases are few and their histograms would be half of a record.
    """
    return {path: _histogram(gradient) for path, gradient in kernels(snapshot.grads)}


def _histogram(values: Array) -> Array:
    """Compare with every edge and sum: neither scatter nor sort, which are slow on CPU and under `vmap`."""
    edges = np.exp2(np.arange(LOWEST, HIGHEST + 1)).astype(np.float32)
    smaller = jnp.sum(jnp.abs(values).reshape(-1, 1) < edges, axis=0, dtype=jnp.int32)
    ends = jnp.array([0], jnp.int32), jnp.array([values.size], jnp.int32)
    return jnp.diff(jnp.concatenate([ends[0], smaller, ends[1]]))
