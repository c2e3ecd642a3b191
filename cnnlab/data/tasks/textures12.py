"""Patches of 12x12 pixels of three photographs, of brick, of grass and of gravel, under pixel noise.

The photographs come with the package (`files/textures12.txt`), 512x512 pixels each. Training patches are cut from
their left half, at places that are drawn anew in every epoch, as is the noise, from seed and epoch alone. Validation
patches are cut from the next sixth and test patches from the right third, once for all: no pixel is in two of the
three parts. Patches of one part overlap, so that its errors are not independent.

Dial: `noise`, the standard deviation of the pixel noise, where the photographs' pixels have 1.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from cnnlab.data import generated
from cnnlab.data.arrays import Dataset, Moments, Source, Split, moments, require_fit, scaled, verified
from cnnlab.data.dials import settings
from cnnlab.data.redrawing import NOISE, POOL_STREAM, TEST_STREAM, Floats, Random, corners, with_noise
from cnnlab.spec.task import Task

FILE = Path(__file__).parents[1] / "files" / "textures12.npz"
CLASSES = ("brick", "grass", "gravel")
PATCH, PHOTO = 12, 512
TRAINING, VALIDATION, TEST = slice(0, 256), slice(256, 341), slice(341, 512)
"""Columns of the photographs that the patches of each part lie in, whole."""
POOL_IMAGES, TEST_IMAGES = 12_288, 16_384
DIALS = (NOISE,)


def frozen() -> npt.NDArray[np.uint8]:
    """Read the photographs, (3, 512, 512), 0..255, in the order of their labels."""
    with np.load(FILE) as arrays:
        return np.stack([arrays[name] for name in CLASSES])


def cut(photos: npt.NDArray[np.uint8], labels: npt.NDArray[np.integer], random: Random) -> npt.NDArray[np.uint8]:
    """Cut a patch at a random place for every label, (n,); (3, rows, columns) to (n, 12, 12, 1)."""
    rows, columns = (length - PATCH + 1 for length in photos.shape[1:])
    row, column = corners(len(labels), rows, columns, random)
    windows = np.lib.stride_tricks.sliding_window_view(photos, (PATCH, PATCH), axis=(1, 2))
    patches: npt.NDArray[np.uint8] = windows[labels, row, column][..., None]
    return patches


def check(task: Task, source: Source) -> None:
    """Raise `InvalidError` unless dial and sizes fit; the photographs come with the package."""
    require_fit(task, side=PATCH, channels=1, classes=len(CLASSES), pool=POOL_IMAGES, dials=DIALS)


def load(task: Task, source: Source) -> Dataset:
    """12 288 patches to draw validation images and the labels of training patches from, and 16 384 test patches."""
    check(task, source)
    photos, noise = frozen(), settings(task, DIALS)["noise"]
    training = photos[:, :, TRAINING]
    constants = moments(training[..., None])
    pool = _fixed(photos[:, :, VALIDATION], POOL_IMAGES, POOL_STREAM, noise, constants)
    test = _fixed(photos[:, :, TEST], TEST_IMAGES, TEST_STREAM, noise, constants)

    def redraw(places: npt.NDArray[np.int64], random: np.random.Generator) -> Floats:
        return with_noise(scaled(cut(training, pool.labels[places], random), constants), noise, random)

    return verified(Dataset(pool, test, redraw), task, imbalance=1.1)


def _fixed(photos: npt.NDArray[np.uint8], n: int, stream: int, noise: float, constants: Moments) -> Split:
    """Patches that are cut once for all, the classes in turn."""
    random, labels = np.random.RandomState(stream), generated.labels(n, len(CLASSES)).astype(np.int32)
    return Split(with_noise(scaled(cut(photos, labels, random), constants), noise, random), labels)
