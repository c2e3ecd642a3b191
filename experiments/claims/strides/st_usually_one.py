"""The notes convolve "mostly with stride 1" and not "with stride of 2 or more".

Two senses, said before counting. By layer: of all convolutions of all networks of the frozen list, pooled, more than
half have stride 1. By network: more than half of the networks have no convolution of stride 2 or more at all. A net of
many layers weighs more in the first sense; the table shows it by one vote a network too.
"""

from fractions import Fraction
from typing import TYPE_CHECKING

from cnnlab.inference.rules.all_of import Senses
from cnnlab.inference.rules.survey import MOSTLY, Counted, Survey
from cnnlab.report import canvas
from cnnlab.spec.verdict import Table
from experiments.claims.base import Claim, Computed
from experiments.claims.surveys.counting import LIST, Architecture, Layer, architectures, share, votes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BY_LAYER, BY_NETWORK = "counted by layer", "counted by network"


def keeps(layer: Layer) -> bool:
    """Whether a convolution visits every pixel."""
    return layer.stride == 1


def never_strides(net: Architecture) -> bool:
    """Whether no convolution skips a pixel."""
    return all(keeps(layer) for layer in net.convs)


def by_layer() -> Counted:
    """Count the convolutions of all networks together."""
    pooled = [layer for net in architectures() for layer in net.convs]
    having = sum(map(keeps, pooled))
    name = f"the convolutions of {LIST} have stride 1"
    plain = "convolutions of published architectures have stride 1"
    return Counted(having=having, total=len(pooled), list_name=name, plain=plain, tables=(by_stride(),))


def by_network() -> Counted:
    """Count the networks."""
    return votes(architectures(), never_strides, what="have no convolution of stride 2 or more")


def by_stride() -> Table:
    """Every network's convolutions, by stride."""
    rows = []
    for net in architectures():
        strided = [layer for layer in net.convs if not keeps(layer)]
        kernels = sorted({f"{layer.kernel[0]}x{layer.kernel[1]}" for layer in strided})
        part = f"{float(100 * share(net.convs, keeps)):.1f} %"
        rows.append((net.name, net.year, len(net.convs), len(strided), part, " ".join(kernels) or "none", net.source))
    columns = ("network", "year", "convolutions", "with stride", "of stride 1", "kernels with stride", "source")
    return Table(title="Convolutions by stride", columns=columns, rows=tuple(rows))


def figure() -> "Figure":
    """Two bars: the same networks, counted by layer and by network."""
    found = by_layer(), by_network()
    drawn, axes = canvas.canvas("Few convolutions stride, but nearly every network has one that does", width=7.0)
    panel = axes[0][0]
    labels = ("convolutions that have\nstride 1", "networks whose convolutions\nall have stride 1")
    for place, (counted, colour) in enumerate(zip(found, canvas.SERIES, strict=False)):
        part = float(100 * Fraction(counted.having, counted.total))
        panel.bar(place, part, width=0.55, color=colour)
        panel.text(place, part + 2, f"{counted.having} of {counted.total}\n{part:.1f} %", ha="center")
    panel.axhline(100 * MOSTLY, color=canvas.BLACK, linestyle="--", linewidth=1)
    panel.text(0.5, 100 * MOSTLY + 1.5, "mostly: above this line", ha="center")
    panel.set_xticks(range(len(found)), labels)
    panel.set_ylim(0, 118)
    panel.set_yticks(range(0, 101, 25))
    panel.set_ylabel("share (%)")
    return drawn


CLAIM = Claim(
    says="Convolutions mostly have stride 1, and networks do without strides of 2 or more.",
    notes='Convolution with strides, first point: "mostly with stride 1 and don\'t do ... stride of 2 or more"',
    kind="survey",
    evidence={BY_LAYER: Computed(compute=by_layer), BY_NETWORK: Computed(compute=by_network)},
    rule=Senses(parts=((BY_LAYER, Survey(bar=MOSTLY)), (BY_NETWORK, Survey(bar=MOSTLY)))),
    figure=figure,
)
