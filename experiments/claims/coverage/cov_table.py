"""The notes' table of five image sizes, the pixels of each that are covered nine times, and their percentage.

Every number is recomputed, row by row, under the reading most favourable to the notes: of the readings below, the one
that makes most of the fifteen numbers right. A percentage is right if it is the true one to the nearest whole percent,
or to the nearest ten where it is printed as a multiple of ten. One wrong number makes a row wrong, and a wrong row is a
counterexample to the table. One reading serves all rows: that the last would do for 112x112 pixels without padding
contradicts its own heading, and is printed beside. (The last row adds "convolution is 9x9", which no reading explains;
it is not judged.)
"""

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cnnlab.geometry.coverage import coverage
from cnnlab.inference.rules.exact import Enumerated, Exact
from cnnlab.report import canvas
from cnnlab.spec.verdict import Number, Scalar, Table
from experiments.claims.base import Claim, Computed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KERNEL, OFTEN_ON_AN_AXIS, MARGIN = 3, 3, 2
"""A pixel is read nine times if three windows read it along either axis; the padding is two pixels a side in all."""


@dataclass(frozen=True, kw_only=True)
class PrintedRow:
    """A row as the notes print it: sides of the padded image, the image and the block read nine times; percent."""

    padded: int
    image: int
    block: int
    percent: int


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What a row may mean.

    Attributes:
        slides_over: the map on which the windows lie, `padded` or `image`.
        share_of: the map of whose pixels the share is, `padded` or `image`.
    """

    slides_over: str
    share_of: str


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What a row should say: side of the image, side of the block read nine times, and its share in percent."""

    image: int
    block: int
    percent: float


ROWS = (
    PrintedRow(padded=5, image=3, block=1, percent=11),
    PrintedRow(padded=7, image=5, block=3, percent=36),
    PrintedRow(padded=9, image=7, block=5, percent=50),
    PrintedRow(padded=11, image=9, block=5, percent=60),
    PrintedRow(padded=114, image=112, block=108, percent=90),
)
READINGS = tuple(
    Reading(slides_over=over, share_of=of) for over, of in itertools.product(("padded", "image"), repeat=2)
)


RIGHT, WRONG = "#d9efe7", "#f7d7c4"
"""Backgrounds in the figure; a wrong number carries a cross as well."""


def truth(row: PrintedRow, reading: Reading) -> Truth:
    """Recompute a row from the side of its padded image."""
    sides = {"padded": row.padded, "image": row.padded - MARGIN}
    block = coverage(sides[reading.slides_over], KERNEL, padding="valid").count(OFTEN_ON_AN_AXIS)
    return Truth(image=sides["image"], block=block, percent=100 * block**2 / sides[reading.share_of] ** 2)


def rounded(percent: float, printed: int) -> bool:
    """Whether a percentage is the printed one, to the precision with which it is printed."""
    return round(percent) == printed or (printed % 10 == 0 and 10 * round(percent / 10) == printed)


def wrong(row: PrintedRow, found: Truth) -> tuple[str, ...]:
    """What is wrong in a row, and what is right, a phrase for each number."""
    phrases = (
        (row.image == found.image, f"the image is {found.image}x{found.image}, not {row.image}x{row.image}"),
        (
            row.block == found.block,
            f"{found.block}x{found.block} pixels are read nine times, not {row.block}x{row.block}",
        ),
        (rounded(found.percent, row.percent), f"the share is {found.percent:.1f} %, not {row.percent} %"),
    )
    return tuple(phrase for right, phrase in phrases if not right)


def favourable(rows: tuple[PrintedRow, ...]) -> Reading:
    """The reading under which the fewest numbers are wrong; the first of equals."""
    return min(READINGS, key=lambda reading: sum(len(wrong(row, truth(row, reading))) for row in rows))


def judged(row: PrintedRow, found: Truth) -> str:
    """The judgement of a row in a few words."""
    amiss = wrong(row, found)
    if amiss:
        return "wrong: " + "; ".join(amiss)
    return "right" if round(found.percent) == row.percent else "right, the share to the nearest ten only"


