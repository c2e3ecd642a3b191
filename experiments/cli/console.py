"""Where the doors print: as wide as the terminal, and wide enough for their tables in a log."""

from typing import TextIO

from rich.console import Console

LOG_WIDTH = 160


def terminal(file: TextIO | None = None) -> Console:
    """A console for tables and progress, on standard output unless told otherwise."""
    console = Console(highlight=False, file=file)
    return console if console.is_terminal else Console(highlight=False, width=LOG_WIDTH, file=file)
