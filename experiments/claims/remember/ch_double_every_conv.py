"""The notes: "Most of the time we double the number of channels in every convolution".

Practice has two senses, said before counting, both on the frozen list with one vote an architecture:

    in every convolution          more than half of its convolutions make twice as many channels as they read;
    where the width changes       of those that change the number of channels at all, more than half double it.

Left out, which favours the notes: the convolution that reads the image, and depthwise ones, which cannot change the
width. A convolution is judged by its own channels in and out, so that branches need no path to be chosen; of a net
without branches these are exactly its steps from one convolution to the next. Pooled counts are description only.

Whether doubling in every convolution is also better than other schedules (their mean) is the second part, by training,
at equal multiply-accumulates; at equal parameters a reversal qualifies.

Rule of protocol 4, written after pilots and before its data: accuracy is read on three real tasks.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from cnnlab.inference.rules.all_of import AllOf, Senses
from cnnlab.inference.rules.directional import Directional
from cnnlab.inference.rules.survey import MOSTLY, Counted, Survey
from cnnlab.report import canvas
from cnnlab.spec.verdict import Scalar, Table
from experiments.claims.base import Claim, Computed, Contrast, Trained
from experiments.claims.surveys.counting import (
    Architecture,
    architectures,
    changes,
    doubles,
    share,
    steps,
    votes,
    widths_by_side,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EVERY, CHANGED = "in every convolution", "where the width changes"
SHOWN = ("VGG-16", "ResNet-50", "MobileNet-v1", "EfficientNet-B0", "Darknet-53", "RegNetX-4.0GF")


def mostly_doubles(net: Architecture) -> bool:
    """Whether more than half of a network's convolutions double the width."""
    return share(steps(net), doubles) > MOSTLY


def mostly_doubles_where_it_changes(net: Architecture) -> bool:
    """Whether more than half of those that change the width double it."""
    return share(filter(changes, steps(net)), doubles) > MOSTLY


def compute() -> dict[str, Counted]:
    """Count the votes in both senses."""
    nets = architectures()
    return {
        EVERY: votes(
            nets, mostly_doubles, what="double the width in most convolutions", tables=(pooled(nets), by_network(nets))
        ),
        CHANGED: votes(nets, mostly_doubles_where_it_changes, what="double it in most convolutions that change it"),
    }


def pooled(nets: Sequence[Architecture]) -> Table:
    """What all convolutions of all networks do with the width."""
    ratios = [Fraction(layer.channels_out, layer.channels_in) for net in nets for layer in steps(net)]
    ways = {
        "halve it or narrow it more": [ratio <= Fraction(1, 2) for ratio in ratios],
        "narrow it by less than half": [Fraction(1, 2) < ratio < 1 for ratio in ratios],
        "keep it": [ratio == 1 for ratio in ratios],
        "widen it by less than double": [1 < ratio < 2 for ratio in ratios],
        "double it": [ratio == 2 for ratio in ratios],
        "widen it more": [ratio > 2 for ratio in ratios],
    }
    rows = tuple((way, sum(hits), f"{100 * sum(hits) / len(ratios):.1f} %") for way, hits in ways.items())
    columns = ("what they do with the width", "convolutions", "share")
    return Table(title="All counted convolutions pooled (description only)", columns=columns, rows=rows)


def by_network(nets: Sequence[Architecture]) -> Table:
    """Every network's convolutions: counted, changing the width, doubling it; and its widest maps by size."""
    rows: list[tuple[Scalar, ...]] = []
    for net in nets:
        counted = steps(net)
        profile = " ".join(str(width) for width in widths_by_side(net).values())
        changing, doubling = sum(map(changes, counted)), sum(map(doubles, counted))
        rows.append((net.name, net.year, len(counted), changing, doubling, profile, net.source))
    columns = ("network", "year", "counted", "change width", "double it", "widest map, large to small", "source")
    return Table(title="Convolutions that double the width", columns=columns, rows=tuple(rows))


def figure() -> "Figure":
    """Width behind every counted convolution of six familiar networks."""
    nets = {net.name: net for net in architectures()}
    title = "Convolutions that double the width (marked) are few, but in Darknet-53, which halves it in between"
    drawn, axes = canvas.canvas(title, width=10.5, height=5.6, rows=2, columns=3)
    for panel, name in zip(axes.flat, SHOWN, strict=True):
        counted = steps(nets[name])
        widths = [layer.channels_out for layer in counted]
        twice = [place for place, layer in enumerate(counted, start=2) if doubles(layer)]
        panel.plot(range(2, len(widths) + 2), widths, color=canvas.BLUE, linewidth=1, drawstyle="steps-mid")
        panel.scatter(twice, [widths[place - 2] for place in twice], color=canvas.RED, marker="D", s=18, zorder=3)
        panel.set_yscale("log", base=2)
        panel.set_ylim(8, 4096)
        panel.set_yticks([16, 64, 256, 1024], ["16", "64", "256", "1024"])
        panel.xaxis.get_major_locator().set_params(integer=True)
        panel.set_title(f"{name}: {len(twice)} of {len(counted)} double", fontsize=10)
    for panel in axes[1]:
        panel.set_xlabel("convolution (depthwise left out)")
    for panel in axes[:, 0]:
        panel.set_ylabel("channels made")
    return drawn


CLAIM = Claim(
    says="Networks double the number of channels in every convolution, and do better for it.",
    notes='Few things to remember, sixth point: "we double the number of channels in every convolution"',
    kind="survey+empirical",
    evidence={
        "practice": Computed(compute=compute),
        "accuracy": Trained(
            sweep="width_schedule",
            contrasts=(
                Contrast(
                    name="doubling in every convolution against other schedules",
                    better=("double_per_conv",),
                    worse=("constant", "double_per_stage", "linear", "inverted"),
                    better_is="doubling the channels in every convolution",
                    worse_is="other schedules of width",
                ),
            ),
            tasks=("digits12", "textures12", "fashion12", "fashion_mnist", "cifar10"),
        ),
    },
    rule=AllOf(
        parts=(
            ("practice", Senses(parts=((EVERY, Survey(bar=MOSTLY)), (CHANGED, Survey(bar=MOSTLY))))),
            ("accuracy", Directional(match="macs")),
        )
    ),
    figure=figure,
)
