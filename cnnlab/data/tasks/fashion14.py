"""Fashion-MNIST area-averaged to 14x14 (every pixel the mean of a 2x2 block), from `fashion_mnist` as prepared."""

import numpy as np
import numpy.typing as npt

from cnnlab.data import cache, tfds
from cnnlab.data.arrays import Dataset, Source, from_pixels, require_fit, require_usable, verified
from cnnlab.data.dials import Dial
from cnnlab.spec.invalid import require
from cnnlab.spec.task import Task

DATASET, BLOCK = "fashion_mnist", 2
IMBALANCE = 1.1
Part = tuple[npt.NDArray[np.uint16], npt.NDArray[np.int32]]
DIALS: tuple[Dial, ...] = ()


def block_sums(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint16]:
    """Sum 2x2 blocks, four times their means but integers; (n, side, side, channels) to half the side."""
    wide = images.astype(np.uint16)
    rows = wide[:, ::2] + wide[:, 1::2]
    return rows[:, :, ::2] + rows[:, :, 1::2]


def check(task: Task, source: Source) -> None:
    """Raise `MissingDataError` or `InvalidError` unless Fashion-MNIST can be loaded and the sizes fit."""
    facts = tfds.facts(DATASET, source)
    require(facts.side % BLOCK == 0, f"{DATASET}: side", facts.side, f"must be a multiple of {BLOCK}")
    require_fit(task, side=facts.side // BLOCK, channels=facts.channels, classes=facts.classes, pool=facts.pool)
    found = tfds.look(DATASET, source)
    if found is not None:
        require_usable(*_parts(found), task, imbalance=IMBALANCE)


def keep(task: Task, source: Source) -> None:
    """Prepare, decode and keep Fashion-MNIST unless that was done. Raises as `check`."""
    if not cache.path(DATASET, source.cache_dir).exists():
        require_usable(*_parts(tfds.stacked(DATASET, source)), task, imbalance=IMBALANCE)


def load(task: Task, source: Source) -> Dataset:
    """60 000 images to draw from and the official 10 000 test images."""
    return verified(from_pixels(*_parts(tfds.stacked(DATASET, source))), task, imbalance=IMBALANCE)


def _parts(arrays: cache.Stacked) -> tuple[Part, Part]:
    """Small images and labels of the pool and of the test set."""
    # Scaling to unit variance undoes the factor 4 between sums and means.
    return (block_sums(arrays.pool_images), arrays.pool_labels), (block_sums(arrays.test_images), arrays.test_labels)
