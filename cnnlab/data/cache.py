"""A cache of decoded datasets: one checksummed file beside the TFDS folder, written whole or not at all."""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cnnlab.data.arrays import MissingDataError
from cnnlab.files import atomic_file


@dataclass(frozen=True, kw_only=True)
class Stacked:
    """A dataset as it is kept, in the order of its records.

    Attributes:
        pool_images: uint8 (n, side, side, channels), the official training split.
        pool_labels: int32 (n,).
        test_images: uint8, the official test split.
        test_labels: int32.
        classes: int32 scalar, number of labels.
    """

    pool_images: npt.NDArray[np.uint8]
    pool_labels: npt.NDArray[np.int32]
    test_images: npt.NDArray[np.uint8]
    test_labels: npt.NDArray[np.int32]
    classes: npt.NDArray[np.int32]


def path(name: str, cache_dir: Path) -> Path:
    """Name the file of a dataset."""
    return cache_dir / name / "stacked.npz"


def read(name: str, cache_dir: Path) -> Stacked | None:
    """Read a dataset's file; None if there is none. Raises `MissingDataError` if it is damaged."""
    file = path(name, cache_dir)
    if not file.exists():
        return None
    try:
        with (
            file.open("rb") as handle,
            np.load(handle) as arrays,
        ):  # a zip archive: every member's CRC-32 is compared as it is read
            return Stacked(**arrays)
    except (zipfile.BadZipFile, ValueError, TypeError, OSError, EOFError) as error:
        raise MissingDataError(
            name, f"is kept in {file}, which is damaged ({error}): delete it and run again"
        ) from error


def write(arrays: Stacked, name: str, cache_dir: Path) -> None:
    """Write a dataset's file. Killed at any instant it leaves no half file; two processes may do it at once."""
    with atomic_file(path(name, cache_dir)) as file:
        np.savez(file, allow_pickle=False, **vars(arrays))
