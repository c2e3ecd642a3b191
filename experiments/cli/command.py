"""How every command begins and ends: its parser, its exit codes, and one line for an error that a user can mend."""

import argparse
import enum
import functools
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, ParamSpec

from cnnlab import jax_environment, rooms
from experiments.cli import signals, version
from experiments.cli.errors import USER_ERRORS, UsageError, format_error
from experiments.cli.help_text import HelpFormatter
from experiments.cli.words import check_once

P = ParamSpec("P")


BEGINS = "python -m experiments."


class ExitCode(enum.IntEnum):
    """What a command returns to the shell: 0 only where it did what it said."""

    DONE = 0
    FAILED = 1
    USAGE = 2


class StoreOnce(argparse._StoreAction):
    """Keeps the value of an option; twice the same option is a mistake, since only the last value would count."""

    given = False

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: str | None = None
    ) -> None:
        """Keep a value."""
        if option is not None and self.given:
            parser.error(f"{option} is given twice: leave one out")
        self.given = option is not None
        super().__call__(parser, namespace, values, option)


class Parser(argparse.ArgumentParser):
    """Tells a wrong argument in one line, as every other error, instead of repeating the usage."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.register("action", None, StoreOnce)
        self.register("action", "store", StoreOnce)

    def error(self, message: str) -> NoReturn:
        """Raise UsageError."""
        raise UsageError(f"{message}; see --help")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """Raise Answered: the help or the version is printed."""
        raise signals.Answered(status)


def parser(name: str, description: str, examples: str = "") -> Parser:
    """The parser of `python -m experiments.<name>`, or `cnnlab <name>`, with a help text that keeps its lines."""
    made = Parser(
        prog=f"{begins()}{name}",
        description=description.replace(BEGINS, begins()),
        epilog=examples.replace(BEGINS, begins()),
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument(version.FLAG, action="version", version=version.line(), help="print the version and end")
    return made


def advised(door: str, *words: str) -> str:
    """A command to be pasted: with the folder of own files, if one is named, since it would not find them without."""
    named = os.environ.get(rooms.VARIABLE)
    return f"{f'{rooms.VARIABLE}={shlex.quote(named)} ' if named else ''}{begins()}{door} {shlex.join(words)}"


def begins() -> str:
    """How a door is called: `cnnlab ` where this process is the console script, else `python -m experiments.`."""
    return "cnnlab " if Path("".join(sys.orig_argv[1:2])).name == "cnnlab" else BEGINS


def command(main: Callable[P, int], *, once: bool = True) -> Callable[P, int]:
    """A command's `main`, with one line on standard error and an exit code for what a user or a disk did wrong.

    Args:
        once: whether a key that is given twice is a mistake; not where several arms are named side by side.
    """

    @functools.wraps(main)
    def guarded(*args: P.args, **named: P.kwargs) -> int:
        try:
            check_surroundings()
            if once:
                check_once(sys.argv[1:])
            os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra would print what is raised within it, and end the process
            os.environ["MPLBACKEND"] = "agg"  # figures are files; a notebook names a backend that may not be here
            return main(*args, **named)
        except USER_ERRORS as error:
            print(format_error(error), file=sys.stderr)
            return ExitCode.USAGE
        except BrokenPipeError:
            if not signals.reader_gone():
                raise
            signals.silence()
            return ExitCode.FAILED
        except OSError as error:
            print(f"error: {signals.disk_error(error)}", file=sys.stderr)
            return ExitCode.FAILED

    return guarded


def check_surroundings() -> None:
    """Look at what every command depends on, before it begins: its folder, and the variables that JAX reads.

    Raises:
        UsageError, InvalidError: the working directory is gone, a variable would change numbers, or `CNNLAB_EXTRA`
            names no folder.
    """
    try:
        Path.cwd()
    except OSError as problem:
        raise UsageError(f"the working directory cannot be used ({problem.strerror}): change to another") from problem
    jax_environment.check()
    rooms.extra_folder()
