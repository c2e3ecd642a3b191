"""Run one layer of the zoo with given weights, in float64, to test exact statements about it."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from cnnlab.spec.network import Conv, Dense
from cnnlab.zoo.module import Weights
from cnnlab.zoo.operations import operate

Values = NDArray[np.float64]


def output(node: Conv | Dense, images: Values, kernel: Values, bias: Values | None = None) -> Values:
    """Run one layer, as any net of the zoo does, in float64 on the CPU.

    Args:
        node: the layer; its own `bias` is ignored.
        images: (batch, height, width, channels).
        kernel: (height, width, channels / groups, filters) of a convolution, (channels, units) of a dense layer, which
            reads the last axis of whatever it is given.
        bias: (filters,) or (units,); None for a layer without.

    Raises:
        TypeError, ValueError: kernel and images do not fit, as JAX says it.
    """
    with jax.enable_x64(True), jax.default_device(jax.local_devices(backend="cpu")[0]):
        weights: Any = Weights(jnp.asarray(kernel), bias is not None)
        if bias is not None:
            weights.bias.set_value(jnp.asarray(bias))
        return np.asarray(operate(node, weights, jnp.asarray(images)))
