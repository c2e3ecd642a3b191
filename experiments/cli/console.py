"""The console of every command: as wide as the terminal, or wide enough for tables in a log."""

import sys
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

LOG_WIDTH = 160


def terminal(file: TextIO | None = None) -> Console:
    """A console for tables and progress, on standard output by default. It prints brackets as they are: no markup."""
    console = Console(highlight=False, markup=False, file=file)
    return console if console.is_terminal else Console(highlight=False, markup=False, width=LOG_WIDTH, file=file)


def progress_bar(console: Console, unit: str) -> Progress:
    """A bar with a label, counts of a unit, time so far and time left; on a terminal alone, gone at the end."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(f"{unit},"),
        TimeElapsedColumn(),
        TextColumn("so far,"),
        TimeRemainingColumn(),
        TextColumn("left"),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )


def tracked(files: Sequence[Any]) -> Iterable[Any]:
    """Pass files on, with a bar on standard error while they are read."""
    with progress_bar(terminal(sys.stderr), "files") as bar:
        task = bar.add_task("reading", total=len(files))
        for file in files:
            yield file
            bar.advance(task)
