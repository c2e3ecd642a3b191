"""What trained kernels let through by spatial frequency: detail that is blurred away, and detail that is folded."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from cnnlab.probes.gratings import alias_share, frequencies, gains
from cnnlab.probes.trained import TrainedMember, by_place, down_factor
from cnnlab.spec.network import Blur, Conv, Pair, Pool
from cnnlab.zoo.operations import operate

Floats = NDArray[np.float64]

LENGTH = 32
"""Pixels of a grating, rounded up to a multiple of the stride."""


def probe(member: TrainedMember) -> dict[str, float]:
    """`<layer>/attenuated` of every spatial convolution, pool and blur, and `<layer>/aliased` where it has a stride.

    Attenuated: how much less energy comes out, on average over the frequencies that a stride of 2 can keep (or the
    layer's own, if larger), than at the best of them: 0 passes all of them alike, whatever else it does. Aliased: the
    share of the output's energy that was folded down, for a white input. Means over both axes and over all channels
    and filters. Pools and blurs have no weights: theirs are properties of the kind of layer, here to compare with.
    """
    found = {}
    for node in member.network.nodes:
        if isinstance(node, Conv) and (max(node.kernel) > 1 or down_factor(node) > 1):
            kernel = member.params[node.name]["kernel"].astype(np.float64)
            found[node.name] = shares(kernel_gains(kernel, node.dilation, length(node)), down_factor(node))
        elif isinstance(node, Pool | Blur):
            found[node.name] = shares(layer_gains(node), down_factor(node))
    return by_place(found, member.network)


def shares(passed: tuple[Floats, Floats], factor: int) -> dict[str, float]:
    """Both shares of a layer of stride `factor` that passes this along its axes; the aliased one only with a stride."""
    lost = float(np.mean([attenuated(gain, max(factor, 2)) for gain in passed]))
    return {"attenuated": lost} | (
        {"aliased": float(np.mean([alias_share(gain, factor) for gain in passed]))} if factor > 1 else {}
    )


def length(node: Conv | Pool | Blur) -> int:
    """Pixels of the gratings sent through a layer: even, and a multiple of its stride."""
    step = 2 * int(np.lcm(*node.stride))
    return -(-LENGTH // step) * step


def attenuated(gain: Floats, factor: int) -> float:
    """Loss below the Nyquist frequency of a map with 1 / `factor` of the pixels: 1 - mean gain / largest gain there."""
    kept = gain[frequencies(2 * (len(gain) - 1)) <= 0.5 / factor]
    return float(1 - kept.mean() / kept.max()) if kept.max() > 0 else 0.0


def kernel_gains(kernel: Floats, dilation: Pair, pixels: int) -> tuple[Floats, Floats]:
    """Share of the energy of gratings along either axis that comes out of a bank of kernels, as `gratings.gains` says.

    For a convolution it is the squared modulus of the transfer function; summed over filters, for independent inputs.

    Args:
        kernel: (height, width, channels, filters). dilation: pixels between taps. pixels: of a grating.

    Returns:
        For vertical and for horizontal changes, each [pixels // 2 + 1].
    """
    found = []
    for axis in (0, 1):
        # a grating is constant along the other axis, so the taps add up there
        taps = kernel.sum(1 - axis).reshape(kernel.shape[axis], -1)
        waves = np.exp(-2j * np.pi * np.outer(frequencies(pixels), dilation[axis] * np.arange(len(taps))))
        found.append(np.asarray((np.abs(waves @ taps) ** 2).sum(1), np.float64))
    return found[0], found[1]


@functools.cache
def layer_gains(node: Pool | Blur) -> tuple[Floats, Floats]:
    """Share of the energy of gratings along either axis that comes out of a pool or a blur, round a circle."""
    ends = [(0, max(size - step, 0)) for size, step in zip(node.kernel, node.stride, strict=True)]
    bare = dataclasses.replace(node, padding="valid")

    def run(images: Floats, turned: bool) -> Floats:
        upright = images.swapaxes(1, 2) if turned else images
        wrapped = np.pad(upright, ((0, 0), *ends), mode="wrap")
        with jax.enable_x64(True):
            return np.asarray(operate(bare, None, jnp.asarray(wrapped)[..., None]))[..., 0]

    rows, columns = (gains(functools.partial(run, turned=turned), length(node)) for turned in (True, False))
    return rows, columns
