"""Where a trained net's gradient reaches the image, and whether that follows how often a pixel is read."""

import functools
import itertools

import numpy as np
from numpy.typing import NDArray

from cnnlab.geometry.coverage import network_coverage
from cnnlab.geometry.period import periodic_coverage
from cnnlab.probes.input_energy import log_slope
from cnnlab.probes.trained import TrainedMember
from cnnlab.spec.invalid import InvalidError
from cnnlab.spec.network import Network, Pair

Floats = NDArray[np.float64]

IMAGES = 64


def probe(member: TrainedMember) -> dict[str, float]:
    """`slope` of log gradient energy on log read count, and `ratio` of the energy at most and at least read pixels.

    A slope of 1 says that the energy is proportional to the count. Only pixels whose count the border leaves alone are
    taken. Empty where these are all read equally often, or some pixel has no gradient at all.
    """
    counts, inner = predicted(member.network, member.size)
    if not inner.any() or np.ptp(counts[inner]) == 0:
        return {}
    found = energy(member)[inner]
    if not (found > 0).all():
        return {}
    most, least = (counts[inner] == extreme for extreme in (counts[inner].max(), counts[inner].min()))
    return {"slope": log_slope(found, counts[inner]), "ratio": float(found[most].mean() / found[least].mean())}


def energy(member: TrainedMember) -> Floats:
    """Mean squared gradient of a random combination of the logits at each pixel, over test images and channels."""
    images = member.test.images[:IMAGES]
    sent = member.random("input_energy").normal(size=(len(images), member.task.classes)).astype(np.float32)
    back = member.pull(member.network.output, images, sent).astype(np.float64)
    mean: Floats = np.square(back).mean((0, 3))
    return mean


@functools.lru_cache(maxsize=16)
def predicted(network: Network, size: Pair) -> tuple[Floats, NDArray[np.bool_]]:
    """Paths from each pixel to the last map, and at which pixels they are as many as on an endless image.

    None are where geometry has no endless pattern for the net. Where the pattern begins is the place at which most
    pixels fit it.
    """
    counts = np.asarray(network_coverage(network, size, network.features), np.float64)
    try:
        pattern = np.asarray(periodic_coverage(network, size, network.features), np.float64)
    except InvalidError:
        return counts, np.zeros(size, np.bool_)
    repeats = tuple(-(-length // period) for length, period in zip(size, pattern.shape, strict=True))
    starts = itertools.product(*map(range, pattern.shape))
    endless = (np.tile(np.roll(pattern, start, (0, 1)), repeats)[: size[0], : size[1]] for start in starts)
    return counts, max((counts == plane for plane in endless), key=np.count_nonzero)
