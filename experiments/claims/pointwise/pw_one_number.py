"""The notes say that 1x1 is "not even a proper convolution": one could "multiply the whole channel with just 1 number".

What can be checked is the number: whether each output channel is one input channel times one number, the best channel
and the best number being found by least squares. (More favourable than the words, which have one number in all.) "Not
a proper convolution" is a name, judged by nothing; whether the layer has a convolution's properties is printed beside:
it equals the sum over channels, it equals a dense layer on the channels, and it commutes with shifts.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cnnlab.inference.rules.exact import Enumerated, Exact, Restricted
from cnnlab.probes.single_layer import Values, output
from cnnlab.report import canvas
from cnnlab.spec.network import Conv, Dense
from cnnlab.spec.verdict import Number, Table
from experiments.claims.base import Claim, Computed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CHANNELS = (1, 2, 4)
DRAWS = 3
IMAGES = (2, 6, 5)
"""Images of a case, their height and their width."""
SHIFT = (1, 2)
"""Rows and columns by which images are moved, around the border."""
TOLERANCE = 1e-10
READS, WRITES = 2, 4
"""Channels of the example."""


@dataclass(frozen=True, kw_only=True)
class MixingCase:
    """One case; all numbers are relative to the size of the output.

    Attributes:
        reads, writes: channels read and written.
        left: share of an output channel's norm that no single input channel times a number gives; the worst channel.
        unlike: largest difference from the sum over channels and from a dense layer.
        moved: largest difference between moving the image and moving the output.
    """

    reads: int
    writes: int
    left: float
    unlike: float
    moved: float


def pointwise(images: Values, weights: Values) -> Values:
    """What the 1x1 convolution with these (channels read, channels written) weights gives."""
    return output(Conv(name="point", filters=weights.shape[1], kernel=(1, 1)), images, weights[None, None])


def left_over(images: Values, made: Values) -> float:
    """Share of the norm that one number times one channel leaves of an output channel; of the worst channel."""
    inputs, outputs = (values.reshape(-1, values.shape[-1]) for values in (images, made))
    numbers = (inputs.T @ outputs) / (inputs**2).sum(0)[:, None]
    rest = np.linalg.norm(outputs[:, None] - inputs[:, :, None] * numbers, axis=0)
    return float((rest.min(0) / np.linalg.norm(outputs, axis=0)).max())


def tried() -> Iterator[MixingCase]:
    """Every number of channels read and written, some random images and weights each."""
    random = np.random.default_rng(0)
    for reads, writes, _ in itertools.product(CHANNELS, CHANNELS, range(DRAWS)):
        images, weights = random.normal(size=(*IMAGES, reads)), random.normal(size=(reads, writes))
        made = pointwise(images, weights)
        dense = output(Dense(name="dense", units=writes), images, weights)
        size = np.abs(made).max()
        unlike = max(np.abs(made - np.einsum("nhwi,io->nhwo", images, weights)).max(), np.abs(made - dense).max())
        moved = np.abs(pointwise(np.roll(images, SHIFT, (1, 2)), weights) - np.roll(made, SHIFT, (1, 2))).max()
        relative = {"unlike": float(unlike / size), "moved": float(moved / size)}
        yield MixingCase(reads=reads, writes=writes, left=left_over(images, made), **relative)


def compute() -> Enumerated:
    """Try to give every output channel by one number."""
    found = tuple(tried())
    failing = tuple(
        f"{one.reads} to {one.writes} channels: one number leaves {100 * one.left:.0f} % of an output channel's norm"
        for one in found
        if one.left > TOLERANCE
    )
    single = [one for one in found if one.reads == 1]
    unlike, moved = max(one.unlike for one in found), max(one.moved for one in found)
    return Enumerated(
        cases=len(found),
        counterexamples=failing,
        restricted=Restricted(
            condition="the layer reads a single channel (and needs a number for each channel it writes)",
            cases=len(single),
            counterexamples=sum(one.left > TOLERANCE for one in single),
        ),
        nearest_true=(
            f"a 1x1 convolution multiplies the channels of every pixel by one matrix, {READS * WRITES} numbers for "
            f"{READS} to {WRITES} channels, as a dense layer on the channels does (relative difference {unlike:.0e}); "
            f"it is a convolution, with a window of one pixel, and commutes with shifts (difference {moved:.0e})"
        ),
        number=Number(name="left of an output by one number, two channels or more", value=_mean_left(found), unit="%"),
        tables=(by_channels(found),),
    )


def _mean_left(found: tuple[MixingCase, ...]) -> float:
    return 100 * float(np.mean([one.left for one in found if one.reads > 1]))


def by_channels(found: tuple[MixingCase, ...]) -> Table:
    """What one number leaves, and the properties of a convolution, for each number of channels read."""
    rows = []
    for reads in CHANNELS:
        group = [one for one in found if one.reads == reads]
        left = 100 * float(np.mean([one.left for one in group]))
        rows.append((reads, round(left, 1), max(one.unlike for one in group), max(one.moved for one in group)))
    columns = ("channels read", "one number leaves (%)", "against a matrix product", "against a moved image")
    return Table(
        title="1x1 convolutions, float64; differences relative to the output", columns=columns, rows=tuple(rows)
    )


def figure() -> "Figure":
    """One number, the matrix that a 1x1 convolution is, and what the number leaves unexplained."""
    drawn, axes = canvas.canvas(
        "A 1x1 convolution is a matrix, not one number, once it reads two channels", width=11, height=3.9, columns=3
    )
    weights = np.random.default_rng(0).normal(size=(READS, WRITES))
    canvas.count_map(axes[0][0], weights[:1, :1].tolist(), title="what the notes say:\n1 number", shown="{:.1f}")
    title = f"what it is, {READS} to {WRITES} channels:\n{weights.size} numbers"
    canvas.count_map(axes[0][1], weights.tolist(), title=title, shown="{:.1f}")
    axes[0][1].set_xlabel("channel written")
    axes[0][1].set_ylabel("channel read")
    found = tuple(tried())
    means = [100 * np.mean([one.left for one in found if one.reads == reads]) for reads in CHANNELS]
    panel = axes[0][2]
    bars = panel.bar(range(len(CHANNELS)), means, color=canvas.BLUE)
    panel.bar_label(bars, fmt="%.0f %%")
    panel.set_xticks(range(len(CHANNELS)), [str(reads) for reads in CHANNELS])
    panel.set_xlabel("channels read")
    panel.set_ylabel("of an output's norm (%)")
    panel.set_title("what one number leaves over", fontsize=10)
    return drawn


CLAIM = Claim(
    says="All that a 1x1 convolution does is to multiply a whole channel by one number.",
    notes='Ant-man, second point: "not even a proper convolution ... just 1 number"',
    kind="exact",
    evidence=Computed(compute=compute),
    rule=Exact(),
    figure=figure,
)
