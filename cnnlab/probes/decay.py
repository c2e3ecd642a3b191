"""Size of the gradient at every layer of a deep chain of equal dense layers, at initialisation.

The chain's first layers make every shorter chain too, so one compiled program serves all depths.
"""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import Array, lax

from cnnlab.gradients.norm import l2
from cnnlab.zoo.activations import activation
from cnnlab.zoo.initialisers import kernel

Layer = Callable[[Array, Array], Array]
"""Inputs (batch, width) and kernel (width, width) in, outputs (batch, width) out."""

EPSILON = 1e-5
"""Added to the variance by batch norm, as in Flax."""


@dataclass(frozen=True, kw_only=True)
class Flow:
    """One backward pass through a chain; entries of layers beyond its depth are zero.

    Attributes:
        image: L2 norm of the gradient at the input. outputs: at every layer's output, (layers,).
        weights: L2 norm of every layer's weight gradient, (layers,).
        zeros: share of exactly zero entries of every layer's weight gradient, (layers,).
    """

    image: Array
    outputs: Array
    weights: Array
    zeros: Array


jax.tree_util.register_dataclass(Flow, ["image", "outputs", "weights", "zeros"], [])


def plain(kind: str) -> Layer:
    """Give the layer whose output is the activation of the product."""
    return lambda inputs, weights: activation(kind)(inputs @ weights)


def residual(kind: str) -> Layer:
    """Give the layer that adds its input to that."""
    return lambda inputs, weights: inputs + activation(kind)(inputs @ weights)


def normed(kind: str) -> Layer:
    """Give the layer that normalises the product over the batch before the activation, as batch norm begins."""

    def layer(inputs: Array, weights: Array) -> Array:
        product = inputs @ weights
        spread = jnp.sqrt(product.var(0) + EPSILON)
        return activation(kind)((product - product.mean(0)) / spread)

    return layer


def kernels(key: Array, layers: int, width: int, init: str, scale: float) -> Array:
    """Draw the kernels that a zoo net's layers `dense1`, `dense2`, ... would have: (layers, width, width)."""
    return jnp.stack([kernel(key, f"dense{place}", (width, width), init, scale) for place in range(1, layers + 1)])


def flow(layer: Layer, weights: Array, image: Array, cotangent: Array, depth: Array | int) -> Flow:
    """Send a gradient down the chain of the first `depth` layers. Everything is computed in the dtype of the weights.

    Args:
        layer: what each of them computes.
        weights: (layers, width, width), of which `depth` are used.
        image: input, (batch, width).
        cotangent: gradient at the last output, (batch, width).
        depth: 1 up to layers; may be traced.
    """
    places = jnp.arange(len(weights))

    def forward(image: Array, weights: Array, nudges: Array) -> Array:
        def step(signal: Array, given: tuple[Array, Array, Array]) -> tuple[Array, None]:
            place, kernel, nudge = given
            return jnp.where(place < depth, layer(signal, kernel) + nudge, signal), None

        last: Array = lax.scan(step, image, (places, weights, nudges))[0]
        return last

    nudges = jnp.zeros((len(weights), *image.shape), weights.dtype)
    pull = jax.vjp(forward, image.astype(weights.dtype), weights, nudges)[1]
    at_image, at_weights, at_outputs = pull(cotangent.astype(weights.dtype))
    # norms in the widest type there is: a half-precision norm would overflow or vanish before its entries do
    wide = jnp.zeros(0, float).dtype
    norms = jax.vmap(l2)
    return Flow(
        image=l2(at_image.astype(wide)),
        outputs=norms(at_outputs.astype(wide)),
        weights=norms(at_weights.astype(wide)),
        zeros=(at_weights == 0).mean((1, 2), dtype=wide),
    )
