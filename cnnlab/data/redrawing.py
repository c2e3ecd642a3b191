"""What tasks share that draw images anew: places on a canvas, and noise on every pixel.

The training images of an epoch come from a stream of the seed and the epoch (`cnnlab.data.drawing`); those of
validation and of the test set from fixed streams of NumPy's legacy generator, whose numbers never change (NEP 19).
"""

import numpy as np
import numpy.typing as npt

from cnnlab.data.dials import positive

NOISE = positive("noise", "standard deviation of the pixel noise; the images without it have 1")
POOL_STREAM, TEST_STREAM = 1, 2

Random = np.random.Generator | np.random.RandomState
Corners = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


def corners(n: int, rows: int, columns: int, random: Random) -> Corners:
    """Draw the top left pixels of `n` windows, (2, n), evenly over so many rows and columns."""
    found: Corners = (random.random((2, n)) * np.array([[rows], [columns]])).astype(np.int64)
    return found


def placed(images: npt.NDArray[np.uint8], at: Corners, side: int) -> npt.NDArray[np.uint8]:
    """Put every image, (n, size, size), with its top left pixel `at` on a black canvas, (n, side, side)."""
    n, size = images.shape[:2]
    canvas = np.zeros((n, side**2), np.uint8)
    window = (side * np.arange(size)[:, None] + np.arange(size)).ravel()
    first = side**2 * np.arange(n) + side * at[0] + at[1]
    canvas.ravel()[first[:, None] + window] = images.reshape(n, -1)
    return canvas.reshape(n, side, side)


def at_random(images: npt.NDArray[np.uint8], side: int, random: Random) -> npt.NDArray[np.uint8]:
    """Put every image, (n, size, size), at a random place of a black canvas, (n, side, side, 1)."""
    free = side - images.shape[1] + 1
    return placed(images, corners(len(images), free, free, random), side)[..., None]


def with_noise(images: Floats, noise: float, random: Random) -> Floats:
    """Add Gaussian noise to images of unit variance, and scale them to unit variance again."""
    if isinstance(random, np.random.RandomState):
        noisy = random.standard_normal(images.shape).astype(np.float32)
    else:
        noisy = random.standard_normal(images.shape, np.float32)
    noisy *= np.float32(noise)
    noisy += images
    noisy /= np.float32(np.sqrt(1 + noise**2))
    return noisy
