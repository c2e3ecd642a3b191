"""Own data as a task, named by its content: `folder_` or `npz_`, and the first digits of a digest of the arrays.

A command looks at the pictures once, before anything else (`identified`); workers read the kept arrays alone. Beside
these a small file tells what a listing of the same files came to, so that no picture is decoded twice.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from cnnlab.data import cache
from cnnlab.data.arrays import Dataset, MissingDataError, Source, from_pixels, moments, require_fit, verified
from cnnlab.data.cache import Stacked
from cnnlab.data.own import folder, npz
from cnnlab.data.own.asked import Asked, Found, Progress
from cnnlab.data.own.card import MOST_CLASSES, Card, Rows, card_of
from cnnlab.data.own.parting import IMBALANCE, Parted, parted
from cnnlab.files import FileError, read_regular, write_json
from cnnlab.spec.task import Task

READERS: Mapping[str, ModuleType] = {"folder": folder, "npz": npz}
DIGITS = 12
NAME = re.compile(rf"({'|'.join(READERS)})_[0-9a-f]{{{DIGITS}}}")
VERSION = 1
"""Raised whenever the same files come to other arrays, or to another card."""
CARDS, MOST_CARD_BYTES = "own", 1 << 22

_cards: dict[tuple[Asked, Path], Card] = {}
"""What this command has asked and been told; see `forget`."""
_unkept: dict[str, "Unkept"] = {}
"""By the task's name; nothing is written until a command has been found to be right."""


@dataclass(frozen=True, kw_only=True)
class Unkept:
    """Arrays that were decoded in this process, their card, and the digest of the listing that they were made from."""

    arrays: Stacked
    card: Card
    listing: str


def serves(name: str) -> bool:
    """Whether a task of that name is own data."""
    return NAME.fullmatch(name) is not None


def forget() -> None:
    """Look at the files again when next asked: another command begins."""
    _cards.clear()


def identified(asked: Asked, cache_dir: Path, progress: Progress = iter) -> Card:
    """Look at a user's pictures, decode them unless that was done before, and name the task. Writes nothing.

    Args:
        progress: passes files on as they are read.

    Raises:
        InvalidError: a file, a picture or an array is not what it must be; one line says which.
        MissingDataError: what is kept is damaged.
    """
    known = (asked, cache_dir)
    if known not in _cards:
        _cards[known] = _identified(asked, cache_dir, progress)
    return _cards[known]


def card(name: str) -> Card | None:
    """The card of a task that this command has been asked for."""
    return next((found for found in _cards.values() if found.name == name), None)


def check(task: Task, source: Source) -> None:
    """Raise `MissingDataError` unless the arrays are at hand or kept, `InvalidError` unless the task is as they are."""
    _fit(task, _arrays(task.name, source))


def load(task: Task, source: Source) -> Dataset:
    """Return the pool and the fixed test set; keeps the arrays if they are not kept yet."""
    keep(task, source)
    arrays = _arrays(task.name, source)
    _fit(task, arrays)
    dataset = from_pixels(arrays.pool, arrays.test)
    return verified(dataset, task, imbalance=IMBALANCE, alike=False)


def keep(task: Task, source: Source) -> None:
    """Write what this process has made of a task to the cache, for workers and for the next command."""
    if task.name in _unkept:
        made = _unkept[task.name]
        cache.write(made.arrays, task.name, source.cache_dir)
        write_json(_card_path(made.listing, source.cache_dir), made.card.plain())
        del _unkept[task.name]


def digest(arrays: Stacked) -> str:
    """SHA-256 of the arrays with their names, shapes and types, in hexadecimal."""
    found = hashlib.sha256()
    for name, array in sorted(vars(arrays).items()):
        found.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()


def _identified(asked: Asked, cache_dir: Path, progress: Progress) -> Card:
    """As `identified`, every time it is called."""
    reader = READERS[asked.kind]
    listing = reader.look(asked, progress)
    key = _listing_digest(asked, listing)
    known = _kept_card(asked.kind, key, cache_dir)
    if known is not None and (known.name in _unkept or cache.path(known.name, cache_dir).exists()):
        return known
    found: Found = reader.read(listing, asked, progress)
    made = parted(found, asked)
    name = f"{asked.kind}_{digest(made.stacked)[:DIGITS]}"
    told = _card(name, asked, found, made)
    _unkept[name] = Unkept(arrays=made.stacked, card=told, listing=key)
    return told


