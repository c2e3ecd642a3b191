"""The files of the configuration: those of `conf/`, and those that users add beside it (`cnnlab.rooms`)."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf
from yaml import YAMLError

from cnnlab.rooms import ExtraError, extras
from experiments import paths
from experiments.cli.errors import UsageError

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


def sweep_section(path: Path) -> dict[str, Any]:
    """The section `sweep` of a sweep's file, as it is written. Raises UsageError, naming the file, if it is wrong."""
    try:
        text = path.read_text(encoding="utf-8")
        content = yaml.safe_load(text)
    except (YAMLError, UnicodeDecodeError, OSError, RecursionError) as problem:
        raise UsageError(f"{path} is no YAML: {' '.join(str(problem).split())}") from problem
    if text.startswith(
        "\N{ZERO WIDTH NO-BREAK SPACE}"
    ):  # Hydra would not see the first line, which says where it belongs
        raise UsageError(f"{path} begins with a byte-order mark: save it as UTF-8 without one")
    section = content["sweep"] if isinstance(content, dict) and "sweep" in content else None
    if not isinstance(section, dict):
        raise UsageError(f"{path} is no file of a sweep: it has no section sweep:")
    if not re.search(r"^#\s*@package\s+_global_\s*$", text, re.MULTILINE):
        raise UsageError(f"{path} must begin with the line # @package _global_")
    if not isinstance(content.get("hydra", {}), dict):
        raise UsageError(f"{path} is no file of a sweep: hydra: must hold mode and sweeper")
    for key in ("levels", "tasks", "matches"):
        given = section[key] if key in section and isinstance(section[key], dict) else {}
        for scale, value in given.items():
            if isinstance(value, (list, dict)):
                raise UsageError(
                    f'{path}: sweep.{key}.{scale} must be a text, its parts parted by commas, such as "3,5"'
                )
    return section


def check_added() -> None:
    """Raise ExtraError if a file that is added cannot be read as one, or has the place of another."""
    there: dict[Path, Path] = {}
    for folder in folders() if added() else ():
        for path in sorted(folder.rglob("*.yaml")):
            if not path.is_file():
                raise ExtraError(path, "is no file, or a link to nothing: rename it or take it away")
            place = path.relative_to(folder)
            if place in there:
                raise ExtraError(path, f"the name is taken by {there[place]}: rename the file")
            there[place] = path


def register() -> None:
    """Let `conf/config.yaml` ask for the folders that are added; must be called before anything is composed."""
    OmegaConf.register_new_resolver(SEARCHPATH, lambda: [f"file://{folder}" for folder in added()], replace=True)
