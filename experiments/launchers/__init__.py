"""Where arms are trained other than in this command's own workers: one module a launcher, found by its name.

A file `conf/hydra/launcher/<name>.yaml` configures the class that `experiments/launchers/<name>.py` calls `LAUNCHER`.
"""

import dataclasses
import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from omegaconf import DictConfig, OmegaConf

from cnnlab.spec.invalid import require, require_choice
from cnnlab.spec.ranges import check

HERE = ("basic", "cores")
"""The launchers that mean the workers of this command: one a core, or one a GPU."""
REMOTE = tuple(sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py")))
"""The launchers that start a job an arm."""


class Launched(Protocol):
    """RemoteTrainer under way. How one ended is not asked here: records and failure notes on disk tell."""

    @property
    def title(self) -> str:
        """What was started, as a person finds it again."""

    def running(self) -> bool:
        """Whether any job may still end; asks the launcher, so not too often."""

    def log(self, place: int) -> Path:
        """The file that tells more about a job that left no record."""

    def end(self) -> None:
        """Stop what still runs, and let go."""


class Launcher(Protocol):
    """Starts jobs in other processes, on whatever machine."""

    cores: int
    gpus: int

    def require(self) -> None:
        """Raise InvalidError where this launcher cannot be used."""

    def launch(self, jobs: Sequence[Callable[[], None]], folder: Path) -> Launched:
        """Start every job (a picklable callable), and return at once.

        Args:
            folder: of the launcher's own files; every machine sees it.

        Raises:
            InvalidError: what was asked for is refused.
        """


def schemas() -> dict[str, type]:
    """The class of every launcher that starts jobs, by name."""
    return {name: importlib.import_module(f"{__name__}.{name}").LAUNCHER for name in REMOTE}


def chosen(name: str, content: DictConfig) -> Launcher | None:
    """The launcher of `hydra/launcher=<name>`, configured; None for this command's own workers. Raises InvalidError."""
    require_choice("hydra/launcher", name, sorted((*HERE, *REMOTE)))
    if name in HERE:
        return None
    known = [item.name for item in dataclasses.fields(schemas()[name])]
    keys = ", ".join(f"hydra.launcher.{key}" for key in known)
    for key, value in content.items():
        require(key in known, f"hydra.launcher.{key!s}", value, f"there is no such key: choose of {keys}")
    launcher: Launcher = OmegaConf.to_object(content)  # type: ignore[assignment]
    check(launcher, "hydra.launcher")
    return launcher
