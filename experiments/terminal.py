"""Where the doors print: as wide as the terminal, and wide enough for their tables in a log."""

from rich.console import Console

LOG_WIDTH = 160


def terminal() -> Console:
    """A console for tables and progress."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=LOG_WIDTH)
