"""SIGINT, SIGTERM and SIGHUP end a command within two seconds; finished work is kept, and a line says how to go on.

Nothing is raised: an exception out of a signal handler in the middle of JAX's native code ended in a segfault. The
main thread is parked, and another ends the process. That is safe at any instant, since whatever is kept is put in
place by one rename; what should not be cut short all the same (a record and its mirror) is given a second.

The main thread may be parked with any lock of Python's in its hands: in a handler that a second signal interrupts, in
the start of a thread. So what ends the process late at the latest takes none.
"""

import atexit
import contextlib
import errno
import multiprocessing
import os
import select
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LATEST = 1.5
"""Seconds after which the process ends, whatever is still being written."""
GO_ON = "stopped; finished arms are kept. The same command goes on from here."
DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE)
SHAPE = (errno.ENOENT, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENOTEMPTY, errno.ELOOP, errno.ENAMETOOLONG)
"""What a path is not as it should be, such as a file in place of a folder."""
STOPPED = "stopped; the same command begins again."
STDOUT, STDERR = 1, 2
SHOW_CURSOR = "\x1b[?25h"
"""A progress bar hides a terminal's cursor."""


class Answered(SystemExit):
    """What --help, --version and the like end with, once they have printed."""

    code: int


_settled = threading.Lock()
"""Held by what should not be cut short, and for good once the process is about to end."""
_came: list[int] = []
"""The signals that have come. No Event: a second signal would find its lock taken by the handler of the first."""
_busy = threading.Event()
"""Whether the main thread is within `undisturbed`."""
_elsewhere: list[Callable[[], None]] = []
_ended: list[int] = []
"""The code with which the command has ended, once it has."""


def disk_error(problem: OSError) -> str:
    """One line for a file that cannot be read or written, with how to go on. Raises any other OSError again."""
    if problem.errno in SHAPE and problem.filename:
        return f"{problem.filename}: {problem.strerror}; stopped, finished arms are kept: see what lies there"
    if problem.errno not in DISK:
        raise problem
    return f"{problem.filename or 'a file, or standard output'}: {problem.strerror}; {GO_ON}"


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Let the block inside finish before a signal ends the process, for at most `LATEST` seconds."""
    with _settled:
        _busy.set()
        try:
            yield
        finally:
            _busy.clear()
    if _came:
        _wait_for_the_end()


@contextlib.contextmanager
def ending(end: Callable[[], None]) -> Iterator[None]:
    """Within, a signal also ends what runs in processes that are not ours, such as a cluster's jobs."""
    _elsewhere.append(end)
    try:
        yield
    finally:
        _elsewhere.remove(end)


@contextlib.contextmanager
def in_order(line: str = GO_ON) -> Iterator[None]:
    """Within, a signal ends the process: its workers are stopped, `line` is printed, the exit code is 128 + signal.

    A signal that this process was told to ignore stays ignored. Only the main thread can be stopped so; in any other
    this does nothing.
    """
    heard = [one for one in SIGNALS if signal.getsignal(one) is not signal.SIG_IGN]
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours, theirs = socket.socketpair()
    asked, late = socket.socketpair()
    theirs.setblocking(False)
    # the interpreter writes to it wherever the main thread is, also in native code that takes long to return
    woken_before = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    # both are there before they are needed: the main thread may be parked while it starts another
    threads = [
        threading.Thread(target=_watch, args=(ours, late, line), daemon=True),
        threading.Thread(target=_limit, args=(asked,), daemon=True),
    ]
    for thread in threads:
        thread.start()
    # never parked without a watcher: nobody would end the process
    before = {one: signal.signal(one, _park) for one in heard}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
        signal.set_wakeup_fd(woken_before)
        theirs.close()
        threads[0].join()
        late.close()
        threads[1].join()
        ours.close()
        asked.close()


