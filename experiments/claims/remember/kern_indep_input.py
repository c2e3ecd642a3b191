"""The notes say that the kernels "have no relation with the channels that we have in the input image".

How many kernels there are is the next claim, `kern-count-output`; here it is the kernel itself. If it had no relation
with the input's channels, one kernel would serve images of any number of them. Asked of Flax: the shape that its layer
gives the kernel, and whether JAX convolves an image of other channels with it.
"""

import itertools
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from flax import nnx

from cnnlab.geometry.cost import cost
from cnnlab.inference.rules.exact import Enumerated, Exact
from cnnlab.report import canvas
from cnnlab.spec.network import Conv, Input, Network
from cnnlab.spec.verdict import Number, Table
from experiments.claims.base import Claim, Computed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Shape = tuple[int, ...]
SIDES, READS, WRITES = (3, 1, 5), (3, 1, 2, 4, 8), (4, 1, 16)
IMAGE = 8
EXAMPLE = (3, 8)
"""Side of the kernels and channels written of the table and the figure."""
DRAWN = (1, 3, 8)


def kernel(side: int, reads: int, writes: int) -> Shape:
    """Shape that Flax gives the kernel of a layer: (height, width, channels of one kernel, kernels)."""

    def layer() -> Any:
        return nnx.Conv(reads, writes, (side, side), rngs=nnx.Rngs(0))

    shape: Shape = nnx.eval_shape(layer).kernel.shape
    return shape


def runs(weights: Shape, channels: int) -> bool:
    """Whether JAX convolves an image of that many channels with kernels of this shape."""

    def convolved(image: jax.Array, kernel: jax.Array) -> jax.Array:
        return jax.lax.conv_general_dilated(image, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))

    try:
        jax.eval_shape(convolved, np.zeros((1, IMAGE, IMAGE, channels)), np.zeros(weights))
    except (TypeError, ValueError):
        return False
    return True


def params(side: int, reads: int, writes: int) -> int:
    """Weights of the layer by geometry, no bias."""
    layer = Conv(name="conv", inputs=("image",), filters=writes, kernel=(side, side), bias=False)
    net = Network(nodes=(Input(name="image", channels=reads), layer), output="conv", features="conv")
    return cost(net, (IMAGE, IMAGE)).params


def compute() -> Enumerated:
    """Ask of every two numbers of channels whether one kernel serves both."""
    cases, failing = 0, []
    for side, writes in itertools.product(SIDES, WRITES):
        made = {reads: kernel(side, reads, writes) for reads in READS}
        for one, other in itertools.permutations(READS, 2):
            cases += 1
            serves = runs(made[one], other)
            if made[one] != made[other] or not serves:
                failing.append(
                    f"{side}x{side}, {writes} written: a kernel for {one} channels is {shown(made[one])}, for {other} "
                    f"{shown(made[other])}; the first {'runs' if serves else 'does not run'} on an image of {other}"
                )
    side, writes = EXAMPLE
    few, many = params(side, DRAWN[0], writes), params(side, DRAWN[-1], writes)
    return Enumerated(
        cases=cases,
        counterexamples=tuple(failing),
        nearest_true=(
            "each kernel is as deep as its input has channels (divided by the groups, if any): the weights of "
            f"{writes} kernels of {side}x{side} grow from {few} on {DRAWN[0]} channel to {many} on {DRAWN[-1]}; only "
            "how many kernels there are has no relation with the input"
        ),
        number=Number(name="pairs of inputs that one kernel does not serve", value=len(failing)),
        tables=(by_channels(),),
    )


def shown(shape: Shape) -> str:
    """Write a kernel's shape as a reader does."""
    return "x".join(map(str, shape[:-1]))


def by_channels() -> Table:
    """Shape of a kernel and weights of a layer, by the channels of the input."""
    side, writes = EXAMPLE
    shapes = {reads: kernel(side, reads, writes) for reads in sorted(READS)}
    rows = tuple((reads, shown(shape), shape[-1], params(side, reads, writes)) for reads, shape in shapes.items())
    columns = ("channels of the input", "one kernel (height x width x channels)", "kernels", "weights")
    return Table(title=f"a {side}x{side} layer that writes {writes} channels", columns=columns, rows=rows)


def figure() -> "Figure":
    """One kernel of the same layer on inputs of one, three and eight channels."""
    side, writes = EXAMPLE
    drawn, axes = canvas.canvas(
        "A kernel is as deep as its input has channels", width=9, height=3.8, columns=len(DRAWN)
    )
    for panel, reads, colour in zip(axes[0], DRAWN, canvas.SERIES, strict=False):
        shape = kernel(side, reads, writes)
        cuboid(panel, shape, colour)
        panel.set_title(f"input of {reads} channel{'s' if reads > 1 else ''}", fontsize=11)
        weights = shape[0] * shape[1] * shape[2]
        panel.text(2.8, -0.8, f"{shown(shape)} = {weights} weights", ha="center", fontsize=10)
        panel.set_xlim(-0.5, 6.5)
        panel.set_ylim(-1.2, 6.5)
        panel.set_aspect("equal")
        panel.axis("off")
    return drawn


def cuboid(panel: "Axes", shape: Shape, colour: str) -> None:
    """Draw a kernel as its slices, one a channel, from the back to the front."""
    from matplotlib.patches import Rectangle

    height, width, depth = shape[:3]
    for slice_ in reversed(range(depth)):
        for row, column in itertools.product(range(height), range(width)):
            corner = (column + 0.4 * slice_, row + 0.4 * slice_)
            panel.add_patch(Rectangle(corner, 1, 1, facecolor=colour, edgecolor="white", linewidth=1.2))


CLAIM = Claim(
    says="The kernels of a convolution do not depend on how many channels its input has.",
    notes='Few things to remember, fifth point: "no relation with the channels that we have in the input image"',
    kind="exact",
    evidence=Computed(compute=compute),
    rule=Exact(),
    figure=figure,
)
