"""The spectrum of a layer's output over many images: how its variance spreads over directions."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def units(values: NDArray[np.float32]) -> Floats:
    """A layer's output as samples [count, units]: each position of a map is a sample of its channels."""
    return values.reshape(-1, values.shape[-1]).astype(np.float64)


def centred_spectrum(samples: Floats) -> Floats:
    """Eigenvalues of the covariance (divisor count) of samples [count, units], in descending order.

    Rounding errors below the largest times units times machine epsilon count as 0.
    """
    centred = samples - samples.mean(0)
    narrow = centred.shape[1] <= centred.shape[0]
    product = centred.T @ centred if narrow else centred @ centred.T
    values = np.linalg.eigvalsh(product)[::-1] / len(samples)
    floor = values[0] * len(values) * np.finfo(np.float64).eps
    kept: Floats = np.where(values > floor, values, 0.0)
    return kept
