"""Judge the judge: `python -m experiments.simulate` compares the rates that its rules must reach with those they do."""

import argparse
import csv
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from cnnlab.records import require_writable
from cnnlab.report import canvas
from cnnlab.spec.invalid import require
from experiments.cli import signals
from experiments.cli.command import ExitCode, command, parser
from experiments.cli.console import each, terminal
from experiments.cli.words import require_keys
from experiments.config.grid import grid
from experiments.simulate.rates import SLOW, FoundRate, find, rows

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FEWEST, MOST = 100, 10**6
DESCRIPTION = """\
Plants effects and nulls, draws every member at every learning rate, reads and judges them by the code that reads and
judges records, thousands of times: how often a null is called an effect, how often an effect is found, and how often
each interval holds the truth. Curves over learning rates are lopsided, unlike, far from the centre; members are lost.
Beside each rate stands what it must be. Writes simulation/rates.csv and rates.png below the results folder.
Exit code: 0; 1 if a rate is surely not what it must be."""


@command
def main() -> int:
    """The door. Returns the exit code."""
    asked = command_line().parse_args()
    asked_for = asked.replications
    require(FEWEST <= asked_for <= MOST, "replications", asked_for, f"must lie between {FEWEST} and {MOST}")
    require_keys(asked.words, ("results",))
    results = grid(["tracker=off", *asked.words]).settings.results
    require_writable(results, "results", "simulation")
    shown = each(rows(), "simulating", "rows", terminal(sys.stderr), lambda row: row.what)
    found = [find(row, asked.replications) for row in shown]
    write(found, results / "simulation")
    if asked.json:
        print(json.dumps([as_data(one) for one in found], indent=1))
    else:
        show(found, asked.replications, terminal())
        print(f"table and figure: {results / 'simulation'}")
    return ExitCode.FAILED if any(one.reached is False for one in found) else ExitCode.DONE


def command_line() -> argparse.ArgumentParser:
    """The parser."""
    made = parser("simulate", DESCRIPTION, "")
    made.add_argument("words", nargs="*", metavar="key=value", help="results=FOLDER")
    made.add_argument(
        "--replications", type=int, default=2000, metavar="N", help=f"per row (default 2000; bootstraps N/{SLOW})"
    )
    made.add_argument("--json", action="store_true", help="print the rows for machines")
    return made


def as_data(found: FoundRate) -> dict[str, Any]:
    """One row as plain data; rates in percent."""
    row, interval = found.row, found.interval
    return {
        "group": row.group,
        "what": row.what,
        "relation": row.relation,
        "must": row.must,
        "within": row.within,
        "reached": round(100 * found.successes / found.trials, 3),
        "low": round(100 * interval.low, 3),
        "high": round(100 * interval.high, 3),
        "replications": found.trials,
        "ok": found.reached,
    }


def write(found: Sequence[FoundRate], folder: Path) -> None:
    """Write `rates.csv` and `rates.png`."""
    folder.mkdir(parents=True, exist_ok=True)
    data = [as_data(one) for one in found]
    with (folder / "rates.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, list(data[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(data)
    canvas.save(figure(found), folder / "rates.png")


def show(found: Sequence[FoundRate], replications: int, console: Console) -> None:
    """Print one table a group, then what to make of them."""
    for group in dict.fromkeys(one.row.group for one in found):
        table = Table(title=group, title_justify="left", header_style="bold", box=None, pad_edge=False)
        table.add_column("rate, %", min_width=76)
        for column in ("must", "reached", "95 % interval", "ok"):
            table.add_column(column, justify="right", min_width=9)
        for one in found:
            if one.row.group == group:
                table.add_row(*_cells(one))
        console.print(table)
        console.print()
    asked = [one for one in found if one.reached is not None]
    console.print(f"{sum(bool(one.reached) for one in asked)} of {len(asked)} are what they must be.")
    console.print(f"{replications} replications a row, every one judged by the code that judges records")


def _cells(found: FoundRate) -> tuple[str, ...]:
    row, interval = found.row, found.interval
    sign = {"about": "", "at most": "<= ", "at least": ">= "}[row.relation]
    within = f" +- {row.within:g}" if row.within else ""
    must = "" if row.must is None else f"{sign}{row.must:g}{within}"
    rate, span = 100 * found.successes / found.trials, f"{100 * interval.low:.2f} to {100 * interval.high:.2f}"
    reached = "" if found.reached is None else "yes" if found.reached else "NO"
    return row.what, must, f"{rate:.2f}", span, reached


def figure(found: Sequence[FoundRate]) -> "Figure":
    """Every rate with its interval, and what it must be."""
    drawn, axes = canvas.canvas(
        "What the judge's rules must reach, and what they do", width=11, height=2.5 + 0.26 * len(found)
    )
    panel = axes[0][0]
    marks = {"about": ("D", 8, 0.0), "at most": ("<", 8, -1.2), "at least": (">", 8, 1.2)}
    groups = list(dict.fromkeys(one.row.group for one in found))
    places = [place + groups.index(one.row.group) + 1 for place, one in enumerate(found)]
    for place, one in zip(places, found, strict=True):
        rate, span = 100 * one.successes / one.trials, one.interval
        colour = canvas.RED if one.reached is False else canvas.BLUE
        panel.plot([100 * span.low, 100 * span.high], [place, place], color=colour, linewidth=2, zorder=2)
        panel.plot(rate, place, "s" if one.reached is False else "o", color=colour, markersize=6, zorder=3)
        if one.row.must is not None:
            marker, size, aside = marks[one.row.relation]
            panel.plot(
                one.row.must + aside,
                place,
                marker,
                color="none",
                markersize=size,
                zorder=4,
                markeredgecolor=canvas.BLACK,
            )
    for group in groups:
        above = min(place for place, one in zip(places, found, strict=True) if one.row.group == group) - 1
        panel.text(-3, above, group, fontsize=8.5, fontweight="bold", va="center", backgroundcolor="white")
    panel.set_yticks(places, [one.row.what for one in found], fontsize=8)
    panel.set_xlim(-4, 104)
    panel.set_ylim(places[-1] + 0.6, -0.6)
    panel.set_xlabel("share of simulations, % (bars: 95 % interval)")
    for marker, colour, name in (
        ("o", canvas.BLUE, "reached"),
        ("s", canvas.RED, "reached, not as it must be"),
        ("D", "none", "must be"),
        ("<", "none", "must be: at most"),
        (">", "none", "must be: at least"),
    ):
        panel.plot(
            [],
            [],
            marker,
            color=colour,
            label=name,
            linestyle="none",
            markeredgecolor=colour if colour != "none" else "black",
        )
    drawn.legend(loc="outside lower center", ncols=5, frameon=False)
    return drawn


if __name__ == "__main__":
    signals.door(main, signals.STOPPED)
