"""Which share of a layer's directions it takes to hold nearly all of its variance."""

import numpy as np

from cnnlab.probes.eigenvalues import Floats, centred_spectrum, units
from cnnlab.probes.trained import HEAD, TrainedMember, head

VARIANCE = 0.99


def probe(member: TrainedMember) -> dict[str, float]:
    """Layer saturation over the test images: of the `head`'s input, and of the last map.

    The least number of eigenvalues of the covariance that hold 99 % of the variance, over the number of units: a
    share in [0, 1] (Shenk et al. 2019, Richter et al. 2021). `features` takes every position of the last spatial map
    as a sample of its channels, as their `delve` does. 0 where nothing varies.
    """
    layers = {HEAD: head(member.network), "features": member.network.features}
    samples = {path: units(member.on_test[name]) for path, name in layers.items()}
    return {path: saturation(centred_spectrum(found), found.shape[1]) for path, found in samples.items()}


def saturation(eigenvalues: Floats, dimensions: int) -> float:
    """Fewest eigenvalues (given in descending order) that hold `VARIANCE` of their sum, over `dimensions`."""
    total = eigenvalues.sum()
    if total == 0:
        return 0.0
    return float((np.searchsorted(np.cumsum(eigenvalues), VARIANCE * total) + 1) / dimensions)
