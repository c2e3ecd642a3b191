"""The notes keep max-pooling "away from 2 or 3 convolution layers from output".

Practice, as said before counting: of the frozen list of architectures, one vote each, more than half have two or more
convolutions behind the last layer that makes the map smaller by a stride, be it a max-pool, an average pool or a
strided convolution; the pool over the whole map, which global average heads end in, does not count. Convolutions are
counted as the forward pass meets them (parallel ones each), dense layers are not. The table shows max-pools alone too.

Accuracy: the last pool two or three convolutions before the head against none, at equal width; at equal cost a reversal
qualifies, and so may the head (global average or flatten), which decides what is left of the last map.

Rule of protocol 4, written after pilots and before its data: accuracy is read on three real tasks, and is a link of its
own: Neg on two of them refutes, whatever practice is.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cnnlab.inference.rules.all_of import AllOf
from cnnlab.inference.rules.directional import Directional
from cnnlab.inference.rules.survey import Counted, Survey
from cnnlab.report import canvas
from cnnlab.spec.verdict import Scalar, Table
from experiments.claims.base import Claim, Computed, Contrast, Trained, Variant
from experiments.claims.surveys.counting import Architecture, architectures, convs_after_reduction, votes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ENOUGH = 2
"""Convolutions between the last reduction and the head; the notes say two or three."""
KINDS = {"max": "max-pool", "avg": "average pool", "blur": "blur", "conv": "strided convolution"}


def keeps_away(net: Architecture) -> bool:
    """Whether the last reduction stands far enough from the head."""
    return convs_after_reduction(net) >= ENOUGH


def practice() -> Counted:
    """Count the frozen list."""
    nets = architectures()
    return votes(
        nets, keeps_away, what="have two or more convolutions behind the last reduction", tables=(by_network(nets),)
    )


def last_reduction(net: Architecture) -> str:
    """What the last layer is that makes the map smaller."""
    return KINDS[[layer.kind for layer in net.layers if layer.reduces][-1]]


def convs_after_max_pool(net: Architecture) -> int | None:
    """How many convolutions the forward pass meets after the last max-pool with a stride; None without one."""
    places = [place for place, layer in enumerate(net.layers) if layer.reduces and layer.kind == "max"]
    return sum(layer.kind == "conv" for layer in net.layers[places[-1] + 1 :]) if places else None


def by_network(nets: Sequence[Architecture]) -> Table:
    """Every network's last reduction, from the nearest to the head."""
    rows: list[tuple[Scalar, ...]] = []
    for net in sorted(nets, key=convs_after_reduction):
        after = convs_after_max_pool(net)
        shown = "no max-pool" if after is None else after
        rows.append((net.name, net.year, last_reduction(net), convs_after_reduction(net), shown, net.source))
    columns = ("network", "year", "last reduction", "convolutions behind it", "behind the last max-pool", "source")
    return Table(title="Distance of the last reduction from the head", columns=columns, rows=tuple(rows))


def figure() -> "Figure":
    """Convolutions behind the last reduction of every architecture."""
    nets = sorted(architectures(), key=convs_after_reduction)
    counted = practice()
    title = f"{counted.having} of {counted.total} architectures keep two or more convolutions behind the last reduction"
    drawn, axes = canvas.canvas(title, width=9.5, height=5.2)
    panel = axes[0][0]
    for kind, colour, marker in zip(KINDS.values(), canvas.SERIES, canvas.MARKERS, strict=False):
        places = [place for place, net in enumerate(nets) if last_reduction(net) == kind]
        if places:
            after = [convs_after_reduction(nets[place]) for place in places]
            panel.scatter(places, after, color=colour, marker=marker, s=40, label=f"last reduction: {kind}")
    panel.axhline(ENOUGH - 0.5, color=canvas.BLACK, linestyle="--", linewidth=1)
    panel.set_yscale("symlog", base=2, linthresh=1)
    ticks = [0, 1, 2, 4, 8, 16, 32, 64, 128]
    panel.set_ylim(-0.4, 220)
    panel.set_yticks(ticks, [str(tick) for tick in ticks])
    panel.set_xticks(range(len(nets)), [net.name for net in nets], rotation=90, fontsize=7)
    panel.set_ylabel("convolutions between the last reduction and the head")
    panel.legend(frameon=False)
    return drawn


TWO, AT_HEAD = "two convolutions between the last max-pool and the head", "a max-pool just before the head"

CLAIM = Claim(
    says="A net whose last max-pool stands two or three convolutions before the head beats one that pools at the head.",
    notes='Max Pooling, third point: "should be at least away from 2 or 3 convolution layers from output"',
    kind="survey+empirical",
    evidence={
        "accuracy": Trained(
            sweep="pool_distance",
            contrasts=(
                Contrast(
                    name="two or three before against none",
                    better=("two", "three"),
                    worse=("none",),
                    better_is="two or three convolutions between the last max-pool and the head",
                    worse_is=AT_HEAD,
                ),
            ),
            tasks=("digits12", "textures12", "fashion12", "fashion_mnist", "cifar10"),
            moderators=(
                Variant(
                    name="head",
                    task="digits12",
                    low=Contrast(
                        name="global average", better=("two",), worse=("none",), better_is=TWO, worse_is=AT_HEAD
                    ),
                    high=Contrast(
                        name="flatten", better=("flat_two",), worse=("flat_none",), better_is=TWO, worse_is=AT_HEAD
                    ),
                ),
            ),
        ),
        "practice": Computed(compute=practice),
    },
    rule=AllOf(parts=(("accuracy", Directional(match="none")), ("practice", Survey()))),
    figure=figure,
)
