"""Pictures in a folder: subfolders are classes, or a CSV file says which picture is of which class.

Where the folder holds `train` and `test`, these part the pictures. Links are not followed.
"""

import csv
import hashlib
import io
import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cnnlab.data.own.asked import Asked, Counted, Found, Progress, counted, require_size
from cnnlab.data.own.picture import SUFFIXES, PictureError, averaged, decoded, middle_square
from cnnlab.files import FileError, read_regular
from cnnlab.spec.invalid import InvalidError, require

PARTS = ("train", "test")
COLUMNS = ["name", "label"]
MOST_FILES, MOST_DEPTH = 1_000_000, 16
MOST_BYTES, MOST_CSV_BYTES = 1 << 28, 1 << 26
"""Of a picture's file, and of a CSV file."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A picture: its name below the folder, the place of its class, whether it is given as a test picture."""

    name: str
    label: int
    test: bool
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What a folder holds, before any picture is decoded.

    Attributes:
        parted: whether the folder says which pictures are the test set.
        dropped: files that are no pictures, or that the CSV file does not name.
    """

    classes: tuple[str, ...]
    entries: tuple[Entry, ...]
    parted: bool
    dropped: tuple[Counted, ...]


def look(asked: Asked, progress: Progress) -> Listing:
    """List the pictures and take a digest of each file, but decode none.

    Raises:
        InvalidError: the folder or the CSV file is not there, or not made as it must be.
    """
    root = asked.path
    require(asked.side >= 1, "data.side", asked.side, "must be at least 1 pixel")
    require(asked.channels in (1, 3), "data.channels", asked.channels, "must be 1 (grey) or 3 (RGB)")
    try:
        kind = root.stat().st_mode
    except OSError as error:
        raise InvalidError("data.path", root, f"there is no such folder ({error.strerror})") from error
    require(stat.S_ISDIR(kind), "data.path", root, "must be a folder; a file of arrays is read by data=npz")
    folders, files = _walk(root)
    pictures = [name for name in files if name.lower().endswith(SUFFIXES)]
    dropped = counted("no picture by name", sorted(set(files) - set(pictures)))
    require(bool(pictures), "data.path", root, f"it holds no pictures, files that end in {', '.join(SUFFIXES)}")
    parted = set(PARTS) <= set(folders)
    if asked.labels is None:
        labelled = _by_folder(root, folders, pictures, parted)
    else:
        labelled = _by_csv(root, asked.labels, frozenset(pictures))
        dropped += counted("not in the CSV file", [name for name in pictures if name not in labelled])
        outside = [name for name in labelled if parted and not name.startswith(("train/", "test/"))]
        require(not outside, "data.labels", asked.labels, f"{outside[:1]} lies neither in train/ nor in test/")
    classes = in_order(labelled.values())
    places = {label: place for place, label in enumerate(classes)}
    entries = tuple(
        Entry(
            name=name,
            label=places[labelled[name]],
            test=parted and name.startswith("test/"),
            sha256=hashlib.sha256(_content(root, name)).hexdigest(),
        )
        for name in progress(sorted(labelled))
    )
    return Listing(classes=classes, entries=entries, parted=parted, dropped=dropped)


def read(listing: Listing, asked: Asked, progress: Progress) -> Found:
    """Decode the pictures: turned upright, their middle square averaged to the side.

    Raises:
        InvalidError: a picture is broken, has changed since it was listed, or is smaller than the side.
    """
    entries, side = listing.entries, asked.side
    require_size(len(entries), side, asked.channels)
    images = np.zeros((len(entries), side, side, asked.channels), np.uint8)
    turned, laid, cut, sizes = list[str](), list[str](), list[str](), dict[str, tuple[int, int]]()
    for place, entry in enumerate(progress(entries)):
        path, content = asked.path / entry.name, _content(asked.path, entry.name)
        same = hashlib.sha256(content).hexdigest() == entry.sha256
        require(same, "data.path", path, "has changed while it was read: run again")
        try:
            picture = decoded(content, asked.channels)
        except PictureError as error:
            raise InvalidError("data.path", path, str(error)) from error
        width, height = sizes[entry.name] = picture.size
        for names, holds in ((turned, picture.turned), (laid, picture.transparent), (cut, width != height)):
            if holds:
                names.append(entry.name)
        if min(width, height) >= side:
            images[place] = averaged(middle_square(picture.pixels), side)
    smallest = min(sizes, key=lambda name: min(sizes[name]))
    largest = max(sizes, key=lambda name: min(sizes[name]))
    (width, height), (wide, high) = sizes[smallest], sizes[largest]
    valid = f"{smallest} has {width}x{height} pixels: at most {min(width, height)}, or take the picture away"
    require(min(width, height) >= side, "data.side", side, valid)
    return Found(
        images=images,
        labels=np.array([entry.label for entry in entries], np.int64),
        test=np.array([entry.test for entry in entries]) if listing.parted else None,
        names=tuple(entry.name for entry in entries),
        classes=listing.classes,
        origin=f"from {width}x{height} to {wide}x{high} pixels",
        changed=(
            *counted("cut to their middle square", cut),
            *counted("turned as EXIF says", turned),
            *counted("laid on white", laid),
        ),
        dropped=listing.dropped,
    )


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Class names in the order of their labels: as numbers if all are whole numbers, else as text."""
    distinct = set(names)
    numbers = all(name.isascii() and name.isdigit() for name in distinct)
    return tuple(sorted(distinct, key=lambda name: (int(name) if numbers else 0, name)))


