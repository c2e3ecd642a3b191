"""Feature pictures as a table, as data, and as one figure: every unit with its untrained control beside."""

import csv
import io
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Table

from cnnlab.files import write_bytes, write_json
from cnnlab.report.canvas import save
from experiments.training.feature_pictures import TRAINED, UNTRAINED, Drawn, Features

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CONTROL = "an untrained net gives pictures that pass the same gate"
ACROSS = 16
"""Units side by side in the figure."""
INCHES = 0.85
"""Of a tile and its line of text: some 75 pixels of the figure a tile."""
GREY = "0.62"
LINE = 13
"""Characters of a reason that fit a tile's width."""
COLUMNS = (
    "kind",
    "unit",
    "state",
    "shown",
    "reason",
    "score",
    "quantile",
    "place",
    "maximum",
    "same",
    "other",
    "path",
    "read",
    "readers",
    "before_activation",
)


def write(found: Features, folder: Path) -> list[Path]:
    """Write features.csv, features.json and features.png; returns their paths."""
    rows = io.StringIO()
    table = csv.DictWriter(rows, COLUMNS, lineterminator="\n", extrasaction="ignore")
    table.writeheader()
    table.writerows([row(one) for one in found.drawn])
    return [
        write_bytes(folder / "features.csv", rows.getvalue().encode()),
        write_json(folder / "features.json", data(found), sort_keys=True),
        save(figure(found), folder / "features.png"),
    ]


def data(found: Features) -> dict[str, Any]:
    """Everything but the pictures, as plain data: how they were made, the members, and a row a picture."""
    return {
        "arm": found.arm,
        "layer": found.layer,
        "path_layer": found.path_layer,
        "parametrisation": found.asked.parametrisation,
        "steps": found.asked.steps,
        "starts": found.asked.starts,
        "moves": vars(found.moves),
        "real_images": found.real,
        "members": list(found.members),
        "summary": summary(found),
        "pictures": [row(one) | {"caption": caption(found, one)} for one in found.drawn],
    }


def row(one: Drawn) -> dict[str, Any]:
    """Numbers of one unit's pictures, to six digits."""
    facts = {name: _rounded(value) for name, value in vars(one.facts).items()}
    said = {"kind": one.kind, "unit": one.unit, "state": one.state, "shown": not one.refused, "reason": one.refused}
    return said | facts | {"before_activation": one.before_activation}


def _rounded(value: Any) -> Any:
    return float(f"{value:.6g}") if isinstance(value, float) else value


def caption(found: Features, one: Drawn) -> str:
    """What must stand below a picture wherever it is shown."""
    facts, member = one.facts, found.members[0]
    site = f"class {one.unit}" if one.kind == "class" else f"channel {one.unit} of {found.layer}"
    parts = [
        f"{found.arm}, member {member['seed']}, {one.state}: {site}",
        f"{found.asked.parametrisation}, {found.asked.steps} steps, {moves(found)}",
        f"score {facts.score:.3g}, above {100 * facts.quantile:.0f} % of {found.real} real images"
        f" (highest {facts.maximum:.3g})",
        f"starts agree {facts.same:.2f}, units {facts.other:.2f}",
        f"path {facts.path:.2f} (1: like an image)",
    ]
    if facts.read is not None:
        parts.append(f"{100 * facts.read:.0f} % of readings by {facts.readers} other members give its class")
    if one.kind == "channel":
        parts.append(CONTROL)
    if one.before_activation:
        parts.append(f"raised before its activation: dead on all {found.real} real images")
    return "; ".join([*parts, *([f"refused: {one.refused}"] if one.refused else [])])


def moves(found: Features) -> str:
    """How far pictures were moved, in words."""
    far = found.moves
    return f"moved {far.jitter} px, {100 * far.scale:.0f} %, {far.rotate:.0f} degrees"


def summary(found: Features) -> dict[str, Any]:
    """Shares over all pictures, trained and untrained."""
    said: dict[str, Any] = {}
    for state in (TRAINED, UNTRAINED):
        classes, channels = found.of("class", state), found.of("channel", state)
        said[state] = {
            "classes": len(classes),
            "classes_shown": sum(not one.refused for one in classes),
            "classes_read": float(np.mean([one.facts.read for one in classes if one.facts.read is not None])),
            "classes_above_every_image": sum(one.facts.score > one.facts.maximum for one in classes),
            "channels": len(channels),
            "channels_shown": sum(not one.refused for one in channels),
        }
    return said


def sentences(found: Features) -> list[str]:
    """The findings, a line each."""
    said = summary(found)
    ours, control = said[TRAINED], said[UNTRAINED]
    readers = len(found.members) - 1
    return [
        *(str(member["sentence"]) for member in found.members),
        f"class pictures: {100 * ours['classes_read']:.0f} % of readings by {readers} other members give the class, "
        f"{ours['classes_shown']} of {ours['classes']} shown; "
        f"{ours['classes_above_every_image']} score above every real image",
        f"untrained control: {100 * control['classes_read']:.0f} %, {control['classes_shown']} of "
        f"{control['classes']} shown; {control['classes_above_every_image']} score above every real image",
        f"channels of {found.layer}: {ours['channels_shown']} of {ours['channels']} shown; untrained "
        f"{control['channels_shown']} of {control['channels']}: {CONTROL}",
    ]


