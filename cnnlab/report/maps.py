"""How often each pixel is read, and how much gradient reaches it, net beside net."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cnnlab.report import canvas

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Column:
    """One net: its name, paths from each pixel to the last map, and gradient energy there; [height, width].

    Attributes:
        energy: None where it was not measured.
    """

    name: str
    coverage: Floats
    energy: Floats | None


def maps(columns: Sequence[Column], title: str) -> "Figure":
    """Draw counts above and energies below, each from nothing to its own largest value."""
    wide = max(6.0, 1.9 * len(columns) + 0.6)
    figure, axes = canvas.canvas(title, width=wide, height=4.9, rows=2, columns=len(columns))
    for place, column in enumerate(columns):
        for one, plane in zip(axes[:, place], (column.coverage, column.energy), strict=True):
            one.grid(visible=False)
            one.set_xticks([])
            one.set_yticks([])
            if plane is not None:
                one.imshow(plane, cmap=canvas.COUNTS, vmin=0.0, interpolation="nearest")
                one.set_xlabel(f"up to {plane.max():.3g}", fontsize=8)
            else:
                one.set_xlabel("not measured", fontsize=8)
        axes[0][place].set_title(column.name, fontsize=10)
    axes[0][0].set_ylabel("paths to the last map")
    axes[1][0].set_ylabel("gradient energy, untrained")
    return figure
