"""Digests of published evidence, `<folder>/manifest.json`: an edit of what comes with the suite is found out.

Publishing writes it after all evidence; whoever judges by published records checks it first. It says that files are
those that were published together. Who edits the manifest too is found out by version control alone.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from cnnlab.files import FileError, read_regular, write_json
from cnnlab.records.coding import RecordError
from cnnlab.records.store import MOST_BYTES

NAME, FILES = "manifest.json", "files"
EVIDENCE = ("runs/*/*", "costs/*/*")
"""What verdicts are computed from: records with their provenance, and timings. Tables and figures are made of them."""


class ManifestError(RecordError):
    """Published evidence that is not what was published: which file, and what is wrong with it, in one line."""

    def __init__(self, path: Path, why: str) -> None:
        self.path = path
        ValueError.__init__(self, f"{path} {why}; restore the published folder, or publish again")


def write(folder: Path) -> Path:
    """Write the digests of all evidence in a published folder, in place of earlier ones; returns the file.

    Equal evidence gives equal bytes. Raises ManifestError for evidence that is no regular file, or too large.
    """
    return write_json(folder / NAME, {FILES: dict(_digests(folder))}, sort_keys=True)


def check(folder: Path) -> None:
    """Raise ManifestError unless all evidence in a published folder is as the manifest says, and nothing is missing.

    A folder without evidence needs none.
    """
    found, file = dict(_digests(folder)), folder / NAME
    try:
        content = json.loads(read_regular(file, MOST_BYTES))
    except FileNotFoundError:
        if found:
            raise ManifestError(file, "is missing, beside published records") from None
        return
    except FileError as problem:
        raise ManifestError(file, str(problem)) from None
    except (OSError, ValueError, RecursionError):
        raise ManifestError(file, "cannot be read as JSON") from None
    said = content[FILES] if isinstance(content, dict) and FILES in content else None
    if not isinstance(said, dict):
        raise ManifestError(file, f"must be an object with {FILES}: a digest by path")
    for name in sorted({*found, *said}):
        if name not in said:
            raise ManifestError(folder / name, "was not published: the manifest does not name it")
        if name not in found:
            raise ManifestError(file, f"names {name!r:.200}, which is missing")
        if found[name] != said[name]:
            raise ManifestError(folder / name, "is not what was published (its SHA-256 in the manifest is another)")


def _digests(folder: Path) -> Iterator[tuple[str, str]]:
    """Path below the folder, and SHA-256, of each file of evidence."""
    for path in sorted(path for pattern in EVIDENCE for path in folder.glob(pattern)):
        try:
            yield path.relative_to(folder).as_posix(), hashlib.sha256(read_regular(path, MOST_BYTES)).hexdigest()
        except FileError as problem:
            raise ManifestError(path, str(problem)) from None
