"""Copies of a net with other weights: in another precision, or with every offset drawn at random."""

import zlib

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array

from cnnlab.zoo.module import Net

POSITIVE = ("var", "scale")
"""Vectors that divide or multiply: a variance and a scale begin at 1 and stay positive."""


def in_precision(net: Net, dtype: str) -> Net:
    """Copy a net whose floating-point weights and running statistics all have this dtype.

    Float64 needs `jax.enable_x64` around this and around whatever runs the copy. May be called under `jax.jit`.
    """
    graph, state = nnx.split(net)
    copied: Net = nnx.merge(graph, jax.tree.map(lambda leaf: leaf.astype(dtype), state))
    return copied


def with_offsets(net: Net, seed: int) -> Net:
    """Copy a net and draw every vector it holds: biases, and batch norm's scales, offsets and running statistics.

    They begin at 0 and 1, where an affine map would look linear and batch norm would do nothing. Means and offsets
    become normal with standard deviation 0.5, variances and scales uniform in [0.5, 1.5]. Kernels stay. The seed and
    the vector's name decide, nothing else.
    """
    graph, state = nnx.split(net)

    def drawn(path: tuple[object, ...], leaf: Array) -> Array:
        if leaf.ndim != 1:
            return leaf
        name = jax.tree_util.keystr(path)
        draw = np.random.default_rng([seed, zlib.crc32(name.encode())])
        positive = any(f"'{word}'" in name for word in POSITIVE)
        values = draw.uniform(0.5, 1.5, leaf.shape) if positive else draw.normal(0, 0.5, leaf.shape)
        return jnp.asarray(values.astype(leaf.dtype))

    copied: Net = nnx.merge(graph, jax.tree_util.tree_map_with_path(drawn, state))
    return copied
