"""Initial kernels: a function of key, layer name, shape, initialiser and gain, and of nothing else."""

import math
import zlib
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.nn import initializers

from cnnlab.spec.invalid import require, require_choice
from cnnlab.spec.net import INITS

CUT = 2.0
"""Normal draws are cut at two standard deviations, as in `jax.nn.initializers`, and stretched to keep the variance."""

SHORTEST = 1 << 15
"""Numbers drawn at least for a kernel, of which it takes the first: so small nets need one random draw compiled."""

CUT_STD = 0.87962566103423978
"""Standard deviation of the standard normal distribution cut at +-2."""


def kernel(key: Array, name: str, shape: tuple[int, ...], init: str, scale: float) -> Array:
    """Draw a layer's kernel. It depends on the key and the layer's name, so adding a layer changes no other kernel.

    `he`, `xavier` and `lecun` are cut normal with variance 2 / fan_in, 2 / (fan_in + fan_out) and 1 / fan_in, where a
    fan counts the window (and fan_out the filters of all groups); `normal` is normal, uncut, with variance 1.
    `orthogonal` takes the kernel as a (window * channels_in, filters) matrix (Saxe 2013); `delta_orthogonal` is
    orthogonal at the window's centre and zero elsewhere (Xiao 2018), for a dense kernel the same thing. The cut normal
    ones differ by a factor alone.

    Args:
        key: the member's key, one for all layers.
        name: the layer's; its checksum is folded into the key.
        shape: (height, width, channels_in / groups, filters), or (channels_in, units).
        init: of the closed table `cnnlab.spec.net.INITS`.
        scale: multiplies the drawn weights; the standard deviation for `normal`.

    Raises:
        InvalidError: no such init (the message lists them), or `delta_orthogonal` with fewer filters than channels.
    """
    require_choice("model.init", init, INITS)
    # the name's checksum, not Python's hash: that differs from process to process
    own = jax.random.fold_in(key, np.uint32(zlib.crc32(name.encode())))
    drawn: Array
    if init in ("orthogonal", "delta_orthogonal"):
        has_centre = init == "delta_orthogonal" and len(shape) > 2
        wide = f"needs at least as many filters as channels; layer {name} has {shape[-1]} for {shape[-2]}"
        require(not has_centre or shape[-1] >= shape[-2], "model.init", init, wide)
        drawn = _orthogonal(own, np.float32(scale), shape, has_centre)
    else:
        length = max(SHORTEST, 1 << (math.prod(shape) - 1).bit_length())
        drawn = _shaped(_standard(own, length, init != "normal"), np.float32(scale * _std(init, shape)), shape)
    return drawn


def icnr(key: Array, name: str, shape: tuple[int, ...], init: str, scale: float, block: int) -> Array:
    """Draw the kernel of a sub-pixel convolution whose block x block phases start equal.

    Behind `DepthToSpace(block)` it first does what a convolution with one phase's kernel and a nearest-neighbour
    resize would do, so that no phase stands out before training (Aitken et al. 2017: ICNR, "initialised to
    convolution, nearest-neighbour resize"). Each phase is drawn as `kernel` draws; arguments as there.

    Args:
        shape: (height, width, channels_in, block**2 * filters); the last axis in the order of `DepthToSpace`.
        block: pixels a side that one input pixel becomes.

    Raises:
        InvalidError: block**2 does not divide the filters, or as `kernel`.
    """
    phases = block**2
    require(shape[-1] % phases == 0, f"network.{name}.filters", shape[-1], f"must be a multiple of {phases}")
    one = kernel(key, name, (*shape[:-1], shape[-1] // phases), init, scale)
    return jnp.tile(one, (1,) * (len(shape) - 1) + (phases,))


def _std(init: str, shape: tuple[int, ...]) -> float:
    """Give the standard deviation of the weights at gain 1."""
    window = math.prod(shape[:-2])
    fan_in, fan_out = window * shape[-2], window * shape[-1]
    return math.sqrt({"he": 2 / fan_in, "xavier": 2 / (fan_in + fan_out), "lecun": 1 / fan_in, "normal": 1.0}[init])


@partial(jax.jit, static_argnums=(1, 2))
def _standard(key: Array, length: int, cut: bool) -> Array:
    """Draw numbers of unit variance; the length is a power of two. A longer draw begins with the same numbers.

    XLA takes half a second to compile a random draw of each new length, and a sweep has a hundred kernel shapes.
    """
    if not cut:
        return jax.random.normal(key, (length,), jnp.float32)
    return jax.random.truncated_normal(key, -CUT, CUT, (length,), jnp.float32) / CUT_STD


@partial(jax.jit, static_argnums=2)
def _shaped(numbers: Array, scale: np.float32, shape: tuple[int, ...]) -> Array:
    """Scale the first of the numbers and bring them into a kernel's shape."""
    return scale * numbers[: math.prod(shape)].reshape(shape)


@partial(jax.jit, static_argnums=(2, 3))
def _orthogonal(key: Array, scale: np.float32, shape: tuple[int, ...], centred: bool) -> Array:
    """Draw a kernel that is orthogonal as a whole or, if `centred`, at the window's centre."""
    draw = initializers.delta_orthogonal() if centred else initializers.orthogonal()
    return scale * draw(key, shape, jnp.float32)