def _walk(root: Path) -> tuple[list[str], list[str]]:
    """The folders and the files below a folder, by their names below it, sorted; hidden ones are left out.

    Raises InvalidError for a link, for what is neither file nor folder, and for more than can be meant.
    """
    folders, files, left = list[str](), list[str](), [""]
    while left:
        within = left.pop()
        try:
            with os.scandir(root / within) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            raise InvalidError("data.path", root / within, f"cannot be read ({error.strerror})") from error
        for entry in entries:
            name, path = f"{within}{entry.name}", root / within / entry.name
            if entry.name.startswith("."):
                continue
            require(not entry.is_symlink(), "data.path", path, "it is a link, and links are not followed")
            if entry.is_dir(follow_symlinks=False):
                folders.append(name)
                left.append(f"{name}/")
            else:
                require(entry.is_file(follow_symlinks=False), "data.path", path, "is no regular file")
                files.append(name)
            require(name.count("/") < MOST_DEPTH, "data.path", path, f"lies deeper than {MOST_DEPTH} folders")
            require(len(files) <= MOST_FILES, "data.path", root, f"holds more than {MOST_FILES} files")
    return sorted(folders), sorted(files)


def _by_folder(root: Path, folders: Sequence[str], pictures: Sequence[str], parted: bool) -> dict[str, str]:
    """The class of every picture: the name of the folder that it lies in.

    Raises InvalidError for a picture or a folder at another depth, and for a class without pictures.
    """
    depth = 1 if parted else 0
    need = "pictures must lie in " + ("train/CLASS/ or test/CLASS/" if parted else "a subfolder a class, CLASS/")
    need += "" if parted else _what_may_be_meant(root, folders, pictures)
    labelled = {}
    for name in pictures:
        above = name.split("/")[:-1]
        held = len(above) == depth + 1 and (not parted or above[0] in PARTS)
        require(held, "data.path", root / name, f"{need}; or name a CSV file, data.labels=FILE.csv")
        labelled[name] = above[-1]
    filled = {name.rpartition("/")[0] for name in pictures}
    for folder in folders:
        inner = folder.count("/") >= depth
        require(not inner or folder in filled, "data.path", root / folder, "this class has no pictures: add some")
    return labelled


def _what_may_be_meant(root: Path, folders: Sequence[str], pictures: Sequence[str]) -> str:
    """What is probably amiss where no folder parts the pictures; empty if nothing speaks for any."""
    for there, lacks in (PARTS, PARTS[::-1]):
        if there in folders:
            others = [name for name in folders if "/" not in name and name != there]
            renamed = f" (rename {others[0]}/)" if len(others) == 1 else ""
            return f"; {there}/ is there, and beside it must be {lacks}/{renamed}"
    tops = {name.partition("/")[0] for name in pictures}
    if len(tops) == 1 and all(name.count("/") == 2 for name in pictures):
        return f"; or give the folder above the classes, data.path={root / tops.pop()}"
    return ""


def _by_csv(root: Path, file: Path, pictures: frozenset[str]) -> dict[str, str]:
    """The class of every picture that a CSV file names. Raises InvalidError, naming the line that is wrong."""
    where = "data.labels"
    try:
        text = read_regular(file.resolve(), MOST_CSV_BYTES).decode("utf-8-sig")
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except FileNotFoundError as error:
        raise InvalidError(where, file, f"there is no such file, nor one of that name in {root}") from error
    except FileError as error:
        raise InvalidError(where, file, str(error)) from error
    except (OSError, UnicodeDecodeError, csv.Error, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InvalidError(where, file, f"must be a CSV file in UTF-8 ({reason})") from error
    header = [column.strip() for column in rows[0]] if rows else []
    require(header == COLUMNS, where, file, f"its first line must be {','.join(COLUMNS)}, not {','.join(header)[:80]}")
    labelled = dict[str, str]()
    for number, row in enumerate(rows[1:], start=2):
        if not row:
            continue
        require(len(row) == len(COLUMNS), where, file, f"line {number} has {len(row)} columns, not {len(COLUMNS)}")
        name, label = row[0].strip(), row[1].strip()
        require(bool(label), where, file, f"line {number} has no label")
        require(name in pictures, where, file, f"line {number} names {name!r}, and there is no such picture in {root}")
        require(name not in labelled, where, file, f"line {number} names {name} again")
        labelled[name] = label
    require(bool(labelled), where, file, "it names no pictures")
    return labelled


def _content(root: Path, name: str) -> bytes:
    """A picture's bytes. Raises InvalidError for a file that is no regular one of bounded size."""
    try:
        return read_regular(root / name, MOST_BYTES)
    except FileError as error:
        raise InvalidError("data.path", root / name, str(error)) from error
    except OSError as error:
        raise InvalidError("data.path", root / name, f"cannot be read ({error.strerror})") from error
