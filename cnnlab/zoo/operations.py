"""What each kind of layer computes: pure functions on arrays of shape (batch, height, width, channels).

No window operation uses `lax.reduce_window`: its gradient is a scatter, a serial loop on CPU. Windows are strided
slices, folded along one axis and then the other; interpolation is a product with a matrix along each axis.
"""

import contextlib
import functools
import itertools
import operator
from collections import Counter
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from fractions import Fraction
from functools import singledispatch
from math import comb
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from numpy.typing import NDArray

from cnnlab.spec.invalid import InvalidError, require_choice
from cnnlab.spec.network import (
    Activation,
    Add,
    Blur,
    Concat,
    Conv,
    Dense,
    DepthToSpace,
    Elementwise,
    Flatten,
    GlobalAveragePool,
    GroupPad,
    Network,
    Node,
    Pad,
    Padding,
    Pair,
    Pool,
    Resize,
    SpaceToDepth,
    TransposedConv,
)
from cnnlab.zoo import native
from cnnlab.zoo.activations import TABLE, activation

HEIGHT, WIDTH = 1, 2
PRODUCT_CHANNELS, PRODUCT_PIXELS = 24, 256
"""Up to these a map's convolution is a matrix product where members crowd a GPU."""
ConvBackend = Literal["xla", "crowded", "native"]
_BACKEND: ContextVar[ConvBackend] = ContextVar("conv_backend", default="xla")
TRAINING_ONLY = ("dropout",)
"""Elementwise layers that act in training and are the identity in evaluation."""

_PAD_MODES = {"reflect": "reflect", "circular": "wrap"}


@singledispatch
def operate(node: Node, weights: Any, *inputs: Array) -> Array:
    """Compute the output of one layer.

    Args:
        node: the layer.
        weights: hold `kernel` and `bias` of a layer that learns; None for any other.
        *inputs: the outputs of the layers it reads.

    Raises:
        InvalidError: the layer is of a kind that can be measured but not run, such as one of a user's own.
    """
    raise InvalidError(f"network.{node.name}", type(node).__name__, "choose a kind of layer that the zoo runs")


@operate.register
def _(node: Conv, weights: Any, x: Array) -> Array:
    if native_can(node) and _BACKEND.get() == "native":
        return _conv_natively(node, weights, x)
    if native_can(node) and quicker_as_product(x.shape, _BACKEND.get() == "crowded"):
        return _conv_as_product(node, weights, x)
    padding = node.padding.upper() if isinstance(node.padding, str) else node.padding
    value = lax.conv_general_dilated(
        x,
        weights.kernel[...],
        node.stride,
        padding,
        rhs_dilation=node.dilation,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=node.groups,
    )
    return _with_bias(value, weights)


@contextlib.contextmanager
def convolving(backend: ConvBackend) -> Iterator[None]:
    """Choose how convolutions are computed in functions that are traced inside the `with` block.

    Args:
        backend: `xla` as XLA has them, but those of grey images as matrix products; `crowded` for many members side by
            side on a GPU, see `quicker_as_product`; `native` by `cnnlab.zoo.native`, where that can.
    """
    before = _BACKEND.set(backend)
    try:
        yield
    finally:
        _BACKEND.reset(before)


def rectified_convolutions(network: Network) -> dict[str, Conv]:
    """Convolutions that are fused with the ReLU that is their only reader, where the backend is `native`.

    Returns:
        {name of the ReLU: the convolution}.
    """
    if _BACKEND.get() != "native":
        return {}
    readers = Counter([network.output, *(name for node in network.nodes for name in node.inputs)])
    read_once = {
        node.name: node
        for node in network.nodes
        if isinstance(node, Conv) and native_can(node) and readers[node.name] == 1
    }
    relus = [node for node in network.nodes if isinstance(node, Activation) and node.kind == "relu"]
    return {node.name: read_once[node.inputs[0]] for node in relus if node.inputs[0] in read_once}


def convolve_rectified(node: Conv, weights: Any, x: Array) -> Array:
    """Compute a convolution and the ReLU behind it, see `rectified_convolutions`."""
    return _conv_natively(node, weights, x, rectify=True)


def native_can(node: Conv) -> bool:
    """Whether a convolution has neither groups nor holes: `cnnlab.zoo.native` can compute it, or one matrix product."""
    return node.groups == 1 and node.dilation == (1, 1)


def quicker_as_product(shape: Sequence[int], crowd: bool) -> bool:
    """Whether a convolution of maps of this shape is quicker as one matrix product over its windows.

    Alone it is for grey images only: XLA:CPU takes four times as long for its own convolution of one channel, and is
    the quicker for three. Members side by side make it a grouped convolution, and cuDNN's are for large maps: on 12x12
    maps of 16 channels a whole step took four to six times as long in float32, on 14x14 of 32 as long
    (`results/bench/NOTES.md`).
    """
    _, height, width, channels = shape
    small = channels <= PRODUCT_CHANNELS and height * width <= PRODUCT_PIXELS
    return channels == 1 or (crowd and small)


