"""What a terminal of any width shows: no digit is lost; and what every door says of its version."""

import importlib
import importlib.metadata
import io
import os
import re
import subprocess
import sys
from collections.abc import Callable

import pytest
from rich.table import Table
from rich.text import Text

from experiments import judge, run
from experiments.cli.console import FAR, LOG_WIDTH, Terminal, filled, hung, progress_bar, terminal
from experiments.cli.doors import doors
from experiments.cli.help_text import rewrapped
from experiments.paths import ROOT

from ..conftest import Door

DOORS = ("judge", "suite", "report", "cost", "tasks", "features", "publish", "replicate", "dashboard", "show")
COMMAND = re.compile(r" *(python -m|CNNLAB_|cnnlab|\w[\w.=+\[\]]* \||\.\.\.) ?")
PACKAGES = ("new.__main__", "geometry.__main__", "bench.main", "simulate.__main__", "checkerboard.__main__")


def wide_table(rows: int = 3) -> Table:
    table = Table(title="Arms", box=None, pad_edge=False)
    for name in ("layer", "output", "parameters", "multiply-accumulates", "activations"):
        table.add_column(name, no_wrap=True)
    for row in range(rows):
        table.add_row(f"conv{row}", "224x224x64", "1,792", f"86,704,12{row}", "3,211,264")
    return table


def printed(width: int, shown: Table, kind: Callable[..., Terminal] = Terminal) -> str:
    file = io.StringIO()
    kind(file=file, width=width, highlight=False, markup=False).print(shown)
    return file.getvalue()


def words(text: str) -> list[str]:
    """Words of a help text, whatever stands in how many columns or on which line."""
    return sorted(re.sub(r"[-\s]+", " ", text).split())


def numbers(text: str) -> list[str]:
    return re.findall(r"\d[\d,x]*\d", text)


@pytest.mark.parametrize("width", [40, 60, 80, 140])
def test_a_table_loses_no_digit_whatever_the_width(width: int) -> None:
    said, whole = printed(width, wide_table()), printed(500, wide_table())
    assert numbers(said) == numbers(whole)
    assert max(map(len, said.splitlines())) <= max(width, len("  multiply-accumulates 86,704,120,"))
    for name in ("output", "parameters", "multiply-accumulates", "activations"):
        assert name in said


def test_rich_alone_would_lose_some() -> None:
    """The twin."""
    from rich.console import Console

    assert numbers(printed(40, wide_table(), Console)) != numbers(printed(500, wide_table()))  # type: ignore[arg-type]


def test_a_table_that_fits_stays_a_table() -> None:
    assert "conv0  " in printed(140, wide_table())
    assert len(printed(140, wide_table()).splitlines()) == 5


def test_a_list_of_records_joins_a_head_of_two_lines_and_indents_what_is_folded() -> None:
    table = Table("net", "SD of log\nerror ratio", "why")
    table.add_row("one", "0.13", "a reason that takes more than a line of forty columns")
    said = [line.rstrip() for line in printed(40, table).splitlines()]
    assert said[:2] == ["one", "  SD of log error ratio 0.13,"]
    assert all(line.startswith("  ") for line in said[1:])
    assert " ".join(" ".join(said[2:]).split()) == "why a reason that takes more than a line of forty columns"


def test_a_record_that_a_bare_number_leads_has_its_columns_name() -> None:
    table = Table("kernel", "exact counts", "energy of the mean net")
    table.add_row("2", "0.000", "0.017")
    assert printed(30, table).split("\n")[0].strip() == "kernel 2"


def test_a_part_that_is_too_long_has_a_line_of_its_own() -> None:
    assert list(filled(["a", "b", "c" * 12, "d"], 8)) == ["a, b,", "c" * 12 + ",", "d"]


@pytest.mark.parametrize("width", range(8, 40))
def test_the_comma_at_the_end_of_a_line_counts(width: int) -> None:
    """Else rich would fold a line that is one column too wide, and part a name from its number."""
    parts = ["n 12", "points 1", "p 0.0005", "kind t", "x1.06", "call Null"]
    lines = list(filled(parts, width))
    assert [line for line in lines if len(line) > max(width, len("call Null"))] == []
    assert ", ".join(line.removesuffix(",") for line in lines) == ", ".join(parts)


def test_a_path_that_is_wider_than_the_terminal_stays_whole() -> None:
    """The twin is rich's own console."""
    from rich.console import Console

    path = "/a/results/of-mine/" + "long/" * 20 + "replication.csv"

    def said(kind: type[Console]) -> list[str]:
        file = io.StringIO()
        kind(file=file, width=40, highlight=False, markup=False).print(f"written, and some words beside: {path}")
        return [line.rstrip() for line in file.getvalue().splitlines()]

    assert said(Terminal) == ["written, and some words beside:", path]
    assert path not in said(Console)


