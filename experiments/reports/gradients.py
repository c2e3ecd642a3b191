"""What a watched arm's record says of its gradients and units, by layer and step: tables, a file, a figure."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from cnnlab.records.compact import STATS
from cnnlab.report import canvas
from cnnlab.spec.record import Record
from cnnlab.training.schedule import log_spaced_steps
from experiments.analysis.layers import by_number
from experiments.cli.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

SHOWN = {
    "activation_grad_norm": "norm of the gradient at each layer's output",
    "grad_norm": "norm of the gradient of each layer's weights",
    "update_to_weight": "size of a step over that of the weights",
    "dead_fraction": "share of dead units (zero for the whole batch)",
    "saturated_fraction": "share of saturated units (at a bound of the activation)",
}
"""Statistics in the order of their tables, and what each is."""
SHARES = ("dead_fraction", "saturated_fraction")
LOOKS = 6
"""Steps that a table on a terminal shows; the file has them all."""


@dataclass(frozen=True, kw_only=True)
class LayerSeries:
    """One statistic of one layer over the steps.

    Attributes:
        values: mean over the members that have a finite number, None where none has.
        lowest, highest: the extreme members, None in the same places.
    """

    statistic: str
    layer: str
    values: tuple[float | None, ...]
    lowest: tuple[float | None, ...]
    highest: tuple[float | None, ...]


@dataclass(frozen=True, kw_only=True)
class Gradients:
    """All that is shown of an arm.

    Attributes:
        steps: training steps at which members were looked at.
    """

    arm: str
    members: int
    steps: tuple[int, ...]
    series: tuple[LayerSeries, ...]

    def of(self, statistic: str) -> tuple[LayerSeries, ...]:
        """One statistic, a series a layer, the layer nearest the image first."""
        return tuple(one for one in self.series if one.statistic == statistic)


def gradients(record: Record) -> Gradients:
    """Read an arm's statistics. Raises UsageError where its members were not watched, or no statistic was kept."""
    kept = [history[STATS] for history in record.histories if STATS in history]
    found = tuple(
        _series(statistic, path, [one[path] if path in one else [] for one in kept])
        for statistic in SHOWN
        for path in sorted({path for one in kept for path in one}, key=by_number)
        if path.startswith(f"{statistic}/") and not path.endswith("/bias")
    )
    if not found:
        why = "was trained unwatched (train.watched=false)" if not record.config["recipe"]["watched"] else "keeps none"
        raise UsageError(f"{record.arm} has no statistics of gradients: its record {why}; choose another arm")
    looks = max(len(one.values) for one in found)
    recipe, task = record.config["recipe"], record.config["task"]
    steps = log_spaced_steps(math.ceil(task["train_images"] / recipe["batch_size"]) * recipe["epochs"])
    return Gradients(arm=record.arm, members=len(record.members), steps=steps[:looks], series=found)


def _series(statistic: str, path: str, members: Sequence[Sequence[Any]]) -> LayerSeries:
    """A path over the members, place by place; a member that broke off is missing at the later ones."""
    looks = max(map(len, members))
    known = [
        [float(one[place]) for one in members if place < len(one) and _known(one[place])] for place in range(looks)
    ]
    return LayerSeries(
        statistic=statistic,
        layer=path.removeprefix(f"{statistic}/").removesuffix("/kernel"),
        values=tuple(statistics.fmean(some) if some else None for some in known),
        lowest=tuple(min(some, default=None) for some in known),
        highest=tuple(max(some, default=None) for some in known),
    )


