"""From `convolution.cc` to a library that this process uses: compiled once a machine, then loaded by every worker."""

import ctypes
import hashlib
import os
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import jax
import jaxlib.version

from cnnlab.files import FileError, clear_left, open_regular, private_folder
from cnnlab.zoo.native.convolution import TARGETS

SOURCE = Path(__file__).with_name("convolution.cc")
COMPILERS = ("c++", "g++", "clang++")
"""Tried in turn, after what CXX names."""
FLAGS = ("-std=c++20", "-O3", "-march=native", "-fPIC", "-shared")
SECONDS = 120.0
"""After which a compiler is given up: it takes three."""
DRAFTS = ".building-"
"""How the folders begin in which a compiler writes."""
MOST_BYTES = 1 << 26
"""Of a library: some thousand times its size."""

_used: list[str] = []


class LibraryError(Exception):
    """The native library cannot be built or loaded; the message is one line that says why."""


def build(folder: Path) -> Path:
    """Build the library in `folder` unless it is there; the file name depends on compiler, processor and source.

    Processes that compile it at once write the same bytes, each in one step. Raises LibraryError.
    """
    command = [*compiler(), *FLAGS, f"-I{jax.ffi.include_dir()}"]
    # what the compiler says of itself and of the processor that `native` means
    meant = _run([*command, "-dM", "-E", "-x", "c++", os.devnull]).stdout
    told = " ".join([*compiler(), *FLAGS, jaxlib.version.__version__])
    text = b"\n".join([meant, told.encode(), SOURCE.read_bytes()])
    library = folder / f"convolution-{hashlib.sha256(text).hexdigest()[:16]}.so"
    try:
        private_folder(folder)
        clear_left(folder, f"{DRAFTS}*", 2 * SECONDS)
        if not os.path.lexists(library):
            with tempfile.TemporaryDirectory(prefix=DRAFTS, dir=folder) as made:
                fresh = Path(made) / library.name
                _run([*command, "-o", str(fresh), str(SOURCE)])
                fresh.chmod(0o700)
                fresh.replace(library)
    except FileError as problem:
        raise LibraryError(f"{folder} {problem}: nothing is loaded from there") from problem
    except OSError as problem:
        raise LibraryError(f"{folder} cannot be written ({problem.strerror})") from problem
    _loaded(library)
    return library


def use(library: Path) -> None:
    """Load the library for this process; it cannot be unloaded or replaced. Raises LibraryError."""
    if _used:
        if _used[0] != library.stem:
            raise LibraryError(f"{_used[0]} is already in use")
        return
    loaded = _loaded(library)
    capsule: Any = jax.ffi.pycapsule
    for name in TARGETS:
        jax.ffi.register_ffi_target(name, capsule(getattr(loaded, name)), platform="cpu")
    _used.append(library.stem)


def used() -> str:
    """The name of the library that this process may use; empty if there is none."""
    return _used[0] if _used else ""


def compiler() -> list[str]:
    """The command of a C++ compiler: what CXX says, or the first of `COMPILERS` on the path. Raises LibraryError."""
    if named := os.environ.get("CXX", "").strip():
        try:
            words = shlex.split(named)
        except ValueError as problem:
            raise LibraryError(f"CXX={named} is no command ({str(problem).lower()})") from problem
        if not words or not words[0]:
            raise LibraryError(f"CXX={named} is no command (it names none)")
        return words
    for name in COMPILERS:
        if shutil.which(name):
            return [name]
    raise LibraryError(f"no C++ compiler is installed ({', '.join(COMPILERS)}; CXX may name another)")


def _loaded(library: Path) -> ctypes.CDLL:
    """The library in this process's memory.

    Raises LibraryError for a torn file, one that others have put there or may write to, or a folder that nothing may
    run from.
    """
    try:
        private_folder(library.parent)
        with open_regular(library, MOST_BYTES, own=True):
            pass
    except FileError as problem:
        raise LibraryError(f"{library} is not loaded: the file or its folder {problem}") from problem
    except FileNotFoundError as problem:
        raise LibraryError(f"{library} is not there") from problem
    try:
        return ctypes.CDLL(os.fspath(library))
    except OSError as problem:
        raise LibraryError(f"{library} cannot be loaded ({problem})") from problem


def _run(command: list[str]) -> "subprocess.CompletedProcess[bytes]":
    """What a compiler answers. Raises LibraryError, with the first line of what is wrong."""
    try:
        return subprocess.run(command, check=True, capture_output=True, timeout=SECONDS)
    except subprocess.CalledProcessError as problem:
        lines = problem.stderr.decode(errors="replace").splitlines() or [f"exit code {problem.returncode}"]
        why = next((line for line in lines if "error" in line), lines[0])
    except subprocess.TimeoutExpired:
        why = f"not done within {SECONDS:.0f} s"
    except OSError as problem:
        why = str(problem.strerror)
    raise LibraryError(f"the compiler {command[0]} fails: {why}")
