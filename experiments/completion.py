"""What a shell offers after `cnnlab`: doors; keys and files of `run` as Hydra has them; options as argcomplete does."""

import argparse
import contextlib
import importlib
import os
import shlex

from hydra._internal.core_plugins.bash_completion import BashCompletion
from hydra.core.global_hydra import GlobalHydra

from experiments.cli.doors import doors
from experiments.cli.errors import UsageError
from experiments.config.grid import composing

HYDRA = ("run",)
"""Doors whose words Hydra completes; argparse has the options of the others."""


def answer(asked: str) -> None:
    """Print what Hydra's script for the shell asks for: itself (`install=bash`), or candidates (`query=bash`).

    Raises UsageError for anything else.
    """
    with composing():
        plugin = BashCompletion(GlobalHydra.instance().config_loader())
        if asked == "install=bash":
            plugin.install()
        elif asked == "uninstall=bash":
            plugin.uninstall()
        elif asked == "query=bash":
            print(" ".join(candidates(os.environ.get("COMP_LINE", ""), plugin)))
        else:
            raise UsageError(f"-sc {asked} is not valid: choose install=bash, uninstall=bash or query=bash")


def candidates(line: str, plugin: BashCompletion) -> list[str]:
    """What may stand in place of the last word of a line that begins with `cnnlab`."""
    words = line.split()
    if len(words) < 2 or (len(words) == 2 and not line.endswith(" ")):
        return [name for name in doors() if name.startswith("".join(words[1:]))]
    if words[1] in HYDRA:
        found: list[str] = plugin._query("config", line.split(maxsplit=2)[2] if len(words) > 2 else "")
        return found
    return _options(words[1], line) if words[1] in doors() else []


def _options(door: str, line: str) -> list[str]:
    """What argcomplete finds in a door's parser; nothing where it is not installed."""
    try:
        from argcomplete.finders import CompletionFinder
    except ImportError:
        return []
    words = shlex.split(line)[1:]
    prefix = "" if line.endswith(" ") else words.pop()
    finder = CompletionFinder(_parser(f"experiments.{door}"), always_complete_options="long")
    return [word.rstrip() for word in finder._get_completions(words, prefix, "", None)]


def _parser(door: str) -> argparse.ArgumentParser:
    """What a door's `command_line` makes, which stands in its module, or in one of its package."""
    for name in (door, f"{door}.__main__", f"{door}.main"):
        with contextlib.suppress(ModuleNotFoundError):
            module = importlib.import_module(name)
            if hasattr(module, "command_line"):
                made: argparse.ArgumentParser = module.command_line()
                return made
    raise LookupError(f"{door} has no command_line")
