"""Ways to write a picture as free numbers. Which one is taken decides what the picture looks like.

- `pixels`: every pixel is free, within the range of real images. Gives high frequencies that no image has.
- `fourier`: every frequency is free, low ones move faster (1/f). Smoother, same range.
- `spectrum` (the default): the magnitude of every frequency is the mean of real images', its phase is free. The
  picture cannot become louder than an image, so its score cannot be bought with contrast.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from cnnlab.spec.invalid import require_choice

Tree = Any
Images = NDArray[np.float32]
"""(images, height, width, channels)."""
NAMES = PIXELS, FOURIER, SPECTRUM = ("pixels", "fourier", "spectrum")
DEFAULT = SPECTRUM
SPREAD = 0.01
"""Standard deviation of the numbers that `pixels` and `fourier` begin with, as in lucid."""
PHASES = 0.7
"""Standard deviation, in radians, of the phases that `spectrum` begins with, about those of a dot in the middle: things
in images are in one place. From uniform phases a picture begins and stays spread over the whole image."""
FLOOR = 0.3
"""Width of the bend at the darkest value of real images, in standard deviations of their pixels."""


@dataclass(frozen=True)
class Parametrisation:
    """How pictures are written as numbers.

    Attributes:
        begin: (key, count) -> numbers of so many pictures, a pytree whose leaves have a leading picture axis.
        picture: numbers -> (count, height, width, channels).
    """

    name: str
    begin: Callable[[Array, int], Tree]
    picture: Callable[[Tree], Array]


def parametrisation(name: str, real: Images) -> Parametrisation:
    """Make the parametrisation of that name for images like the real ones. Raises InvalidError for another name."""
    require_choice("parametrisation", name, NAMES)
    if name == SPECTRUM:
        return spectrum(mean_magnitude(real), real.mean((0, 1, 2)), float(real.min()))
    low, high = float(real.min()), float(real.max())
    return (pixels if name == PIXELS else fourier)(real.shape[1:], low, high)


def pixels(shape: tuple[int, ...], low: float, high: float) -> Parametrisation:
    """Every pixel free, between `low` and `high`. `shape`: (height, width, channels) of a picture."""

    def begin(key: Array, count: int) -> Array:
        return SPREAD * jax.random.normal(key, (count, *shape))

    return Parametrisation(PIXELS, begin, lambda numbers: bounded(numbers, low, high))


def fourier(shape: tuple[int, ...], low: float, high: float) -> Parametrisation:
    """Every frequency free, scaled by 1/f, between `low` and `high`. `shape`: (height, width, channels)."""
    height, width, channels = shape
    rows, columns = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    frequency = np.sqrt(rows**2 + columns**2)
    scale = np.sqrt(height * width) / np.maximum(frequency, 1 / max(height, width))
    scale = scale[..., None].astype(np.float32)

    def begin(key: Array, count: int) -> Array:
        return SPREAD * jax.random.normal(key, (count, *scale.shape[:2], channels, 2))

    def picture(numbers: Array) -> Array:
        waves = (numbers[..., 0] + 1j * numbers[..., 1]) * scale
        return bounded(jnp.fft.irfft2(waves, (height, width), axes=(1, 2)), low, high)

    return Parametrisation(FOURIER, begin, picture)


def spectrum(
    magnitude: NDArray[np.floating[Any]], mean: NDArray[np.floating[Any]], low: float | None = None
) -> Parametrisation:
    """The magnitude of every frequency fixed, its phase free: the idea of MaCo.

    A real image has opposite phases at opposite frequencies, so the free numbers are made antisymmetric. The few
    frequencies that are their own opposite are real: theirs is the cosine of the free number.

    Args:
        magnitude: (height, width, channels), of the Fourier transform, in the order of `numpy.fft.fft2`.
        mean: (channels,), the mean brightness of every picture.
        low: what would be darker is bent to just above it, which changes magnitudes a little; None leaves it.
    """
    height, width, _ = magnitude.shape
    own = np.zeros((height, width, 1), bool)
    own[np.ix_(*([0, side // 2] if side % 2 == 0 else [0] for side in (height, width)))] = True
    fixed = jnp.asarray(magnitude, jnp.float32)
    rows, columns = np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None]
    middle = -np.pi * (rows * ((height - 1) / 2) + columns * ((width - 1) / 2))[..., None]

    def begin(key: Array, count: int) -> Array:
        phases: Array = PHASES / np.sqrt(2) * jax.random.normal(key, (count, *magnitude.shape))
        return phases + jnp.asarray(middle, jnp.float32)

    def picture(numbers: Array) -> Array:
        opposite = jnp.roll(jnp.flip(numbers, (1, 2)), 1, (1, 2))
        turned = jnp.where(own, jnp.cos(numbers), jnp.exp(1j * (numbers - opposite)))
        waves = (fixed * turned).at[:, 0, 0].set(jnp.asarray(mean * height * width, jnp.complex64))
        made: Array = jnp.fft.ifft2(waves, axes=(1, 2)).real
        if low is None:
            return made
        bent: Array = low + FLOOR * jax.nn.softplus((made - low) / FLOOR)
        return bent

    return Parametrisation(SPECTRUM, begin, picture)


def mean_magnitude(real: Images) -> NDArray[np.float64]:
    """Mean over images of the magnitude of every frequency, (height, width, channels)."""
    found: NDArray[np.float64] = np.abs(np.fft.fft2(real, axes=(1, 2))).mean(0)
    return found


def bounded(values: Array, low: float, high: float) -> Array:
    """Squash any numbers into the range of real images; 0 becomes its middle."""
    return low + (high - low) * jax.nn.sigmoid(values)
