"""The notes say that a 3x3 combined with another 3x3 "can then become 5x5".

Three parts. What it sees: the receptive field of two 3x3 layers of stride 1 is that of one 5x5. What it can be: without
an activation between them two layers are one 5x5 kernel; whether they can be ANY 5x5 kernel is decided by the dimension
of the set of kernels they make (the rank of its derivatives by the weights; below 25 a dimension a pair of channels,
almost no 5x5 kernel is among them) and by seeking the nearest stack of random 5x5 kernels. With an activation between
them the stack is no linear layer at all and makes another family. What it is worth: trained, against one 5x5 layer
at equal parameters; whether a ReLU stands between the two 3x3 layers is the moderator.

Rule of protocol 4, written after pilots and before its data: what it is worth is read on three real tasks.
"""

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cnnlab.geometry.fields import fields
from cnnlab.inference.rules.all_of import AllOf
from cnnlab.inference.rules.directional import Directional
from cnnlab.inference.rules.exact import Enumerated, Exact, Restricted
from cnnlab.probes.stacks import dimensions, misfit
from cnnlab.report import canvas
from cnnlab.spec.net import ConvNet
from cnnlab.spec.verdict import Number, Table
from cnnlab.zoo.lowering import network
from experiments.claims.base import Claim, Computed, Contrast, Trained, Variant

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SMALL, LARGE = 3, 5
SIDES, PADDINGS = range(6, 33), ("same", "valid", "full", "reflect", "circular")
CHANNELS = ((1, 1), (1, 2), (2, 1), (2, 2), (3, 3))
"""Channels read and written."""
MIDDLES = range(1, 7)
DRAWS, DRAWN_MIDDLES = 8, (1, 2, 3)
TOLERANCE = 1e-10


@dataclass(frozen=True, kw_only=True)
class KernelFamily:
    """The kernels that two 3x3 layers make.

    Attributes:
        reads, middle, writes: channels before, between and after the two layers.
        dimension: of the set. full: that of all 5x5 kernels, 25 a pair of channels.
    """

    reads: int
    middle: int
    writes: int
    dimension: int

    @property
    def full(self) -> int:
        """Dimensions of all 5x5 kernels between these channels."""
        return LARGE**2 * self.reads * self.writes

    @property
    def wide(self) -> bool:
        """Whether the middle has at least twice the channels of the wider side."""
        return self.middle >= 2 * max(self.reads, self.writes)


def seen(net: ConvNet, side: int) -> tuple[int, int] | None:
    """Receptive field of the last convolution's outputs."""
    return fields(network(net, side, 1, 2), (side, side))[f"conv{net.depth}"].rf


def what_it_sees() -> Enumerated:
    """Compare the receptive field of the stack with that of one 5x5 layer, on all sizes and paddings."""
    failing = []
    for side, padding in itertools.product(SIDES, PADDINGS):
        stack = seen(ConvNet(depth=2, width=1, kernel=SMALL, padding=padding, pools=()), side)
        one = seen(ConvNet(depth=1, width=1, kernel=LARGE, padding=padding, pools=()), side)
        if stack != one:
            failing.append(f"{side}x{side}, {padding}: two 3x3 layers see {stack}, one 5x5 layer sees {one}")
    return Enumerated(cases=len(SIDES) * len(PADDINGS), counterexamples=tuple(failing))


def families() -> tuple[KernelFamily, ...]:
    """The families of all numbers of channels tried."""
    return tuple(
        KernelFamily(
            reads=reads,
            middle=middle,
            writes=writes,
            dimension=dimensions((SMALL, SMALL, reads, middle), (SMALL, SMALL, middle, writes)),
        )
        for (reads, writes), middle in itertools.product(CHANNELS, MIDDLES)
    )


def misfits() -> dict[int, list[float]]:
    """Relative distance of the nearest stack from random 5x5 kernels, by the channels in the middle."""
    random = np.random.default_rng(0)
    targets = [random.normal(size=(LARGE, LARGE, 1, 1)) for _ in range(DRAWS)]
    return {middle: [misfit(target, middle) for target in targets] for middle in DRAWN_MIDDLES}


