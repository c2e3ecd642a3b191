"""What `--help` says of every key: type, range or choices, default and meaning, read from where each is declared."""

import dataclasses
import inspect
import re
import shutil
import string
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from cnnlab.spec.ranges import TYPES, Between, Declared, declared
from experiments.cli.help_text import rewrapped
from experiments.config import schema
from experiments.config.errors import SECTIONS

WIDTH = 120
"""Columns at most, however wide the terminal."""


def help_text(cfg: DictConfig, conf: Path) -> str:
    """The answer to `--help`: the template of conf/hydra/help, with the choices and the keys in their places.

    Args:
        cfg: composed from the command line, with its `hydra` node: defaults are those of what it chooses.
        conf: the folder of the files.
    """
    template = string.Template(str(cfg.hydra.help.template))
    parts = {"CHOICES": "\n".join(_choices(conf)), "KEYS": "\n".join(_keys(cfg))}
    return string.Template(rewrapped(template.template, _width())).substitute(parts)


def _width() -> int:
    return min(shutil.get_terminal_size((WIDTH, 24)).columns, WIDTH)


def _choices(conf: Path) -> Iterator[str]:
    """The files of every group, a paragraph each."""
    for folder in sorted(path for path in conf.iterdir() if path.is_dir() and path.name != "hydra"):
        names = ", ".join(sorted(path.stem for path in folder.glob("*.yaml")))
        yield textwrap.fill(f"{folder.name}: {names}", _width(), initial_indent="  ", subsequent_indent="    ")


def _keys(cfg: DictConfig) -> Iterator[str]:
    """A paragraph a key, by section."""
    for section, kind in _sections(cfg):
        node: Any = cfg if not section else OmegaConf.select(cfg, section)
        content: Any = {} if node is None else OmegaConf.to_container(node, resolve=False)
        said = meanings(kind)
        for name, one in declared(kind).items():
            if not section and name in (*SECTIONS, "sweep"):
                continue
            default = "" if name not in content else f"; default {_shown(content[name])}"
            meaning = f": {said[name]}" if name in said else ""
            key = f"{section}.{name}" if section else name
            whose = f" ({kind.__name__.lower()})" if section == "hydra.launcher" else ""
            line = f"{key}{whose}  {described(one)}{default}{meaning}"
            yield textwrap.fill(line, _width(), initial_indent="  ", subsequent_indent="      ")


def _sections(cfg: DictConfig) -> Iterator[tuple[str, type]]:
    """The root, and every section with the class of what it holds: of a model, the one that is chosen."""
    yield "", schema.Root
    for section, kinds in SECTIONS.items():
        chosen = OmegaConf.get_type(cfg[section]) if section in cfg and cfg[section] is not None else None
        yield from ((section, kind) for kind in ((chosen,) if chosen in kinds else kinds))


def described(one: Declared) -> str:
    """A declaration in words, such as `whole number, 1 to 100`."""
    word = TYPES[one.type][1].removeprefix("a ") if one.type in TYPES else "any"
    if one.limit is not None:
        word = f"{word}, {one.limit}" if isinstance(one.limit, Between) else f"one of {one.limit}"
    if one.many or one.named:
        word = f"{'list' if one.many else 'mapping'} of ({word})"
    return f"{word} or null" if one.empty else word


def meanings(kind: type) -> dict[str, str]:
    """What the docstring of a class says of its fields, by name; several may share an entry."""
    found: dict[str, str] = {}
    names: list[str] = []
    inside = False
    for line in inspect.cleandoc(kind.__doc__ or "").splitlines():
        if line and not line.startswith(" "):
            inside = line.strip() == "Attributes:"
        elif inside and (entry := re.match(r"    (\w+(?:, \w+)*): (.*)", line)):
            names = entry[1].split(", ")
            found |= dict.fromkeys(names, entry[2])
        elif inside and line.strip():
            found |= {name: f"{found[name]} {line.strip()}" for name in names}
    known = {item.name for item in dataclasses.fields(kind)}
    return {name: text.replace("`", "").rstrip(".") for name, text in found.items() if name in known}


def _shown(value: Any) -> str:
    """A default as one would type it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return "''" if value == "" else str(value).replace(" ", "") if isinstance(value, list) else str(value)
