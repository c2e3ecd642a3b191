"""The notes: "We mostly use 3x3 kernel".

Four senses, said before counting; an architecture votes for 3x3 where it has more than half of its

    spatial convolutions (kernels of more than one tap; Inception's 1x7 and 7x1 are two of them),
    convolutions,
    convolution weights (biases and dense layers are not counted),
    multiply-accumulates of convolutions on the architecture's customary image,

and the claim holds in a sense where more than half of the architectures vote so. A dilated kernel counts by its taps.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING

from cnnlab.inference.rules.all_of import Senses
from cnnlab.inference.rules.survey import MOSTLY, Counted, Survey
from cnnlab.report import canvas
from cnnlab.spec.verdict import Scalar, Table
from experiments.claims.base import Claim, Computed
from experiments.claims.surveys.counting import Architecture, Layer, architectures, share, three_by_three, votes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Weigh = Callable[[Layer], int]
WEIGHS: dict[str, Weigh] = {
    "by spatial convolution": lambda layer: int(layer.spatial),
    "by convolution": lambda layer: 1,
    "by weight": lambda layer: layer.weights,
    "by multiply-accumulate": lambda layer: layer.macs,
}
"""What a convolution counts for, in each sense."""
KERNELS: dict[str, Callable[[Layer], bool]] = {
    "3x3": three_by_three,
    "1x1": lambda layer: not layer.spatial,
    "others": lambda layer: layer.spatial and not three_by_three(layer),
}


def count(sense: str) -> Counted:
    """Count the votes in one sense; the tables, which show all four, stand beside the first."""
    nets = architectures()
    tables = (pooled_table(nets), by_network(nets)) if sense == next(iter(WEIGHS)) else ()
    return votes(nets, lambda net: mostly_three(net, WEIGHS[sense]), what=f"are mostly 3x3 {sense}", tables=tables)


def mostly_three(net: Architecture, weigh: Weigh) -> bool:
    """Whether more than half of a network's convolutions, weighed, have 3x3 kernels."""
    return share(net.convs, three_by_three, weigh) > MOSTLY


def pooled(nets: Iterable[Architecture]) -> dict[str, dict[str, float]]:
    """Share of each kernel in all layers of all networks together, in each sense."""
    layers = [layer for net in nets for layer in net.convs]
    return {
        sense: {kernel: float(share(layers, has, weigh)) for kernel, has in KERNELS.items()}
        for sense, weigh in WEIGHS.items()
    }


def pooled_table(nets: Iterable[Architecture]) -> Table:
    """All layers of all networks together; large networks weigh more."""
    rows = tuple((sense, *(f"{100 * part:.1f} %" for part in parts.values())) for sense, parts in pooled(nets).items())
    return Table(title="All layers of the list pooled (description only)", columns=("sense", *KERNELS), rows=rows)


def by_network(nets: Iterable[Architecture]) -> Table:
    """Share of 3x3 in every network."""
    rows: list[tuple[Scalar, ...]] = []
    for net in nets:
        parts = (f"{float(100 * share(net.convs, three_by_three, weigh)):.1f} %" for weigh in WEIGHS.values())
        rows.append((net.name, net.year, *parts, net.source))
    return Table(title="Share of 3x3 kernels", columns=("network", "year", *WEIGHS, "source"), rows=tuple(rows))


def figure() -> "Figure":
    """Four stacked bars: kernel shares averaged over networks, with the networks in which 3x3 has the majority."""
    drawn, axes = canvas.canvas("Most kernels that see a neighbourhood are 3x3; most kernels are 1x1", width=8.0)
    panel = axes[0][0]
    nets = architectures()
    hatches = ("", "//", "..")
    for place, (sense, weigh) in enumerate(WEIGHS.items()):
        base, counted = 0.0, count(sense)
        for (kernel, has), colour, hatch in zip(KERNELS.items(), canvas.SERIES, hatches, strict=False):
            part = 100 * sum(float(share(net.convs, has, weigh)) for net in nets) / len(nets)
            label = kernel if place == 0 else None
            panel.bar(place, part, bottom=base, width=0.6, color=colour, hatch=hatch, edgecolor="white", label=label)
            base += part
        panel.text(place, 102, f"3x3 majority in\n{counted.having} of {counted.total}", ha="center")
    panel.set_xticks(range(len(WEIGHS)), [sense.replace(" ", "\n", 1) for sense in WEIGHS])
    panel.set_ylim(0, 118)
    panel.set_yticks(range(0, 101, 25))
    panel.set_ylabel("mean share over networks (%)")
    panel.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5), title="kernel")
    return drawn


CLAIM = Claim(
    says="Most kernels in convolutional networks are 3x3.",
    notes='Few things to remember, second point: "We mostly use 3x3 kernel"',
    kind="survey",
    evidence={sense: Computed(compute=partial(count, sense)) for sense in WEIGHS},
    rule=Senses(parts=tuple((sense, Survey(bar=MOSTLY)) for sense in WEIGHS)),
    figure=figure,
)
