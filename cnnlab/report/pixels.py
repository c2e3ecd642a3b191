"""Planes of numbers as bare pixels, without a figure around them: for dashboards, which frame images themselves."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cnnlab.report.canvas import COUNTS
from cnnlab.report.samples import BETWEEN, GREYS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Floats = npt.NDArray[np.float64]
Pixels = npt.NDArray[np.uint8]

LONGEST = 384
"""Pixels of the longer side that a small plane is enlarged to, or almost: every value stays a square of its own."""


def greys(sheet: Floats) -> Pixels:
    """Images laid out by `cnnlab.report.samples.sheet`, black the darkest and white the brightest pixel.

    Returns:
        [height, width, 3]; colours as they are.
    """
    low, high = np.nanmin(sheet), np.nanmax(sheet)
    shown = (sheet - low) / max(high - low, np.finfo(np.float64).tiny)
    if sheet.ndim == 3:
        return enlarged(np.round(255 * np.nan_to_num(shown, nan=1.0)).astype(np.uint8))
    return enlarged(_coloured(shown, GREYS))


def heat(plane: Floats) -> Pixels:
    """A plane of counts or energies, [height, width]: dark where there is nothing, bright where there is most."""
    return enlarged(_coloured(plane / max(float(plane.max()), np.finfo(np.float64).tiny), COUNTS))


def drawn(figure: "Figure") -> Pixels:
    """A figure as pixels, [height, width, 3]."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba(), np.uint8)[..., :3].copy()


def enlarged(pixels: Pixels) -> Pixels:
    """Every pixel as a square of as many pixels as fit into `LONGEST`."""
    times = max(1, LONGEST // max(pixels.shape[:2]))
    return pixels.repeat(times, axis=0).repeat(times, axis=1)


def _coloured(values: Floats, name: str) -> Pixels:
    """Values from 0 to 1 in the colours of a map; what is not a number, in the colour between images."""
    from matplotlib import colormaps

    colours = colormaps[name].with_extremes(bad=BETWEEN)(np.ma.masked_invalid(values), bytes=True)
    return np.asarray(colours, np.uint8)[..., :3]
