"""The 1797 handwritten digits that come with the package, and which of them are the test set.

`files/digits.txt` says where they come from. Everything random about them (the test set, their places on the larger
canvas) was drawn once by `cnnlab.data.freeze_digits` and is stored beside the images, so no library can move it.
"""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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


@functools.cache  # TFDS registers the class when it is defined, and refuses to do so twice
def tfds_builder() -> Any:
    """Define the plain digits as a TFDS builder class, registered as `opt_digits`; its `train` is our pool.

    The suite reads the packaged file instead; this is the pattern for a dataset of one's own. Prepare it with
    `tfds_builder()(data_dir=..., file_format="array_record").download_and_prepare()`, never as parquet: TFDS 4.9.10
    drops rows there without a word.
    """
    import tensorflow_datasets as tfds

    class OptDigits(tfds.core.GeneratorBasedBuilder):  # type: ignore[misc]
        """The 1797 digits of 8x8 pixels, a stratified third of them as test set."""

        VERSION = tfds.core.Version("1.0.0")

        def _info(self) -> Any:
            features = {
                # Not Image: encoding an array as PNG needs TensorFlow.
                "image": tfds.features.Tensor(shape=(SIDE, SIDE, 1), dtype=np.uint8),
                "label": tfds.features.ClassLabel(num_classes=CLASSES),
            }
            return tfds.core.DatasetInfo(
                builder=self,
                description=self.__doc__,
                features=tfds.features.FeaturesDict(features),
                supervised_keys=("image", "label"),
            )

        def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
            test = frozen().test
            return {"train": self._generate_examples(~test), "test": self._generate_examples(test)}

        def _generate_examples(self, chosen: npt.NDArray[np.bool_]) -> Iterator[tuple[int, dict[str, Any]]]:
            digits = frozen()
            for index in np.flatnonzero(chosen):
                yield int(index), {"image": digits.images[index][..., None], "label": int(digits.labels[index])}

    return OptDigits