def _known(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def frame(found: Gradients) -> "pd.DataFrame":
    """One row a statistic, layer and step: mean, lowest and highest member."""
    import pandas as pd

    rows = [
        {"statistic": one.statistic, "layer": one.layer, "step": step, "mean": mean, "lowest": low, "highest": high}
        for one in found.series
        for step, mean, low, high in zip(found.steps, one.values, one.lowest, one.highest, strict=False)
    ]
    return pd.DataFrame(rows)


def data(found: Gradients) -> dict[str, Any]:
    """The same for machines."""
    tables: dict[str, dict[str, Any]] = {}
    for one in found.series:
        tables.setdefault(one.statistic, {})[one.layer] = {
            "mean": list(one.values),
            "lowest": list(one.lowest),
            "highest": list(one.highest),
        }
    return {"arm": found.arm, "members": found.members, "steps": list(found.steps), "statistics": tables}


def show(found: Gradients, console: Console) -> None:
    """Print a table a statistic: layers down, steps across."""
    places = looks(len(found.steps))
    console.print(f"{found.arm}: means over {found.members} members, at {len(places)} of {len(found.steps)} steps")
    for statistic, what in SHOWN.items():
        series = found.of(statistic)
        if not series:
            continue
        console.print(f"\n{statistic}: {what}", style="italic", soft_wrap=True)
        table = Table(header_style="bold", box=None, pad_edge=False)
        table.add_column("layer")
        for place in places:
            table.add_column(f"step {found.steps[place]}", justify="right", no_wrap=True)
        for one in series:
            table.add_row(one.layer, *(_printed(one.values, place) for place in places))
        console.print(table)
    for line in reading(found):
        console.print(line)


def reading(found: Gradients) -> list[str]:
    """In words: what of the gradient reaches the first layer before training, and which units are lost at the end."""
    lines = []
    outputs = found.of("activation_grad_norm")
    if len(outputs) > 1 and outputs[0].values[0] and outputs[-1].values[0]:
        share = outputs[0].values[0] / outputs[-1].values[0]
        lines.append(
            f"Before training the gradient at {outputs[0].layer} has {share:.3g} times the norm of that at "
            f"{outputs[-1].layer}."
        )
    for statistic, word in zip(SHARES, ("dead", "saturated"), strict=True):
        ends = [(one.values[-1], one.layer) for one in found.of(statistic) if one.values[-1] is not None]
        if ends:
            most, layer = max(ends)
            lines.append(f"At the end at most {100 * most:.1f} % of a layer's units are {word} ({layer}).")
    return ["", *lines] if lines else []


def looks(count: int) -> list[int]:
    """At most `LOOKS` places of so many, the first and the last among them, evenly spread."""
    if count <= LOOKS:
        return list(range(count))
    return [round(place * (count - 1) / (LOOKS - 1)) for place in range(LOOKS)]


def _printed(values: Sequence[float | None], place: int) -> str:
    value = values[place] if place < len(values) else None
    return "-" if value is None else f"{value:.3g}"


def draw(found: Gradients) -> "Figure":
    """A panel a statistic: a line a layer over the steps, with a band from the lowest to the highest member."""
    there = [statistic for statistic in SHOWN if found.of(statistic)]
    columns = min(2, len(there))
    rows = -(-len(there) // columns)
    title = f"Gradients and units of {found.arm}, by layer and step"
    figure, axes = canvas.canvas(title, width=5.2 * columns, height=3.4 * rows, rows=rows, columns=columns)
    for one in list(axes.flat)[len(there) :]:
        one.set_visible(False)
    for panel, statistic in zip(axes.flat, there, strict=False):
        for place, series in enumerate(found.of(statistic)):
            _line(panel, found.steps, series, place)
        panel.set_xscale("symlog", linthresh=1)
        panel.set_xlabel("training step")
        panel.set_title(SHOWN[statistic], fontsize=10, loc="left")
        if statistic in SHARES:
            panel.set_ylim(-0.03, 1.03)
        elif any(value for series in found.of(statistic) for value in series.values):
            panel.set_yscale("log")
        panel.legend(fontsize=7, ncols=2, frameon=False)
    return figure


def _line(panel: Any, steps: Sequence[int], series: LayerSeries, place: int) -> None:
    colour, marker = canvas.style(place)
    nan = math.nan
    mean, low, high = (
        [nan if value is None else value for value in values]
        for values in (series.values, series.lowest, series.highest)
    )
    shown = steps[: len(mean)]
    panel.plot(shown, mean, color=colour, marker=marker, markersize=3, linewidth=1.2, label=series.layer)
    panel.fill_between(shown, low, high, color=colour, alpha=0.12, linewidth=0)


def write(found: Gradients, folder: Path) -> Mapping[str, Path]:
    """Write the whole table and the figure; returns their paths by what they are."""
    folder.mkdir(parents=True, exist_ok=True)
    table = folder / f"{found.arm}.csv"
    frame(found).to_csv(table, index=False)
    return {"table": table, "figure": canvas.save(draw(found), folder / f"{found.arm}.png")}
