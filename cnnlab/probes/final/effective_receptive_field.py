"""How far the pixels lie that a unit in the middle of the last map really depends on."""

import numpy as np
from numpy.typing import NDArray

from cnnlab.probes.trained import TrainedMember

Floats = NDArray[np.float64]

IMAGES = 64


def probe(member: TrainedMember) -> dict[str, float]:
    """`radius` in pixels of the central unit's input gradient (Luo et al. 2016), over test images and channels.

    Empty where the unit has no gradient.
    """
    found = energy(member)
    return {"radius": radius(found)} if found.any() else {}


def energy(member: TrainedMember) -> Floats:
    """Mean squared gradient at each pixel of the unit in the middle of the last map, with random signs by channel."""
    images, name = member.test.images[:IMAGES], member.network.features
    shape = member.on_test[name].shape[1:]
    sent = np.zeros((len(images), *shape), np.float32)
    middle = (shape[0] - 1) // 2, (shape[1] - 1) // 2
    signs = member.random("effective_receptive_field").integers(0, 2, size=(len(images), shape[2]))
    sent[:, middle[0], middle[1]] = 2 * signs - 1
    mean: Floats = np.square(member.pull(name, images, sent).astype(np.float64)).mean((0, 3))
    return mean


def radius(energy: Floats) -> float:
    """Root of a plane's second moment about its centroid, in pixels: sqrt(2) sigma of a Gaussian; [height, width]."""
    shares = energy / energy.sum()
    moments = []
    for axis in (0, 1):
        places, weights = np.arange(energy.shape[axis]), shares.sum(1 - axis)
        moments.append((weights * (places - weights @ places) ** 2).sum())
    return float(np.sqrt(sum(moments)))
