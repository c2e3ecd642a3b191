"""How much of the first layer's kernels are oriented edge detectors."""

from math import comb

import numpy as np

from cnnlab.probes.eigenvalues import Floats
from cnnlab.probes.trained import TrainedMember, first_convolution


def probe(member: TrainedMember) -> dict[str, float]:
    """`share` of the first convolution's energy in the plane of oriented first derivatives, and `by_chance`.

    Chance is 2 of the kernel's dimensions, what random kernels have on average. Empty for kernels of one pixel along
    an axis.
    """
    node = first_convolution(member.network)
    if min(node.kernel) < 2:
        return {}
    kernel = member.params[node.name]["kernel"].astype(np.float64)
    return {"share": edge_share(kernel), "by_chance": 2 / (node.kernel[0] * node.kernel[1])}


def edge_share(kernel: Floats) -> float:
    """Share of the energy of kernels [height, width, channels, filters] in the span of two derivative filters.

    The filters are a derivative along one axis, smoothed along the other: Sobel's at 3x3, Roberts' differences at 2x2,
    and the same made from longer binomials for larger kernels. Their combinations are edges of every direction.
    """
    height, width = kernel.shape[:2]
    filters = np.stack(
        [np.outer(derivative(height), binomial(width)), np.outer(binomial(height), derivative(width))]
    ).reshape(2, -1)
    filters /= np.linalg.norm(filters, axis=1, keepdims=True)  # orthogonal: one is odd where the other is even
    slices = kernel.reshape(height * width, -1)
    return float(((filters @ slices) ** 2).sum() / (slices**2).sum())


def binomial(taps: int) -> Floats:
    """The binomial coefficients of that many taps: [1, 2, 1] for three."""
    return np.array([comb(taps - 1, tap) for tap in range(taps)], np.float64)


def derivative(taps: int) -> Floats:
    """Differences of a binomial one tap shorter: [1, 0, -1] for three taps."""
    return np.convolve(binomial(taps - 1), [1.0, -1.0])