def _conv_natively(node: Conv, weights: Any, x: Array, rectify: bool = False) -> Array:
    """Convolve by `cnnlab.zoo.native`, bias included, and ReLU if asked for."""
    kernel = weights.kernel[...]
    bias = jnp.zeros(kernel.shape[-1:], kernel.dtype) if weights.bias is None else weights.bias[...]
    rows, columns = _sides(x, node.padding, node.kernel, node.stride)
    return native.convolve(x, kernel, bias, node.stride, (rows, columns), rectify)


def _conv_as_product(node: Conv, weights: Any, x: Array) -> Array:
    """Convolve as one matrix product, a map's windows as rows and the bias as one more column."""
    kernel = weights.kernel[...]
    height, width, _, filters = kernel.shape
    x = _padded(x, node.padding, (height, width), node.stride, 0.0)
    rows = _taps(x, HEIGHT, height, node.stride[0])
    windows = [tap for row in rows for tap in _taps(row, WIDTH, width, node.stride[1])]
    matrix = kernel.reshape(-1, filters)
    if weights.bias is not None:
        windows.append(jnp.ones((*windows[0].shape[:-1], 1), x.dtype))
        matrix = jnp.concatenate([matrix, weights.bias[...][None]])
    patches = jnp.concatenate(windows, axis=-1)
    value = jnp.dot(patches.reshape(-1, len(matrix)), matrix)
    return value.reshape(*patches.shape[:-1], filters)


@operate.register
def _(node: TransposedConv, weights: Any, x: Array) -> Array:
    """Paint the kernel, as it lies, around every pixel: output i * stride - low + j gains x[i] times kernel[j].

    It is `lax.conv_transpose` with the kernel flipped along both axes: the gradient of a convolution with respect to
    its input. The kernel has shape (height, width, channels_in, filters).
    """
    padding: Any = "SAME"
    if node.padding != "same":
        # lax fills VALID up to in * stride where the kernel is smaller than the stride; here nothing is filled
        crops = ((0, 0), (0, 0)) if node.padding == "valid" else node.padding
        padding = [(size - 1 - low, size - 1 - high) for size, (low, high) in zip(node.kernel, crops, strict=True)]
    flipped = jnp.flip(weights.kernel[...], (0, 1))
    value = lax.conv_transpose(x, flipped, node.stride, padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))
    return _with_bias(value, weights)


@operate.register
def _(node: Dense, weights: Any, x: Array) -> Array:
    return _with_bias(jnp.dot(x, weights.kernel[...]), weights)


@operate.register
def _(node: Pool, weights: None, x: Array) -> Array:
    """Maximum or average of each window.

    Where several pixels tie for the maximum the gradient is shared among them: each `jnp.maximum` of the fold halves
    it, so the shares sum to 1. After ReLU a tie at 0 passes nothing on, ReLU's derivative at 0 being 0. Padding counts
    as minus infinity for a maximum and as pixels of value 0 for an average (`count_include_pad` elsewhere).
    """
    x = _padded(x, node.padding, node.kernel, node.stride, -np.inf if node.kind == "max" else 0.0)
    for axis, size, stride in _axes(node.kernel, node.stride):
        fold = jnp.maximum if node.kind == "max" else operator.add
        x = functools.reduce(fold, _taps(x, axis, size, stride))
    return x if node.kind == "max" else x / (node.kernel[0] * node.kernel[1])


@operate.register
def _(node: Blur, weights: None, x: Array) -> Array:
    x = _padded(x, node.padding, node.kernel, node.stride, 0.0)
    for axis, size, stride in _axes(node.kernel, node.stride):
        binomial = [comb(size - 1, tap) / 2 ** (size - 1) for tap in range(size)]
        weighted = [weight * tap for weight, tap in zip(binomial, _taps(x, axis, size, stride), strict=True)]
        x = functools.reduce(operator.add, weighted)
    return x


