"""The files of the configuration: those of `conf/`, and those that users add beside it (`cnnlab.rooms`)."""

from collections.abc import Iterable
from pathlib import Path

from omegaconf import OmegaConf

from cnnlab.rooms import ExtraError, extras
from experiments import paths

Stamp = frozenset[tuple[Path, int, int]]
"""Files, when each was last changed, and its size in bytes."""
SEARCHPATH = "extra_conf"
"""The resolver by which `conf/config.yaml` tells Hydra of the folders that are added."""


def added() -> tuple[Path, ...]:
    """The folders that are laid out like `conf/` and add to it."""
    return tuple(extra.folder for extra in extras("conf", announced_as="sweeps"))


def folders() -> tuple[Path, ...]:
    """All folders of configuration, the suite's own first."""
    return (paths.CONF, *added())


def is_group(group: str) -> bool:
    """Whether files of this name are chosen, such as `data` or `hydra/launcher`."""
    return any((folder / group).is_dir() for folder in folders())


def named(group: str) -> dict[str, Path]:
    """The files of a group by the names that choose them, in alphabetical order."""
    found = {path.stem: path for folder in folders() for path in (folder / group).glob("*.yaml")}
    return dict(sorted(found.items()))


def stamp(within: Iterable[Path]) -> Stamp:
    """What tells whether a file of these folders has changed."""
    paths = (path for folder in within for path in folder.rglob("*.yaml"))
    return frozenset((path, (at := path.stat()).st_mtime_ns, at.st_size) for path in paths)


def check_added() -> None:
    """Raise ExtraError if a file that is added has the place of another."""
    there: dict[Path, Path] = {}
    for folder in folders() if added() else ():
        for path in sorted(folder.rglob("*.yaml")):
            place = path.relative_to(folder)
            if place in there:
                raise ExtraError(path, f"the name is taken by {there[place]}: rename the file")
            there[place] = path


def register() -> None:
    """Let `conf/config.yaml` ask for the folders that are added; must be called before anything is composed."""
    OmegaConf.register_new_resolver(SEARCHPATH, lambda: [f"file://{folder}" for folder in added()], replace=True)
