"""The notes say: "Anything ... 3x3 and with a stride of 1, the receptive field will increase by 2".

"Anything" is read plainly, not as a universal: where a condition saves the sentence, the condition is the finding.
Checked on every 3x3 convolution of stride 1 in all named nets of the zoo and in random parametric nets: the receptive
field behind it minus that of the map it reads, by geometry's formula. One net with two down-samplings is measured too,
by the support of the real net's gradients in float64 with positive weights.

Not judged here, and no part of the rule: that the effective field, where most of the gradient lies, grows more slowly
than this theoretical one, and what a field must cover for a task (the sweep receptive_field_reach).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from cnnlab.geometry.coverage import plane, profile
from cnnlab.geometry.fields import Exact as Whole
from cnnlab.geometry.fields import fields
from cnnlab.geometry.layers import along
from cnnlab.inference.rules.exact import Enumerated, Exact, Restricted
from cnnlab.probes.sight import measured_fields
from cnnlab.report import canvas
from cnnlab.spec.net import Classic, ConvNet, ZooNet
from cnnlab.spec.network import Conv, Network, Node, Pool
from cnnlab.spec.verdict import Number, Table
from cnnlab.zoo.lowering import network, variants
from experiments.claims.base import Claim, Computed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIDE, CLASSES = 224, 10
KERNEL, STRIDE, PLUS = (3, 3), (1, 1), 2
RANDOM_NETS, DEEPEST, DOWNS = 60, 9, ("max", "average", "blur", "strided_conv", "space_to_depth")
STAIRS = ConvNet(depth=9, width=1, pools=(3, 6), down="average", activation="identity")
"""The net of the figure: three stages of three convolutions."""
STAIRS_SIDE = 96


@dataclass(frozen=True, kw_only=True)
class Step:
    """One 3x3 layer of stride 1.

    Attributes:
        net, layer: their names. stride: effective stride of the map it reads. added: pixels that the field grows by.
    """

    net: str
    layer: str
    stride: Whole
    added: int


def nets() -> Iterator[tuple[str, ZooNet]]:
    """Every named net and variant of the zoo, then random parametric nets."""
    for name, kinds in variants().items():
        for variant in kinds:
            yield " ".join((name, variant)).strip(), Classic(name=name, variant=variant)
    random = np.random.default_rng(0)
    for place in range(RANDOM_NETS):
        depth = int(random.integers(2, DEEPEST + 1))
        pools = tuple(sorted(random.choice(np.arange(1, depth), size=min(depth - 1, 3), replace=False).tolist()))
        down = str(random.choice(DOWNS))
        yield f"random net {place}", ConvNet(depth=depth, width=1, pools=pools[: 1 + place % 3], down=down)


def steps(name: str, net: Network) -> Iterator[Step]:
    """What every 3x3 layer of stride 1 adds to the receptive field."""
    found = fields(net, net.size)
    for node in net.nodes:
        if isinstance(node, Conv) and node.kernel == KERNEL and node.stride == STRIDE and node.dilation == STRIDE:
            before, behind = found[node.inputs[0]], found[node.name]
            assert before.rf is not None, "known where the image size is"
            assert behind.rf is not None, "known where the image size is"
            assert before.stride is not None, "a convolution's units have windows of their own"
            yield Step(net=name, layer=node.name, stride=before.stride[0], added=behind.rf[0] - before.rf[0])


def compute() -> Enumerated:
    """Look for layers that add anything but 2 pixels."""
    found = [step for name, net in nets() for step in steps(name, network(net, SIDE, 3, CLASSES))]
    failing = sorted((step for step in found if step.added != PLUS), key=lambda step: step.added)
    early = [step for step in found if step.stride == 1]
    law = sum(step.added == PLUS * step.stride for step in found)
    return Enumerated(
        cases=len(found),
        counterexamples=tuple(
            f"{step.net}, layer {step.layer}: reads a map of stride {step.stride} and adds {step.added} pixels"
            for step in failing
        ),
        restricted=Restricted(
            condition="nothing before the layer has down-sampled the map",
            cases=len(early),
            counterexamples=sum(step.added != PLUS for step in early),
        ),
        nearest_true=(
            "a 3x3 layer of stride 1 adds twice the effective stride of the map it reads, in "
            f"{law} of {len(found)} layers: {_amounts(found)} pixels at strides {_strides(found)}"
        ),
        number=Number(
            name="3x3 layers of stride 1 that add 2 pixels", value=100 * (1 - len(failing) / len(found)), unit="%"
        ),
        tables=(by_net(found), staircase()),
    )


def _amounts(found: list[Step]) -> str:
    return ", ".join(f"+{added}" for added in sorted({step.added for step in found}))


def _strides(found: list[Step]) -> str:
    return ", ".join(str(stride) for stride in sorted({step.stride for step in found}))


def by_net(found: list[Step]) -> Table:
    """What the 3x3 layers of the named nets add, first to last."""
    names = dict.fromkeys(step.net for step in found if not step.net.startswith("random"))
    rows = []
    for name in names:
        added = [step.added for step in found if step.net == name]
        counts = {amount: added.count(amount) for amount in sorted(set(added))}
        rows.append((name, len(added), ", ".join(f"+{amount} ({count}x)" for amount, count in counts.items())))
    columns = ("net", "3x3 layers of stride 1", "pixels that they add")
    return Table(title="the named nets", columns=columns, rows=tuple(rows))


@cache
def stairs() -> tuple[Network, tuple[Node, ...]]:
    """The net with two down-samplings, and its layers that have a window."""
    net = network(STAIRS, STAIRS_SIDE, 1, CLASSES)
    return net, tuple(node for node in net.nodes if isinstance(node, (Conv, Pool)))


def staircase() -> Table:
    """Field of the net with two down-samplings, layer by layer, by formula and by gradients."""
    net, layers = stairs()
    size = (STAIRS_SIDE, STAIRS_SIDE)
    found, measured = fields(net, size), measured_fields(net, size, tuple(node.name for node in layers))
    rows, before = [], 1
    for node in layers:
        seen, stride = found[node.name].rf, found[node.inputs[0]].stride
        assert seen is not None, "known where the image size is"
        assert stride is not None, "these layers have windows"
        rows.append((node.name, str(stride[0]), seen[0] - before, seen[0], measured[node.name].rf[0]))
        before = seen[0]
    columns = ("layer", "stride of the map it reads", "adds", "field by formula (px)", "field by gradients (px)")
    return Table(title="three stages of three 3x3 layers with 2x2 pools between", columns=columns, rows=tuple(rows))


def figure() -> "Figure":
    """The staircase of the receptive field, and how unevenly the last field is used."""
    drawn, axes = canvas.canvas(
        "A 3x3 layer adds 2 pixels to the receptive field at stride 1, then 4, then 8", width=10, columns=2
    )
    net, layers = stairs()
    found = fields(net, net.size)
    seen = [rf[0] for node in layers if (rf := found[node.name].rf) is not None]
    panel = axes[0][0]
    panel.step(range(len(seen) + 1), [1, *seen], where="post", color=canvas.BLUE)
    for place, (node, now, before) in enumerate(zip(layers, seen, [1, *seen], strict=False), start=1):
        conv = isinstance(node, Conv)
        colour, marker = (canvas.BLUE, "o") if conv else (canvas.RED, "s")
        panel.plot(place, now, marker, color=colour)
        panel.annotate(f"+{now - before}", (place, now), (-4, 6), textcoords="offset points", ha="right", fontsize=9)
    panel.plot([], [], "o", color=canvas.BLUE, label="3x3 convolution, stride 1")
    panel.plot([], [], "s", color=canvas.RED, label="2x2 pool, stride 2")
    panel.set_xticks(range(0, len(layers) + 1, 2))
    panel.set_xlabel("layers so far")
    panel.set_ylabel("receptive field (pixels)")
    panel.legend(frameon=False, loc="upper left")
    blob(axes[0][1])
    return drawn


def blob(panel: "Axes") -> None:
    """Draw how many paths lead from each pixel to a unit in the middle of the last map."""
    _, nodes = stairs()
    length, windows = STAIRS_SIDE, []
    for node in nodes:
        windows.append(along(node, 0, length, 1))
        assert windows[-1] is not None, "these layers have windows"
        length = windows[-1].length(length)
    line = profile([window for window in windows if window], STAIRS_SIDE, length // 2)
    used = [pixel for pixel, count in enumerate(line) if count]
    margin = 8
    shown = line[used[0] - margin : used[-1] + 1 + margin]
    share = np.array(plane(shown, shown), float)
    image = panel.imshow(share / share.max(), cmap=canvas.COUNTS, vmin=0, vmax=1)
    side = len(used)
    low = margin - 0.5
    panel.plot(
        [low, low + side, low + side, low, low],
        [low, low, low + side, low + side, low],
        color=canvas.ORANGE,
        linewidth=2,
    )
    panel.grid(visible=False)
    panel.set_title(f"its last field, {side}x{side} pixels (outlined): most paths\nlead to its middle", fontsize=10)
    panel.set_xlabel("column (pixels)")
    panel.set_ylabel("row (pixels)")
    panel.figure.colorbar(image, ax=panel, label="paths from the pixel, of the most", shrink=0.85)


CLAIM = Claim(
    says="Every 3x3 layer of stride 1 enlarges the receptive field by 2 pixels.",
    notes='Few things to remember, last point: "kernel size of 3x3 and with a stride of 1, the receptive field will '
    'increase by 2"',
    kind="exact+empirical",
    evidence=Computed(compute=compute),
    rule=Exact(),
    figure=figure,
)
