"""What a command line or a sweep's file may tell Hydra itself: nothing that makes it import or call something.

Hydra instantiates each `hydra.*._target_`, a logging config calls what it names, `hydra.job.env_set` reaches into
every library, and one flag loads a pickle. All of that comes from `conf/hydra` and from installed launchers, chosen by
name (`hydra/launcher=...`), and from nowhere else.
"""

import functools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydra import compose
from omegaconf import DictConfig, OmegaConf

from experiments.cli.errors import UsageError
from experiments.config import files

QUESTIONS = ("--help", "-h", "--cfg", "-c", "--info", "-i")
WITH_VALUE = {
    **dict.fromkeys(("--cfg", "-c"), ("job", "hydra", "all")),
    **dict.fromkeys(("--info", "-i"), ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")),
}
MULTIRUN = ("--multirun", "-m")
VERBOSE = "--verbose"
FLAGS = (*QUESTIONS, *MULTIRUN, "--resolve", VERBOSE)
AS_MULTIRUN = "hydra.mode=MULTIRUN"

FREE = ("mode", "overrides")
"""Keys of `hydra` that differ from one command line to the next and start nothing."""
FREE_INSIDE = {"runtime": ("choices", "config_sources", "cwd"), "job": ("override_dirname",), "sweeper": ("params",)}
"""The same, of keys in a section of `hydra`."""
SET = ("hydra.mode", "hydra/launcher", "hydra.launcher.")
"""What of `hydra` a command line may set: all else would do nothing here, or too much."""
CHOSEN = ("launcher", "sweeper")
"""Keys of `hydra` whose values may be set, but not what they are."""


@dataclass(frozen=True, kw_only=True)
class CommandLine:
    """A command line, sorted: its overrides, and what it asks Hydra.

    Attributes:
        question: flags and their values, such as `--cfg job`; empty if the command line runs something.
        verbose: whether the end of a run prints every table.
    """

    overrides: tuple[str, ...]
    question: tuple[str, ...]
    verbose: bool = False


def parse(arguments: Sequence[str]) -> CommandLine:
    """Sort a command line; flags may stand anywhere among the overrides.

    Raises:
        UsageError: a flag lacks its value or its question, or is none of ours: Hydra's others read configs, or pickles,
            from elsewhere.
    """
    left, overrides, flags = list(arguments), list[str](), list[str]()
    while left:
        word = left.pop(0)
        name, equals, value = word.partition("=")
        if not word.startswith("-"):
            overrides.append(word)
        elif name not in FLAGS:
            raise UsageError(
                f"{word} is not valid: choose --help, --version, --verbose, --cfg job, "
                "--info defaults, --resolve or --multirun"
            )
        elif equals and name not in WITH_VALUE:
            raise UsageError(f"{word} is not valid: it takes no value, choose {name}")
        elif name in WITH_VALUE and name in flags:
            raise UsageError(f"{name} is given twice: choose one")
        elif name in WITH_VALUE:
            value = value if equals else (left.pop(0) if left else "")
            if value not in WITH_VALUE[name]:
                raise UsageError(
                    f"{name} {value} is not valid: choose {name} with one of {', '.join(WITH_VALUE[name])}"
                )
            flags += [name, value]
        elif name in MULTIRUN:
            overrides.append(AS_MULTIRUN)
        elif name != VERBOSE:
            flags.append(name)
    question = tuple(flags) if set(flags) & set(QUESTIONS) else ()
    if flags and not question:
        raise UsageError(f"{flags[0]} is not valid by itself: it has --cfg job print values; give both")
    return CommandLine(overrides=tuple(overrides), question=question, verbose=VERBOSE in arguments)


def check_choice(group: str, choice: str) -> None:
    """Raise UsageError unless files of a group are chosen by their names, and a sweep's file is one of a sweep."""
    if not files.is_group(group):
        return
    if not re.fullmatch(r"[\w\s,()*'\"\[\]=-]*", choice):
        raise UsageError(f"{group}={choice} is not valid: a file is chosen by its name alone")
    path = files.named(group).get(choice) if group == "sweep" else None
    if path is not None:
        files.sweep_section(path)


def check_word(key: str) -> None:
    """Raise UsageError for a key of Hydra that a command line may not set."""
    if key.startswith("hydra") and not (key in SET or key.startswith(tuple(one for one in SET if one.endswith(".")))):
        raise UsageError(
            f"{key} is not valid: of Hydra's keys hydra/launcher is chosen, and hydra.launcher.KEY and hydra.mode are "
            "set; all others are those of conf/hydra"
        )


def check_hydra(base: DictConfig, words: Iterable[str]) -> None:
    """Raise UsageError if a composed config has Hydra run anything but what the files in `conf/hydra` say.

    Args:
        base: composed from the words, with its `hydra` node.
    """
    said = _plain(base)
    meant = _meant(tuple(word for word in words if word.lstrip("+").startswith("hydra/")))
    for key in {*said, *meant} - {*FREE, *FREE_INSIDE, *CHOSEN}:
        _require(f"hydra.{key}", _at(said, key) == _at(meant, key))
    for key in CHOSEN:
        _require(f"hydra.{key}._target_", dict(_targets(_at(said, key))) == dict(_targets(_at(meant, key))))
    for key in FREE_INSIDE:
        for inner in sorted({*said[key], *meant[key]} - {*FREE_INSIDE[key]}):
            _require(f"hydra.{key}.{inner}", _at(said[key], inner) == _at(meant[key], inner))


def _require(key: str, holds: bool) -> None:
    if not holds:
        raise UsageError(f"{key} is not valid: it is set in files of conf/hydra, and chosen by name, hydra/GROUP=NAME")


@functools.lru_cache(maxsize=8)
def _meant(choices: tuple[str, ...]) -> dict[str, Any]:
    """The `hydra` node as the files in `conf/hydra` and the installed launchers have it."""
    return _plain(compose("config", list(choices), return_hydra_config=True))


def _plain(cfg: DictConfig) -> dict[str, Any]:
    """The `hydra` node, unresolved."""
    content: Any = OmegaConf.to_container(cfg.hydra, resolve=False)
    return {str(key): value for key, value in content.items()}


def _at(content: Mapping[str, Any], key: str) -> Any:
    return content[key] if key in content else None


def _targets(value: Any, where: str = "") -> Iterator[tuple[str, Any]]:
    """Every `_target_` in a tree, by its path."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "_target_":
                yield where, item
            yield from _targets(item, f"{where}.{key}")
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from _targets(item, f"{where}[{place}]")
