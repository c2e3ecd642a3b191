"""The notes: "number of layers ... depends on the kind of hardware that we have".

The sentence is advice. Its testable core is that hardware, and not something else, ends the gain of depth: accuracy
must still rise where memory or time runs out. The rule: the deepest net that fits beats the one of half its depth
(R-DIR); if it does not, depth was bounded by something else first, such as the image.

So the rule can only be read where memory or time really binds, and how much time is allowed is anyone's choice. At the
sizes the suite trains memory does not bind: `bounds` computes, for nets of growing depth, what the maps of one training
batch and their gradients take, and where the receptive field has outgrown the image (Richter et al. 2021 find no gain
from layers beyond that). The image is reached first, by far; the verdict stays `untestable` until a sweep runs into its
memory.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cnnlab.geometry.cost import cost
from cnnlab.geometry.fields import fields
from cnnlab.inference.rules.directional import Directional
from cnnlab.report import canvas
from cnnlab.spec.net import ConvNet
from cnnlab.zoo.lowering import network
from experiments.claims.base import Claim, Untestable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIZES = ((12, 16), (14, 16), (28, 32), (32, 128))
"""(side in pixels, width): digits, small and whole Fashion-MNIST, and CIFAR-10 as on a GPU."""
DEPTHS = (2, 4, 6, 8, 12, 16, 20)
BATCH = 50
MEMORY = 8 * 2**30
"""Bytes: that of a small machine."""


@dataclass(frozen=True, kw_only=True)
class Bound:
    """How near a net is to both bounds.

    Attributes:
        depth: convolutions. seen: receptive field of the last map over the side of the image.
        stored: bytes of all maps of one batch and of their gradients, in float32.
    """

    depth: int
    seen: float
    stored: int


def bounds(side: int, width: int) -> tuple[Bound, ...]:
    """Both bounds over depth, for nets of 3x3 convolutions without a pool, which see least and store most."""
    found = []
    for depth in DEPTHS:
        net = network(ConvNet(depth=depth, width=width, pools=()), side, 1, 10)
        seen = fields(net, (side, side))[net.features].rf
        assert seen is not None, "the image's size is known"
        stored = 2 * BATCH * cost(net, (side, side)).activation_bytes
        found.append(Bound(depth=depth, seen=seen[0] / side, stored=stored))
    return tuple(found)


def figure() -> "Figure":
    """Both bounds against depth."""
    title = "Growing deeper, a small net runs out of image long before memory"
    drawn, axes = canvas.canvas(title, width=10.0, columns=2)
    image, memory = axes[0]
    for (side, width), colour, marker in zip(SIZES, canvas.SERIES, canvas.MARKERS, strict=False):
        found = bounds(side, width)
        label = f"{side}x{side}, width {width}"
        image.plot(DEPTHS, [one.seen for one in found], color=colour, marker=marker, label=label)
        memory.plot(DEPTHS, [one.stored / MEMORY for one in found], color=colour, marker=marker)
    for panel, text in ((image, "all of it"), (memory, f"{MEMORY // 2**30} GiB")):
        panel.axhline(1, color=canvas.BLACK, linestyle="--", linewidth=1)
        panel.text(DEPTHS[0], 1.04, text)
        panel.set_xlabel("3x3 convolutions")
        panel.set_xticks(DEPTHS)
    image.set_ylabel("receptive field / side of the image")
    image.legend(frameon=False)
    memory.set_yscale("log")
    memory.set_ylabel(f"maps and gradients of a batch of {BATCH} / memory")
    memory.set_ylim(top=3)
    return drawn


CLAIM = Claim(
    says="Hardware is what bounds depth: accuracy still rises with depth where memory or time runs out.",
    notes='Few things to remember, seventh point: "number of layers ... depends on the kind of hardware"',
    kind="survey+empirical",
    evidence=Untestable(
        why="memory does not bind at the sizes trained here: with depth the receptive field outgrows the image first"
    ),
    rule=Directional(match="none"),
    figure=figure,
)
