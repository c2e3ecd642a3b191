"""The convolution as JAX sees it: a function of three arrays with gradients of its own."""

import functools
from typing import Any

import jax
import numpy as np
from jax import Array
from numpy.typing import NDArray

Pair = tuple[int, int]
Sides = tuple[Pair, Pair]
"""Zeros (before, after) along rows and along columns; a negative number leaves pixels out."""

CONVOLVE, INPUT_GRADIENT, WEIGHT_GRADIENT = TARGETS = (
    "cnnlab_convolve",
    "cnnlab_input_gradient",
    "cnnlab_weight_gradient",
)
"""Functions of `convolution.cc`, and their names in XLA's text."""


_call: Any = jax.ffi.ffi_call
_struct: Any = jax.ShapeDtypeStruct


@functools.partial(jax.custom_vjp, nondiff_argnums=(3, 4, 5))
def convolve(images: Array, kernel: Array, bias: Array, stride: Pair, padding: Sides, rectify: bool = False) -> Array:
    """Convolve and add a bias: `lax.conv_general_dilated` in NHWC and HWIO, without dilation or groups.

    ReLU may be part of it, its derivative at 0 being 0, to the last bit as if it came after: a map of its own would be
    written and read anew five times, for it and its gradient.

    It has no forward-mode derivative, and gradients of its gradients are not defined.

    Args:
        images: (batch, rows, columns, channels), float32, as all arrays.
        kernel: (rows, columns, channels, filters). bias: (filters,).
        stride: along rows and columns. padding: zeros around every image.
        rectify: whether ReLU is applied to the sums.

    Returns:
        (batch, rows, columns, filters).

    Raises:
        TypeError: an array is not float32.
    """
    if {array.dtype for array in (images, kernel, bias)} != {np.dtype(np.float32)}:
        raise TypeError(f"our own convolutions are float32's, not {images.dtype}'s")
    sides = zip(images.shape[1:3], kernel.shape[:2], stride, padding, strict=True)
    rows, columns = ((side + sum(pad) - size) // step + 1 for side, size, step, pad in sides)
    out = _like((images.shape[0], rows, columns, kernel.shape[3]), images)
    value: Array = _call(CONVOLVE, out)(images, kernel, bias, lattice=_lattice(stride, padding, rectify))
    return value


def _forward(
    images: Array, kernel: Array, bias: Array, stride: Pair, padding: Sides, rectify: bool
) -> tuple[Array, tuple[Array, ...]]:
    value = convolve(images, kernel, bias, stride, padding, rectify)
    return value, (images, kernel, bias, *([value] if rectify else []))


def _backward(
    stride: Pair, padding: Sides, rectify: bool, kept: tuple[Array, ...], gradient: Array
) -> tuple[Array, ...]:
    """Gradients at images, kernel and bias; XLA leaves the first out where nothing asks for it."""
    images, kernel, bias = (_like(array.shape, array) for array in kept[:3])
    outputs, lattice = kept[3:], _lattice(stride, padding, rectify)
    at_images = _call(INPUT_GRADIENT, images)(gradient, kept[1], *outputs, lattice=lattice)
    at_kernel, at_bias = _call(WEIGHT_GRADIENT, (kernel, bias))(kept[0], gradient, *outputs, lattice=lattice)
    return at_images, at_kernel, at_bias


convolve.defvjp(_forward, _backward)


def _like(shape: tuple[int, ...], array: Array) -> jax.ShapeDtypeStruct:
    """A result of that shape and of the array's type."""
    made: jax.ShapeDtypeStruct = _struct(shape, array.dtype)
    return made


def _lattice(stride: Pair, padding: Sides, rectify: bool) -> NDArray[np.int64]:
    """Where windows lie, and whether ReLU follows, as `convolution.cc` reads it."""
    return np.array([*stride, *(before for before, _ in padding), rectify], np.int64)
