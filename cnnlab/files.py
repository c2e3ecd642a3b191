"""Files that are whole or not there, and JSON that every reader accepts."""

import contextlib
import errno
import json
import math
import os
import shutil
import stat
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """A file to write to, which replaces `path` at the end, flushed to disk, or leaves it as it was after an error.

    Killed at any instant, a process leaves the old file or the new one. Several processes may write at once. Whatever
    the umask, nobody but its owner may write to it. A device or a pipe is left as it is, and FileExistsError raised.
    """
    if is_special(path):
        raise FileExistsError(errno.EEXIST, "is a device or a pipe", str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}-{os.getpid()}-{uuid.uuid4().hex[:8]}")
    try:
        with draft.open("xb") as file:
            draft.chmod(draft.stat().st_mode & ~(stat.S_IWGRP | stat.S_IWOTH))
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
    """Indented JSON, a list of scalars on one line.

    It has no infinities: an unbounded end of an interval, or a missing number, is null.
    """
    return _indented(finite(content), "\n", sort_keys=sort_keys)


def _indented(value: Any, margin: str, *, sort_keys: bool) -> str:
    """JSON of plain data; `margin` ends a line and begins the next at the value's own depth."""
    inner = f"{margin} "
    if isinstance(value, dict) and value:
        items = sorted(value.items()) if sort_keys else value.items()
        lines = (f"{json.dumps(str(key))}: {_indented(item, inner, sort_keys=sort_keys)}" for key, item in items)
        return f"{{{inner}{f',{inner}'.join(lines)}{margin}}}"
    if isinstance(value, list) and any(isinstance(item, (dict, list)) for item in value):
        lines = (_indented(item, inner, sort_keys=sort_keys) for item in value)
        return f"[{inner}{f',{inner}'.join(lines)}{margin}]"
    return json.dumps(value, allow_nan=False)


def finite(value: Any) -> Any:
    """The same plain data with null in place of every number that is not finite."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


class FileError(ValueError):
    """A file that is not what it should be; says in a phrase what is wrong with it."""


@contextlib.contextmanager
def open_regular(path: Path, most_bytes: int, *, own: bool = False) -> Iterator[IO[bytes]]:
    """Open for reading what somebody else may have put there: a regular file of bounded size, or nothing.

    A link is not followed, and a pipe or device is not waited for.

    Args:
        own: the file must also be this user's or root's, and nobody else may write to it.

    Raises:
        FileNotFoundError: there is none.
        FileError: it is not a regular file, is larger than `most_bytes`, or is not this user's own.
        OSError: it cannot be read.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as problem:
        if problem.errno in (errno.ELOOP, errno.ENXIO):
            raise FileError("is no regular file") from None
        raise
    try:
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode):
            raise FileError("is no regular file")
        if facts.st_size > most_bytes:
            raise FileError(f"has {facts.st_size} bytes, more than {most_bytes}")
        if own:
            require_own(facts)
        with os.fdopen(handle, "rb", closefd=False) as file:
            yield file
    finally:
        os.close(handle)


def read_regular(path: Path, most_bytes: int, *, own: bool = False) -> bytes:
    """The content of a file. Arguments and errors as `open_regular`."""
    with open_regular(path, most_bytes, own=own) as file:
        return file.read(most_bytes)


def read_json(path: Path, most_bytes: int) -> Any:
    """The content of a JSON file. Errors as `open_regular`, and FileError where it is no JSON."""
    try:
        return json.loads(read_regular(path, most_bytes))
    except FileError:
        raise
    except (ValueError, RecursionError):
        raise FileError("is not JSON (cut off, or edited)") from None


def is_folder(path: Path) -> bool:
    """Whether there is such a folder, ~ being its owner's home; a name that can be none is none."""
    try:
        return path.expanduser().is_dir()
    except (OSError, ValueError, RuntimeError):  # too long, with a null character, of no user
        return False


def is_special(path: Path) -> bool:
    """Whether there is something that is neither file nor folder, such as a device; a name that can be none is none."""
    try:
        return path.exists() and not path.is_file() and not path.is_dir()
    except (OSError, ValueError):
        return False


def private_folder(path: Path) -> Path:
    """A folder of files that are run as code: this user's own, writable by nobody else, no link. Made if need be.

    Raises:
        FileError: what is there is something else.
        OSError: it cannot be made.
    """
    if not os.path.lexists(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):  # another process was quicker
            path.mkdir(mode=0o700)
    facts = path.lstat()
    if not stat.S_ISDIR(facts.st_mode):
        raise FileError("is no folder")
    require_own(facts)
    return path


def keep_to_owner(folder: Path) -> Path:
    """Make a folder if need be, and let nobody but its owner write to it or to what is in it, whatever the umask."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in (folder, *folder.rglob("*")):
        mode = path.lstat().st_mode
        if mode & (stat.S_IWGRP | stat.S_IWOTH) and not stat.S_ISLNK(mode):
            path.chmod(stat.S_IMODE(mode) & ~(stat.S_IWGRP | stat.S_IWOTH))
    return folder


def clear_left(folder: Path, pattern: str, seconds: float) -> None:
    """Take away drafts that killed processes have left in a folder: those that match, and are older than any may be."""
    for draft in folder.glob(pattern):
        with contextlib.suppress(OSError):  # another process clears it too, or it is somebody else's
            if time.time() - draft.lstat().st_mtime > seconds:
                if draft.is_dir() and not draft.is_symlink():
                    shutil.rmtree(draft, ignore_errors=True)
                else:
                    draft.unlink()


def require_own(facts: os.stat_result) -> None:
    """Raise FileError unless a file is this user's or root's, and nobody else may write to it."""
    if facts.st_uid not in (os.geteuid(), 0):
        raise FileError("belongs to another user")
    if facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise FileError("may be written by others (chmod go-w)")


def disk_use(folder: Path) -> int:
    """Bytes of the files in a folder; links are not followed, and what goes meanwhile does not count."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += (Path(place) / name).lstat().st_size
    return total


def flush_folder(folder: Path) -> None:
    """Flush a folder's entries to disk, so that what was renamed into it survives a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