@operate.register
def _(node: SpaceToDepth, weights: None, x: Array) -> Array:
    """Channel order of the output: row within the block, column within the block, channel."""
    batch, height, width, channels = x.shape
    block = node.block
    x = x.reshape(batch, height // block, block, width // block, block, channels)
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(batch, height // block, width // block, block * block * channels)


@operate.register
def _(node: DepthToSpace, weights: None, x: Array) -> Array:
    """Channel order of the input: row within the block, column within the block, channel."""
    batch, height, width, channels = x.shape
    block = node.block
    x = x.reshape(batch, height, width, block, block, channels // block**2)
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(batch, height * block, width * block, channels // block**2)


@operate.register
def _(node: Resize, weights: None, x: Array) -> Array:
    rows, columns = (
        jnp.asarray(_interpolation(node.kind, scale, length), x.dtype)
        for scale, length in zip(node.scale, x.shape[HEIGHT : WIDTH + 1], strict=True)
    )
    resized: Array = jnp.einsum("ph,qw,bhwc->bpqc", rows, columns, x)
    return resized


@operate.register
def _(node: Pad, weights: None, x: Array) -> Array:
    if node.mode == "zeros":
        return _pad(x, node.padding, 0.0)
    return jnp.pad(x, ((0, 0), *node.padding, (0, 0)), mode=_PAD_MODES[node.mode])


@operate.register
def _(node: GroupPad, weights: None, x: Array) -> Array:
    shares = [(total - total // 2, total // 2) for total in node.total]
    rows, columns = [((large, small), (small, large)) for large, small in shares]
    corners = list(itertools.product(rows, columns))
    ends = np.cumsum([len(group) for group in np.array_split(np.arange(x.shape[-1]), 4)])
    groups = [x[..., start:end] for start, end in zip((0, *ends[:-1]), ends, strict=True)]
    return jnp.concatenate([_pad(group, corner, 0.0) for group, corner in zip(groups, corners, strict=True)], axis=-1)


@operate.register
def _(node: Activation, weights: None, x: Array) -> Array:
    return activation(node.kind)(x)


@operate.register
def _(node: Elementwise, weights: None, x: Array) -> Array:
    """Apply an activation of the table, or, as in evaluation, pass on what acts in training alone."""
    require_choice(f"network.{node.name}.kind", node.kind, (*TABLE, *TRAINING_ONLY))
    return x if node.kind in TRAINING_ONLY else TABLE[node.kind](x)


@operate.register
def _(node: Add, weights: None, *inputs: Array) -> Array:
    return functools.reduce(operator.add, inputs)


@operate.register
def _(node: Concat, weights: None, *inputs: Array) -> Array:
    return jnp.concatenate(inputs, axis=-1)


@operate.register
def _(node: GlobalAveragePool, weights: None, x: Array) -> Array:
    mean: Array = x.mean((HEIGHT, WIDTH))
    return mean


@operate.register
def _(node: Flatten, weights: None, x: Array) -> Array:
    return x.reshape(x.shape[0], -1)


def _with_bias(value: Array, weights: Any) -> Array:
    """Add the bias along the last axis, if there is one."""
    if weights.bias is None:
        return value
    bias: Array = weights.bias[...]
    return value + bias.reshape((1,) * (value.ndim - 1) + (-1,))


def _axes(kernel: Pair, stride: Pair) -> Iterator[tuple[int, int, int]]:
    """Give (axis, window, stride) of each axis, width first: on CPU two thirds of the other order's time."""
    yield WIDTH, kernel[1], stride[1]
    yield HEIGHT, kernel[0], stride[0]


def _taps(x: Array, axis: int, size: int, stride: int) -> list[Array]:
    """Take the `size` strided slices whose fold is the window operation; an incomplete last window is dropped."""
    windows = (x.shape[axis] - size) // stride + 1
    reach = (windows - 1) * stride + 1
    return [lax.slice_in_dim(x, first, first + reach, stride, axis) for first in range(size)]


def _interpolation(kind: str, scale: Fraction, length: int) -> NDArray[np.float64]:
    """Weights of (output, input) pixels along one axis: half-pixel centres, the edge pixel repeated, no low-pass.

    Output u lies at (u + 1/2) / scale - 1/2 on the input's pixels; `nearest` takes the pixel whose area holds that
    place, the right one of two. Places are whole multiples of 1 / (2 * numerator): integers keep them exact.
    """
    up, down = scale.numerator, scale.denominator
    unit = np.arange(length * up // down)
    doubled = (2 * unit + 1) * down
    if kind == "nearest":
        left, share = doubled // (2 * up), np.zeros(unit.size)
    else:
        left, rest = np.divmod(doubled - up, 2 * up)
        share = rest / (2 * up)
    weights = np.zeros((unit.size, length))
    np.add.at(weights, (unit, left.clip(0, length - 1)), 1 - share)
    np.add.at(weights, (unit, (left + 1).clip(0, length - 1)), share)
    return weights


def _padded(x: Array, padding: Padding, kernel: Pair, stride: Pair, value: float) -> Array:
    """Pad a map as a window operation says."""
    return _pad(x, _sides(x, padding, kernel, stride), value)


def _sides(x: Array, padding: Padding, kernel: Pair, stride: Pair) -> tuple[Pair, Pair]:
    """Pixels before and after the map along height and width; `same` is JAX's rule."""
    if not isinstance(padding, str):
        return padding
    rows, columns = lax.padtype_to_pads(x.shape[1:3], kernel, stride, padding.upper())
    return rows, columns


def _pad(x: Array, padding: Sequence[Pair], value: float) -> Array:
    """Pad, or crop where negative, height and width."""
    if not np.any(padding):
        return x
    return lax.pad(x, np.array(value, x.dtype), [(0, 0, 0), *((low, high, 0) for low, high in padding), (0, 0, 0)])
