"""The store: `<root>/<arm>/record.json` and `provenance.json`, put in place by one rename.

A store that is published holds compact records instead, `record.json.gz` (see `cnnlab.records.compact`), and is read in
the same way.
"""

import errno
import glob
import hashlib
import json
import os
import shutil
import socket
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnnlab.files import FileError, flush_folder, read_regular, write_bytes
from cnnlab.records import lease
from cnnlab.records.coding import RecordError, decode, encode
from cnnlab.records.compact import pack, unpack
from cnnlab.records.lease import Lease
from cnnlab.spec.invalid import InvalidError, require
from cnnlab.spec.record import Record

MOST_BYTES = 1 << 28
"""Size of the largest record or state file that is read: some 200 times what a sweep writes."""
RECORD, COMPACT, PROVENANCE, FAILURE = "record.json", "record.json.gz", "provenance.json", "failure.txt"
ASIDE = ".aside-"
DIGEST = "record_sha256"
"""Key of the provenance: SHA-256 of the record's bytes, by which an edit is found out."""


@dataclass(frozen=True)
class Store:
    """Records below one folder. Nothing is created before the first write."""

    root: Path

    def folder(self, arm: str) -> Path:
        """Where an arm lies, whether or not it is there."""
        return self.root / arm

    def record(self, arm: str) -> Path:
        """The file of an arm's record: the whole one, or else the compact one, whether or not that is there."""
        whole = self.folder(arm) / RECORD
        return whole if whole.is_file() else whole.with_name(COMPACT)

    def has(self, arm: str) -> bool:
        """Whether a record is there, of whatever protocol."""
        return self.record(arm).is_file()

    def arms(self) -> Iterator[str]:
        """The arm of every record, in alphabetical order."""
        folders = sorted({path.parent for name in (RECORD, COMPACT) for path in self.root.glob(f"*/{name}")})
        return (folder.name for folder in folders if ASIDE not in folder.name and not folder.name.startswith("."))

    def content(self, arm: str) -> bytes:
        """The JSON bytes of one record, not looked into. Raises FileNotFoundError, and RecordError if it is cut off."""
        path = self.record(arm)
        try:
            content = read_regular(path, MOST_BYTES)
        except FileError as problem:
            raise RecordError(path, str(problem)) from None
        except FileNotFoundError:
            whole = path.with_name(RECORD)
            if os.path.lexists(whole):  # a folder, a pipe, a link to nothing
                raise RecordError(whole, "is no regular file") from None
            raise
        return unpack(content, path, MOST_BYTES) if path.name == COMPACT else content

    def read(self, arm: str) -> Record:
        """Read one record.

        Raises:
            FileNotFoundError: if there is none.
            RecordError: if it cannot be read, is of another protocol, was edited, or lies in the wrong place; says
                which file and what is wrong.
        """
        path = self.record(arm)
        content = self.content(arm)
        record = decode(content, path)
        facts = self.provenance(arm)
        if DIGEST in facts and facts[DIGEST] != hashlib.sha256(content).hexdigest():
            raise RecordError(path, f"is not what was written there (its SHA-256 in {PROVENANCE} is another): edited")
        if record.arm != arm:
            raise RecordError(path, f"is the record of {record.arm}")
        return record

    def publish(self, record: Record, made: Mapping[str, Any]) -> Path:
        """Put a record in place in compact form, instead of an earlier one; equal records give equal bytes.

        Args:
            made: what is told of how it was made, beside it.
        """
        path = self.folder(record.arm) / COMPACT
        facts = json.dumps(made, indent=1, sort_keys=True).encode() + b"\n"
        write_bytes(path.with_name(PROVENANCE), facts)
        return write_bytes(path, pack(encode(record)))

    def provenance(self, arm: str) -> dict[str, Any]:
        """The provenance of a record: code, machine and times; empty if there is none that can be read."""
        try:
            facts = json.loads(read_regular(self.folder(arm) / PROVENANCE, MOST_BYTES))
        except (OSError, ValueError, RecursionError):
            return {}
        return facts if isinstance(facts, dict) else {}

    def take(self, arm: str) -> Lease | None:
        """Take the right to train an arm and to write its record; None while another process has it.

        What a writer of this machine left half done, that was killed, is cleared away.
        """
        try:
            lease_ = lease.take(self._lease(arm))
        except OSError as problem:
            if problem.errno not in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
                raise
            raise RecordError(self._lease(arm), "is no regular file, so that it cannot be a lease") from None
        if lease_ is not None and lease_.firm:
            for draft in self.root.glob(f"{glob.escape(_draft_prefix(arm))}*"):
                shutil.rmtree(draft, ignore_errors=True)
        return lease_

    def tidy(self, arm: str) -> None:
        """Delete the files that a killed process left beside a finished record: its lease and checkpoints."""
        shutil.rmtree(self.checkpoints(arm), ignore_errors=True)
        if self._lease(arm).exists():
            left = self.take(arm)
            if left is not None:
                left.release()

    def checkpoints(self, arm: str) -> Path:
        """Where the trainings of an arm may leave what they have reached; gone once the record is written."""
        return self.root / f".{arm}.checkpoints"

    def holder(self, arm: str) -> str:
        """Who trains an arm, for a person to read; empty if nobody does."""
        return lease.holder(self._lease(arm))

    def _lease(self, arm: str) -> Path:
        return self.root / f".{arm}.lease"

    def write(self, record: Record, provenance: dict[str, Any]) -> Path:
        """Write a record and its provenance at once; an existing record stays as it is.

        Both files are written to a temporary folder, flushed to disk, and put in place by renaming that folder, so
        that a reader sees both or neither, and of two writers the first wins.
        """
        place = self.folder(record.arm)
        place.parent.mkdir(parents=True, exist_ok=True)
        draft = place.parent / f"{_draft_prefix(record.arm)}{os.getpid()}-{uuid.uuid4().hex[:8]}"
        draft.mkdir()
        try:
            content = encode(record)
            facts = {**provenance, DIGEST: hashlib.sha256(content).hexdigest()}
            write_bytes(draft / RECORD, content)
            write_bytes(draft / PROVENANCE, json.dumps(facts, indent=1, sort_keys=True).encode() + b"\n")
            flush_folder(draft)
            if not self.has(record.arm):
                self._free(place)
                _rename_first(draft, place)
            flush_folder(place.parent)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        shutil.rmtree(self.checkpoints(record.arm), ignore_errors=True)
        return place

    def write_failure(self, arm: str, reason: str) -> Path:
        """Leave the reason why an arm has no record in its folder."""
        place = self.folder(arm)
        place.mkdir(parents=True, exist_ok=True)
        path = place / FAILURE
        path.write_text(reason)
        return path

    def failure(self, arm: str) -> Path | None:
        """The note of why an arm has no record; None if there is none."""
        path = self.folder(arm) / FAILURE
        return path if path.is_file() else None

    def forget_failure(self, arm: str) -> None:
        """Take away the note of an earlier failure, if there is one."""
        (self.folder(arm) / FAILURE).unlink(missing_ok=True)

    def set_aside(self, arm: str) -> Path | None:
        """Move an arm's folder to `<arm>.aside-<time>`, never deleting it; None if there is none.

        Its checkpoints go: what is trained then is trained from the start.
        """
        shutil.rmtree(self.checkpoints(arm), ignore_errors=True)
        place = self.folder(arm)
        return _move_aside(place) if os.path.lexists(place) else None

    def _free(self, place: Path) -> None:
        """Free an arm's folder for its record: a note of failure goes, whatever else lies there is set aside."""
        if not os.path.lexists(place):
            return
        try:
            if place.is_dir() and {path.name for path in place.iterdir()} <= {FAILURE}:
                shutil.rmtree(place)
                return
            aside = _move_aside(place)
        except FileNotFoundError:  # another writer has freed it in between
            return
        if (aside / RECORD).is_file():  # another writer's, put in place since `has` looked
            _rename_first(aside, place)


