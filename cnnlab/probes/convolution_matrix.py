"""A convolution as a matrix: its rank and its singular values say how much of the input it keeps."""

import numpy as np
from numpy.typing import NDArray

from cnnlab.geometry.axis import Slide

Floats = NDArray[np.float64]


def convolution_matrix(kernel: Floats, side: int, window: Slide) -> Floats:
    """Write a convolution with zero padding as a matrix.

    Args:
        kernel: (height, width, channels, filters), square.
        side: height and width of the map it reads.
        window: stride, dilation and padding along both axes; its taps must be the kernel's.

    Returns:
        [rows * columns * filters, side * side * channels], both flattened with the channel last.
    """
    channels, filters = kernel.shape[2:]
    out = window.length(side)
    matrix = np.zeros((out, out, filters, side, side, channels))
    reads = [
        (unit, tap, place) for unit in range(out) for tap, place in enumerate(window.reads(unit)) if 0 <= place < side
    ]
    for row, down, y in reads:
        for column, across, x in reads:
            matrix[row, column, :, y, x, :] = kernel[down, across].T
    return matrix.reshape(out * out * filters, side * side * channels)


def kept(matrix: Floats) -> tuple[int, float]:
    """Rank of a matrix, and its smallest over its largest singular value among as many as it has columns (0 if fewer).

    An operation of full column rank can be undone; the ratio says how much noise that would magnify.
    """
    values = np.linalg.svd(matrix, compute_uv=False)
    rank = int((values > values[0] * max(matrix.shape) * np.finfo(float).eps).sum())
    whole = len(values) >= matrix.shape[1]
    return rank, float(values[-1] / values[0]) if whole else 0.0
