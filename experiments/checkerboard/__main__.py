"""How much checkerboard an up-sampling leaves: `python -m experiments.checkerboard`."""

import argparse
import csv
import dataclasses
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from cnnlab.files import json_text, write_bytes, write_json
from cnnlab.probes.checkerboard import dispersion, interior, pattern, uneven
from cnnlab.probes.upsampling import (
    ARMS,
    KERNELS,
    MARGIN,
    PERIOD,
    Member,
    Numbers,
    Painted,
    Pictures,
    digit_mosaics,
    fashion,
    painted,
    train,
)
from cnnlab.records import require_writable
from cnnlab.report import canvas
from cnnlab.spec.invalid import require
from experiments.checkerboard.figure import figure
from experiments.checkerboard.reading import Finding, Range, paragraph, read, short, spread
from experiments.cli import signals
from experiments.cli.command import ExitCode, command, parser
from experiments.cli.console import each, terminal
from experiments.cli.words import require_keys
from experiments.config.grid import grid

NETS = 60
"""Random nets a kernel, of which the energy is held against the exact overlap counts."""
FEWEST, MOST_SEEDS, MOST_STEPS = 2, 1000, 1_000_000
DESCRIPTION = """\
Up-sampling layers can leave a checkerboard: a pattern that repeats every stride pixels. The article "Deconvolution and
Checkerboard Artifacts" (Odena et al., Distill 2016) shows it in pictures. This command measures it, as two numbers:

  pattern     share of the variance that is one board standing still, whatever the image: 0 none, 1 nothing else
  dispersion  how unevenly energy lies over the places of one period: standard deviation over mean, 0 where even

Nine small decoders, alike but for their up-sampling, learn to double the side of images: transposed convolutions of
kernel 2 to 6 (stride 2 divides 2, 4 and 6), sub-pixel convolutions with and without ICNR, and resizing before a 3x3.
Both numbers are taken from the enlarged maps and from the output, away from the border, before and after training.
Beside them stands what theory says of random weights: energy goes with the number of inputs that paint a pixel.
"""
EXAMPLES = """\
how to read the table: each cell is the median [least, largest] over seeds. "flat" is the rms of the board on flat grey
images over the spread that real images have in the same place. Two arms differ clearly where their ranges do not touch.
"of mean energy" is the dispersion of the energy averaged over seeds: one net's is uneven by the chance of its weights,
and only the average should be that of the overlap counts.

examples:
  python -m experiments.checkerboard                      some 70 seconds of CPU time
  python -m experiments.checkerboard --seeds 2 --steps 20 a first look, some 30 seconds
  python -m experiments.checkerboard --fashion DIR        Fashion-MNIST instead of the digits that come with the suite
  python -m experiments.checkerboard --json results=DIR   for machines; files below DIR/checkerboard

Writes members.csv, counts.csv, checkerboard.json and checkerboard.png to results/checkerboard/, in place of
earlier ones.
exit code: 0; 2 for a mistake, told in one line.
"""
COLUMNS = (
    ("pattern, maps\nuntrained", "init", "pattern_maps"),
    ("pattern, maps\ntrained", "trained", "pattern_maps"),
    ("pattern, output\nuntrained", "init", "pattern_output"),
    ("pattern, output\ntrained", "trained", "pattern_output"),
    ("flat, output\ntrained", "trained", "flat_output"),
    ("dispersion, maps\ntrained", "trained", "dispersion_maps"),
)
NUMBERS = tuple(field.name for field in dataclasses.fields(Numbers) if field.name != "energies")


@command
def main() -> int:
    """The door. Returns the exit code."""
    asked = command_line().parse_intermixed_args()
    few = f"must be {FEWEST} to {MOST_SEEDS}: a range needs two members"
    require(FEWEST <= asked.seeds <= MOST_SEEDS, "--seeds", asked.seeds, few)
    require(0 <= asked.steps <= MOST_STEPS, "--steps", asked.steps, f"must be 0 to {MOST_STEPS}")
    require_keys(asked.words, ("results",))
    results = grid(["tracker=off", *asked.words]).settings.results
    require_writable(results, "results", "checkerboard")
    folder = results / "checkerboard"
    pictures = digit_mosaics() if asked.fashion is None else fashion(Path(asked.fashion))
    counted = [painted(size, nets=NETS) for size in KERNELS]
    shown, members = terminal(sys.stderr), list[Member]()
    for arm in each(ARMS, "training", "nets", shown):
        members += train(arm, pictures, seeds=range(asked.seeds), steps=asked.steps)
    findings = read(members, counted)
    data = as_data(members, counted, findings, pictures, asked.steps)
    write(folder, data, members, counted)
    if asked.json:
        print(json_text(data))
        return ExitCode.DONE
    show(data, members, counted, terminal())
    terminal().print(f"\n{data['reading']}\n")
    terminal().print(f"tables and figure: {folder!s}", soft_wrap=True)
    return ExitCode.DONE


