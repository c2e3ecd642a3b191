"""The digits at a place of a 12x12 canvas that is drawn anew in every epoch, as is the noise on every pixel.

A training image is the seed's digit at a place and with noise of the seed and the epoch, the same for every arm.
Test images are drawn once for all, every digit at ten places. The validation digits of a seed are shown at ten, too.

Dial: `noise`, the standard deviation of the pixel noise, where the images without it have 1.
"""

import numpy as np
import numpy.typing as npt

from cnnlab.data import digits
from cnnlab.data.arrays import Dataset, Source, Split, moments, require_fit, scaled, verified
from cnnlab.data.dials import settings
from cnnlab.data.redrawing import NOISE, POOL_STREAM, TEST_STREAM, Floats, Random, at_random, with_noise
from cnnlab.spec.task import Task

DIALS = (NOISE,)
PLACES = 10
"""Places of every test and validation digit: with one each, counting errors alone would be most of the noise."""


def check(task: Task, source: Source) -> None:
    """Raise `InvalidError` unless dial and sizes fit; the images come with the package."""
    require_fit(task, side=digits.CANVAS, channels=1, classes=digits.CLASSES, pool=digits.POOL_IMAGES, dials=DIALS)


def load(task: Task, source: Source) -> Dataset:
    """1198 digits to draw from, and 5990 test images: the 599 test digits of `digits8` at ten places each."""
    check(task, source)
    frozen, noise = digits.frozen(), settings(task, DIALS)["noise"]
    digit, label = frozen.images[~frozen.test], frozen.labels[~frozen.test].astype(np.int32)
    tests = np.tile(frozen.images[frozen.test], (PLACES, 1, 1))
    # a digit stands whole on its canvas wherever it is put, so that no place moves these
    constants = moments(digits.on_canvas(frozen)[~frozen.test][..., None])

    def seen(images: npt.NDArray[np.uint8], random: Random) -> Floats:
        return with_noise(scaled(at_random(images, digits.CANVAS, random), constants), noise, random)

    dataset = Dataset(
        pool=Split(seen(digit, np.random.RandomState(POOL_STREAM)), label),
        test=Split(
            seen(tests, np.random.RandomState(TEST_STREAM)),
            np.tile(frozen.labels[frozen.test].astype(np.int32), PLACES),
        ),
        redraw=lambda places, random: seen(digit[places], random),
        views=PLACES,
    )
    return verified(dataset, task, imbalance=1.1)
