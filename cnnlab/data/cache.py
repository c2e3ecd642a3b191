"""A cache of decoded datasets: one checksummed file beside the TFDS folder, written whole or not at all.

What is read is looked into before it is used: the file may have been edited, or put there by somebody else.
"""

import zipfile
from dataclasses import dataclass, fields
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import psutil

from cnnlab.data.arrays import MissingDataError
from cnnlab.files import FileError, atomic_file, clear_left, keep_to_owner, open_regular

MOST_BYTES = 1 << 36
"""Of a dataset: some hundred times the largest that TFDS has of square images of one size."""
LONGEST = 3600.0
"""Seconds after which nobody writes to a draft any more."""
FLOAT_BYTES = 4
"""Of a pixel that is trained on; as kept it has one."""
KINDS: dict[str, tuple[np.dtype[Any], int]] = {
    "images": (np.dtype(np.uint8), 4),
    "labels": (np.dtype(np.int32), 1),
    "classes": (np.dtype(np.int32), 0),
}
"""What each array must be, by the end of its name: numbers and dimensions."""


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

    @property
    def pool(self) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int32]]:
        """Images and labels of the official training split."""
        return self.pool_images, self.pool_labels

    @property
    def test(self) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int32]]:
        """Images and labels of the official test split."""
        return self.test_images, self.test_labels


def path(name: str, cache_dir: Path) -> Path:
    """Name the file of a dataset."""
    return cache_dir / name / "stacked.npz"


def read(name: str, cache_dir: Path) -> Stacked | None:
    """Read a dataset's file; None if there is none.

    Raises:
        MissingDataError: it is damaged, contradicts itself, or others than this user or root may write to it.
    """
    file = path(name, cache_dir)
    try:
        with open_regular(file, MOST_BYTES, own=True) as handle:
            arrays = _arrays(handle)
        require_whole(arrays)
        return arrays
    except (FileNotFoundError, NotADirectoryError):
        return None
    except FileError as error:
        raise MissingDataError(name, f"is kept in {file}, which {error}: take it away and run again") from error
    except (zipfile.BadZipFile, ValueError, TypeError, OSError, EOFError, NotImplementedError, SyntaxError) as error:
        said = " ".join(str(error).split())
        raise MissingDataError(
            name, f"is kept in {file}, which is damaged ({said}): delete it and run again"
        ) from error


def _arrays(handle: IO[bytes]) -> Stacked:
    """The arrays of a file; no more memory is asked for than the file has bytes.

    Raises ValueError or BadZipFile for anything but what `write` makes.
    """
    with zipfile.ZipFile(handle) as archive:  # every member's CRC-32 is compared as it is read
        wanted = [f"{item.name}.npy" for item in fields(Stacked)]
        members = {entry.filename: entry for entry in archive.infolist()}
        if sorted(members) != sorted(wanted) or len(archive.infolist()) != len(wanted):
            raise ValueError(f"it must hold {', '.join(wanted)}")
        return Stacked(**{name.removesuffix(".npy"): _array(archive, members[name]) for name in wanted})


def _array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Any:
    """One array of an archive."""
    name = entry.filename.removesuffix(".npy")
    memory = psutil.virtual_memory().total
    if entry.file_size * FLOAT_BYTES > memory:  # a file with holes has them for nothing
        raise ValueError(
            f"{name} has {entry.file_size} bytes: as floats more than the {memory} of this machine's memory"
        )
    if entry.compress_type != zipfile.ZIP_STORED:  # so that it cannot unpack to more than the file has
        raise ValueError(f"{name} is compressed")
    with archive.open(entry) as member:
        try:
            version = np.lib.format.read_magic(member)
            shape, fortran, kind = np.lib.format.read_array_header_1_0(member)
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):  # NumPy's words advise to trust it
            raise ValueError(f"{name} does not begin as an array of NumPy's") from None
        if version != (1, 0):
            raise ValueError(f"{name} has another version of NumPy's format")
        number, dimensions = KINDS[name.rpartition("_")[2]]
        if kind != number or len(shape) != dimensions or fortran:
            raise ValueError(f"{name} must be {number} of {dimensions} dimensions, not {kind} of {len(shape)}")
        content = member.read()  # to its end: there the CRC-32 is compared
    if min(shape, default=1) < 1 or len(content) != int(np.prod(shape, dtype=object)) * number.itemsize:
        raise ValueError(f"{name} has the shape {shape}, and {len(content)} bytes")
    return np.frombuffer(content, number).reshape(shape)


def require_whole(arrays: Stacked) -> None:
    """Hold the arrays of a file against each other. Raises ValueError, saying what does not fit."""
    if arrays.pool_images.shape[1:] != arrays.test_images.shape[1:]:
        raise ValueError(f"images of {arrays.pool_images.shape[1:]} and of {arrays.test_images.shape[1:]}")
    if arrays.pool_images.shape[1] != arrays.pool_images.shape[2]:
        raise ValueError(f"images of {arrays.pool_images.shape[1:]}, which are not square")
    classes = int(arrays.classes)
    for part in ("pool", "test"):
        images, labels = getattr(arrays, f"{part}_images"), getattr(arrays, f"{part}_labels")
        if len(images) != len(labels):
            raise ValueError(f"{part}: {len(images)} images and {len(labels)} labels")
        if not 0 <= labels.min() <= labels.max() < classes:
            raise ValueError(f"{part}: labels must lie in 0..{classes - 1}, not {labels.min()}..{labels.max()}")


def write(arrays: Stacked, name: str, cache_dir: Path) -> None:
    """Write a dataset's file. Killed at any instant it leaves no half file; two processes may do it at once."""
    file = path(name, cache_dir)
    clear_left(file.parent, f".{file.name}-*", LONGEST)
    if not file.parent.exists():
        keep_to_owner(file.parent)
    with atomic_file(file) as draft:
        np.savez(draft, allow_pickle=False, **vars(arrays))
