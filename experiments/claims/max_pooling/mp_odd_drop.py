"""The notes "always not consider the last rows and columns" of an odd map: "7x7 ... 3x3".

A universal: one common pooling mode that reads the last row of an odd map refutes it. The modes are those that current
libraries offer; ceil mode pads one row and column at the end of an odd map, which is what SAME does for a 2x2 window.
"""

from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from cnnlab.geometry.axis import Slide
from cnnlab.geometry.coverage import Counts, coverage, plane, read_counts, sliding
from cnnlab.inference.rules.exact import Enumerated, Exact
from cnnlab.report import canvas
from cnnlab.spec.network import Pair, Pool
from cnnlab.spec.verdict import Scalar, Table
from cnnlab.zoo.operations import operate
from experiments.claims.base import Claim, Computed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float32]
SIDES = range(1, 65)
STRIDE = 2
FLOOR = "2x2, no padding (floor)"
CEIL = "2x2, ceil mode"
MODES: dict[str, tuple[int, str | Pair]] = {
    FLOOR: (2, "valid"),
    CEIL: (2, "valid"),
    "2x2, SAME (JAX, TensorFlow)": (2, "same"),
    "3x3, padding 1": (3, (1, 1)),
    "3x3, no padding (AlexNet)": (3, "valid"),
}
"""Window and padding of pools of stride 2; the first is the default of Flax, PyTorch and Keras."""
CLASSES = 10
NOTES_SIDE = 7


def window(mode: str, side: int) -> Slide | None:
    """The window of a mode on a map of that side; None where it does not fit."""
    taps, padding = MODES[mode]
    if mode == CEIL:
        padding = (0, side % STRIDE)
    slide = sliding(side, taps, STRIDE, padding)
    return slide if slide.length(side) > 0 else None


def read_by(mode: str, side: int) -> Counts:
    """How many windows read each row."""
    slide = window(mode, side)
    return (0,) * side if slide is None else read_counts([slide], side)


def compute() -> Enumerated:
    """Try every mode on every odd side that its window fits: does any window read the last row."""
    cases, counterexamples = 0, list[str]()
    for mode in MODES:
        # the notes' own example first
        for side in sorted(SIDES, key=lambda side: (side != NOTES_SIDE, side)):
            slide = window(mode, side)
            if side % 2 == 0 or slide is None:
                continue
            cases += 1
            if read_counts([slide], side)[-1] > 0:
                after = slide.length(side)
                counterexamples.append(f"{mode}: {side}x{side} becomes {after}x{after} and its last row is read")
    rows = coverage(28, 2, STRIDE, "valid", depth=3)
    lost = 1 - (sum(count > 0 for count in rows) / len(rows)) ** 2
    unread = unread_share(FLOOR, NOTES_SIDE)
    dropped = [side for side in SIDES if window(FLOOR, side) is not None and read_by(FLOOR, side)[-1] == 0]
    return Enumerated(
        cases=cases,
        counterexamples=tuple(counterexamples),
        nearest_true=(
            "a 2x2 pool of stride 2 without padding drops the last row and column of every odd map and of no even one "
            f"(tried: sides {dropped[0]} to {dropped[-1]}): {unread:.1%} of a 7x7 map is never read, and {lost:.1%} of "
            "a 28x28 image after three such pools; ceil mode, SAME, and 3x3 windows read all of it"
        ),
        tables=(by_mode(),),
    )


def unread_share(mode: str, side: int) -> float:
    """Share of a map's pixels that no window reads."""
    rows = read_by(mode, side)
    return sum(count == 0 for row in plane(rows, rows) for count in row) / side**2


def pooled(mode: str, images: Floats) -> Floats:
    """Max-pool images [batch, side, side, 1] by the suite's own operation, where the window fits."""
    slide = window(mode, images.shape[1])
    assert slide is not None, "the window fits"
    pads = (slide.low, slide.high)
    node = Pool(name="pool", kind="max", kernel=(slide.taps,) * 2, stride=(slide.stride,) * 2, padding=(pads, pads))
    return np.asarray(operate(node, None, jnp.asarray(images)))


