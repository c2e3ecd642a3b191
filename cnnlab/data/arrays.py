"""The arrays of a task, where their files are, and the checks that they must pass before training."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cnnlab.data.dials import Dial, settings
from cnnlab.spec.invalid import InvalidError, require
from cnnlab.spec.task import Task

CHUNK = 4096
"""Images whose squares are summed at once: bounds the memory of the int64 temporaries."""

Pixels = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
Labels = npt.NDArray[np.int32]
Moments = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]


class MissingDataError(InvalidError):
    """A task's data is neither prepared nor within reach; the one line says how to get it."""

    def __init__(self, name: str, how: str) -> None:
        super().__init__("data", name, how)
        self.args = (f"data={name} {how}",)

    def __reduce__(self) -> tuple[type["MissingDataError"], tuple[str, str]]:
        """Survive the way from a worker process to its parent."""
        return MissingDataError, (str(self.value), self.valid)


@dataclass(frozen=True)
class Split:
    """Images with their labels. The arrays are read-only.

    Attributes:
        images: float32 (n, side, side, channels), of zero mean and unit variance over the task's pool.
        labels: int32 (n,), from 0 to classes - 1.
    """

    images: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int32]

    def __post_init__(self) -> None:
        self.images.setflags(write=False)
        self.labels.setflags(write=False)

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.labels)

    def in_epoch(self, epoch: int) -> npt.NDArray[np.float32]:
        """The images that are trained on in an epoch, counted from 0: the same in all, unless they are `Redrawn`."""
        return self.images


@dataclass(frozen=True)
class Redrawn(Split):
    """A training draw whose images are drawn anew in every epoch; the labels stay. `images` are those of epoch 0.

    Attributes:
        anew: the images of an epoch: a function of the seed and the epoch, never of the arm.
    """

    anew: Callable[[int], npt.NDArray[np.float32]]

    def in_epoch(self, epoch: int) -> npt.NDArray[np.float32]:
        """The images that are trained on in an epoch; read-only."""
        images = self.anew(epoch)
        images.setflags(write=False)
        return images


Redraw = Callable[[npt.NDArray[np.int64], np.random.Generator], npt.NDArray[np.float32]]
"""Training images for these places of the pool, (n,), drawn anew: (n, side, side, channels), with the pool's labels."""


@dataclass(frozen=True)
class Dataset:
    """A task's arrays: the pool a seed draws training and validation images from, and the test set nobody draws.

    Attributes:
        redraw: draws the training images of an epoch; the pool's own images are then those of validation alone.
            None: a training image is the pool's, in every epoch.
        views: how often every validation image is shown, each time drawn anew; 1 shows the pool's own, once. A small
            pool tells learning rates apart too badly with one view each.
    """

    pool: Split
    test: Split
    redraw: Redraw | None = None
    views: int = 1


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where data lies on this machine; never part of a task's identity.

    Attributes:
        cache_dir: prepared datasets (a TFDS data folder); written to only when something is prepared.
        raw_dir: files the user already has, as published; looked for in `raw_dir/<dataset>` first, then in `raw_dir`.
    """

    cache_dir: Path
    raw_dir: Path | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "cache_dir", Path(self.cache_dir).expanduser())
        if self.raw_dir is not None:
            object.__setattr__(self, "raw_dir", Path(self.raw_dir).expanduser())


def require_fit(
    task: Task, *, side: int, channels: int, classes: int, pool: int, real: bool = True, dials: Sequence[Dial] = ()
) -> None:
    """Raise `InvalidError` unless the task asks for what its data has.

    Args:
        task: as configured.
        side: of the data's images, in pixels.
        channels: of the data's images.
        classes: number of labels.
        pool: number of images a seed can draw from.
        real: whether the data was collected; False for generated data.
        dials: that real data has; generated tasks check theirs themselves.
    """
    for key, has in (("side", side), ("channels", channels), ("classes", classes), ("real", real)):
        require(getattr(task, key) == has, f"data.{key}", getattr(task, key), f"{task.name} has {key}={has}")
    drawn = task.train_images + task.validation_images
    require(
        drawn <= pool,
        "data.train_images+data.validation_images",
        drawn,
        f"{task.name} has {pool} images to draw from; its test set is kept apart",
    )
    enough = min(task.train_images, task.validation_images) >= classes
    require(
        enough,
        "data.validation_images",
        task.validation_images,
        f"{task.name} has {classes} classes: training and validation draws need at least one image of each",
    )
    if real:
        require(task.test_images == 0, "data.test_images", task.test_images, "must be 0: a real test set is used whole")
        settings(task, dials)


def moments(pool: Pixels) -> Moments:
    """Compute mean and standard deviation of every channel over all pixels of all pool images.

    Sums are of integers, hence exact: the same numbers on every machine. They depend on the pool alone, which no
    seed moves, so they are constants of the task.

    Args:
        pool: (n, height, width, channels) integers.

    Returns:
        Two float64 (channels,).
    """
    count = math.prod(pool.shape[:3])
    total = pool.sum(axis=(0, 1, 2), dtype=np.int64)
    squares = np.zeros_like(total)
    for start in range(0, len(pool), CHUNK):
        squares += np.square(pool[start : start + CHUNK], dtype=np.int64).sum(axis=(0, 1, 2))
    mean = total / count
    return mean, np.sqrt(squares / count - mean**2)


def scaled(images: Pixels, constants: Moments) -> npt.NDArray[np.float32]:
    """Subtract each channel's mean and divide by its standard deviation; float32 of the same shape."""
    mean, deviation = (np.asarray(part, np.float32) for part in constants)
    result = images.astype(np.float32)
    result -= mean
    with np.errstate(divide="ignore", invalid="ignore"):  # a channel that is the same everywhere: `verified` says so
        result /= deviation
    return result