def command_line() -> argparse.ArgumentParser:
    """The parser."""
    made = parser("checkerboard", DESCRIPTION, EXAMPLES)
    made.add_argument("words", nargs="*", metavar="key=value", help="results=FOLDER")
    made.add_argument("--seeds", type=int, default=5, metavar="N", help="members an arm (default 5)")
    made.add_argument("--steps", type=int, default=200, metavar="N", help="of Adam, 16 images each (default 200)")
    made.add_argument("--fashion", metavar="DIR", help="folder with the four files of Fashion-MNIST as published")
    made.add_argument("--json", action="store_true", help="print one JSON object instead of the tables")
    return made


def as_data(
    members: Sequence[Member], counted: Sequence[Painted], findings: Sequence[Finding], pictures: Pictures, steps: int
) -> dict[str, Any]:
    """Everything but the pictures as plain data."""
    real = interior(pictures.test, PERIOD, MARGIN)
    return {
        "images": pictures.name,
        "period": PERIOD,
        "steps": steps,
        "seeds": sorted({member.seed for member in members}),
        "images_themselves": {"pattern": pattern(real, PERIOD), "dispersion": dispersion(real, PERIOD)},
        "arms": [_arm(arm, [member for member in members if member.arm == arm]) for arm in ARMS],
        "counts": [_count(one) for one in counted],
        "findings": [dataclasses.asdict(finding) for finding in findings],
        "reading": paragraph(findings),
    }


def _arm(arm: str, members: Sequence[Member]) -> dict[str, Any]:
    """Ranges over the members of one arm, and the dispersion of their energies averaged."""
    found: dict[str, Any] = {"arm": arm, "n": len(members)}
    for when, states in (("init", [one.init for one in members]), ("trained", [one.trained for one in members])):
        found[when] = {name: _range(spread([getattr(state, name) for state in states])) for name in NUMBERS}
        mean = sum(_plane(state) for state in states) / len(states)
        found[when]["dispersion_of_mean_energy"] = uneven(mean)
    return {**found, "mse": _range(spread([member.mse for member in members]))}


def _plane(state: Numbers) -> Any:
    import numpy as np

    return np.array(state.energies)


def _range(of: Range) -> dict[str, float]:
    return {"median": of.median, "min": of.low, "max": of.high}


def _count(one: Painted) -> dict[str, Any]:
    """Counts and energies of one kernel."""
    return {
        "kernel": one.kernel,
        "counts": one.counts.tolist(),
        "dispersion_of_counts": one.predicted,
        "dispersion_of_mean_net": one.mean_net,
        "standard_error": one.error,
        "median_of_single_nets": one.median,
        "nets": len(one.energies),
    }


def write(folder: Path, data: dict[str, Any], members: Sequence[Member], counted: Sequence[Painted]) -> None:
    """Write the tables, the JSON and the figure."""
    rows = [
        {"arm": member.arm, "seed": member.seed, "when": when}
        | {name: getattr(state, name) for name in NUMBERS}
        | {"mse": member.mse if when == "trained" else ""}
        for member in members
        for when, state in (("init", member.init), ("trained", member.trained))
    ]
    write_bytes(folder / "members.csv", _csv(rows))
    flat = [{key: value for key, value in row.items() if key != "counts"} for row in data["counts"]]
    write_bytes(folder / "counts.csv", _csv(flat))
    write_json(folder / "checkerboard.json", data)
    title = f"Nine ways to double the side, {data['images']}, {len(data['seeds'])} seeds"
    canvas.save(figure(members, counted, title), folder / "checkerboard.png")


def _csv(rows: Sequence[dict[str, Any]]) -> bytes:
    text = io.StringIO()
    table = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return text.getvalue().encode()


def show(data: dict[str, Any], members: Sequence[Member], counted: Sequence[Painted], console: Console) -> None:
    """Print the arms, then the counts."""
    seeds, own = len(data["seeds"]), data["images_themselves"]
    title = f"{data['images']}, {data['steps']} steps: median [min, max] over n = {seeds} seeds"
    table = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    table.add_column("up-sampling")
    for heading in (*(column[0] for column in COLUMNS), "of mean\nenergy", "squared\nerror"):
        table.add_column(heading, justify="right", no_wrap=True)
    for arm in data["arms"]:
        cells = [str(_shown(arm[when][number])) for _, when, number in COLUMNS]
        mean, error = arm["trained"]["dispersion_of_mean_energy"], arm["mse"]["median"]
        table.add_row(arm["arm"], *cells, short(mean), short(error, 4))
    console.print(table)
    console.print(
        f"the test images themselves: pattern {short(own['pattern'])}, dispersion {short(own['dispersion'])}\n"
    )
    title = f"transposed convolutions, random weights on white noise, {NETS} nets each: dispersion"
    table = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for heading in ("kernel", "exact counts", "energy of the mean net", "standard error", "median of single nets"):
        table.add_column(heading, justify="right")
    for one in counted:
        cells = [short(value, 3) for value in (one.predicted, one.mean_net, one.error, one.median)]
        table.add_row(str(one.kernel), *cells)
    console.print(table)


def _shown(of: dict[str, float]) -> Range:
    return Range(median=of["median"], low=of["min"], high=of["max"])


if __name__ == "__main__":
    signals.door(main, signals.STOPPED)