def door(main: Callable[[], int], line: str = GO_ON) -> NoReturn:
    """Run a command from its beginning to the end of the process, in order; it ends with the code that `main` returns.

    Once that is there, a signal ends the process at once with the same code, and is ignored once Python takes its
    modules down: it has taken its handlers down before, so that the process would end by the signal.
    """

    def leave(number: int, frame: FrameType | None) -> None:
        os._exit(_ended[0] if _ended else 128 + number)

    for one in SIGNALS:
        if signal.getsignal(one) is not signal.SIG_IGN:
            signal.signal(one, leave)  # what `in_order` puts back when it is left
    _open_streams()
    with in_order(line):
        try:
            code = main()
        except Answered as asked:
            code = asked.code
        except (SystemExit, KeyboardInterrupt) as problem:  # no signal raises it here, and no code of the suite
            code = _left(problem)
        try:
            sys.stdout.flush()
        except (OSError, ValueError):  # whoever read it is gone, or the disk is full
            silence()
            code = code or 1
        _ended.append(code)
    sys.exit(code)


def reader_gone() -> bool:
    """Whether nobody reads standard output or standard error any more, as after `| head`."""
    streams = select.poll()
    for stream in (STDOUT, STDERR):
        streams.register(stream, 0)  # what is asked for in any case: errors
    return any(found & select.POLLERR for _, found in streams.poll(0))


def silence() -> None:
    """Let standard output go nowhere, so that the end of the process says nothing of what could not be written."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, STDOUT)
    os.close(nowhere)


def _left(problem: BaseException) -> int:
    """Say in one line where the user's code ended the command. Returns the exit code."""
    frame = traceback.extract_tb(problem.__traceback__)[-1]
    place = f"{Path(frame.filename).name}:{frame.lineno}"
    said = ": ".join(filter(None, (type(problem).__name__, " ".join(str(problem).split()))))
    print(f"error: {place} ends the command: {said}", file=sys.stderr)
    return 2


def _open_streams() -> None:
    """Give what was started without standard streams (`>&-`) ones that go nowhere.

    Else the next file that is opened would take their place, and be written to by whoever prints.
    """
    for stream in (0, STDOUT, STDERR):
        try:
            os.fstat(stream)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    # what lasts as long as the process is closed by nobody
    sys.stdout = sys.stdout or open(STDOUT, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(STDERR, "w", closefd=False)  # noqa: SIM115


@atexit.register
def _deaf() -> None:
    """Ignore signals once a command has ended, since Python removes its own handlers before the process ends.

    Registered at once, so that it is called after all that registers later.
    """
    for one in SIGNALS if _ended else ():
        signal.signal(one, signal.SIG_IGN)


def _park(number: int, frame: FrameType | None) -> None:
    """Hold the main thread, so that it begins nothing more; what it does undisturbed it may end first."""
    _came.append(number)
    if not _busy.is_set():
        _wait_for_the_end()


def _wait_for_the_end() -> None:
    threading.Event().wait()


def _watch(woken: socket.socket, late: socket.socket, line: str) -> None:
    """End the process at the first of the signals; return once nobody listens any more."""
    while received := woken.recv(1):
        if received[0] in SIGNALS:
            late.send(bytes([128 + received[0]]))
            _end(128 + received[0], line)


def _limit(asked: socket.socket) -> None:
    """End the process `LATEST` seconds after it is sent a code, with that code, whatever holds up the watcher."""
    if code := asked.recv(1):
        time.sleep(LATEST)
        os._exit(code[0])


def _end(code: int, line: str) -> None:
    _settled.acquire()
    for worker in multiprocessing.active_children():
        worker.kill()
    for end in _elsewhere:
        with contextlib.suppress(Exception):  # the process ends, whatever its jobs do
            end()
    with contextlib.suppress(OSError, ValueError):  # whoever read it may be gone
        # past Python's buffers, which the main thread may be in the middle of
        os.write(STDERR, f"{SHOW_CURSOR if os.isatty(STDERR) else ''}\n{line}\n".encode())
        sys.stdout.flush()
    os._exit(code)
