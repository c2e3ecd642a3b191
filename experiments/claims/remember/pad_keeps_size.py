"""The notes "add padding to have the size at least of some specific size".

Two parts. Size: whether padding (`same`, JAX's rule) gives back the size of the map, for every length to 64 pixels,
kernel to 7 and stride to 3. Accuracy: whether that is worth anything, with and without padding at equal depth.

Rule of protocol 4, written after pilots and before its data: accuracy is read on three real tasks.
"""

import itertools
from typing import TYPE_CHECKING

from cnnlab.geometry.axis import same_padding
from cnnlab.geometry.coverage import sliding
from cnnlab.inference.rules.all_of import AllOf
from cnnlab.inference.rules.directional import Directional
from cnnlab.inference.rules.exact import Enumerated, Exact, Restricted
from cnnlab.report import canvas
from cnnlab.spec.verdict import Table
from experiments.claims.base import Claim, Computed, Contrast, Trained

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LENGTHS, KERNELS, STRIDES = range(1, 65), range(1, 8), range(1, 4)
IMAGE, KERNEL = 28, 3
"""Side and kernel of the examples."""


def after(length: int, kernel: int, stride: int, padding: str) -> int:
    """Length of the map behind one convolution; below 1 where the window does not fit."""
    return sliding(length, kernel, stride, padding).length(length)


def shrinking(kernel: int, padding: str) -> list[int]:
    """Sides of the example image and of the maps behind one, two, ... layers of stride 1, while the kernel fits."""
    sides = [IMAGE]
    while len(sides) <= IMAGE // 2 and after(sides[-1], kernel, 1, padding) >= 1:
        sides.append(after(sides[-1], kernel, 1, padding))
    return sides


def compute() -> Enumerated:
    """Compare the length of the map behind a padded convolution with that before."""
    failing, single = [], 0
    for length, kernel, stride in itertools.product(LENGTHS, KERNELS, STRIDES):
        kept = after(length, kernel, stride, "same")
        if kept != length:
            single += stride == 1
            failing.append(f"{kernel}x{kernel} of stride {stride} with padding: {length} pixels become {kept}")
    sides = shrinking(KERNEL, "valid")
    return Enumerated(
        cases=len(LENGTHS) * len(KERNELS) * len(STRIDES),
        counterexamples=tuple(failing),
        restricted=Restricted(condition="the stride is 1", cases=len(LENGTHS) * len(KERNELS), counterexamples=single),
        nearest_true=(
            "at stride 1, k - 1 pixels of padding keep the size, (k - 1) / 2 on each side for an odd kernel and one "
            f"more on one side for an even one; without them every {KERNEL}x{KERNEL} layer takes "
            f"{sides[0] - sides[1]} pixels, and {IMAGE}x{IMAGE} is {sides[-1]}x{sides[-1]} after {len(sides) - 1} "
            "layers"
        ),
        tables=(by_kernel(),),
    )


def by_kernel() -> Table:
    """Padding that keeps the example image at stride 1, and what becomes of the image otherwise."""
    rows = tuple(
        (
            f"{kernel}x{kernel}",
            *same_padding(IMAGE, kernel, 1),
            after(IMAGE, kernel, 1, "same"),
            after(IMAGE, kernel, 1, "valid"),
            after(IMAGE, kernel, 2, "same"),
        )
        for kernel in KERNELS
    )
    columns = ("kernel", "padding before", "padding after", "padded", "not padded", "padded, stride 2")
    return Table(title=f"one layer on {IMAGE}x{IMAGE}: side of the map in pixels", columns=columns, rows=rows)


def figure() -> "Figure":
    """Side of the map against depth, padded and not."""
    drawn, axes = canvas.canvas("Without padding, stride-1 layers use the map up", width=8)
    panel = axes[0][0]
    lines = [("padded, any kernel", KERNEL, "same"), *((f"{k}x{k}, no padding", k, "valid") for k in (3, 5, 7))]
    for (name, kernel, padding), colour, marker in zip(lines, canvas.SERIES, canvas.MARKERS, strict=False):
        panel.plot(shrinking(kernel, padding), color=colour, marker=marker, label=name)
    panel.set_ylim(0, IMAGE + 2)
    panel.set_xlabel("convolutions of stride 1 so far")
    panel.set_ylabel("side of the map (pixels)")
    panel.legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 0.3))
    return drawn


CLAIM = Claim(
    says="Padding keeps a map's size through a convolution, and a net does better for it.",
    notes='Few things to remember, third point: "add padding to have the size at least of some specific size"',
    kind="exact+empirical",
    evidence={
        "size": Computed(compute=compute),
        "accuracy": Trained(
            sweep="coverage_padding",
            contrasts=(
                Contrast(
                    name="padded against not padded",
                    better=("same",),
                    worse=("valid",),
                    better_is="padding that keeps the size",
                    worse_is="no padding",
                ),
            ),
            tasks=("digits12", "textures12", "fashion12", "fashion_mnist", "cifar10"),
        ),
    },
    rule=AllOf(parts=(("size", Exact()), ("accuracy", Directional(match="none")))),
    figure=figure,
)