def test_a_bar_gives_way_to_counts_and_times() -> None:
    """At 80 columns, with the longest id of a claim."""
    file = io.StringIO()
    console = Terminal(file=file, width=80, force_terminal=True, color_system=None)
    bar = progress_bar(console, "claims")
    bar.add_task("judging st-bad-when-detail-needed", total=57, completed=29)
    console.print(bar.get_renderable())
    said = file.getvalue()
    assert "29/57 claims, 0:00:00 so far, -:--:-- left" in said
    assert "st-bad-when-detail-needed" in said
    assert max(map(len, said.splitlines())) <= 80


@pytest.mark.parametrize("width", [30, 80])
def test_a_paragraph_is_broken_at_blanks_alone_and_set_in(width: int) -> None:
    text = "records: /a/long/folder-of/results/published/runs, scale quick: pool_position, pw-cheaper, x-0.83"
    lines = list(hung(text, width))
    assert " ".join(line.strip() for line in lines) == text
    assert [line[:2] for line in lines[1:]] == ["  "] * (len(lines) - 1)
    assert all(len(line) <= width or " " not in line.strip() for line in lines)


@pytest.mark.parametrize("name", [*DOORS, "compare", *PACKAGES])
def test_every_door_says_its_version(name: str, door: Door) -> None:
    module = importlib.import_module(f"experiments.{name}")
    main = module.main
    done = door(main, "--version")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"cnnlab {importlib.metadata.version('cnnlab')}, records of protocol ")


@pytest.mark.parametrize("name", sorted(doors()))
def test_help_fits_the_terminal_and_says_the_same(name: str, door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """No line but a command to be copied is wider, and no word is lost."""
    module = importlib.import_module(next(f"experiments.{one}" for one in (*PACKAGES, name) if name in one.split(".")))

    def said(columns: int) -> str:
        monkeypatch.setenv("COLUMNS", str(columns))
        done = door(module.main, "--help")
        assert (done.code, done.err) == (0, "")
        return done.out

    whole = words(said(FAR))
    for width in (80, 140):
        narrow = said(width)
        assert [line for line in narrow.splitlines() if len(line) > width and not COMMAND.match(line)] == []
        assert words(narrow) == whole


def test_help_that_keeps_its_lines_would_not_fit() -> None:
    """The twin."""
    assert max(map(len, judge.DESCRIPTION.splitlines())) > 80
    assert max(map(len, rewrapped(judge.DESCRIPTION, 80).splitlines())) <= 80


def test_a_pair_becomes_two_lines_and_a_list_is_not_joined() -> None:
    text = "Does a thing\nin two lines:\n  a command  what it does\nOne:  python -m x\n\nThe end"
    assert rewrapped(text, 20).splitlines() == [
        "Does a thing in two",
        "lines:",
        "  a command",
        "      what it does",
        "One:  python -m x",
        "",
        "The end",
    ]
    assert rewrapped(text, 30) == text


def test_run_says_it_too(door: Door) -> None:
    assert door(run.main, "+sweep=pool_position", "--version").out == door(run.main, "--version").out != ""


@pytest.mark.parametrize("forced", ["", "1"])
def test_colours_may_be_forced_but_no_file_is_a_screen(forced: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Notebooks set FORCE_COLOR: a bar was redrawn there a thousand times, and tables were 80 columns wide."""
    monkeypatch.setenv("FORCE_COLOR", forced)
    monkeypatch.delenv("NO_COLOR", raising=False)
    file = io.StringIO()
    console = terminal(file)
    console.print(Text("verdict", style="bold"))
    assert not console.is_terminal
    assert console.width == LOG_WIDTH
    assert progress_bar(console, "arms").disable
    assert ("\x1b[1m" in file.getvalue()) is bool(forced)


def test_a_notebooks_backend_of_figures_is_not_asked_for() -> None:
    """What `%%bash` inherits names a module of the notebook's own environment."""
    door = "\n".join(
        (
            "from experiments.cli.command import command",
            "@command",
            "def main():",
            "    import matplotlib",
            "    return 0 if matplotlib.get_backend().lower() == 'agg' else 3",
            "raise SystemExit(main())",
        )
    )
    names = {**os.environ, "MPLBACKEND": "module://no_such_notebook.backend"}
    done = subprocess.run(
        [sys.executable, "-c", door], env=names, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