def accuracy(mode: str) -> float:
    """How often the class can be told after pooling when it is written in the last row alone.

    Class c is one bright pixel in column 2 c of the last row of an odd map; of the ten pooled templates the nearest is
    chosen, the first of those that tie.
    """
    side = 2 * CLASSES + 1
    images = np.zeros((CLASSES, side, side, 1), np.float32)
    images[np.arange(CLASSES), -1, 2 * np.arange(CLASSES), 0] = 1
    seen = pooled(mode, images).reshape(CLASSES, -1)
    distance = ((seen[:, None] - seen[None]) ** 2).sum(-1)
    return float((distance.argmin(1) == np.arange(CLASSES)).mean())


def size_of(mode: str) -> int:
    """Pixels along one side of what becomes of the notes' 7x7 map."""
    slide = window(mode, NOTES_SIDE)
    return 0 if slide is None else slide.length(NOTES_SIDE)


def by_mode() -> Table:
    """What each mode makes of the notes' 7x7 map, and of a label in the last row."""
    rows: list[tuple[Scalar, ...]] = []
    for mode in MODES:
        after = size_of(mode)
        unread = round(100 * unread_share(mode, NOTES_SIDE), 1)
        rows.append((mode, f"{after}x{after}", unread, round(100 * accuracy(mode), 1)))
    columns = (
        "window of stride 2",
        "7x7 becomes",
        "of it never read [%]",
        "ten classes in the last row, told apart [%]",
    )
    return Table(title="five ways to pool an odd map", columns=columns, rows=tuple(rows))


def figure() -> "Figure":
    """The 7x7 map under three modes with the windows that read each pixel, and the accuracies."""
    drawn, axes = canvas.canvas(
        "Whether the last row of a 7x7 map is dropped is a choice of padding, not a law",
        width=11,
        height=4.2,
        columns=4,
    )
    shown = (FLOOR, "2x2, SAME (JAX, TensorFlow)", "3x3, no padding (AlexNet)")
    for panel, mode in zip(axes[0], shown, strict=False):
        rows = read_by(mode, NOTES_SIDE)
        greyed(panel, plane(rows, rows))
        after = size_of(mode)
        panel.set_title(f"{mode.split(' (')[0]}\n7x7 becomes {after}x{after}", fontsize=10)
        panel.set_xlabel(
            "numerals: windows that\nread each pixel" + (" (hatched: none)" if mode == FLOOR else ""), fontsize=9
        )
    bars = axes[0][3]
    found = [100 * accuracy(mode) for mode in MODES]
    bars.barh(range(len(MODES)), found, color=[canvas.RED if value < 50 else canvas.BLUE for value in found])
    bars.set_yticks(range(len(MODES)), [mode.split(" (")[0].replace(", ", ",\n") for mode in MODES], fontsize=8)
    bars.invert_yaxis()
    bars.set_xlim(0, 100)
    bars.axvline(100 / CLASSES, color="black", linestyle=":", lw=1)
    bars.text(100 / CLASSES + 2, -0.52, "chance", fontsize=8, va="bottom")
    bars.set_xlabel("ten classes written in the\nlast row, told apart [%]")
    return drawn


def greyed(panel: "Axes", counts: tuple[Counts, ...]) -> None:
    """A map of counts with the pixels that nothing reads hatched."""
    from matplotlib.patches import Rectangle

    canvas.count_map(panel, counts)
    for row, line in enumerate(counts):
        for column, count in enumerate(line):
            if count == 0:
                corner = (column - 0.5, row - 0.5)
                panel.add_patch(Rectangle(corner, 1, 1, facecolor="0.8", edgecolor="0.5", hatch="///", lw=0))
                panel.text(column, row, "0", ha="center", va="center", fontsize=11)


CLAIM = Claim(
    says="Max-pooling always leaves out the last row and column of a map with an odd side.",
    notes='Max Pooling, last point: "always not consider the last rows and columns in an odd resolution"',
    kind="exact",
    evidence=Computed(compute=compute),
    rule=Exact(reading="universal"),
    figure=figure,
)
