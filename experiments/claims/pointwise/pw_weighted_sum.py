"""The notes say that a 1x1 convolution "is performing a weighted sum of the channels".

Checked in float64 against the sum itself, y[.., o] = sum over i of w[i, o] x[.., i] (+ b[o] where the layer has a
bias, which the notes leave out): one weight for each pair of channels, the same at every pixel.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cnnlab.inference.rules.exact import Enumerated, Exact
from cnnlab.probes.single_layer import Values, output
from cnnlab.report import canvas
from cnnlab.spec.network import Conv
from cnnlab.spec.verdict import Number, Table
from experiments.claims.base import Claim, Computed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

READS, WRITES = (1, 2, 3, 8), (1, 2, 5)
IMAGES = (2, 6, 5)
"""Images of a case, their height and their width."""
TOLERANCE = 1e-10


@dataclass(frozen=True, kw_only=True)
class PointwiseCase:
    """Images, weights (channels read, channels written) and bias of one 1x1 convolution; bias None for one without."""

    images: Values
    weights: Values
    bias: Values | None


def cases() -> Iterator[PointwiseCase]:
    """Random cases for every number of channels, with and without a bias."""
    random = np.random.default_rng(0)
    for reads, writes, biased in itertools.product(READS, WRITES, (False, True)):
        images, weights = random.normal(size=(*IMAGES, reads)), random.normal(size=(reads, writes))
        yield PointwiseCase(images=images, weights=weights, bias=random.normal(size=writes) if biased else None)


def pointwise(case: PointwiseCase) -> Values:
    """What the convolution gives."""
    layer = Conv(name="point", filters=case.weights.shape[1], kernel=(1, 1))
    return output(layer, case.images, case.weights[None, None], case.bias)


def weighted_sum(case: PointwiseCase) -> Values:
    """What the weighted sum gives."""
    total: Values = np.einsum("nhwi,io->nhwo", case.images, case.weights)
    return total if case.bias is None else total + case.bias


def compute() -> Enumerated:
    """Compare both on all cases: largest difference over the largest value."""
    failing, worst, tried = [], 0.0, 0
    rows: list[tuple[int, int, str, float]] = []
    for case in cases():
        expected = weighted_sum(case)
        off = float(np.abs(pointwise(case) - expected).max() / np.abs(expected).max())
        reads, writes = case.weights.shape
        biased = "no" if case.bias is None else "yes"
        rows.append((reads, writes, biased, off))
        tried, worst = tried + 1, max(worst, off)
        if off > TOLERANCE:
            failing.append(f"{reads} to {writes} channels, bias {biased}: off by {off:.1e} of the largest value")
    return Enumerated(
        cases=tried,
        counterexamples=tuple(failing),
        number=Number(name="largest relative difference", value=worst),
        tables=(
            Table(
                title="1x1 convolution against the weighted sum, float64",
                columns=("channels read", "channels written", "bias", "largest relative difference"),
                rows=tuple(rows),
            ),
        ),
    )


def figure() -> "Figure":
    """Two channels, their weights, and the channel that the 1x1 convolution makes of them."""
    drawn, axes = canvas.canvas("Every pixel of the output is the same weighted sum", width=9, height=3.6, columns=3)
    random = np.random.default_rng(1)
    images = random.integers(0, 6, size=(1, 4, 4, 2)).astype(float)
    weights = np.array([[2.0], [1.0]])
    made = pointwise(PointwiseCase(images=images, weights=weights, bias=None))
    shown = (images[0, :, :, 0], images[0, :, :, 1], made[0, :, :, 0])
    titles = (f"channel 1, times {weights[0, 0]:g}", f"+ channel 2, times {weights[1, 0]:g}", "= the output channel")
    for panel, counts, title in zip(axes[0], shown, titles, strict=True):
        canvas.count_map(panel, counts.tolist(), title=title)
    return drawn


CLAIM = Claim(
    says="Every output channel of a 1x1 convolution is a weighted sum of the input channels, with the same weights at "
    "every pixel (plus a bias where the layer has one).",
    notes='Ant-man, fourth point: "performing a weighted sum of the channels"',
    kind="exact",
    evidence=Computed(compute=compute),
    rule=Exact(),
    figure=figure,
)