def _listing_digest(asked: Asked, listing: Any) -> str:
    """SHA-256 of all that decides arrays and card: the files' content, the settings, the version of what decodes."""
    settings = {**asdict(asked), "path": None, "labels": None}
    facts = [VERSION, metadata.version("pillow"), settings, asdict(listing)]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _card_path(listing: str, cache_dir: Path) -> Path:
    return cache_dir / CARDS / f"{listing[:32]}.json"


def _kept_card(kind: str, listing: str, cache_dir: Path) -> Card | None:
    """The card that was made of the same listing; None if there is none. Raises MissingDataError if it is damaged."""
    file = _card_path(listing, cache_dir)
    try:
        found = card_of(json.loads(read_regular(file, MOST_CARD_BYTES, own=True)))
        if not serves(found.name):
            raise ValueError(f"{found.name} is no name of own data")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (FileError, OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        reason = f"{error}" if isinstance(error, FileError) else "is damaged"
        raise MissingDataError(kind, f"is described in {file}, which {reason}: delete it and run again") from error
    return found


def _arrays(name: str, source: Source) -> Stacked:
    """The arrays of a task, held against its name. Raises `MissingDataError` if they are not there, or others."""
    if name in _unkept:
        return _unkept[name].arrays
    found = cache.read(name, source.cache_dir)
    if found is None:
        kind = name.partition("_")[0]
        how = f"is not in {source.cache_dir}: name its pictures, data={kind} data.path=..., and run again"
        raise MissingDataError(name, how)
    if digest(found)[:DIGITS] != name.rpartition("_")[2]:
        file = cache.path(name, source.cache_dir)
        raise MissingDataError(name, f"is kept in {file}, which holds other pictures: delete it and run again")
    return found


def _fit(task: Task, arrays: Stacked) -> None:
    pool, side, _, channels = arrays.pool_images.shape
    require_fit(task, side=side, channels=channels, classes=int(arrays.classes), pool=pool)


def _card(name: str, asked: Asked, found: Found, made: Parted) -> Card:
    """Describe what passed the gate."""
    arrays = made.stacked
    pool, side, _, channels = arrays.pool_images.shape
    counts = {
        part: np.bincount(labels, minlength=len(found.classes)).tolist()
        for part, labels in (("pool", arrays.pool_labels), ("test", arrays.test_labels))
    }
    return Card(
        name=name,
        side=side,
        channels=channels,
        classes=len(found.classes),
        pool=pool,
        test=len(arrays.test_labels),
        rows=_rows(asked, found, made, counts),
    )


def _rows(asked: Asked, found: Found, made: Parted, counts: Mapping[str, list[int]]) -> Rows:
    """The lines of a card."""
    arrays, classes = made.stacked, found.classes
    _, side, _, channels = arrays.pool_images.shape
    each = [f"{name} {counts['pool'][n]}+{counts['test'][n]}" for n, name in enumerate(classes)]
    shown = ", ".join(each[:MOST_CLASSES]) + (", ..." if len(each) > MOST_CLASSES else "")
    chosen = f"{100 * asked.test_share:g} % of every class, by data.split_seed={asked.split_seed}"
    mean, deviation = (" ".join(f"{value:.1f}" for value in values) for values in moments(arrays.pool_images))
    low, high = (int(edge(arrays.pool_images)) for edge in (np.min, np.max))
    total, pool, test = len(found.names), sum(counts["pool"]), sum(counts["test"])
    return (
        ("pictures", f"{total} read, {pool + test} used: {pool} to train and validate with, {test} to test with"),
        ("test set", "as given" if found.test is not None else chosen),
        ("classes", f"{len(classes)} (pool + test): {shown}"),
        ("read", found.origin),
        ("used", f"{side}x{side}, {'grey' if channels == 1 else 'RGB' if channels == 3 else f'{channels} channels'}"),
        ("pixels", f"{low} to {high}; mean {mean}, standard deviation {deviation}"),
        *(("changed", str(line)) for line in found.changed),
        *(("left out", str(line)) for line in (*found.dropped, *made.dropped)),
    )
