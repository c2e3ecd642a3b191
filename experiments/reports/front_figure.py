"""README's figure: where the first max-pool should stand, drawn from the published effects of pool_position."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cnnlab.report import canvas
from cnnlab.report.figures import ratio_axis

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EFFECTS = Path("sweeps", "pool_position", "quick", "effects.csv")
LEVELS = ("[0,4]", "[1,4]", "[2,4]", "[3,4]")
"""Convolutions before the first pool: none to three. The second pool stands after the fourth."""
REFERENCE = 2
TASKS = {"digits12": "digits", "textures12": "textures", "fashion12": "clothing"}
TITLE = "How many convolutions before the first max-pool?"


@dataclass(frozen=True, kw_only=True)
class Line:
    """One task's errors as a multiple of the reference's, with 95 % intervals, by convolutions before the pool."""

    name: str
    n: int
    margin: float
    at: dict[int, tuple[float, float, float]]


def lines(evidence: Path) -> list[Line]:
    """What the figure shows, read from the table. Raises ValueError where the table lacks a level."""
    with (evidence / EFFECTS).open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["match"] == "none" and row["level"] in LEVELS]
    found = []
    for task, name in TASKS.items():
        own = [row for row in rows if row["task"].partition(" (")[0] == task]
        at = {
            LEVELS.index(row["level"]): (float(row["ratio"]), float(row["ratio_low"]), float(row["ratio_high"]))
            for row in own
        }
        if len(at) != len(LEVELS) - 1:
            raise ValueError(f"{evidence / EFFECTS}: {task} lacks a level of {', '.join(LEVELS)}")
        found.append(Line(name=name, n=int(own[0]["n"]), margin=float(own[0]["margin"]), at=at))
    return found


def figure(evidence: Path) -> "Figure":
    """Draw it."""
    found = lines(evidence)
    drawn, axes = canvas.canvas(TITLE, width=7.5, height=3.9)
    one = axes[0][0]
    for place, line in enumerate(found):
        colour, marker = canvas.style(place)
        shift = 0.06 * (place - (len(found) - 1) / 2)
        points = {**line.at, REFERENCE: (1.0, 1.0, 1.0)}
        across = sorted(points)
        one.errorbar(
            [x + shift for x in across],
            [points[x][0] for x in across],
            yerr=np.hstack([canvas.bars(*points[x]) for x in across]),
            color=colour,
            marker=marker,
            markersize=8,
            capsize=4,
            label=line.name,
        )
    ratio_axis(one, found[0].margin)
    one.text(-0.3, 1, "no difference\nthat matters", va="center", fontsize=9, color="0.35")
    one.set_xticks(range(len(LEVELS)), ["none", "one", "two", "three"], fontsize=11)
    one.set_xlim(-0.35, 3.4)
    one.set_ylabel("errors, as a multiple of\nthose with two", fontsize=11)
    one.legend(frameon=False, fontsize=11)
    members = sorted({line.n for line in found})
    many = f"{members[0]}" if len(members) == 1 else f"{members[0]} to {members[-1]}"
    one.set_xlabel(f"each point: {many} nets of six convolutions; bars: 95 % intervals, paired by seed", fontsize=10)
    return drawn
