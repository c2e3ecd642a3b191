"""The list of tasks: every module in `cnnlab.data.tasks` is a task of that name."""

import importlib
import pkgutil
from types import ModuleType

from cnnlab.data import tasks


def names() -> tuple[str, ...]:
    """List the tasks that are modules of this suite; every other name is looked for in TFDS."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(tasks.__path__)))


def family(name: str) -> ModuleType | None:
    """Import the module that serves the task of that name; None if there is none."""
    return importlib.import_module(f"{tasks.__name__}.{name}") if name in names() else None
