"""The store: `<root>/<arm>/<block>/record.json` and `provenance.json`, put in place by one rename."""

import json
import os
import shutil
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnnlab.records.coding import BadRecord, decode, encode
from cnnlab.spec.record import Record

RECORD, PROVENANCE, FAILURE = "record.json", "provenance.json", "failure.txt"


@dataclass(frozen=True)
class Store:
    """Records below one folder. Nothing is created before the first write."""

    root: Path

    def folder(self, arm: str, block: int) -> Path:
        """Where one block of an arm lies, whether or not it is there."""
        return self.root / arm / str(block)

    def has(self, arm: str, block: int) -> bool:
        """Whether a record is there, of whatever protocol."""
        return (self.folder(arm, block) / RECORD).is_file()

    def read(self, arm: str, block: int) -> Record:
        """Read one record.

        Raises:
            FileNotFoundError: if there is none.
            BadRecord: if it cannot be read, is of another protocol, or lies in the wrong place; says which file and
                what is wrong.
        """
        path = self.folder(arm, block) / RECORD
        record = decode(path.read_bytes(), path)
        if (record.arm, record.block) != (arm, block):
            raise BadRecord(path, f"is the record of {record.arm} block {record.block}")
        return record

    def write(self, record: Record, provenance: dict[str, Any]) -> Path:
        """Write a record and its provenance at once; an existing record stays as it is.

        Both files are written to a temporary folder, flushed to disk, and put in place by renaming that folder, so
        that a reader sees both or neither, and of two writers the first wins.
        """
        place = self.folder(record.arm, record.block)
        place.parent.mkdir(parents=True, exist_ok=True)
        draft = place.parent / f".{place.name}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        draft.mkdir()
        try:
            _write_flushed(draft / RECORD, encode(record))
            _write_flushed(draft / PROVENANCE, json.dumps(provenance, indent=1, sort_keys=True).encode() + b"\n")
            _flush_folder(draft)
            if not self.has(record.arm, record.block):
                _clear_failure(place)
                _rename_first(draft, place)
            _flush_folder(place.parent)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        return place

    def write_failure(self, arm: str, block: int, reason: str) -> Path:
        """Leave the reason why an arm has no record in its folder."""
        place = self.folder(arm, block)
        place.mkdir(parents=True, exist_ok=True)
        path = place / FAILURE
        path.write_text(reason)
        return path

    def failure(self, arm: str, block: int) -> Path | None:
        """The note of why an arm has no record; None if there is none."""
        path = self.folder(arm, block) / FAILURE
        return path if path.is_file() else None

    def forget_failure(self, arm: str, block: int) -> None:
        """Take away the note of an earlier failure, if there is one."""
        (self.folder(arm, block) / FAILURE).unlink(missing_ok=True)

    def set_aside(self, arm: str, block: int) -> Path | None:
        """Move a block's folder to `<block>.aside-<time>`, never deleting it; None if there is none."""
        place = self.folder(arm, block)
        if not place.exists():
            return None
        aside = place.with_name(f"{place.name}.aside-{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:4]}")
        place.rename(aside)
        return aside


def _rename_first(draft: Path, place: Path) -> None:
    """Rename a folder into place; the kernel refuses if another writer's non-empty folder is there already."""
    try:
        draft.rename(place)
    except OSError:
        if not (place / RECORD).is_file():
            raise


def _clear_failure(place: Path) -> None:
    """Take away an earlier failure's note, so that the folder is free for the record."""
    if place.is_dir() and {path.name for path in place.iterdir()} <= {FAILURE}:
        shutil.rmtree(place)


def _write_flushed(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