def compute() -> Enumerated:
    """Judge the five rows."""
    reading = favourable(ROWS)
    found = [(row, truth(row, reading)) for row in ROWS]
    counterexamples = tuple(
        f"row {place} ({row.padded}x{row.padded} with padding): {'; '.join(wrong(row, true))}"
        for place, (row, true) in enumerate(found, start=1)
        if wrong(row, true)
    )
    corrected = "; ".join(
        f"{row.padded}x{row.padded} has {true.block}x{true.block} of {true.image}x{true.image}, {true.percent:.1f} %"
        for row, true in found
        if wrong(row, true)
    )
    return Enumerated(
        cases=len(ROWS),
        counterexamples=counterexamples,
        nearest_true=f"the wrong rows should read: {corrected}{bare(ROWS[-1])}" if corrected else None,
        number=Number(name="wrong rows of five", value=len(counterexamples)),
        tables=(table(found),),
    )


def bare(row: PrintedRow) -> str:
    """Say where a row's count comes from, if it is that of the image without its padding."""
    found = truth(row, Reading(slides_over="image", share_of="image"))
    if found.block != row.block:
        return ""
    side = f"{row.image}x{row.image}"
    return f" ({row.block}x{row.block} would be {side} without padding, {found.percent:.1f} % of it)"


def table(found: list[tuple[PrintedRow, Truth]]) -> Table:
    """The notes' table beside what is true."""
    rows: tuple[tuple[Scalar, ...], ...] = tuple(
        (
            f"{row.padded}x{row.padded}",
            f"{row.image}x{row.image}",
            f"{row.block}x{row.block}",
            f"{row.percent} %",
            f"{true.block}x{true.block}",
            f"{true.percent:.1f} %",
            judged(row, true),
        )
        for row, true in found
    )
    columns = (
        "with padding",
        "image",
        "read 9 times, notes",
        "share, notes",
        "read 9 times, true",
        "share, true",
        "row",
    )
    return Table(title="the notes' table, recomputed", columns=columns, rows=rows)


def figure() -> "Figure":
    """The notes' table with recomputed columns; wrong numbers are marked in the notes' columns."""
    drawn, axes = canvas.canvas("Two of the five rows of the notes' table are wrong", width=9, height=3.2)
    panel = axes[0][0]
    panel.axis("off")
    reading = favourable(ROWS)
    lines, colours = [], []
    for row in ROWS:
        true = truth(row, reading)
        block, percent = row.block == true.block, rounded(true.percent, row.percent)
        lines.append(
            [
                f"{row.padded}x{row.padded}",
                f"{row.image}x{row.image}",
                _marked(f"{row.block}x{row.block}", block),
                _marked(f"{row.percent} %", percent),
                f"{true.block}x{true.block}",
                f"{true.percent:.1f} %",
            ]
        )
        colours.append(["white", "white", *("white" if right else WRONG for right in (block, percent)), RIGHT, RIGHT])
    heads = [
        "image with\npadding",
        "image",
        "read 9 times:\nnotes",
        "share:\nnotes",
        "read 9 times:\nrecomputed",
        "share:\nrecomputed",
    ]
    shown = panel.table(cellText=lines, cellColours=colours, colLabels=heads, loc="center", cellLoc="center")
    shown.auto_set_font_size(False)
    shown.set_fontsize(11)
    shown.scale(1, 1.6)
    for column in range(len(heads)):
        shown[0, column].set_height(0.22)
    return drawn


def _marked(text: str, right: bool) -> str:
    """Mark a wrong number by a cross, so that colour alone tells nothing."""
    return text if right else f"✗ {text}"


CLAIM = Claim(
    says="For padded images of 5, 7, 9, 11 and 114 pixels a side, the table gives the pixels that a 3x3 convolution "
    "reads nine times and their share of the image.",
    notes='Convolution with strides, the table "Number of pixels covered 9 times | Percentage coverage"',
    kind="exact",
    evidence=Computed(compute=compute),
    rule=Exact(),
    figure=figure,
)
