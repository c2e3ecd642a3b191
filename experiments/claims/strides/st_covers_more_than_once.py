"""The notes: "when we convolve with a stride of more than 1, we would be covering some pixels more than once".

Listed as a disadvantage of strides, so two senses are judged. The words alone: is there a pixel that two windows read.
And as a disadvantage of stride: is there more such covering than at stride 1, which the same notes praise two
paragraphs on for covering "most of the pixels 9 times". Counts are of windows a pixel, on maps of 64 x 64 with the
padding `same` (JAX's rule) and with the padding of k // 2 on both sides (PyTorch's habit), away from the border.
"""

import itertools
from fractions import Fraction
from typing import TYPE_CHECKING

from cnnlab.geometry.coverage import Counts, coverage, interior, plane
from cnnlab.inference.rules.all_of import Senses
from cnnlab.inference.rules.exact import Enumerated, Exact, Restricted
from cnnlab.report import canvas
from cnnlab.spec.network import Pair
from cnnlab.spec.verdict import Scalar, Table
from experiments.claims.base import Claim, Computed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KERNELS = (3, 1, 2, 4, 5, 6, 7)
"""The notes' 3x3 first."""
STRIDES = (2, 3, 4)
SIDE, MARGIN = 60, 12
"""A side that every stride divides, and pixels left out at the border: more than any kernel, whole periods."""
JAX, TORCH = "JAX SAME", "k // 2 on both sides"


def counts(kernel: int, stride: int, padding: str) -> Counts:
    """How many windows read each pixel of a line, away from its ends."""
    pads: str | Pair = "same" if padding == JAX else (kernel // 2, kernel // 2)
    return interior(coverage(SIDE, kernel, stride, pads), MARGIN)


def mean_coverage(kernel: int, stride: int, padding: str = JAX) -> Fraction:
    """Windows that read a pixel of the plane, on average."""
    line = counts(kernel, stride, padding)
    return Fraction(sum(line), len(line)) ** 2


def cases() -> list[tuple[int, int, str]]:
    """(kernel, stride, padding)."""
    return list(itertools.product(KERNELS, STRIDES, (JAX, TORCH)))


def covered_twice() -> Enumerated:
    """Try every kernel and stride: is some pixel read by two windows or more."""
    fails = [(kernel, stride, padding) for kernel, stride, padding in cases() if most(kernel, stride, padding) < 2]
    overlapping = [(kernel, stride, padding) for kernel, stride, padding in cases() if kernel > stride]
    return Enumerated(
        cases=len(cases()),
        counterexamples=tuple(
            f"a {kernel}x{kernel} kernel of stride {stride} reads no pixel more than once (padding {padding})"
            for kernel, stride, padding in fails
        ),
        restricted=Restricted(
            condition="the kernel is wider than the stride",
            cases=len(overlapping),
            counterexamples=sum(case in fails for case in overlapping),
        ),
        tables=(by_stride(),),
    )


def most(kernel: int, stride: int, padding: str) -> int:
    """The largest number of windows that read one pixel of the plane."""
    return max(counts(kernel, stride, padding)) ** 2


def more_than_stride_one() -> Enumerated:
    """Try every kernel and stride: is the mean or the largest number of windows a pixel above that of stride 1."""
    counterexamples = []
    for kernel, stride, padding in cases():
        mean, plain = mean_coverage(kernel, stride, padding), mean_coverage(kernel, 1, padding)
        if mean <= plain and most(kernel, stride, padding) <= most(kernel, 1, padding):
            counterexamples.append(
                f"{kernel}x{kernel}, padding {padding}: {float(mean):.3g} windows a pixel at stride {stride}, "
                f"{float(plain):.3g} at stride 1"
            )
    plain, strided = mean_coverage(3, 1), mean_coverage(3, 2)
    return Enumerated(
        cases=len(cases()),
        counterexamples=tuple(counterexamples),
        nearest_true=(
            f"raising the stride lowers the coverage, to k^2 / s^2 windows a pixel on average: a 3x3 kernel reads each "
            f"pixel {plain} times at stride 1 and {float(strided)} times on average at stride 2"
        ),
    )


def by_stride() -> Table:
    """Counts of windows a pixel."""
    rows: list[tuple[Scalar, ...]] = []
    for kernel, stride in itertools.product(sorted(KERNELS), (1, *STRIDES)):
        line = counts(kernel, stride, JAX)
        seen = sorted({count for row in plane(line, line) for count in row})
        mean = float(mean_coverage(kernel, stride))
        rows.append((f"{kernel}x{kernel}", stride, round(mean, 3), ", ".join(map(str, seen))))
    columns = ("kernel", "stride", "mean", "counts that occur")
    return Table(title=f"windows that read a pixel, away from the border ({JAX})", columns=columns, rows=tuple(rows))


def figure() -> "Figure":
    """Mean coverage against the stride."""
    drawn, axes = canvas.canvas("Raising the stride lowers how often pixels are read: k\u00b2 / s\u00b2 on average")
    panel = axes[0][0]
    strides = (1, *STRIDES)
    for kernel, colour, marker in zip((2, 3, 5, 7), canvas.SERIES, canvas.MARKERS, strict=False):
        found = [float(mean_coverage(kernel, stride)) for stride in strides]
        panel.plot(
            strides, found, color=colour, marker=marker, ls="", markersize=8, label=f"{kernel}x{kernel}, counted"
        )
        fine = [1 + step / 50 for step in range(151)]
        panel.plot(fine, [kernel**2 / at**2 for at in fine], color=colour, lw=1)
    panel.axhline(1, color="black", ls=":", lw=1)
    panel.text(3.98, 1.05, "every pixel once", ha="right", va="bottom", fontsize=9)
    panel.set_yscale("log")
    panel.set_yticks([0.25, 1, 4, 9, 25, 49], ["1/4", "1", "4", "9", "25", "49"])
    panel.minorticks_off()
    panel.set_xticks(strides)
    panel.set_xlabel("stride [pixels]")
    panel.set_ylabel("windows that read a pixel, on average")
    panel.legend(frameon=False, title="kernel (lines: k\u00b2 / s\u00b2)")
    return drawn


CLAIM = Claim(
    says="With a stride above 1 some pixels are read by more than one window, a disadvantage of strides.",
    notes='Convolution with strides, last disadvantage: "we would be covering some pixels more than once"',
    kind="exact",
    evidence={
        "taken by itself": Computed(compute=covered_twice),
        "more than at stride 1": Computed(compute=more_than_stride_one),
    },
    rule=Senses(parts=(("taken by itself", Exact()), ("more than at stride 1", Exact()))),
    figure=figure,
)
