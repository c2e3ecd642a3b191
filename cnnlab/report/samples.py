"""What a task looks like: samples of every class at every setting of its dials."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = npt.NDArray[np.float64]
GREYS, BETWEEN = "gray", "#cfe3f3"
"""Colour map of grey images, and the colour that parts them."""
CHANNELS_ACROSS = 4
INCHES, HEAD, CHARACTERS = 0.034, 0.75, 10
"""Inches a pixel and for the titles of a block; characters of a title an inch."""


@dataclass(frozen=True, kw_only=True)
class ImagePanel:
    """Images side by side.

    Attributes:
        heading: what is shown, such as `signal alone`.
        images: (classes, samples, side, side, channels), one row a class; any scale.
    """

    heading: str
    images: Floats


@dataclass(frozen=True, kw_only=True)
class Block:
    """One setting of a task: its title, the names of its classes, and its panels with as many rows."""

    title: str
    classes: tuple[str, ...]
    panels: tuple[ImagePanel, ...]


def samples(blocks: Sequence[Block], title: str) -> "Figure":
    """Draw every block as a row of panels in greys, black the darkest and white the brightest pixel of a panel.

    Colour images are shown as they are; images with other than one or three channels as a mosaic of their channels.
    """
    from matplotlib.figure import Figure

    sheets = [[sheet(panel.images) for panel in block.panels] for block in blocks]
    heights = [HEAD + INCHES * row[0].shape[0] for row in sheets]
    width = max(sum(INCHES * one.shape[1] for one in row) + 0.9 * len(row) for row in sheets)
    figure = Figure(figsize=(max(7.0, width), sum(heights) + 0.5), layout="constrained")
    across = int(CHARACTERS * figure.get_figwidth())
    parts = figure.subfigures(len(blocks), 1, height_ratios=heights, squeeze=False)[:, 0]
    for part, block, row in zip(parts, blocks, sheets, strict=True):
        axes = part.subplots(1, len(row), squeeze=False, width_ratios=[one.shape[1] for one in row])[0]
        part.suptitle(textwrap.fill(block.title, across + across // 3), fontsize=9)
        for place, (one, panel, image) in enumerate(zip(axes, block.panels, row, strict=True)):
            _show(one, image, panel.heading, block.classes if place == 0 else ())
    figure.suptitle(textwrap.fill(title, across), fontsize=11, fontweight="bold")
    return figure


def sheet(images: Floats) -> Floats:
    """Lay images out on one sheet, classes below each other, parted by NaN; (rows, columns) or (rows, columns, 3)."""
    tiles = images if images.shape[-1] == 3 else _mosaic(images)
    rows = [np.concatenate([_framed(tile, 1) for tile in row], axis=1) for row in tiles]
    return np.concatenate([_framed(row, 1) for row in rows], axis=0)


def _mosaic(images: Floats) -> Floats:
    """Channels of an image side by side, four in a row, parted by NaN; (..., side, side, n) to (..., rows, columns)."""
    if images.shape[-1] == 1:
        return images[..., 0]
    count = images.shape[-1]
    across = min(CHANNELS_ACROSS, count)
    side = images.shape[-2] + 1
    tiled = np.full((*images.shape[:-3], -(-count // across) * side - 1, across * side - 1), np.nan)
    for channel in range(count):
        top, left = channel // across * side, channel % across * side
        tiled[..., top : top + side - 1, left : left + side - 1] = images[..., channel]
    return tiled


def _framed(tile: Floats, pixels: int) -> Floats:
    widths = ((pixels, pixels), (pixels, pixels), *((0, 0),) * (tile.ndim - 2))
    return np.pad(tile, widths, constant_values=np.nan)


def _show(axes: "Axes", image: Floats, heading: str, classes: Sequence[str]) -> None:
    """Draw one sheet, its rows named by class."""
    from matplotlib import colormaps

    low, high = np.nanmin(image), np.nanmax(image)
    shown = (image - low) / (high - low)
    if image.ndim == 3:
        axes.imshow(np.nan_to_num(shown, nan=1.0), interpolation="nearest")
    else:
        axes.imshow(shown, cmap=colormaps[GREYS].with_extremes(bad=BETWEEN), interpolation="nearest")
    height = image.shape[0] / max(1, len(classes))
    axes.set_yticks([height * (place + 0.5) - 0.5 for place in range(len(classes))], list(classes), fontsize=8)
    axes.set_xticks([])
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    axes.set_title(heading, fontsize=9, color="0.3")
