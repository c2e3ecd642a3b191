"""Finds a user's function, and the files that decide what it makes. No JAX, but what the user's file imports."""

import ast
import contextlib
import functools
import hashlib
import importlib
import importlib.util
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from cnnlab.rooms import extra_folder
from cnnlab.spec.invalid import InvalidError, require
from cnnlab.spec.own_module import OwnModule, not_its_file

KEY = "model.make"
SUITE = ("cnnlab", "experiments")
"""Packages whose code no arm holds, but for a function's own file: the protocol says when it changes numbers."""
_SUITE_FOLDERS = tuple(Path(__file__).parents[2].absolute() / name for name in SUITE)


def load(net: OwnModule) -> Callable[..., Any]:
    """Import the function of a net.

    Raises:
        InvalidError: it cannot be imported, is not there or not callable, or its source is not the net's, but was
            changed after the command had begun.
    """
    found = factory(net.make)
    here = sources(net.make)
    if here != net.sources:
        changed = sorted({module for module, _ in set(here) ^ set(net.sources)})
        raise InvalidError(KEY, net.make, f"its source has changed since the command began ({', '.join(changed)})")
    return found


@functools.cache
def factory(make: str) -> Callable[..., Any]:
    """Import `package.module:function`, as of the current folder or of `CNNLAB_EXTRA`. Raises InvalidError."""
    name, _, attribute = make.partition(":")
    look_here()
    sources(make)  # before the import: of a file that changes meanwhile the older text is told
    with one_line(KEY, make, f"{name} cannot be imported"):
        found: Any = importlib.import_module(name)
    for part in attribute.split("."):
        there = [word for word in vars(found) if not word.startswith("_") and callable(getattr(found, word))]
        must = f"{name} has no {attribute}; it has {', '.join(there) or 'nothing that can be called'}"
        require(hasattr(found, part), KEY, make, must)
        found = getattr(found, part)
    require(callable(found), KEY, make, f"{attribute} is a {type(found).__name__}, not a function that makes a module")
    made: Callable[..., Any] = found
    return made


@functools.cache
def sources(make: str) -> tuple[tuple[str, str], ...]:
    """The files that take part: (module, SHA-256) pairs, sorted by module.

    These are the function's module, and all that it and they import from the folder that its package lies in, as far as
    the import is written out. Of an installed package it is that package alone. They are read once a process, as Python
    imports them once.

    Raises:
        InvalidError: the function's own file cannot be found or read.
    """
    look_here()
    OwnModule(make=make)  # a place that can be one
    name = make.partition(":")[0]
    root, installed = _root(make, name.partition(".")[0])
    found: dict[str, str] = {}
    waiting = [name]
    while waiting:
        module = waiting.pop()
        top = module.partition(".")[0]
        path = _file(root, module)
        foreign = (top in SUITE and module != name) or (installed and top != name.partition(".")[0])
        if module in found or path is None or foreign:
            continue
        try:
            content = path.read_bytes()
            tree = ast.parse(content)
        except (OSError, SyntaxError, ValueError) as problem:
            raise InvalidError(KEY, make, f"the source of {module} cannot be read: {_first_line(problem)}") from problem
        found[module] = hashlib.sha256(content).hexdigest()
        waiting += [*_imported(tree, module, path.stem == "__init__"), *_packages(module)]
    require(name in found, KEY, make, f"{name} has no Python file that could be read{not_its_file(make)}")
    return tuple(sorted(found.items()))


@contextlib.contextmanager
def one_line(key: str, value: object, what: str) -> Iterator[None]:
    """Turn whatever the user's code raises, or its exit, into one line; what it prints goes to standard error.

    Args:
        key, value: what the line names. what: fails; behind it stands what was raised, and where in the user's file.
    """
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except (InvalidError, KeyboardInterrupt):
        raise
    except (Exception, SystemExit) as problem:
        raise InvalidError(key, value, f"{what}: {said(problem, str(value))}") from problem


def said(problem: BaseException, make: str) -> str:
    """What the user's code raised, in one line: its kind, the first line of its text, and where in the user's file."""
    if isinstance(problem, InvalidError):  # says it already
        return problem.valid
    files = [frame for frame in traceback.extract_tb(problem.__traceback__) if _users(frame.filename, make)]
    where = f" ({Path(files[-1].filename).name}:{files[-1].lineno})" if files else ""
    return f"{type(problem).__name__}: {_first_line(problem)}{where}"


def _users(file: str, make: str) -> bool:
    """Whether a file is the user's: of the package that is named, or of no installed one, and not the suite's."""
    top = make.partition(":")[0].partition(".")[0]
    path = Path(file).absolute()
    around = [folder for folder in path.parents if folder.name in ("site-packages", "dist-packages")]
    for folder in (*around, *_installed()):  # packages may lie in another environment's folder
        if path.is_relative_to(folder):
            return path.relative_to(folder).parts[0].removesuffix(".py") == top
    return path.is_file() and not any(path.is_relative_to(folder) for folder in _SUITE_FOLDERS)


def _first_line(problem: BaseException) -> str:
    return next((line.strip() for line in str(problem).splitlines() if line.strip()), "")


def look_here() -> None:
    """Let modules be found where the user has them; processes that are started inherit it."""
    here, *others = map(str, _places())
    if here not in sys.path and "" not in sys.path:  # as `python -m` does
        sys.path.insert(0, here)
    sys.path += [place for place in others if place not in sys.path]


def _places() -> tuple[Path, ...]:
    """The current folder, and the one that `CNNLAB_EXTRA` names. Raises ExtraError if there is none."""
    named = extra_folder()
    return (Path.cwd(), *([] if named is None else [named]))


def _root(make: str, top: str) -> tuple[Path, bool]:
    """The folder that a package or module lies in, and whether it is one of installed packages."""
    with one_line(KEY, make, f"{top} cannot be found"):
        spec = importlib.util.find_spec(top)
    if spec is None:
        places = " or ".join(map(str, _places()))
        raise InvalidError(KEY, make, f"there is no module {top} in {places}, nor among installed packages")
    inside = list(spec.submodule_search_locations or ())
    place = inside[0] if inside else spec.origin or ""
    root = Path(place).absolute().parent
    return root, root in _installed()


def _installed() -> set[Path]:
    """Folders of installed packages and of Python itself."""
    names = ("purelib", "platlib", "stdlib", "platstdlib")
    return {Path(sysconfig.get_path(name)).absolute() for name in names}


def _file(root: Path, module: str) -> Path | None:
    """The file of a module below the root; None if it lies elsewhere, or is none of Python."""
    stem = root.joinpath(*module.split("."))
    return next((path for path in (stem / "__init__.py", stem.with_name(f"{stem.name}.py")) if path.is_file()), None)


def _packages(module: str) -> list[str]:
    """The packages around a module, which are imported before it."""
    parts = module.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts))]


def _imported(tree: ast.Module, module: str, is_package: bool) -> Iterator[str]:
    """Names of what a module imports anywhere in its text; some of them may be no modules."""
    parts = module.split(".")
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            up = node.level - is_package
            before = parts[: len(parts) - up] if node.level else []
            base = ".".join([*before, *([node.module] if node.module else [])])
            if base:
                yield base
                yield from (f"{base}.{alias.name}" for alias in node.names)
            else:  # from . import x, at the top
                yield from (alias.name for alias in node.names)
