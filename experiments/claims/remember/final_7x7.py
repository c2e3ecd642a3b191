"""The notes like "a size of 7x7" in the last layer and find it "consistent nearly in all" architectures.

Counted is, for every architecture of the frozen list on its customary image, the last map that the head reads: the
output of the last convolution or windowed pool of more than one pixel. "Nearly all" asks for an interval above 85 %.
Whether 7x7 is also good is the second part, by training: accuracy at matched multiply-accumulates of a last map of 7x7
against the next smaller one, 3x3, and against the next larger one, 14x14. Only images of 28 pixels, halved twice, have
such maps, so that the scale `full` alone can say; arms are named by their side on 12 pixels. Practice alone can refute.
Under protocol 4 the effects are ratios of errors; the rule is the same.
"""

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cnnlab.inference.rules.all_of import AllOf
from cnnlab.inference.rules.directional import Directional
from cnnlab.inference.rules.survey import NEARLY_ALL, Counted, Survey
from cnnlab.report import canvas
from cnnlab.spec.verdict import Table
from experiments.claims.base import Claim, Computed, Contrast, Trained
from experiments.claims.surveys.counting import Architecture, architectures, library_models, votes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIDE = 7
TOTAL_STRIDE = 32
"""Pixels of the image a step on the usual last map, as five halvings give."""


def ends_at_seven(net: Architecture) -> bool:
    """Whether the head reads a 7 x 7 map."""
    return net.final_side == SIDE


def compute() -> Counted:
    """Count the frozen list."""
    nets = architectures()
    tables = (by_stride(nets), by_image(nets), others(nets), in_library())
    return votes(nets, ends_at_seven, what="end in a 7x7 map", tables=tables)


def by_stride(nets: Sequence[Architecture]) -> Table:
    """Image over last map, to the nearest power of two: what stays the same when the image does not."""
    found = Counter(2 ** round(math.log2(net.side / net.final_side)) for net in nets)
    rows = tuple((stride, count, f"{100 * count / len(nets):.1f} %") for stride, count in sorted(found.items()))
    title = "Image over last map, to the nearest power of two (description only)"
    return Table(title=title, columns=("image / map", "architectures", "share"), rows=rows)


def by_image(nets: Sequence[Architecture]) -> Table:
    """How many architectures pair an image with a last map, and the pixels of the image a step on that map."""
    found = Counter((net.side, net.final_side) for net in nets)
    rows = tuple(
        (f"{side}x{side}", f"{last}x{last}", count, f"{side / last:.1f}")
        for (side, last), count in sorted(found.items())
    )
    return Table(title="Last map by image", columns=("image", "last map", "architectures", "image / map"), rows=rows)


def others(nets: Sequence[Architecture]) -> Table:
    """The networks whose last map has another size."""
    rows = tuple(
        (net.name, net.year, f"{net.side}x{net.side}", f"{net.final_side}x{net.final_side}", net.source)
        for net in nets
        if not ends_at_seven(net)
    )
    columns = ("network", "year", "image", "last map", "source")
    return Table(title="Architectures with another last map", columns=columns, rows=rows)


def in_library() -> Table:
    """The models of timm of which it tells the last map."""
    known = [model for model in library_models() if model.final_side is not None]
    usual = [model for model in known if model.side == 224]
    rows = tuple(
        (group, len(models), share, f"{100 * share / len(models):.1f} %")
        for group, models in (("any image", known), ("224x224", usual))
        for share in [sum(model.final_side == SIDE for model in models)]
    )
    title = "timm's models of which it tells the last map: another question (description only)"
    return Table(title=title, columns=("image", "models", "last map 7x7", "share"), rows=rows)


def figure() -> "Figure":
    """Last map against image, with the line of a total stride of 32."""
    nets = architectures()
    drawn, axes = canvas.canvas("The constant is a total stride of 32; 7x7 is what it makes of 224 pixels", width=8.0)
    panel = axes[0][0]
    sides = sorted({net.side for net in nets})
    span = [sides[0] - 15, sides[-1] + 15]
    line = [side / TOTAL_STRIDE for side in span]
    panel.plot(span, line, color=canvas.BLACK, linestyle="--", linewidth=1, label=f"image / {TOTAL_STRIDE}")
    for (side, last), count in sorted(Counter((net.side, net.final_side) for net in nets).items()):
        colour, marker = (canvas.BLUE, "o") if last == SIDE else (canvas.RED, "s")
        panel.scatter(side, last, s=120 + 22 * count, color=colour, marker=marker, zorder=3)
        panel.text(side, last, str(count), ha="center", va="center", color="white", fontweight="bold", zorder=4)
    panel.set_xticks(sides, [str(side) for side in sides], rotation=45)
    panel.set_yticks(sorted({net.final_side for net in nets}))
    panel.set_xlabel("side of the customary image (pixels); numbers in marks: architectures")
    panel.set_ylabel("side of the last map (pixels)")
    panel.legend(frameon=False)
    return drawn


SEVEN = "a last map of 7x7"

CLAIM = Claim(
    says="The last map of nearly every architecture is 7x7, and that size serves best.",
    notes='Few things to remember, fourth point: "in last layer we like to have a size of 7x7 ... nearly in all"',
    kind="survey+empirical",
    evidence={
        "practice": Computed(compute=compute),
        "accuracy": Trained(
            sweep="final_map",
            contrasts=(
                Contrast(
                    name="7x7 against the smaller 3x3",
                    better=("map3",),
                    worse=("map1",),
                    better_is=SEVEN,
                    worse_is="a last map of 3x3",
                ),
                Contrast(
                    name="7x7 against the larger 14x14",
                    better=("map3",),
                    worse=("map6",),
                    better_is=SEVEN,
                    worse_is="a last map of 14x14",
                ),
            ),
            tasks=("fashion_mnist", "mnist"),
        ),
    },
    rule=AllOf(parts=(("practice", Survey(bar=NEARLY_ALL)), ("accuracy", Directional(match="macs")))),
    figure=figure,
)
