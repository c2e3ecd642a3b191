"""Files that are whole or not there, and JSON that every reader accepts."""

import contextlib
import json
import math
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """A file to write to, which replaces `path` at the end, flushed to disk, or leaves it as it was after an error.

    Killed at any instant, a process leaves the old file or the new one. Several processes may write at once.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}-{os.getpid()}-{uuid.uuid4().hex[:8]}")
    try:
        with draft.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> Path:
    """Replace a file by one with this content, as `atomic_file`. Returns its path."""
    with atomic_file(path) as file:
        file.write(content)
    return path


def write_json(path: Path, content: Any, *, sort_keys: bool = False) -> Path:
    """Replace a file by one with this content as indented JSON, as `atomic_file`; see `json_text`."""
    return write_bytes(path, f"{json_text(content, sort_keys=sort_keys)}\n".encode())


def json_text(content: Any, *, sort_keys: bool = False) -> str:
    """Indented JSON. It has no infinities: an unbounded end of an interval, or a missing number, is null."""
    return json.dumps(finite(content), indent=1, sort_keys=sort_keys, allow_nan=False)


def finite(value: Any) -> Any:
    """The same plain data with null in place of every number that is not finite."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def flush_folder(folder: Path) -> None:
    """Flush a folder's entries to disk, so that what was renamed into it survives a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