def require_writable(folder: Path, key: str, *inner: str) -> None:
    """Raise InvalidError, naming the key that a folder was configured by, if nothing can be written there.

    Args:
        inner: folders in it that will be written to, each by its path from there.
    """
    for path in (folder.absolute(), *(folder.absolute() / name for name in inner)):
        _require_writable(path, key, folder)


def _require_writable(path: Path, key: str, folder: Path) -> None:
    try:
        there = next(parent for parent in (path, *path.parents) if parent.exists())
    except OSError as problem:  # a name that is too long
        raise InvalidError(key, folder, f"{problem.strerror}: choose another folder") from problem
    require(_takes_folders(there), key, folder, f"{there} cannot be written to: choose another folder")


def _takes_folders(folder: Path) -> bool:
    """Whether a folder can be made in it: tried, since an administrator may write where the kernel takes nothing."""
    try:
        Path(tempfile.mkdtemp(prefix=".cnnlab-", dir=folder)).rmdir()
    except OSError:
        return False
    return True


def _draft_prefix(arm: str) -> str:
    """How the drafts of an arm begin that this machine writes: those of others may still be written to."""
    return f".{arm}-{socket.gethostname()}-"


def _rename_first(draft: Path, place: Path) -> None:
    """Rename a folder into place; the kernel refuses if another writer's non-empty folder is there already."""
    try:
        draft.rename(place)
    except OSError:
        if not (place / RECORD).is_file():
            raise


def _move_aside(place: Path) -> Path:
    """Rename a folder to `<name>.aside-<time>`; returns where it is."""
    aside = place.with_name(f"{place.name}{ASIDE}{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:4]}")
    place.rename(aside)
    return aside
