"""The 1797 handwritten digits that come with the package, and which of them are the test set.

`files/digits.txt` says where they come from. Everything random about them (the test set, their places on the larger
canvas) was drawn once by `cnnlab.data.freeze_digits` and is stored beside the images, so no library can move it.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cnnlab.data.arrays import Dataset, from_pixels
from cnnlab.data.redrawing import placed

FILE = Path(__file__).parent / "files" / "digits.npz"
SIDE, CANVAS, CLASSES, BRIGHTEST = 8, 12, 10, 16
POOL_IMAGES, TEST_IMAGES = 1198, 599


@dataclass(frozen=True, kw_only=True)
class Digits:
    """The frozen file.

    Attributes:
        images: uint8 (1797, 8, 8), 0..16. labels: uint8 (1797,), 0..9.
        row, column: uint8 (1797,), 0..4: where the image's top left pixel lies on the 12x12 canvas.
        test: bool (1797,): the 599 images of the test set, a third of every class.
    """

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8]
    row: npt.NDArray[np.uint8]
    column: npt.NDArray[np.uint8]
    test: npt.NDArray[np.bool_]


def frozen() -> Digits:
    """Read the file; a few milliseconds."""
    with np.load(FILE) as arrays:
        return Digits(**arrays)


def on_canvas(digits: Digits) -> npt.NDArray[np.uint8]:
    """Put every digit at its place on a black canvas, uint8 (1797, 12, 12)."""
    return placed(digits.images, np.stack([digits.row, digits.column]).astype(np.int64), CANVAS)


def parted(images: npt.NDArray[np.uint8], digits: Digits) -> Dataset:
    """Part all images, (1797, side, side) as frozen or on the canvas, into pool and test set."""
    images, test = images[..., None], digits.test
    return from_pixels((images[~test], digits.labels[~test]), (images[test], digits.labels[test]))
