"""The notes: a very high central pixel is going to "dissipate ... into the nearby or neighboring pixels unevenly".

They call it feature accumulation, which is no established term for it. A pixel alone on a black map is an impulse, and
what becomes of it says all of a linear layer. Two senses: is it dispersed unevenly, that is to more outputs from one
place than from another; and does stride 2 disperse it more than stride 1, to more outputs or with more energy. Kernels
are random without zeros; padding is JAX's SAME ((0, 1) for 3x3, stride 2, on an even side) and k // 2 on both sides.
"""

import itertools
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cnnlab.geometry.axis import Slide
from cnnlab.geometry.coverage import sliding
from cnnlab.inference.rules.all_of import Senses
from cnnlab.inference.rules.exact import Enumerated, Exact, Restricted
from cnnlab.probes.convolution_matrix import convolution_matrix
from cnnlab.report import canvas
from cnnlab.spec.verdict import Number, Scalar, Table
from experiments.claims.base import Claim, Computed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]
KERNELS = (3, 2, 4, 5)
"""The notes' 3x3 first."""
SIDES, MARGIN, DRAWS = (12, 13), 4, 3
JAX, TORCH = "JAX SAME", "k // 2 on both sides"


def window(side: int, kernel: int, stride: int, padding: str) -> Slide:
    """The window along either axis."""
    return sliding(side, kernel, stride, "same" if padding == JAX else (kernel // 2, kernel // 2))


def responses(kernel: Floats, side: int, stride: int, padding: str) -> Floats:
    """Impulse responses [outputs, rows, columns] of a kernel [k, k]: one for each place of the impulse."""
    matrix = convolution_matrix(kernel[:, :, None, None], side, window(side, len(kernel), stride, padding))
    return matrix.reshape(-1, side, side)


def inner(found: Floats) -> Floats:
    """Only impulses that every window over them reads without meeting the border; whole periods of stride 2 of them."""
    width = 2 * ((found.shape[-1] - 2 * MARGIN) // 2)
    return found[:, MARGIN : MARGIN + width, MARGIN : MARGIN + width]


def reached(kernel: Floats, side: int, stride: int, padding: str) -> NDArray[np.int_]:
    """How many outputs each impulse reaches [rows, columns]."""
    return np.asarray(np.count_nonzero(inner(responses(kernel, side, stride, padding)), axis=0))


def passed(kernel: Floats, side: int, padding: str) -> Floats:
    """Energy of each impulse's response at stride 2 over that at stride 1."""
    strided, plain = (inner(responses(kernel, side, stride, padding)) for stride in (2, 1))
    share: Floats = (strided**2).sum(0) / (plain**2).sum(0)
    return share


def cases() -> list[tuple[Floats, int, str]]:
    """(kernel, side, padding)."""
    draw = np.random.default_rng(0)
    tried = itertools.product(KERNELS, SIDES, (JAX, TORCH), range(DRAWS))
    return [(draw.normal(size=(kernel, kernel)), side, padding) for kernel, side, padding, _ in tried]


def unevenly() -> Enumerated:
    """Try whether impulses from different places reach different numbers of outputs."""
    every = [(kernel, reached(kernel, side, 2, padding)) for kernel, side, padding in cases()]
    even = [(kernel, counts) for kernel, counts in every if len(set(counts.flat)) == 1]
    return Enumerated(
        cases=len(every),
        counterexamples=tuple(
            f"{len(kernel)}x{len(kernel)}, stride 2: from every place an impulse reaches {counts.flat[0]} output(s)"
            for kernel, counts in even
        ),
        restricted=Restricted(
            condition="the kernel is odd",
            cases=sum(len(kernel) % 2 for kernel, _ in every),
            counterexamples=sum(len(kernel) % 2 for kernel, _ in even),
        ),
        tables=(by_kernel(), centre()),
    )


def more_than_stride_one() -> Enumerated:
    """Try whether some impulse reaches more outputs, or passes more energy, than at stride 1."""
    counterexamples, shares = [], []
    for kernel, side, padding in cases():
        strided, plain = (reached(kernel, side, stride, padding) for stride in (2, 1))
        share = passed(kernel, side, padding)
        shares.append(float(share.mean()))
        if (strided <= plain).all() and (share <= 1).all():
            seen = ", ".join(map(str, sorted(set(strided.flat))))
            counterexamples.append(
                f"{len(kernel)}x{len(kernel)}, padding {padding}: an impulse reaches {seen} outputs at stride 2, "
                f"{plain.max()} at stride 1"
            )
    mean = float(np.mean(shares))
    three, _, _ = cases()[0]
    ways = [str(count) for count in sorted(set(reached(three, SIDES[0], 2, JAX).flat))]
    return Enumerated(
        cases=len(cases()),
        counterexamples=tuple(counterexamples),
        nearest_true=(
            f"through a 3x3 kernel an impulse reaches {reached(three, SIDES[0], 1, JAX).max()} outputs at stride 1 and "
            f"{', '.join(ways[:-1])} or {ways[-1]} at stride 2, by its place: it is dispersed less, and "
            f"{mean:.0%} of the response's energy is left on average"
        ),
        number=Number(name="of an impulse's energy left by stride 2, on average", value=100 * mean, unit="%"),
    )


def by_kernel() -> Table:
    """Outputs reached and energy, by the place of the impulse in a 2x2 period."""
    rows: list[tuple[Scalar, ...]] = []
    draw = np.random.default_rng(1)
    for size in sorted(KERNELS):
        kernel = draw.normal(size=(size, size))
        counts, share = reached(kernel, SIDES[0], 2, JAX), passed(kernel, SIDES[0], JAX)
        plain = int(reached(kernel, SIDES[0], 1, JAX).max())
        for down, across in itertools.product(range(2), repeat=2):
            place = f"row {('even', 'odd')[down]}, column {('even', 'odd')[across]}"
            energy = round(100 * float(share[down, across]), 1)
            rows.append((f"{size}x{size}", place, plain, int(counts[down, across]), energy))
    columns = ("kernel", "impulse at", "outputs reached, stride 1", "stride 2", "energy left by stride 2 [%]")
    return Table(
        title=f"one random kernel of each size, {SIDES[0]}x{SIDES[0]}, {JAX}", columns=columns, rows=tuple(rows)
    )


def centre() -> Table:
    """The notes' central pixel: what becomes of it on odd maps."""
    rows: list[tuple[Scalar, ...]] = []
    for side in (5, 7, 9, 11, 13, 15):
        found = responses(np.ones((3, 3)), side, 2, JAX)[:, side // 2, side // 2]
        rows.append((f"{side}x{side}", int(np.count_nonzero(found))))
    title = "where the notes' central pixel goes: 3x3, stride 2, SAME"
    return Table(title=title, columns=("odd map, padding 1 on both sides", "outputs reached"), rows=tuple(rows))


def figure() -> "Figure":
    """Impulse responses side by side; numerals say which weight of the kernel each output takes the pixel by."""
    drawn, axes = canvas.canvas(
        "One bright pixel through a 3x3 kernel: nine outputs at stride 1;\none, two or four at stride 2, by its place",
        width=11,
        height=3.4,
        columns=5,
    )
    side, weights = 9, np.arange(1.0, 10.0).reshape(3, 3)
    shown = (
        (1, 4, 4, "stride 1, any place"),
        (2, 4, 4, "stride 2,\neven row, even column"),
        (2, 4, 5, "stride 2,\neven row, odd column"),
        (2, 5, 4, "stride 2,\nodd row, even column"),
        (2, 5, 5, "stride 2,\nodd row, odd column"),
    )
    for panel, (stride, row, column, title) in zip(axes[0], shown, strict=True):
        found = responses(weights, side, stride, TORCH)[:, row, column]
        out = window(side, 3, stride, TORCH).length(side)
        place = slice(2, 7) if stride == 1 else slice(0, 5)
        canvas.count_map(panel, found.reshape(out, out)[place, place].tolist(), title=title)
        panel.set_xlabel("5x5 outputs", fontsize=9)
    axes[0][0].set_ylabel("numeral: number of the\nkernel's weight (0: none)", fontsize=9)
    return drawn


CLAIM = Claim(
    says="Stride 2 disperses a bright pixel into the neighbouring outputs, and unevenly.",
    notes='Convolution with strides, second paragraph: "dissipate ... into the nearby or neighboring pixels unevenly"',
    kind="exact",
    evidence={
        "as to evenness": Computed(compute=unevenly),
        "as to amount, against stride 1": Computed(compute=more_than_stride_one),
    },
    rule=Senses(parts=(("as to evenness", Exact()), ("as to amount, against stride 1", Exact()))),
    figure=figure,
)
