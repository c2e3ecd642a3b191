"""Rooms: packages whose files are found by their path, and the folders outside the checkout that add files to them.

What a user adds lies in `CNNLAB_EXTRA=DIR`, laid out like the suite (`DIR/tasks/mine.py`), or in an installed package
that announces it as an entry point (`cnnlab.tasks`). Both are code that the user names, and run as the suite's own.
"""

import contextlib
import functools
import importlib
import importlib.metadata
import importlib.util
import os
import pkgutil
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from cnnlab.files import is_folder
from cnnlab.spec.invalid import InvalidError

VARIABLE = "CNNLAB_EXTRA"
FOLDERS = ("claims", "figures", "metrics", "probes", "statistics", "tasks", "views")
GROUPS = ("data", "model", "sweep", "train")
"""The folders in `CNNLAB_EXTRA`, and those in its `conf`."""


class ExtraError(InvalidError):
    """What a user added cannot be used; the one line says which file, and why."""

    def __init__(self, where: object, why: str) -> None:
        super().__init__(VARIABLE, where, why)
        self.args = (f"{where}: {why}",)

    def __reduce__(self) -> tuple[type["ExtraError"], tuple[object, ...]]:
        """Survive the way from a worker process to its parent."""
        return ExtraError, (self.value, self.valid)


@dataclass(frozen=True, kw_only=True)
class Extra:
    """A folder that adds to a room. `source` names who added it: the variable, or the package that announces it."""

    source: str
    folder: Path


def extra_folder() -> Path | None:
    """The folder that `CNNLAB_EXTRA` names; None where it is not set. Raises ExtraError if there is none."""
    named = os.environ.get(VARIABLE)
    if not named:
        return None
    folder = Path(named).expanduser().absolute()
    if not is_folder(folder):
        raise ExtraError(f"{VARIABLE}={named}", "there is no such folder")
    _check_places(folder)
    return folder


@functools.cache
def _check_places(folder: Path) -> None:
    """Raise ExtraError for what nobody would find: a folder or an ending that is not quite called so."""
    for path in sorted(folder.glob("*/")):
        if f"{path.name}s" in FOLDERS:
            raise ExtraError(path, f"is looked for as {path.name}s: rename it")
    for path in sorted(folder.glob("conf/*/")):
        if path.name.removesuffix("s") in GROUPS and path.name not in GROUPS:
            raise ExtraError(path, f"is looked for as conf/{path.name.removesuffix('s')}: rename it")
    for path in sorted(folder.glob("conf/*/**/*.yml")):
        raise ExtraError(path, "must end in .yaml: rename it")
    for path in python_files(folder / "claims"):
        raise ExtraError(path, f"must lie in the folder of a family, such as claims/own/{path.name}")


def extras(folder: str, announced_as: str = "") -> tuple[Extra, ...]:
    """The folders of one name that add to the suite: of `CNNLAB_EXTRA`, then of installed packages.

    Args:
        folder: its name in `CNNLAB_EXTRA`, and after `cnnlab.` of its entry points unless `announced_as` differs.

    Raises:
        ExtraError: `CNNLAB_EXTRA` is no folder, or an entry point names no package.
    """
    named = extra_folder()
    own = [] if named is None else [Extra(source=VARIABLE, folder=named / folder)]
    group = f"cnnlab.{announced_as or folder}"
    packages = [Extra(source=point.name, folder=_folder(point)) for point in entry_points(group)]
    return tuple(extra for extra in (*own, *packages) if extra.folder.is_dir())


def entry_points(group: str) -> tuple[importlib.metadata.EntryPoint, ...]:
    """What installed packages announce in a group."""
    return tuple(point for point in _announced(tuple(sys.path)) if point.group == group)


@functools.lru_cache(maxsize=4)
def _announced(path: tuple[str, ...]) -> tuple[importlib.metadata.EntryPoint, ...]:
    """All that is announced to this suite; read once a search path, since it takes a fifth of a second."""
    every = (point for package in importlib.metadata.distributions(path=list(path)) for point in package.entry_points)
    ours = {(point.group, point.name): point for point in every if point.group.startswith("cnnlab.")}
    return tuple(ours[key] for key in sorted(ours))


def _folder(point: importlib.metadata.EntryPoint) -> Path:
    try:
        spec = importlib.util.find_spec(point.module)
    except Exception as problem:  # code of the package above it
        raise ExtraError(f"entry point {point.name} of {point.group}", _said(problem)) from problem
    places = list(spec.submodule_search_locations or ()) if spec is not None else []
    if not places:
        raise ExtraError(f"entry point {point.name} of {point.group}", f"{point.module} is no package")
    return Path(places[0])


