"""The folder of compiled programs: this user's own, since what lies there is run, and without half-written ones.

JAX writes a program straight into its file, and never again into one that is there: what a killed process has left half
would be compiled anew by every process that comes, for ever.
"""

import contextlib
import os
import shutil
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cnnlab.files import FileError, private_folder
from cnnlab.spec.invalid import InvalidError

SUFFIX = "-cache"
"""How JAX ends the names of its files."""
LOOKED = ".looked-through"
"""A file whose time of change says up to when programs were looked into."""
ZSTANDARD = b"\x28\xb5\x2f\xfd"
"""How a file begins where the package zstandard is installed; else JAX compresses by zlib."""
CHUNK = 1 << 20
HALF_READ = "Error reading persistent compilation cache entry"
"""How JAX's warning begins where another process is still writing what is read; JAX then compiles it."""


def check(folder: Path) -> None:
    """Raise InvalidError if the folder is there and `clean` would refuse it; makes nothing."""
    if os.path.lexists(folder):
        _private(folder)


def clean(folder: Path) -> None:
    """Make the folder if need be, and take away what is half written, a link or somebody else's.

    Programs that were looked into once are not looked into again.

    Raises:
        InvalidError: others than this user or root may write to the folder.
        OSError: it cannot be made or read.
    """
    _private(folder)
    looked = folder / LOOKED
    before = looked.lstat().st_mtime if os.path.lexists(looked) else 0.0
    fresh = folder / f"{LOOKED}-{os.getpid()}"
    fresh.touch()  # before the look, and by the clock of the file system: what is written meanwhile is new next time
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        with contextlib.suppress(FileNotFoundError):  # another process cleans too
            facts = path.lstat()
            if stat.S_ISDIR(facts.st_mode):
                shutil.rmtree(path)
            elif (
                not stat.S_ISREG(facts.st_mode)
                or facts.st_uid not in (os.geteuid(), 0)
                or (facts.st_mtime >= before and not whole(path))
            ):
                path.unlink()
    fresh.replace(looked)


def whole(path: Path) -> bool:
    """Whether a compiled program is there to its end."""
    with path.open("rb") as file:
        start = file.read(len(ZSTANDARD))
        file.seek(0)
        if start != ZSTANDARD:
            return _ends(zlib.decompressobj(), iter(lambda: file.read(CHUNK), b""))
        try:
            import zstandard
        except ImportError:  # written by another installation: of no use to this one, and no harm
            return True
        return _ends(zstandard.ZstdDecompressor().decompressobj(), iter(lambda: file.read(CHUNK), b""))


def _ends(unpacker: Any, chunks: Iterator[bytes]) -> bool:
    """Whether compressed chunks can be unpacked, and end where they should; what they unpack to is not kept."""
    try:
        for chunk in chunks:
            if unpacker.eof:  # and there is more: no program of JAX
                return False
            unpacker.decompress(chunk)
    except Exception:  # each library has its own
        return False
    return bool(unpacker.eof)


def _private(folder: Path) -> None:
    try:
        private_folder(folder)
    except FileError as problem:
        valid = f"its folder of compiled programs {problem}, and these are run: choose another cache"
        raise InvalidError("cache", folder.parent, valid) from problem
