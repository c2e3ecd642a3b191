"""The digits at half, full and one and a half times their size, each at a random place of a larger canvas.

Real images with a dial: object size changes, the canvas, the digits and their test set do not. A digit is resampled by
area: every pixel is repeated 2 * scale times along both axes, then 2x2 blocks are summed (exact in integers; scale 1
gives the 8x8 digit times four). Its place is the same fraction of the free room at every scale, drawn once for each
digit from NumPy's legacy generator.

Dial: `scale` (0.5, 1 or 1.5: 4, 8 or 12 pixels). The side is free from 16 on: on a 12x12 canvas a digit of 12 pixels
has but one place, and a linear classifier would do as well as a net.
"""

import numpy as np
import numpy.typing as npt

from cnnlab.data import digits
from cnnlab.data.arrays import Dataset, Source, require_fit, verified
from cnnlab.data.dials import one_of, settings
from cnnlab.data.redrawing import placed
from cnnlab.spec.invalid import require
from cnnlab.spec.task import Task

DIALS = (one_of("scale", "size of the digits relative to 8 pixels", 0.5, 1, 1.5),)
PLACE_STREAM, LEAST_SIDE = 3, 16


def resampled(images: npt.NDArray[np.uint8], scale: float) -> npt.NDArray[np.uint8]:
    """Resample by area, in units of a quarter grey level; (n, 8, 8) to (n, 8 * scale, 8 * scale)."""
    wide = images.repeat(int(2 * scale), axis=1).repeat(int(2 * scale), axis=2)
    rows = wide[:, ::2] + wide[:, 1::2]  # at most 4 * 16: fits 8 bits
    return rows[:, :, ::2] + rows[:, :, 1::2]


def on_canvas(images: npt.NDArray[np.uint8], side: int) -> npt.NDArray[np.uint8]:
    """Put every image at its place on a black canvas, (n, size, size) to (n, side, side)."""
    size = images.shape[1]
    fractions = np.random.RandomState(PLACE_STREAM).random_sample((2, len(images)))
    return placed(images, (fractions * (side - size + 1)).astype(np.int64), side)


def check(task: Task, source: Source) -> None:
    """Raise `InvalidError` unless dial and sizes fit; the images come with the package."""
    require(task.side >= LEAST_SIDE, "data.side", task.side, f"must be at least {LEAST_SIDE}")
    require_fit(task, side=task.side, channels=1, classes=digits.CLASSES, pool=digits.POOL_IMAGES, dials=DIALS)


def load(task: Task, source: Source) -> Dataset:
    """1198 images to draw from and 599 test images, the same digits as in `digits8`."""
    check(task, source)
    frozen, scale = digits.frozen(), settings(task, DIALS)["scale"]
    images = on_canvas(resampled(frozen.images, scale), task.side)
    return verified(digits.parted(images, frozen), task, imbalance=1.1)