def what_it_can_be() -> Enumerated:
    """Ask of every number of channels, and of random kernels, whether two 3x3 layers reach any 5x5 kernel."""
    found, drawn = families(), misfits()
    short = [one for one in found if one.dimension < one.full]
    missed = [(middle, left) for middle, lefts in drawn.items() for left in lefts if left > TOLERANCE]
    narrow = f"{100 * float(np.mean(drawn[1])):.0f} %"
    equal = [one for one in found if one.reads == one.middle == one.writes]
    shares = {round(100 * one.dimension / one.full) for one in equal}
    wide = [one for one in found if one.wide]
    return Enumerated(
        cases=len(found) + sum(len(lefts) for lefts in drawn.values()),
        counterexamples=(
            *(
                f"two 3x3 layers of {one.reads} -> {one.middle} -> {one.writes} channels make {one.dimension} of the "
                f"{one.full} dimensions of 5x5 kernels"
                for one in short
            ),
            *(
                f"a random 5x5 kernel, channels between {middle}: the nearest stack is {100 * left:.0f} % of its norm "
                "away"
                for middle, left in missed
            ),
        ),
        restricted=Restricted(
            condition="the layer between has at least twice the channels of the wider side",
            cases=len(wide) + sum(len(lefts) for middle, lefts in drawn.items() if middle >= 2),
            counterexamples=sum(one in wide for one in short) + sum(middle >= 2 for middle, _ in missed),
        ),
        nearest_true=(
            "without an activation between them, two 3x3 layers with equal channels throughout make a set of "
            f"{' or '.join(map(str, sorted(shares)))} % of the dimensions of 5x5 kernels (17 of 25 with one channel; "
            f"the nearest misses a random kernel by {narrow} of its norm); two channels between one and one make "
            "them all"
        ),
        number=Number(name="dimensions of 25, one channel throughout", value=found[0].dimension),
        tables=(by_channels(found),),
    )


def by_channels(found: tuple[KernelFamily, ...]) -> Table:
    """Dimensions by the channels before, between and after."""
    rows = tuple((one.reads, one.middle, one.writes, one.dimension, one.full) for one in found)
    columns = ("channels read", "between", "written", "dimensions reached", "of")
    return Table(title="5x5 kernels that two 3x3 layers make", columns=columns, rows=rows)


def figure() -> "Figure":
    """Misfit of random 5x5 kernels and dimensions reached, against the channels in the middle."""
    drawn, axes = canvas.canvas(
        "Two 3x3 layers are any 5x5 kernel only if the layer between is wide enough", width=10, columns=2
    )
    left, right = axes[0]
    found = misfits()
    means = [100 * float(np.mean(found[middle])) for middle in DRAWN_MIDDLES]
    for middle, lefts in found.items():
        left.plot([middle] * len(lefts), [100 * value for value in lefts], "o", color=canvas.SKY, markersize=4)
    left.plot(DRAWN_MIDDLES, means, color=canvas.BLUE, marker="s", label="mean of random kernels")
    left.set_xticks(DRAWN_MIDDLES)
    left.set_xlabel("channels between, one read and one written")
    left.set_ylabel("nearest stack misses (% of the kernel's norm)")
    left.legend(frameon=False)
    for (reads, writes), colour, marker in zip(CHANNELS, canvas.SERIES, canvas.MARKERS, strict=False):
        group = [one for one in families() if (one.reads, one.writes) == (reads, writes)]
        shares = [100 * one.dimension / one.full for one in group]
        line = "-" if reads <= writes else "--"  # the mirrored pair lies on top
        right.plot(MIDDLES, shares, line, color=colour, marker=marker, label=f"{reads} read, {writes} written")
    right.set_xlabel("channels between")
    right.set_ylabel("dimensions of 5x5 kernels reached (%)")
    right.legend(frameon=False)
    return drawn


TWO, ONE = "two 3x3 layers", "one 5x5 layer"
PAIRS = Contrast(name="two 3x3 layers against one 5x5", better=("pairs",), worse=("k5",), better_is=TWO, worse_is=ONE)

CLAIM = Claim(
    says="Two stacked 3x3 layers do what one 5x5 layer does.",
    notes='Few things to remember, second point: "combine 3x3 with another 3x3 which can then become 5x5"',
    kind="exact+empirical",
    evidence={
        "what it sees": Computed(compute=what_it_sees),
        "what it can be": Computed(compute=what_it_can_be),
        "what it is worth": Trained(
            sweep="stacked_kernels",
            contrasts=(PAIRS,),
            tasks=("digits12", "textures12", "fashion12", "fashion_mnist", "cifar10"),
            moderators=(
                Variant(
                    name="between the two",
                    task="digits12",
                    low=Contrast(name="a ReLU", better=("pairs",), worse=("k5",), better_is=TWO, worse_is=ONE),
                    high=Contrast(
                        name="nothing",
                        better=("linear_pairs",),
                        worse=("k5",),
                        better_is="two 3x3 layers with nothing between them",
                        worse_is=ONE,
                    ),
                ),
            ),
        ),
    },
    rule=AllOf(
        parts=(
            ("what it sees", Exact()),
            ("what it can be", Exact()),
            ("what it is worth", Directional(match="params")),
        )
    ),
    figure=figure,
)
