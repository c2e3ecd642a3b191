"""The closed table of activations, each a jitted function whose name a jaxpr shows at every site it reaches."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array

from cnnlab.spec.invalid import require_choice

LEAKY_SLOPE = 0.01


@jax.jit
def relu(x: Array) -> Array:
    """max(x, 0), with derivative 0 at 0; `jnp.maximum(x, 0)` would have 1/2 there."""
    return jax.nn.relu(x)


@jax.jit
def relu_half(x: Array) -> Array:
    """max(x, 0) with derivative 1/2 at 0, as `jnp.maximum` has it."""
    return jnp.maximum(x, 0)


@jax.jit
def relu_one(x: Array) -> Array:
    """max(x, 0) with derivative 1 at 0."""
    return jnp.where(x >= 0, x, 0)


@jax.jit
def leaky_relu(x: Array) -> Array:
    """X where x >= 0, else `LEAKY_SLOPE` * x; derivative 1 at 0."""
    return jax.nn.leaky_relu(x, LEAKY_SLOPE)


@jax.jit
def tanh(x: Array) -> Array:
    """Hyperbolic tangent."""
    return jnp.tanh(x)


@jax.jit
def scaled_tanh(x: Array) -> Array:
    """1.7159 tanh(2x/3): fixed points at -1 and 1 (LeCun, Bottou, Orr and Müller 1998, Efficient BackProp)."""
    return 1.7159 * jnp.tanh(x * (2 / 3))


@jax.jit
def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x))."""
    return jax.nn.sigmoid(x)


@jax.jit
def gelu(x: Array) -> Array:
    """X times the standard normal distribution function, exact by erf (Hendrycks and Gimpel 2016)."""
    return jax.nn.gelu(x, approximate=False)


@jax.jit
def identity(x: Array) -> Array:
    """X itself: a linear net."""
    return x


TABLE: dict[str, Callable[[Array], Array]] = {
    "relu": relu,
    "relu_half": relu_half,
    "relu_one": relu_one,
    "leaky_relu": leaky_relu,
    "tanh": tanh,
    "scaled_tanh": scaled_tanh,
    "sigmoid": sigmoid,
    "gelu": gelu,
    "identity": identity,
}


def activation(kind: str) -> Callable[[Array], Array]:
    """Look up the elementwise function of that name. Raises InvalidError, listing the names, if there is none."""
    require_choice("model.activation", kind, TABLE)
    return TABLE[kind]
