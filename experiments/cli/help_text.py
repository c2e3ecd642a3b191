"""Help texts in a narrow terminal: their lines are broken between words, and a command keeps its comment below it."""

import argparse
import re
import textwrap
from collections.abc import Iterator

PAIR = re.compile(r"( *)(\S.*?) {2,}(\S.*)")
"""A line of two columns: a command, and what it does."""
DEEPER = "    "


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Keeps the lines of descriptions and examples where the terminal is wide enough for them."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return super()._fill_text(rewrapped(text, width), width, indent)


def rewrapped(text: str, width: int) -> str:
    """A text whose lines are at most `width` columns wide; as it is where they are. Commands are never broken."""
    if all(len(line) <= width for line in text.splitlines()):
        return text
    return "\n".join(line for part in _paragraphs(text) for line in _lines(part, width))


def _paragraphs(text: str) -> Iterator[str]:
    """Lines of running text joined up to one that ends a sentence or leads a list; every other line alone."""
    running = ""
    for line in text.splitlines():
        if not line or line.startswith(" ") or PAIR.fullmatch(line):
            yield from filter(None, (running, line or " "))
            running = ""
            continue
        running = f"{running} {line}".strip()
        if line.endswith((".", ":")):
            yield running
            running = ""
    yield from filter(None, (running,))


def _lines(part: str, width: int) -> list[str]:
    if len(part) <= width:
        return [part.rstrip()]
    found = PAIR.fullmatch(part)
    if found is None:
        blank = DEEPER[: len(part) - len(part.lstrip())]
        return textwrap.wrap(part, width, subsequent_indent=blank, break_long_words=False, break_on_hyphens=False)
    blank, command, does = found.groups()
    return [
        f"{blank}{command}",
        *textwrap.wrap(does, width, initial_indent=blank + DEEPER, subsequent_indent=blank + DEEPER),
    ]
