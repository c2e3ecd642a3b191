"""Frequency response of a layer: the share of a grating's energy in the output, for each frequency.

A down-sampling by s cannot show what lies above its new Nyquist frequency, 1 / (2 s) cycles a pixel of the image. Below
it, energy that does not come out was blurred away; above it, energy that does come out is folded to a lower frequency:
aliasing. The measure sends gratings through, so it serves layers that are not linear as well.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from cnnlab.spec.invalid import require

Floats = NDArray[np.float64]
Operation = Callable[[Floats], Floats]
"""Maps images [batch, height, width] to maps [batch, rows, columns]; it must go round in a circle at the border."""


def grating(length: int, cycles: float, phase: float = 0.0) -> Floats:
    """Give cos(2 pi cycles x / length + phase) at the pixels x of a line; `cycles` are those of the whole line."""
    return np.cos(2 * np.pi * cycles * np.arange(length) / length + phase)


def frequencies(length: int) -> Floats:
    """Every frequency that a line of `length` pixels shows, in cycles a pixel: 0 to 1/2."""
    return np.arange(length // 2 + 1) / length


def gains(operation: Operation, length: int) -> Floats:
    """Share of a vertical grating's energy that comes out, at each of `frequencies(length)`.

    The mean square of the output over that of the input, averaged over two phases a quarter of a cycle apart: for a
    linear layer the squared modulus of its transfer function.

    Args:
        operation: the layer.
        length: height and width of the gratings, in pixels.

    Returns:
        [length // 2 + 1].

    Raises:
        InvalidError: the layer gives no map for each image.
    """
    tried = [(cycles, phase) for cycles in range(length // 2 + 1) for phase in (0.0, -np.pi / 2)]
    images = np.stack([np.tile(grating(length, *one), (length, 1)) for one in tried])
    out = operation(images)
    require(out.ndim == 3 and len(out) == len(images), "operation", out.shape, "must give one map for each image")
    before, after = ((maps**2).mean((1, 2)).reshape(-1, 2).sum(1) for maps in (images, out))
    return np.asarray(after / before, np.float64)


def alias_share(gain: Floats, stride: int) -> float:
    """Share of the output's energy that was folded down from above the new Nyquist frequency, for a white input.

    Args:
        gain: at the frequencies 0, 1/n, ..., 1/2, as `gains` returns them.
        stride: of the layer; 1 has nothing to fold.
    """
    every = np.arange(len(gain)) / (2 * (len(gain) - 1))
    # frequency 0 and 1/2 stand for one grating each, every other for two of opposite sign
    energy = gain * np.where((every == 0) | (every == 0.5), 1.0, 2.0)
    # a bin on the new Nyquist frequency lies half above it; at stride 1 there is nothing above
    above = np.where(every > 0.5 / stride, 1.0, np.where((every == 0.5 / stride) & (stride > 1), 0.5, 0.0))
    return float((energy * above).sum() / energy.sum())
