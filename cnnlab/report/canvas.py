"""The house style of figures: sizes, colours that colour-blind readers tell apart, and the panels that recur."""

import io
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, RED, PURPLE = (
    "#000000",
    "#e69f00",
    "#56b4e9",
    "#009e73",
    "#f0e442",
    "#0072b2",
    "#d55e00",
    "#cc79a7",
)
"""Okabe and Ito's palette. Markers or line styles differ too wherever two series share a panel."""
SERIES = (BLUE, RED, GREEN, PURPLE, ORANGE, SKY, BLACK)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
COUNTS = "cividis"
"""Colour map of counts and energies: even to the eye, also without red or green."""
DPI = 110
TICKS = (1, 2, 0.5, 1.5, 0.67, 4, 0.25, 1.25, 0.8, 3, 10, 0.1, 1.1, 0.9)
"""Ratios that read well; the first ones matter most."""
ROOM = 0.055
"""Share of an axis that the label of a ratio needs."""


def canvas(
    title: str, *, width: float = 7.5, height: float = 4.5, rows: int = 1, columns: int = 1
) -> tuple["Figure", Any]:
    """Begin a figure of `width` x `height` inches: the figure, and its axes as an array of (rows, columns).

    The title is a sentence that says what the reader is to see.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for one in axes.flat:
        tidy(one)
    figure.suptitle(title, fontsize=12, fontweight="bold")
    return figure, axes


def tidy(axes: "Axes") -> None:
    """No box, a faint grid behind the data."""
    axes.grid(color="0.92")
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def ratio_ticks(axes: "Axes") -> None:
    """Ticks at ratios that read well, within what a logarithmic horizontal axis shows."""
    from matplotlib.ticker import NullLocator

    low, high = axes.get_xlim()
    room = ROOM * math.log(high / low)
    ticks = list[float]()
    for tick in TICKS:
        if low <= tick <= high and all(abs(math.log(tick / other)) >= room for other in ticks):
            ticks.append(tick)
    axes.set_xticks(sorted(ticks), [f"x{tick:g}" for tick in sorted(ticks)])
    axes.xaxis.set_minor_locator(NullLocator())


def bars(middle: float, low: float, high: float) -> list[list[float]]:
    """An interval as `errorbar` takes it: both lengths, in a column.

    Where all members are equal, rounding may put the middle outside the interval by the last digit: no length is
    negative.
    """
    return [[max(0.0, middle - low)], [max(0.0, high - middle)]]


def count_map(axes: "Axes", counts: Sequence[Sequence[float]], *, title: str = "", shown: str = "{:g}") -> None:
    """Draw a map of numbers as coloured squares with the numerals in them."""
    values = np.asarray(counts, float)
    axes.grid(visible=False)
    axes.imshow(values, cmap=COUNTS, vmin=min(0.0, float(values.min())), vmax=max(1.0, float(values.max())))
    middle = (min(0.0, float(values.min())) + max(1.0, float(values.max()))) / 2
    size = max(4.0, min(11.0, 90 / max(values.shape)))
    for (row, column), value in np.ndenumerate(values):
        colour = "white" if value < middle else "black"
        axes.text(column, row, shown.format(value), ha="center", va="center", fontsize=size, color=colour)
    axes.set_xticks([])
    axes.set_yticks([])
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.set_title(title, fontsize=10)


def style(place: int) -> tuple[str, str]:
    """Colour and marker of the series at a place: no two of the first 49 share both, nor neighbours either."""
    return SERIES[place % len(SERIES)], MARKERS[(place + place // len(SERIES)) % len(MARKERS)]


def legend(figure: Any, panels: Iterable["Axes"], loc: str, columns: int = 1, title: str | None = None) -> None:
    """One legend for all panels, with every label once, whichever of them has it first."""
    parts = [panel.get_legend_handles_labels() for panel in panels]
    shown: dict[str, Any] = {}
    for handles, labels in parts:
        for handle, label in zip(handles, labels, strict=True):
            shown.setdefault(label, handle)
    if shown:
        figure.legend(list(shown.values()), list(shown), loc=loc, ncols=columns, frameon=False, fontsize=9, title=title)


def save(figure: "Figure", path: Path) -> Path:
    """Write a figure, as the suffix says, with the same bytes whenever it is the same figure; returns the path.

    A PNG has 256 colours, nearly all within 16 of 255 of what was drawn, and a quarter of the size.
    """
    import matplotlib
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = {"Date": None} if path.suffix == ".svg" else {}
    # else an SVG's ids are drawn anew each time; text stays text, to be searched and a third of the size
    with matplotlib.rc_context({"svg.hashsalt": "cnnlab", "svg.fonttype": "none"}):
        if path.suffix != ".png":
            figure.savefig(path, dpi=DPI, metadata=metadata)
            return path
        drawn = io.BytesIO()
        figure.savefig(drawn, dpi=DPI, format="png")
    # octree: median cut trades the colours of thin lines for shades of large areas
    few = Image.open(drawn).convert("RGB").quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    few.save(path, optimize=True)
    return path
