"""Fashion-MNIST at 9x9 pixels, every piece of clothing at a random place of a 12x12 canvas.

The images come with the package (`files/fashion12.txt`): 1400 of every class to draw from, and the official test set
whole. A training image's place is drawn anew in every epoch, from seed and epoch alone; validation and test images
have one place each, for all.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from cnnlab.data.arrays import Dataset, Source, Split, moments, require_fit, scaled, verified
from cnnlab.data.dials import Dial
from cnnlab.data.redrawing import POOL_STREAM, TEST_STREAM, Floats, Random, at_random
from cnnlab.spec.task import Task

FILE = Path(__file__).parents[1] / "files" / "fashion12.npz"
SIDE, CANVAS, CLASSES = 9, 12, 10
POOL_IMAGES, TEST_IMAGES = 14_000, 10_000
DIALS: tuple[Dial, ...] = ()


def frozen() -> dict[str, npt.NDArray[np.uint8]]:
    """Read the file: `pool_images` (14000, 9, 9) and `test_images` (10000, 9, 9), 0..255, and their labels."""
    with np.load(FILE) as arrays:
        return dict(arrays)


def check(task: Task, source: Source) -> None:
    """Raise `InvalidError` unless sizes fit; the images come with the package."""
    require_fit(task, side=CANVAS, channels=1, classes=CLASSES, pool=POOL_IMAGES, dials=DIALS)


def load(task: Task, source: Source) -> Dataset:
    """14 000 images to draw from and the official 10 000 test images."""
    check(task, source)
    arrays = frozen()
    clothing = arrays["pool_images"]
    # an image stands whole on its canvas wherever it is put, so that no place moves these
    constants = moments(np.pad(clothing, ((0, 0), (0, CANVAS - SIDE), (0, CANVAS - SIDE)))[..., None])

    def seen(images: npt.NDArray[np.uint8], random: Random) -> Floats:
        return scaled(at_random(images, CANVAS, random), constants)

    dataset = Dataset(
        pool=Split(seen(clothing, np.random.RandomState(POOL_STREAM)), arrays["pool_labels"].astype(np.int32)),
        test=Split(
            seen(arrays["test_images"], np.random.RandomState(TEST_STREAM)), arrays["test_labels"].astype(np.int32)
        ),
        redraw=lambda places, random: seen(clothing[places], random),
    )
    return verified(dataset, task, imbalance=1.1)
