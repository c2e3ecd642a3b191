"""The same class pictures in every parametrisation, moved and still: who reads them, and how strong they are."""

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Table

from cnnlab.files import write_bytes, write_json
from cnnlab.report.canvas import save
from experiments.reports import features as page
from experiments.training.feature_pictures import TRAINED, UNTRAINED, Features

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MEDIANS = ("same", "other", "place", "path")
COLUMNS = ("parametrisation", "moves", "state", "classes", "read", "shown", "above_every_image", *MEDIANS)


def write(every: Sequence[Features], folder: Path) -> list[Path]:
    """Write compared.csv, compared.json and compared.png; returns their paths."""
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    table.writeheader()
    table.writerows(rows(every))
    return [
        write_bytes(folder / "compared.csv", text.getvalue().encode()),
        write_json(folder / "compared.json", data(every), sort_keys=True),
        save(figure(every), folder / "compared.png"),
    ]


def data(every: Sequence[Features]) -> dict[str, Any]:
    """A row a parametrisation and state, and what `experiments.reports.features` says of each parametrisation."""
    return {"compared": rows(every), "parametrisations": [page.data(found) for found in every]}


def rows(every: Sequence[Features]) -> list[dict[str, Any]]:
    """Shares of the class pictures, and medians over the classes, to four digits."""
    made = []
    for found in every:
        for state in (TRAINED, UNTRAINED):
            facts = [one.facts for one in found.of("class", state)]
            read = [one.read for one in facts if one.read is not None]
            numbers = {
                "read": np.mean(read) if read else np.nan,
                "shown": np.mean([not one.refused for one in found.of("class", state)]),
                "above_every_image": np.mean([one.score > one.maximum for one in facts]),
                **{name: np.median([getattr(one, name) for one in facts]) for name in MEDIANS},
            }
            told = {
                "parametrisation": found.asked.parametrisation,
                "moves": moves(found),
                "state": state,
                "classes": len(facts),
            }
            made.append(told | {name: float(f"{value:.4g}") for name, value in numbers.items()})
    return made


def moves(found: Features) -> str:
    """Whether pictures were moved."""
    return "still" if found.asked.still else "moved"


def show(every: Sequence[Features], console: Console) -> None:
    """Print a line a parametrisation and state."""
    table = Table(header_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    agree = "starts / classes agree"
    for name in ("class pictures", "moves", "state", "read", "shown", "above every image", agree, "place", "path"):
        table.add_column(name)
    for row in rows(every):
        shares = (_percent(row[name]) for name in ("read", "shown", "above_every_image"))
        both = f"{row['same']:.2f} / {row['other']:.2f}"
        names = row["parametrisation"], row["moves"], row["state"]
        table.add_row(*names, *shares, both, f"{row['place']:.2f}", f"{row['path']:.2f}")
    console.print(table)
    for member in every[0].members:
        console.print(member["sentence"], soft_wrap=True, markup=False)


def _percent(share: float) -> str:
    """A share in %; a dash where no other member has read the pictures."""
    return "-" if math.isnan(share) else f"{100 * share:.0f} %"


def figure(every: Sequence[Features]) -> "Figure":
    """A row a parametrisation and state, a column a class: the first start, refused ones too, framed where refused."""
    from matplotlib.figure import Figure

    across = len(every[0].of("class", TRAINED))
    bands = [(found, state) for found in every for state in (TRAINED, UNTRAINED)]
    made = Figure(figsize=(page.INCHES * across + 2.6, 1.05 * page.INCHES * len(bands) + 0.9), layout="constrained")
    axes = made.subplots(len(bands), across, squeeze=False)
    for line, (found, state), row in zip(axes, bands, rows(every), strict=True):
        for axis, one in zip(line, found.of("class", state), strict=True):
            picture = one.pictures[0].mean(-1)
            axis.imshow(picture, cmap="gray", vmin=found.low, vmax=found.high, interpolation="nearest")
            axis.set_xticks([])
            axis.set_yticks([])
            for side in axis.spines.values():
                side.set(visible=bool(one.refused), color="#b3341f", linewidth=1.5)
        name = f"{found.asked.parametrisation}, {moves(found)}, {state}\n{_percent(row['read'])} read"
        line[0].set_ylabel(name, fontsize=8, rotation=0, ha="right", va="center")
    for axis, one in zip(axes[0], every[0].of("class", TRAINED), strict=True):
        axis.set_title(str(one.unit), fontsize=9)
    readers = len(every[0].members) - 1
    said = f"{every[0].arm}; read: share that {readers} other members take for the class; framed: refused"
    made.supxlabel(f"{said}\n{every[0].members[0]['sentence']}", fontsize=8, color="0.3")
    return made
