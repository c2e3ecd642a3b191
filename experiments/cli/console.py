"""The console of every command: as wide as the terminal, or wide enough for tables in a log."""

import copy
import os
import textwrap
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, TextIO, TypeVar

from rich.console import Console, Group, RenderableType
from rich.measure import Measurement
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Column, Table
from rich.text import Text

LOG_WIDTH = 160
FAR = 100_000
"""Columns that hold any table."""
INDENT = "  "

T = TypeVar("T")


class Terminal(Console):
    """A console that loses no digit: a table that is wider than it becomes a list of records; a path stays whole."""

    def print(self, *objects: Any, **how: Any) -> None:
        """Print, as rich does; but text with a word that is wider is broken at blanks alone: a path can be copied."""
        if all(isinstance(one, str) for one in objects) and "soft_wrap" not in how:
            longest = max((len(word) for one in objects for word in one.split()), default=0)
            if longest > self.width:
                objects = tuple(
                    "\n".join(part for line in one.splitlines() for part in hung(line, self.width, "") or [""])
                    for one in objects
                )
                how = {**how, "soft_wrap": True}
        super().print(*(fitted(one, self) if isinstance(one, Table) else one for one in objects), **how)


def terminal(file: TextIO | None = None) -> Console:
    """A console for tables and progress, on standard output by default. It prints brackets as they are: no markup."""
    console = Terminal(highlight=False, markup=False, file=file)
    if console.is_terminal and console.file.isatty():
        return console
    # FORCE_COLOR, as notebooks and CI set it, asks for colours alone: rich would also redraw bars in a file
    forced = bool(os.environ.get("FORCE_COLOR", "")) and not os.environ.get("NO_COLOR", "")
    colours: Literal["standard"] | None = "standard" if forced else None
    return Terminal(
        highlight=False, markup=False, file=file, width=LOG_WIDTH, force_terminal=False, color_system=colours
    )


def fitted(table: Table, console: Console) -> Table | Group:
    """A table as it is where it fits, else a record a row: the first cell, and below it every other with its name."""
    wide = console.options.update(width=FAR, max_width=FAR)
    if table.title:  # rich would break it at the table's width
        bare, title = copy.copy(table), Text(str(table.title), style="italic")
        bare.title = None
        return Group(title, fitted(bare, console))
    if Measurement.get(console, wide, table).maximum <= console.width:
        return table
    names = [str(column.header).replace("\n", " ") for column in table.columns]
    rows = zip(*(column.cells for column in table.columns), strict=True)
    lines = list[RenderableType]()
    for row in rows:
        first, *others = (str(cell) for cell in row)
        if first:
            says = any(letter.isalpha() for letter in first)  # a bare number needs its column's name
            lines.append(Text(first if says else f"{names[0]} {first}".strip(), style="bold"))
        pairs = [f"{name} {cell}".strip() for name, cell in zip(names[1:], others, strict=True) if cell]
        indented = (0, 0, 0, len(INDENT))  # of every line, where one part takes several
        lines += [Padding(line, indented, expand=False) for line in filled(pairs, console.width - len(INDENT))]
    if table.caption:
        lines.append(Text(str(table.caption), style="italic"))
    return Group(*lines)


def filled(parts: Iterable[str], width: int) -> Iterator[str]:
    """Parts side by side, as many as a line takes; none is taken apart that fits a line of its own."""
    every = [*parts]
    commas = [*(f"{part}," for part in every[:-1]), *every[-1:]]  # a comma takes a column, too
    line = ""
    for part in commas:
        if line and len(line) + 1 + len(part) > width:
            yield line
            line = part
        else:
            line = f"{line} {part}" if line else part
    if line:
        yield line


def hung(text: str, width: int, hanging: str = INDENT) -> list[str]:
    """Lines of a text, broken at blanks alone and all but the first set in: an id, a number, a path stays whole."""
    return textwrap.wrap(text, width, subsequent_indent=hanging, break_long_words=False, break_on_hyphens=False)


def progress_bar(console: Console, unit: str) -> Progress:
    """A bar with a label, counts of a unit, time so far and time left; on a terminal alone, gone at the end."""

    def whole() -> Column:
        return Column(no_wrap=True)  # where there is little room, the bar alone gives way

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(table_column=whole()),
        TextColumn(f"{unit},"),
        TimeElapsedColumn(table_column=whole()),
        TextColumn("so far,"),
        TimeRemainingColumn(table_column=whole()),
        TextColumn("left"),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )


def each(items: Iterable[T], doing: str, unit: str, console: Console, name: Callable[[T], str] = str) -> Iterator[T]:
    """Items one by one, with a bar that says what is being done to which: "judging lin-collapse"."""
    every = tuple(items)
    with progress_bar(console, unit) as bar:
        task = bar.add_task(doing, total=len(every))
        for item in every:
            bar.update(task, description=f"{doing} {name(item)}")
            yield item
            bar.advance(task)
