"""How much of an image can be read off a layer's output by a linear decoder, and images to try it on."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnlab.spec.invalid import require

Floats = NDArray[np.float64]
PENALTIES = tuple(10.0**power for power in range(-8, 3, 2))
"""Ridge penalties tried, relative to the mean squared feature."""


@dataclass(frozen=True, kw_only=True)
class ImageSplits:
    """Images for fitting, for choosing the penalty and for the final measure; each [count, side, side]."""

    train: Floats
    validation: Floats
    test: Floats


def noise_images(kind: str, side: int, *, train: int = 1000, held_out: int = 300, seed: int = 0) -> ImageSplits:
    """Draw images of independent pixels (`white`) or with the amplitude spectrum of natural images (`pink`, 1/f).

    Every image has mean 0; the pixels' variance over all images is 1. Raises InvalidError for another kind.
    """
    require(kind in ("white", "pink"), "kind", kind, "choose one of white, pink")
    count = train + 2 * held_out
    drawn = np.random.default_rng(seed).normal(size=(count, side, side))
    spectrum = np.fft.fft2(drawn)
    radius = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side)[None, :])
    radius[0, 0] = np.inf
    found = np.fft.ifft2(spectrum / radius).real if kind == "pink" else drawn - drawn.mean((1, 2), keepdims=True)
    found /= found.std()
    ends = (train, train + held_out)
    return ImageSplits(train=found[: ends[0]], validation=found[ends[0] : ends[1]], test=found[ends[1] :])


def linear_r2(train: tuple[Floats, Floats], validation: tuple[Floats, Floats], test: tuple[Floats, Floats]) -> float:
    """Share of the targets' variance that ridge regression on the features explains, on images it has not seen.

    Each pair is (features [count, features], targets [count, targets]). The penalty is the one of `PENALTIES` that does
    best on the validation pair. One eigenvalue decomposition serves all of them: a library refits for each.

    Raises:
        InvalidError: the features are constant.
    """
    centre_x, centre_y = train[0].mean(0), train[1].mean(0)
    x, y = train[0] - centre_x, train[1] - centre_y
    values, vectors = np.linalg.eigh(x.T @ x)
    size = float(values.mean())
    require(size > 0, "features", "constant", "features must differ between images")
    inside = vectors.T @ (x.T @ y)
    fits = [vectors @ (inside / (values.clip(0) + penalty * size)[:, None]) for penalty in PENALTIES]

    def score(pair: tuple[Floats, Floats], weights: Floats) -> float:
        residual = pair[1] - centre_y - (pair[0] - centre_x) @ weights
        return float(1 - (residual**2).sum() / ((pair[1] - centre_y) ** 2).sum())

    best = max(fits, key=lambda weights: score(validation, weights))
    return score(test, best)
