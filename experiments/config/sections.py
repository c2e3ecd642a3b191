"""Configs of many jobs from few compositions: the files of tasks and of checks are put into a config without them.

Hydra takes a tenth of a second to compose, and a sweep has a choice of files for every pair of task and check. As long
as a file of `data` or `check` fills its own section alone, and no other file writes into that section, the section can
be put into a config that was composed without it. Both are looked at here, since anybody may write such a file; where
it is otherwise, Hydra composes every choice.
"""

import copy
import functools
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from hydra import compose
from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from experiments.config import files, schema

BLANK = "blank_schema"
"""A file, so to speak, of either group that says nothing: what stands there afterwards came from elsewhere."""
BLANKS: Mapping[str, dict[str, Any]] = {
    "data": {"blank": True},
    "check": {"name": "blank", "model": {"blank": True}, "train": {"blank": True}},
}
SCHEMAS = {"data": schema.DataConfig, "check": schema.CheckConfig}

_seen: list[files.Stamp] = []


def register() -> None:
    """Hand the blank sections to Hydra."""
    for group, content in BLANKS.items():
        ConfigStore.instance().store(group=group, name=BLANK, node=content)


def forget_changed(folders: Iterable[Path]) -> None:
    """Forget all that was composed if a file of configuration has changed since, or other folders are meant."""
    now = files.stamp(folders)
    if _seen != [now]:
        _seen[:] = [now]
        for known in (composed_files, _frame, _section):
            known.cache_clear()


@functools.lru_cache(maxsize=128)
def composed_files(conf: Path, choices: tuple[str, ...]) -> DictConfig:
    """The config that a choice of files means, such as ("+sweep=pool_position", "data=vernier"), without `hydra`.

    Shared by all who ask: copy it before you change it. Raises what Hydra raises.
    """
    chosen = {group: word for group in BLANKS if (word := _only(group, choices))}
    sections = {group: _section(conf / group, word.partition("=")[2]) for group, word in chosen.items()}
    frame = None
    if chosen and None not in sections.values():
        frame = _frame(tuple(word for word in choices if word not in chosen.values()), tuple(chosen))
    if frame is None:
        return compose("config", list(choices))
    made = copy.deepcopy(frame)
    for group, section in sections.items():
        made[group] = section
    return made


def _only(group: str, choices: tuple[str, ...]) -> str:
    """The one word that chooses a group's file by its name alone; empty if there is none, or another."""
    words = [word for word in choices if word.lstrip("+~").partition("=")[0].partition("@")[0] == group]
    return words[0] if len(words) == 1 and re.fullmatch(rf"{group}=\w+", words[0]) else ""


@functools.lru_cache(maxsize=16)
def _frame(others: tuple[str, ...], groups: tuple[str, ...]) -> DictConfig | None:
    """The config around blank sections; None where a file writes into one of these sections from elsewhere."""
    frame = compose("config", [*others, *(f"{group}={BLANK}" for group in groups)])
    content: Any = OmegaConf.to_container(frame, resolve=False)
    return frame if all(content[group] == BLANKS[group] for group in groups) else None


@functools.lru_cache(maxsize=128)
def _section(folder: Path, name: str) -> DictConfig | None:
    """What a file of a group says, with those that it builds on; None where Hydra has to be asked."""
    if name == f"{folder.name}_schema":
        typed: DictConfig = OmegaConf.structured(SCHEMAS[folder.name])
        return typed
    try:
        text = (folder / f"{name}.yaml").read_text(encoding="utf-8")
        content: Any = OmegaConf.create(text)
        below, last = content.pop("defaults")
        if "@" in text or last != "_self_" or not re.fullmatch(r"\w+", below):
            return None
        base = _section(folder, below)
        return None if base is None else DictConfig(OmegaConf.merge(base, content))
    except (OSError, KeyError, TypeError, ValueError, AttributeError, YAMLError, OmegaConfBaseException):
        return None
