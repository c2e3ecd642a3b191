"""Is a function affine? Build the only possible map x -> A x + b from its values at 0 and the basis vectors; compare.

Inputs come in batches of shape (n, *shape), as NumPy arrays whose dtype is that of the function. The answer is a
relative error: around the rounding of the dtype where the function is affine, near 1 where it is not.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[Any]
Function = Callable[[Floats], Any]
"""Each image of a batch by itself: (n, *shape) in, (n, ...) out."""
Shape = tuple[int, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Affine:
    """The map x -> A x + b on flattened inputs.

    Attributes:
        matrix: A, (outputs, inputs). offset: b, (outputs,).
    """

    matrix: Floats
    offset: Floats

    def __call__(self, inputs: Floats) -> Floats:
        """Map a batch (n, *shape) to (n, outputs)."""
        mapped: Floats = inputs.reshape(len(inputs), -1) @ self.matrix.T + self.offset
        return mapped


def probes(shape: Shape, dtype: str) -> Floats:
    """Stack the inputs that fix an affine map: zero, then every basis vector of `shape`; (1 + size, *shape)."""
    size = math.prod(shape)
    return np.eye(1 + size, size, -1, dtype=np.dtype(dtype)).reshape(1 + size, *shape)


def probed(values: Floats) -> Affine:
    """Build the one affine map that takes `probes` to these values, (1 + size, ...)."""
    flat = _flat(values)
    return Affine(matrix=(flat[1:] - flat[0]).T, offset=flat[0])


def residual(values: Floats, affine: Affine, inputs: Floats) -> float:
    """Largest |f(x) - (A x + b)| over a batch and all outputs, over the largest |f(x) - b|; 0 where f is b throughout.

    Args:
        values: f of the inputs, (n, ...).
        affine: A and b.
        inputs: (n, *shape).
    """
    flat = _flat(values)
    return _ratio(flat - affine(inputs), flat - affine.offset)


def superposition_defect(function: Function, first: Floats, second: Floats) -> float:
    """Largest |f(x + y) - f(x) - f(y) + f(0)| over pairs, over the largest |f(x + y) - f(0)|; 0 for an affine function.

    Args:
        function: see `Function`.
        first: the x, (n, *shape).
        second: the y, of the same shape.
    """
    at_zero = _flat(function(np.zeros_like(first)))
    both, one, other = (_flat(function(inputs)) - at_zero for inputs in (first + second, first, second))
    return _ratio(both - one - other, both)


def convolution_defects(matrix: Floats, reads: Shape, gives: Shape, *, stride: int = 1, wrap: bool = False) -> Floats:
    """Where a linear map between images differs from ONE convolution, the one that the central output computes.

    A convolution reads the same kernel at every output, moved by `stride` pixels an output. The central output must
    see no border, or its kernel is not whole.

    Args:
        matrix: (outputs, inputs), as `probed` builds it.
        reads: (height, width, channels) of the input.
        gives: the same of the output.
        stride: pixels between the windows of neighbouring outputs.
        wrap: what the convolution finds beyond the image: the opposite side, else zeros.

    Returns:
        (height, width) of the output: largest difference of the weights, relative to the kernel's largest weight.
    """
    rows, columns, channels = gives
    weights = matrix.reshape(rows, columns, channels, *reads)
    middle = (rows // 2, columns // 2)
    kernel = weights[middle]
    margins = ((0, 0), (reads[0], reads[0]), (reads[1], reads[1]), (0, 0))
    surrounded = np.pad(kernel, margins, mode="wrap" if wrap else "constant")
    defects = np.empty((rows, columns))
    for row, column in np.ndindex(rows, columns):
        down, right = stride * (middle[0] - row), stride * (middle[1] - column)
        moved = surrounded[:, reads[0] + down :, reads[1] + right :][:, : reads[0], : reads[1]]
        defects[row, column] = np.abs(weights[row, column] - moved).max()
    relative: Floats = defects / np.abs(kernel).max()
    return relative


def window(matrix: Floats, reads: Shape, gives: Shape) -> tuple[int, int]:
    """Height and width in pixels of the window that the central output of a linear map between images reads."""
    rows, columns, channels = gives
    kernel = matrix.reshape(rows, columns, channels, *reads)[rows // 2, columns // 2]
    lines = (np.flatnonzero(kernel.any(axis)) for axis in ((0, 2, 3), (0, 1, 3)))
    height, width = (int(found[-1] - found[0]) + 1 for found in lines)
    return height, width


def _flat(values: Any) -> Floats:
    """Rows of outputs, in NumPy: JAX would compile a program for every shape."""
    array = np.asarray(values)
    return array.reshape(len(array), -1)


def _ratio(part: Floats, whole: Floats) -> float:
    """Largest magnitude of one array over that of another; 0 where both vanish, infinite where only the whole does."""
    above, below = (float(np.abs(values).max(initial=0.0)) for values in (part, whole))
    if below == 0:
        return 0.0 if above == 0 else math.inf
    return above / below
