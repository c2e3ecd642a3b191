"""The notes: with stride 2 "the pixels are covering once, twice or thrice there is no other number".

A universal, judged for the notes' 3x3 kernel in the plane: a side and a padding on which some pixel is read by another
number of windows than 1, 2 or 3 is a counterexample. (Along a single axis the counts are 1 and 2; three never occurs.)
Padding: JAX's SAME puts (0, 1) on even sides and (1, 1) on odd ones, so the pixels read most stand elsewhere than under
PyTorch's padding of 1 on both sides; VALID has none.
"""

from collections import Counter
from typing import TYPE_CHECKING

from cnnlab.geometry.coverage import coverage, interior, plane
from cnnlab.inference.rules.exact import Enumerated, Exact
from cnnlab.report import canvas
from cnnlab.spec.network import Pair
from cnnlab.spec.verdict import Scalar, Table
from experiments.claims.base import Claim, Computed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIDES = range(3, 65)
KERNEL, STRIDE = 3, 2
PADDINGS: dict[str, str | Pair] = {"JAX SAME": "same", "1 on both sides": (1, 1), "VALID": "valid"}
NOTES = frozenset({1, 2, 3})


def counts(side: int, padding: str, kernel: int = KERNEL) -> Counter[int]:
    """How many pixels of a side x side map are read by each number of windows."""
    line = coverage(side, kernel, STRIDE, PADDINGS[padding])
    return Counter(count for row in plane(line, line) for count in row)


def compute() -> Enumerated:
    """Count the windows over every pixel of every map, the largest first: its border counts least."""
    cases, counterexamples, ever = 0, list[str](), Counter[int]()
    for padding in PADDINGS:
        for side in reversed(SIDES):
            found = counts(side, padding)
            cases, ever = cases + 1, ever + found
            if not set(found) <= NOTES:
                seen = ", ".join(f"{count} ({pixels} pixels)" for count, pixels in sorted(found.items()))
                counterexamples.append(f"{side}x{side}, padding {padding}: pixels are read {seen} times")
    line = interior(coverage(SIDES[-1], KERNEL, STRIDE), 2 * STRIDE)
    inner = Counter(count for row in plane(line, line) for count in row)
    shares = ", ".join(f"{count} ({pixels / inner.total():.0%})" for count, pixels in sorted(inner.items()))
    unread = [side for side in SIDES if 0 in counts(side, "VALID")]
    which = "even" if all(side % 2 == 0 for side in unread) else "some"
    return Enumerated(
        cases=cases,
        counterexamples=tuple(counterexamples),
        nearest_true=(
            f"away from the border the counts are {shares} of the pixels; 3 occurs {ever[3]} times on {cases} maps; "
            f"without padding the {len(unread)} maps of {which} sides have a last row and column that are never read"
        ),
        tables=(by_padding(), by_kernel()),
    )


def by_padding() -> Table:
    """Shares of the counts on one even and one odd map."""
    rows: list[tuple[Scalar, ...]] = []
    for side in (7, 8, 32, 224):
        for padding in PADDINGS:
            found = counts(side, padding)
            shares = (round(100 * found[count] / side**2, 1) for count in (0, 1, 2, 3, 4))
            rows.append((f"{side}x{side}", padding, *shares))
    columns = ("map", "padding", *(f"read {count}x [%]" for count in (0, 1, 2, 3, 4)))
    return Table(title="3x3 kernel, stride 2: how many windows read a pixel", columns=columns, rows=tuple(rows))


def by_kernel() -> Table:
    """The counts of other kernels of stride 2, away from the border."""
    rows: list[tuple[Scalar, ...]] = []
    for kernel in range(1, 8):
        line = interior(coverage(64, kernel, STRIDE), 16)
        seen = Counter(count for row in plane(line, line) for count in row)
        shown = ", ".join(f"{count} ({pixels / seen.total():.0%})" for count, pixels in sorted(seen.items()))
        rows.append((f"{kernel}x{kernel}", shown))
    return Table(title="other kernels of stride 2", columns=("kernel", "counts (share of pixels)"), rows=tuple(rows))


def figure() -> "Figure":
    """The count maps with numerals."""
    drawn, axes = canvas.canvas(
        "3x3 kernel, stride 2: pixels are read once, twice or four times, or not at all; never three times",
        width=10.5,
        height=4.2,
        columns=3,
    )
    side = 8
    for panel, (name, padding) in zip(axes[0], PADDINGS.items(), strict=True):
        line = coverage(side, KERNEL, STRIDE, padding)
        canvas.count_map(panel, plane(line, line), title=f"padding {name}")
        panel.set_xlabel(f"{side}x{side} pixels; numerals: windows that read each", fontsize=9)
    return drawn


CLAIM = Claim(
    says="With stride 2 every pixel is read by one, two or three windows, and by no other number.",
    notes='Convolution with strides, second paragraph: "once, twice or thrice there is no other number"',
    kind="exact",
    evidence=Computed(compute=compute),
    rule=Exact(reading="universal"),
    figure=figure,
)
