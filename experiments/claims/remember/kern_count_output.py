"""The notes say that the kernels "have a relation on the number of channels that we would have in the output image".

A kernel here is what makes one output channel: height x width x channels read. (Where every two-dimensional slice is
called a kernel there are channels read times channels written of them.) Two things are checked: that Flax's layer has
as many kernels as its output has channels, for every size, stride, padding and group; and that each kernel makes one
channel and no other, by setting it to zero and looking which channel changes.
"""

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from flax import nnx

from cnnlab.inference.rules.exact import Enumerated, Exact
from cnnlab.probes.single_layer import output
from cnnlab.report import canvas
from cnnlab.spec.network import Conv
from cnnlab.spec.verdict import Table
from experiments.claims.base import Claim, Computed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIDES, READS, WRITES = (1, 3), (1, 2, 3), (1, 2, 3, 4, 6)
STRIDES, PADDINGS = (1, 2), ("SAME", "VALID")
IMAGE = 8
SILENCED = ((1, 1, 3), (3, 1, 3), (3, 2, 4))
"""(side, channels read, channels written) of the layers whose kernels are set to zero one by one."""


def layers() -> Iterator[dict[str, Any]]:
    """The settings of all layers tried; groups must divide both numbers of channels."""
    tried = itertools.product(SIDES, READS, WRITES, STRIDES, PADDINGS)
    for side, reads, writes, stride, padding in tried:
        for groups in (1, reads) if reads > 1 and writes % reads == 0 else (1,):
            yield {
                "in_features": reads,
                "out_features": writes,
                "kernel_size": (side, side),
                "strides": stride,
                "padding": padding,
                "feature_group_count": groups,
            }


def kernels_and_channels(settings: dict[str, Any]) -> tuple[int, int]:
    """Kernels of Flax's layer, and channels of its output."""

    def made() -> tuple[Any, jax.Array]:
        layer = nnx.Conv(**settings, rngs=nnx.Rngs(0))
        return layer.kernel[...], layer(jax.numpy.zeros((1, IMAGE, IMAGE, settings["in_features"])))

    kernel, image = jax.eval_shape(made)
    return kernel.shape[-1], image.shape[-1]


def changed(side: int, reads: int, writes: int, silenced: int) -> tuple[int, ...]:
    """Output channels that change when one kernel of a random layer is set to zero."""
    random = np.random.default_rng(0)
    images, kernel = random.normal(size=(2, IMAGE, IMAGE, reads)), random.normal(size=(side, side, reads, writes))
    layer = Conv(name="conv", filters=writes, kernel=(side, side))
    without = kernel.copy()
    without[..., silenced] = 0
    moved = np.abs(output(layer, images, kernel) - output(layer, images, without)).max((0, 1, 2))
    return tuple(np.flatnonzero(moved).tolist())


def compute() -> Enumerated:
    """Count kernels and channels of every layer, and silence kernels one by one."""
    failing, cases = [], 0
    for settings in layers():
        kernels, channels = kernels_and_channels(settings)
        cases += 1
        if not kernels == channels == settings["out_features"]:
            failing.append(f"a layer of {kernels} kernels writes {channels} channels ({settings})")
    for side, reads, writes in SILENCED:
        for silenced in range(writes):
            found = changed(side, reads, writes, silenced)
            cases += 1
            if found != (silenced,):
                failing.append(
                    f"{side}x{side}, {reads} to {writes}: without kernel {silenced} the channels {found} change"
                )
    return Enumerated(cases=cases, counterexamples=tuple(failing), tables=(by_channels(),))


def number(reads: int, writes: int) -> int:
    """Kernels of a 3x3 layer."""
    settings = {"in_features": reads, "out_features": writes, "kernel_size": (3, 3)}
    return kernels_and_channels(settings)[0]


def by_channels() -> Table:
    """Kernels of a 3x3 layer by the channels read and written."""
    rows = tuple((reads, *(number(reads, writes) for writes in WRITES)) for reads in READS)
    columns = ("channels read", *(f"{writes} written" for writes in WRITES))
    return Table(title="kernels of a 3x3 layer", columns=columns, rows=rows)


def figure() -> "Figure":
    """The number of kernels by the channels read (rows) and written (columns)."""
    drawn, axes = canvas.canvas("As many kernels as output channels, whatever the input has", width=7, height=3.9)
    panel = axes[0][0]
    canvas.count_map(panel, [[number(reads, writes) for writes in WRITES] for reads in READS])
    panel.set_xticks(range(len(WRITES)), [str(writes) for writes in WRITES])
    panel.set_yticks(range(len(READS)), [str(reads) for reads in READS])
    panel.set_xlabel("channels of the output")
    panel.set_ylabel("channels of the input")
    return drawn


CLAIM = Claim(
    says="A convolution has as many kernels as its output has channels.",
    notes='Few things to remember, fifth point: "these kernels have a relation on the number of channels ... in the '
    'output image"',
    kind="exact",
    evidence=Computed(compute=compute),
    rule=Exact(),
    figure=figure,
)
