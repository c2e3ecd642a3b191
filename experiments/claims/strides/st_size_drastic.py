"""The notes list among the "disadvantages of using stride of 2 or more" that "size of channel reduces drastically".

Two senses. The words alone: with stride s the map keeps one pixel in s x s, each side rounded to a whole pixel, at
most half of its pixels in any case. And as a disadvantage of stride: against the max-pool that the notes use to
down-sample instead, the map would have to be smaller. Both are compared on every side, with equal window and padding.
Padding: `same` is JAX's rule (an even side gets one row at the end for a 3x3 window of stride 2).
"""

import itertools
from typing import TYPE_CHECKING

from cnnlab.geometry.sizes import sizes
from cnnlab.inference.rules.all_of import Senses
from cnnlab.inference.rules.exact import Enumerated, Exact, Restricted
from cnnlab.report import canvas
from cnnlab.spec.network import Conv, Input, Network, Node, Padding, Pool
from cnnlab.spec.verdict import Scalar, Table
from experiments.claims.base import Claim, Computed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIDES = range(1, 65)
KERNELS = (2, 3, 5)
STRIDES = (2, 3, 4)
PADDINGS: tuple[Padding, ...] = ("same", "valid")
SHOWN = 28


def after(node: Node, side: int) -> int:
    """Pixels along one side of what a layer makes of a square map."""
    net = Network(nodes=(Input(name="image", channels=1), node), output=node.name, features=node.name)
    found = sizes(net, (side, side))[node.name]
    assert found is not None, "the image's size is known"
    return found[0]


def convolved(side: int, kernel: int, stride: int, padding: Padding) -> int:
    """Pixels along one side after a strided convolution."""
    window, step = (kernel, kernel), (stride, stride)
    node = Conv(name="conv", inputs=("image",), filters=1, kernel=window, stride=step, padding=padding)
    return after(node, side)


def pooled(side: int, kernel: int, stride: int, padding: Padding) -> int:
    """Pixels along one side after a max-pool of the same window, stride and padding."""
    window, step = (kernel, kernel), (stride, stride)
    return after(Pool(name="pool", inputs=("image",), kind="max", kernel=window, stride=step, padding=padding), side)


def cases() -> list[tuple[int, int, int, Padding]]:
    """(side, kernel, stride, padding) wherever the window fits, larger sides first."""
    every = itertools.product(reversed(SIDES), KERNELS, STRIDES, PADDINGS)
    return [case for case in every if case[3] == "same" or case[1] <= case[0]]


def shrinks() -> Enumerated:
    """Try whether the map keeps at most half of its pixels, and 1 / s^2 of them where the stride divides the side."""
    counterexamples, above = list[str](), 0
    for side, kernel, stride, padding in cases():
        found = convolved(side, kernel, stride, padding)
        exact = padding == "valid" or side % stride or found * stride == side
        if not exact or 2 * found**2 > side**2:
            above += side > 1
            counterexamples.append(
                f"{kernel}x{kernel}, stride {stride}, padding {padding}: {side}x{side} becomes {found}x{found}"
            )
    more_than_one_pixel = sum(side > 1 for side, *_ in cases())
    return Enumerated(
        cases=len(cases()),
        counterexamples=tuple(counterexamples),
        restricted=Restricted(
            condition="the map is larger than one pixel", cases=more_than_one_pixel, counterexamples=above
        ),
        tables=(by_stride(),),
    )


def beyond_pool() -> Enumerated:
    """Try whether a strided convolution leaves a smaller map than a pool of the same window and stride."""
    counterexamples = tuple(
        f"{kernel}x{kernel}, stride {stride}, padding {padding}: {side}x{side} becomes {found}x{found} either way"
        for side, kernel, stride, padding in cases()
        if (found := convolved(side, kernel, stride, padding)) >= pooled(side, kernel, stride, padding)
    )
    strided, halved = convolved(SHOWN, 3, 2, "same"), pooled(SHOWN, 2, 2, "valid")
    return Enumerated(
        cases=len(cases()),
        counterexamples=counterexamples,
        nearest_true=(
            f"a convolution of stride s keeps 1 / s^2 of the pixels, exactly as a pool of stride s: {SHOWN}x{SHOWN} "
            f"becomes {strided}x{strided} by a 3x3 convolution of stride 2 and {halved}x{halved} by a 2x2 max-pool"
        ),
    )


def by_stride() -> Table:
    """What both make of one map."""
    rows: list[tuple[Scalar, ...]] = []
    for stride, kernel, padding in itertools.product((1, *STRIDES), KERNELS, PADDINGS):
        found = convolved(SHOWN, kernel, stride, padding)
        by_pool = pooled(SHOWN, kernel, stride, padding)
        share = round(100 * found**2 / SHOWN**2, 1)
        rows.append((stride, f"{kernel}x{kernel}", str(padding), f"{found}x{found}", f"{by_pool}x{by_pool}", share))
    columns = ("stride", "window", "padding", "convolution", "max-pool", "pixels left [%]")
    return Table(title=f"what is left of a {SHOWN}x{SHOWN} map", columns=columns, rows=tuple(rows))


def figure() -> "Figure":
    """Size after against size before, for strides and for pools."""
    drawn, axes = canvas.canvas("A stride of 2 shrinks a map exactly as much as a 2x2 max-pool does", width=8.5)
    panel = axes[0][0]
    sides = list(SIDES)
    for stride, colour, marker in zip((1, *STRIDES), canvas.SERIES, canvas.MARKERS, strict=False):
        found = [convolved(side, 3, stride, "same") for side in sides]
        panel.plot(sides, found, color=colour, lw=3, alpha=0.5, label=f"3x3 convolution, stride {stride}")
        if stride > 1:
            by_pool = [pooled(side, stride, stride, "same") for side in sides]
            label = f"{stride}x{stride} max-pool, stride {stride}"
            panel.plot(sides, by_pool, color=colour, ls="", marker=marker, markersize=3.5, label=label)
    panel.set_xlabel("side of the map before the layer [pixels]")
    panel.set_ylabel("side after (padding SAME) [pixels]")
    panel.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return drawn


CLAIM = Claim(
    says="A convolution with a stride of 2 or more shrinks the map drastically, a disadvantage of strides.",
    notes='Convolution with strides, first disadvantage: "size of channel reduces drastically"',
    kind="structural",
    evidence={
        "taken by itself": Computed(compute=shrinks),
        "against a pool of that stride": Computed(compute=beyond_pool),
    },
    rule=Senses(parts=(("taken by itself", Exact()), ("against a pool of that stride", Exact()))),
    figure=figure,
)