@dataclass(frozen=True, kw_only=True)
class Room:
    """A package whose every module is a part, by the module's name.

    Attributes:
        package: the suite's own. folder: of what is added, in `CNNLAB_EXTRA` and as an entry point.
        needs: what every module has to define. taken: names that stand for something else already.
    """

    package: str
    folder: str
    needs: tuple[str, ...]
    taken: tuple[str, ...] = ()

    def names(self) -> tuple[str, ...]:
        """All parts, in alphabetical order. Raises ExtraError where a name stands for two."""
        return tuple(sorted(self._places()))

    def added(self) -> tuple[str, ...]:
        """The parts from outside the checkout."""
        return tuple(name for name, path in self._places().items() if path is not None)

    def load(self, name: str) -> ModuleType:
        """Import a part. Raises ExtraError for one from outside that cannot be used, KeyError for one not there."""
        path = self._places()[name]
        if path is None:
            return importlib.import_module(f"{self.package}.{name}")
        return load_file(path, f"{self.package}.{name}", self.needs)

    @contextlib.contextmanager
    def telling(self, name: str) -> Iterator[None]:
        """Within, whatever a part from outside raises, or its exit, is an ExtraError that names its file."""
        try:
            yield
        except ExtraError:  # told already
            raise
        except (Exception, SystemExit) as problem:
            path = self._places()[name]
            if path is None:
                raise
            frames = [one for one in traceback.extract_tb(problem.__traceback__) if one.filename == str(path)]
            where = f"line {frames[-1].lineno}: " if frames else ""
            raise ExtraError(path, where + _said(problem)) from problem

    def values(self, name: str, function: Callable[[Any], Any], given: Any) -> dict[str, Any]:
        """What a part's function gives: values by name. Raises ExtraError, as `telling`, where it gives none."""
        with self.telling(name):
            found = function(given)
            if not isinstance(found, dict):
                raise TypeError(
                    f"{self.needs[0]} returned a {type(found).__name__}: must return a dict, values by name"
                )
            return found

    def folder_of(self, name: str) -> Path:
        """Where the files of a part lie."""
        path = self._places()[name]
        return Path(importlib.import_module(self.package).__path__[0]) if path is None else path.parent

    def check(self) -> None:
        """Import every part from outside the checkout. Raises ExtraError."""
        for name in self.added():
            self.load(name)

    def _places(self) -> dict[str, Path | None]:
        """Where each part from outside lies; None for the suite's own."""
        found: dict[str, Path | None] = dict.fromkeys(_modules(self.package))
        for extra in extras(self.folder):
            for path in python_files(extra.folder):
                if path.stem in found or path.stem in self.taken:
                    there = found.get(path.stem) or f"one of the suite's {self.folder}"
                    raise ExtraError(path, f"the name {path.stem} is taken by {there}: rename the file")
                found[path.stem] = path
        return found


@functools.cache
def _modules(package: str) -> tuple[str, ...]:
    """The modules of one of the suite's packages; looked for once, since rooms are asked thousands of times."""
    return tuple(one.name for one in pkgutil.iter_modules(importlib.import_module(package).__path__))


def python_files(folder: Path) -> tuple[Path, ...]:
    """The modules of a folder, without those whose names begin with an underscore."""
    return tuple(sorted(folder.glob("[!_.]*.py")))


def load_file(path: Path, name: str, needs: Sequence[str]) -> ModuleType:
    """Import a file from outside the checkout as the module of that name, once.

    Raises:
        ExtraError: one line with the file, what its import raised, or what it does not define.
    """
    module = sys.modules.get(name)
    if module is None or getattr(module, "__file__", None) != str(path):
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None or not path.is_file():
            raise ExtraError(path, "is no module of Python")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # before its code runs, as dataclasses ask for it
        try:
            spec.loader.exec_module(module)
        except (Exception, SystemExit) as problem:
            del sys.modules[name]
            raise ExtraError(path, _said(problem)) from problem
        for needed in needs:
            if not hasattr(module, needed):
                del sys.modules[name]
                raise ExtraError(path, f"has no {needed}")
    return module


def _said(problem: BaseException) -> str:
    """What an import raised, in one line."""
    if isinstance(problem, InvalidError):
        return str(problem)
    text = " ".join(str(problem).split())
    return f"{type(problem).__name__}: {text}" if text else type(problem).__name__
