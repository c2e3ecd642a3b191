"""Arrays in a .npz file, as `numpy.savez(FILE, images=..., labels=...)` makes it.

`images`: uint8 from 0 to 255, or floats from 0 to 1, (n, side, side) or (n, side, side, channels). `labels`: whole
numbers from 0, without gaps, (n,). `test_images` and `test_labels` may be added; they are then the test set.
"""

import hashlib
import io
import math
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cnnlab.data.own.asked import MOST_BYTES, Asked, Found, Progress, require_size
from cnnlab.files import FileError, read_regular
from cnnlab.spec.invalid import InvalidError, require

NEEDED, TEST = ("images", "labels"), ("test_images", "test_labels")
NAMES = f"it must hold the arrays {' and '.join(NEEDED)}; {' and '.join(TEST)} may be added"
HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
LEVELS = 255
BROKEN = (zipfile.BadZipFile, zlib.error, ValueError, EOFError, RuntimeError, NotImplementedError, OSError)
"""What reading a damaged archive raises."""
Array = npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The file, by its content."""

    sha256: str


def look(asked: Asked, progress: Progress) -> Listing:
    """Take a digest of the file. Raises InvalidError if it is not there, or no file of bounded size."""
    require(asked.labels is None, "data.labels", asked.labels, "is for data=folder; an npz file holds its labels")
    require(asked.side >= 0, "data.side", asked.side, "must be 0 (as the arrays have it) or the side of the arrays")
    return Listing(sha256=hashlib.sha256(_content(asked)).hexdigest())


def read(listing: Listing, asked: Asked, progress: Progress) -> Found:
    """Read the arrays and hold them against each other.

    Raises:
        InvalidError: the file is no archive of arrays, lacks one, or holds one of another kind, shape or range.
    """
    content = _content(asked)
    same = hashlib.sha256(content).hexdigest() == listing.sha256
    require(same, "data.path", asked.path, "has changed while it was read: run again")
    try:
        arrays = unpacked(content, MOST_BYTES, _require_names)
        images, kind = _pixels(arrays, NEEDED[0])
        labels, count, test = _labels(arrays, *NEEDED), len(images), None
        if TEST[0] in arrays:
            more, _ = _pixels(arrays, TEST[0])
            if more.shape[1:] != images.shape[1:]:
                raise ValueError(f"test_images have the shape {more.shape[1:]}, and images {images.shape[1:]}")
            images, labels = np.concatenate([images, more]), np.concatenate([labels, _labels(arrays, *TEST)])
            test = np.arange(len(images)) >= count
        classes = _classes(labels)
    except BROKEN as error:
        raise InvalidError("data.path", asked.path, " ".join(str(error).split())) from error
    side, channels = images.shape[2:]
    for key, has in (("side", side), ("channels", channels)):
        require(getattr(asked, key) in (0, has), f"data.{key}", getattr(asked, key), f"the arrays have {key}={has}")
    require_size(len(images), side, channels)
    return Found(
        images=images,
        labels=labels,
        test=test,
        names=tuple(f"images[{n}]" if n < count else f"test_images[{n - count}]" for n in range(len(images))),
        classes=tuple(map(str, range(classes))),
        origin=kind,
    )


def _content(asked: Asked) -> bytes:
    """The file; a link that the user names is followed."""
    try:
        return read_regular(asked.path.resolve(), MOST_BYTES)
    except FileNotFoundError as error:
        raise InvalidError("data.path", asked.path, "there is no such file") from error
    except FileError as error:
        raise InvalidError("data.path", asked.path, f"{error}; a folder of pictures is read by data=folder") from error
    except (OSError, RuntimeError) as error:
        raise InvalidError("data.path", asked.path, f"cannot be read ({error})") from error


def _require_names(names: Sequence[str]) -> None:
    """Raise ValueError unless the arrays are those that are needed."""
    wanted = (*NEEDED, *TEST) if set(TEST) & set(names) else NEEDED
    if sorted(names) != sorted(wanted):
        raise ValueError(f"{NAMES}; it has {', '.join(sorted(names)) or 'none'}"[:400])


def unpacked(
    content: bytes, most_bytes: int, check: Callable[[Sequence[str]], None] = lambda names: None
) -> dict[str, Array]:
    """The arrays of an archive; nothing is unpickled, and no more memory is asked for than its directory tells.

    Args:
        most_bytes: of all arrays together.
        check: told the names of the arrays before any is read.

    Raises:
        BROKEN: the archive cannot be read, or an array is of Python objects, empty or too large.
    """
    if not zipfile.is_zipfile(io.BytesIO(content)):
        raise ValueError("must be a .npz file, as numpy.savez makes it")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = [entry.filename.removesuffix(".npy") for entry in archive.infolist()]
        check(names)
        entries = dict(zip(names, archive.infolist(), strict=True))
        if len(entries) < len(names):
            raise ValueError("it has two arrays of one name")
        size = sum(entry.file_size for entry in entries.values())
        if size > most_bytes:
            raise ValueError(f"its arrays are {size} bytes, more than {most_bytes}")
        return {name: _array(archive, entry, name) for name, entry in entries.items()}


def _array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str) -> Array:
    """One array. Raises as `unpacked`."""
    with archive.open(entry) as member:
        version = np.lib.format.read_magic(member)
        if version not in HEADERS:
            raise ValueError(f"{name} has another version of NumPy's format")
        shape, fortran, kind = HEADERS[version](member)
        if kind.hasobject:
            raise ValueError(f"{name} holds Python objects, and these are not read: save plain numbers")
        content = member.read()  # to its end: there the CRC-32 is compared
    if min(shape, default=1) < 1:
        raise ValueError(f"{name} is empty: its shape is {shape}")
    if len(content) != math.prod(shape) * kind.itemsize:
        raise ValueError(f"{name} is damaged: {len(content)} bytes for the shape {shape} of {kind}")
    return np.frombuffer(content, kind).reshape(shape, order="F" if fortran else "C")


def _pixels(arrays: dict[str, Array], name: str) -> tuple[npt.NDArray[np.uint8], str]:
    """Images as uint8 (n, side, side, channels), and what they were. Raises ValueError."""
    images = arrays[name]
    if images.ndim not in (3, 4) or images.shape[1] != images.shape[2]:
        wanted = "(n, side, side) or (n, side, side, channels)"
        raise ValueError(f"{name} have the shape {images.shape}: must be {wanted}")
    images = images if images.ndim == 4 else images[..., None]
    if images.dtype == np.uint8:
        return np.ascontiguousarray(images), f"uint8 from {images.min()} to {images.max()}"
    if images.dtype.kind != "f":
        raise ValueError(f"{name} are {images.dtype}: must be uint8 (0 to 255) or floats from 0 to 1")
    wrong = int(np.count_nonzero(~np.isfinite(images)))
    if wrong:
        raise ValueError(f"{name} have {wrong} values that are not finite (NaN or infinite)")
    low, high = float(images.min()), float(images.max())
    if not 0 <= low <= high <= 1:
        raise ValueError(f"{name} are {images.dtype} from {low:g} to {high:g}: floats must lie between 0 and 1")
    rounded = np.floor(images.astype(np.float64) * LEVELS + 0.5).astype(np.uint8)
    return rounded, f"{images.dtype} from {low:g} to {high:g}, rounded to {LEVELS + 1} levels"


def _labels(arrays: dict[str, Array], images: str, name: str) -> npt.NDArray[np.int64]:
    """Labels as int64 (n,). Raises ValueError."""
    labels = arrays[name]
    if labels.ndim != 1:
        raise ValueError(f"{name} have the shape {labels.shape}: must be (n,)")
    if labels.dtype.kind not in "iu":
        raise ValueError(f"{name} are {labels.dtype}: must be whole numbers, such as int64")
    if len(labels) != len(arrays[images]):
        raise ValueError(f"{len(arrays[images])} {images} and {len(labels)} {name}: there must be one label an image")
    if not 0 <= int(labels.min()) <= int(labels.max()) < len(labels):
        raise ValueError(f"{name} are {labels.min()} to {labels.max()}: must be 0 to classes - 1")
    return labels.astype(np.int64)


def _classes(labels: npt.NDArray[np.int64]) -> int:
    """How many there are. Raises ValueError for a label that no image has."""
    classes = int(labels.max()) + 1
    gaps = np.setdiff1d(np.arange(classes), labels)
    if len(gaps):
        raise ValueError(f"labels must be 0 to {classes - 1} without gaps: no image has {gaps[0]}")
    return classes