def from_pixels(pool: tuple[Pixels, npt.ArrayLike], test: tuple[Pixels, npt.ArrayLike]) -> Dataset:
    """Make a dataset of (images, labels) of the pool and of the test set, both scaled by the pool's `moments`."""
    constants = moments(pool[0])
    drawn, kept = (Split(scaled(images, constants), np.asarray(labels, np.int32)) for images, labels in (pool, test))
    return Dataset(drawn, kept)


def require_dataset(dataset: object, name: str) -> None:
    """Raise InvalidError unless what a task's `load` returned is a dataset of arrays, images with their labels."""
    require(isinstance(dataset, Dataset), name, type(dataset).__name__, "load must return a cnnlab.data.arrays.Dataset")
    for part in ("pool", "test"):
        split = getattr(dataset, part)
        for what, rank in (("images", 4), ("labels", 1)):
            array = getattr(split, what, None)
            has = getattr(array, "shape", type(array).__name__)
            fits = isinstance(array, np.ndarray) and array.ndim == rank and len(array) > 0
            axes = "(images, side, side, channels)" if rank == 4 else "(images,)"
            require(fits, f"{name}: {part}.{what}", has, f"must be an array of shape {axes}")


def verified(dataset: Dataset, task: Task, *, imbalance: float, alike: bool = True) -> Dataset:
    """Return the dataset if it is what the task says, and raise `InvalidError` otherwise.

    Checks dtype, shape, finiteness and scale of the images; range of the labels; that every class is there in both
    parts, the most frequent at most `imbalance` times as often as the rarest; and that the pool is large enough.

    Args:
        alike: whether pool and test set are large samples of the same; else the test set need only be finite.
    """
    shape = (task.side, task.side, task.channels)
    for part, split in (("pool", dataset.pool), ("test set", dataset.test)):
        where = f"{task.name}: {part}"
        require(split.images.shape == (len(split), *shape), where, split.images.shape, f"images must be {shape}")
        kinds = f"{split.images.dtype} and {split.labels.dtype}"
        require(kinds == "float32 and int32", where, kinds, "images must be float32, labels int32")
        low, high = int(split.labels.min()), int(split.labels.max())
        require(0 <= low <= high < task.classes, where, (low, high), f"labels must lie in 0..{task.classes - 1}")
        _require_balanced(where, split.labels, task.classes, imbalance)
        mean, square = float(split.images.mean()), float(np.vdot(split.images, split.images)) / split.images.size
        if split is dataset.pool or alike:
            _require_scaled(where, mean, square)
        else:
            finite = math.isfinite(mean) and math.isfinite(square)
            require(finite, where, (mean, square), "pixels must be finite")
    drawn = task.train_images + task.validation_images
    require(drawn <= len(dataset.pool), "data.train_images", drawn, f"the pool has {len(dataset.pool)} images")
    return dataset


def require_usable(pool: tuple[Pixels, Labels], test: tuple[Pixels, Labels], task: Task, *, imbalance: float) -> None:
    """Raise `InvalidError` where `verified` would of what `from_pixels` makes of these, without making it.

    The labels lie in 0..classes - 1. Its sums are of integers, chunk by chunk: a fraction of the memory.
    """
    shift, unit = moments(pool[0])
    same = np.flatnonzero(unit == 0).tolist()
    told = "pixels must differ, and all pixels of all images are the same there"
    require(not same, f"{task.name}: pool", f"channel {same[:1]}", told)
    for part, (images, labels) in (("pool", pool), ("test set", test)):
        where = f"{task.name}: {part}"
        _require_balanced(where, labels, task.classes, imbalance)
        mean, deviation = moments(images)
        means, deviations = (mean - shift) / unit, deviation / unit
        _require_scaled(where, float(means.mean()), float((means**2 + deviations**2).mean()))


def _require_balanced(where: str, labels: Labels, classes: int, imbalance: float) -> None:
    counts = np.bincount(labels, minlength=classes)
    balanced = 0 < counts.max() <= imbalance * counts.min()
    require(balanced, where, counts.tolist(), f"classes must be balanced within a factor {imbalance}")


def _require_scaled(where: str, mean: float, square: float) -> None:
    # The test set is another sample, and may differ a little; a wrong scale or a NaN is far outside.
    sane = abs(mean) < 0.25 and 0.5 < square < 1.5
    require(sane, where, (mean, square), "pixels must have a mean near 0 and a mean square near 1")
