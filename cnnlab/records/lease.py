"""A lease (file lock) on an arm: its holder trains it. The kernel releases it when the process ends.

It is a lock (`flock`) on a small file. On one machine that is certain, and so it is on NFS since version 4, where a
machine that dies holds its leases until the server's grace is over (a minute or two). Where a file system locks each
machine by itself, or not at all, two may hold one lease: then work is done twice, and of two records the first stays.
"""

import contextlib
import fcntl
import os
import socket
from dataclasses import dataclass
from pathlib import Path

from cnnlab.files import FileError, read_regular


@dataclass(frozen=True, kw_only=True)
class Lease:
    """Held until it is released, or the process ends.

    Attributes:
        firm: False where the file system knows no locks, so that others may hold the same.
    """

    path: Path
    handle: int
    firm: bool

    def release(self) -> None:
        """Give it back, and take its file away while nobody else can hold it."""
        self.path.unlink(missing_ok=True)
        os.close(self.handle)


def take(path: Path) -> Lease | None:
    """Take the lease that a file stands for; None while another process, or another caller in this one, holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
        firm = True
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return None
        except OSError:
            firm = False
        if _is_at(handle, path):
            with contextlib.suppress(OSError):  # a full disk; who holds it is only told
                os.ftruncate(handle, 0)
                os.write(handle, f"{socket.gethostname()} process {os.getpid()}".encode())
            return Lease(path=path, handle=handle, firm=firm)
        os.close(handle)  # its holder took the file away in between: what is locked is no longer what others will find


def holder(path: Path) -> str:
    """Who holds it, for a person to read; empty if nobody does, or has not said."""
    try:
        return read_regular(path, 4096).decode(errors="replace")
    except (OSError, FileError):
        return ""


def _is_at(handle: int, path: Path) -> bool:
    """Whether an open file is still the one at a path."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False
