"""The notes count the pixels of a padded PxP image that nine 3x3 windows read as (P-4) x (P-4).

Their example is P = 5: "1x1 (i.e (5-4) x (5-4), 4 because last two rows and columns don't get covered 9 times". Read in
their favour: the two outermost rows and columns at EACH end are left out, four of each, and what is left of a side of
3 or 4 pixels is nothing. (As bare arithmetic, (3-4) x (3-4) would be 1.) Both halves are checked, how many pixels and
which: P is 3 to 256, and the same for random rectangles.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cnnlab.geometry.coverage import coverage, plane
from cnnlab.inference.rules.exact import Enumerated, Exact
from cnnlab.report import canvas
from cnnlab.spec.network import Pair
from cnnlab.spec.verdict import Table
from experiments.claims.base import Claim, Computed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KERNEL, OFTEN = 3, 9
MARGIN = 2
"""Rows or columns at each end that the notes leave out."""
SIDES = range(3, 257)
RECTANGLES = 300
SHOWN = (3, 4, 5, 6, 7, 9, 11, 114)


def nine(image: Pair) -> NDArray[np.bool_]:
    """Which pixels of a (height, width) image, its padding included, exactly nine windows read."""
    rows, columns = (np.array(coverage(length, KERNEL, padding="valid")) for length in image)
    often: NDArray[np.bool_] = np.outer(rows, columns) == OFTEN
    return often


def block(image: Pair) -> NDArray[np.bool_]:
    """Which pixels the notes say: all but the outermost rows and columns."""
    inside = [np.arange(length) for length in image]
    rows, columns = ((at >= MARGIN) & (at < len(at) - MARGIN) for at in inside)
    return np.outer(rows, columns)


def images() -> tuple[Pair, ...]:
    """All square images of the domain, then random rectangles."""
    random = np.random.default_rng(0)
    drawn = random.integers(SIDES[0], SIDES[-1] + 1, size=(RECTANGLES, 2)).tolist()
    return (*((side, side) for side in SIDES), *((height, width) for height, width in drawn))


def compute() -> Enumerated:
    """Compare the pixels read nine times with the block that the notes describe, pixel by pixel."""
    failing = [
        f"{image[0]}x{image[1]}: {int(nine(image).sum())} pixels are read nine times, the rule says "
        f"{int(block(image).sum())}"
        for image in images()
        if not np.array_equal(nine(image), block(image))
    ]
    rows = tuple((side, max(side - 2 * MARGIN, 0) ** 2, int(nine((side, side)).sum())) for side in SHOWN)
    columns = ("side with padding (pixels)", "the rule", "counted")
    table = Table(title="pixels read nine times", columns=columns, rows=rows)
    return Enumerated(cases=len(images()), counterexamples=tuple(failing), tables=(table,))


def figure() -> "Figure":
    """How many windows read each pixel of a 5x5 and of a 9x9 image, and the block that the rule gives."""
    from matplotlib.patches import Rectangle

    drawn, axes = canvas.canvas(
        "Nine windows read every pixel but those of the two outer rows and columns", width=8, height=4.4, columns=2
    )
    for panel, side in zip(axes[0], (5, 9), strict=True):
        line = coverage(side, KERNEL, padding="valid")
        left = side - 2 * MARGIN
        title = f"{side}x{side} with its padding: {left}x{left} pixels are read nine times"
        canvas.count_map(panel, plane(line, line), title=title)
        corner = MARGIN - 0.5
        panel.add_patch(
            Rectangle((corner, corner), left, left, fill=False, edgecolor=canvas.RED, linewidth=3, zorder=3)
        )
    return drawn


CLAIM = Claim(
    says="Of an image of PxP pixels, padding included, a 3x3 convolution reads exactly (P-4)x(P-4) nine times: all but "
    "the two outermost rows and columns at each end.",
    notes='Convolution with strides, stride 1: "In 5x5 ... 1x1 (i.e (5-4) x (5-4)"',
    kind="exact",
    evidence=Computed(compute=compute),
    rule=Exact(),
    figure=figure,
)