def show(found: Features, console: Console) -> None:
    """Print a line a unit, its untrained control at the right, and the findings."""
    table = Table(header_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("picture", "score", "quantile", "place", "same / other", "read", "path", "shown"):
        table.add_column(name)
    for name in ("untrained place", "same / other", "read", "shown"):
        table.add_column(name, style="dim")
    for kind in ("class", "channel"):
        for one, control in zip(found.of(kind, TRAINED), found.of(kind, UNTRAINED), strict=True):
            name = f"class {one.unit}" if kind == "class" else f"{found.layer} {one.unit}"
            facts, other = one.facts, control.facts
            table.add_row(
                name + (" before its activation" if one.before_activation else ""),
                f"{facts.score:.3g}",
                f"{facts.quantile:.3f}",
                f"{facts.place:.2f}",
                f"{facts.same:.2f} / {facts.other:.2f}",
                _percent(facts.read),
                f"{facts.path:.2f}",
                one.refused or "yes",
                f"{other.place:.2f}",
                f"{other.same:.2f} / {other.other:.2f}",
                _percent(other.read),
                "no" if control.refused else "yes",
            )
    console.print(table)
    for line in sentences(found):
        console.print(line)


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.0f} %"


def figure(found: Features) -> "Figure":
    """Draw classes above channels; of each unit the trained starts, the best real image, and the untrained control."""
    from matplotlib.figure import Figure

    bands = [band for kind in ("class", "channel") for band in _bands(found, kind)]
    rows = min(2, found.asked.starts) + 2
    across = max(len(ours) for _, ours, _ in bands)
    heights = [INCHES * rows + 0.45] * len(bands)
    made = Figure(figsize=(INCHES * across + 1.3, sum(heights) + 1.1), layout="constrained")
    member = found.members[0]
    made.suptitle(
        f"What raises the classes and channels of member {member['seed']} of {found.arm}",
        fontsize=12,
        fontweight="bold",
    )
    parts = made.subfigures(len(bands), 1, height_ratios=heights, squeeze=False)[:, 0]
    for part, (title, ours, control) in zip(parts, bands, strict=True):
        part.suptitle(title, fontsize=10, x=0.01, ha="left")
        axes = part.subplots(rows, across, squeeze=False)
        for column in range(across):
            if column < len(ours):
                _column(axes[:, column], found, ours[column], control[column])
            else:
                for one in axes[:, column]:
                    one.set_visible(False)
        names = [*(f"start {place + 1}" for place in range(rows - 2)), "best real image", "untrained"]
        for one, name in zip(axes[:, 0], names, strict=True):
            one.set_ylabel(name, fontsize=8, rotation=0, ha="right", va="center")
    made.supxlabel(_below(found, int(14 * made.get_figwidth())), fontsize=8, color="0.3")
    return made


def _bands(found: Features, kind: str) -> list[tuple[str, Sequence[Drawn], Sequence[Drawn]]]:
    """Units of one kind, in rows of at most ACROSS, with a title."""
    ours, control = found.of(kind, TRAINED), found.of(kind, UNTRAINED)
    title = (
        f"Classes: below each, share of readings by {len(found.members) - 1} other members that give it"
        if kind == "class"
        else f"Channels of {found.layer}: below each, its place among real images (1: the 99th percentile). "
        f"{CONTROL[0].upper()}{CONTROL[1:]}."
    )
    return [
        (title if first == 0 else "", ours[first : first + ACROSS], control[first : first + ACROSS])
        for first in range(0, len(ours), ACROSS)
    ]


def _below(found: Features, characters: int) -> str:
    said = (
        f"{found.asked.parametrisation}, {found.asked.steps} steps, {moves(found)}, {found.real} real "
        f"images. Grey: refused. {found.members[0]['sentence']}."
    )
    return textwrap.fill(said, characters)


def _column(axes: Sequence["Axes"], found: Features, one: Drawn, control: Drawn) -> None:
    """Draw a unit: its starts, the best real image, and its control."""
    for place, axis in enumerate(axes[:-2]):
        _tile(axis, found, one.pictures[place], one.refused, _note(one) if place == len(axes) - 3 else "")
    _tile(axes[-2], found, one.best, "", "")
    _tile(axes[-1], found, control.pictures[0], control.refused, _note(control))
    name = str(one.unit) + ("*" if one.before_activation else "")
    axes[0].set_title(name, fontsize=9, pad=2)


def _note(one: Drawn) -> str:
    if one.refused:
        return ""
    return f"{one.facts.place:.2f}" if one.facts.read is None else _percent(one.facts.read)


def _tile(axis: "Axes", found: Features, image: Any, refused: str, note: str) -> None:
    """Draw one picture in greys or colours, or a grey tile that says why there is none."""
    axis.set_xticks([])
    axis.set_yticks([])
    for side in axis.spines.values():
        side.set_visible(False)
    if refused:
        axis.imshow(np.zeros(image.shape[:2]), cmap="gray", alpha=0)
        axis.set_facecolor(GREY)
        said = textwrap.fill(refused, LINE)
        axis.text(0.5, 0.5, said, transform=axis.transAxes, ha="center", va="center", fontsize=5, color="black")
    elif image.shape[-1] == 3:
        axis.imshow(np.clip((image - found.low) / (found.high - found.low), 0, 1), interpolation="nearest")
    else:
        axis.imshow(image.mean(-1), cmap="gray", vmin=found.low, vmax=found.high, interpolation="nearest")
    if note:
        axis.set_xlabel(note, fontsize=7, labelpad=1)
