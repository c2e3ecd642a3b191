"""The console of every command: as wide as the terminal, or wide enough for tables in a log."""

from typing import TextIO

from rich.console import Console

LOG_WIDTH = 160


def terminal(file: TextIO | None = None) -> Console:
    """A console for tables and progress, on standard output by default. It prints brackets as they are: no markup."""
    console = Console(highlight=False, markup=False, file=file)
    return console if console.is_terminal else Console(highlight=False, markup=False, width=LOG_WIDTH, file=file)
