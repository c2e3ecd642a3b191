"""The notes add max-pooling "as early as possible" to make a net "as small as possible"."""

import itertools
from typing import TYPE_CHECKING

from cnnlab.geometry.cost import cost
from cnnlab.inference.rules.exact import Enumerated, Exact, Restricted
from cnnlab.report import canvas
from cnnlab.spec.net import ConvNet
from cnnlab.spec.verdict import Scalar, Table
from cnnlab.zoo.lowering import network
from experiments.claims.base import Claim, Computed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DEPTH = 6
PLACEMENTS = tuple(itertools.combinations(range(1, DEPTH + 1), 2))
IMAGES = ((12, 16), (14, 16), (28, 32))
"""(side in pixels, width): the two small tasks of the suite and Fashion-MNIST."""
SENSES = ("parameters", "multiply-accumulates", "activation elements")
CLASSES = 10


def sizes(pools: tuple[int, ...], side: int, width: int, head: str) -> dict[str, int]:
    """How large the net is, in three senses."""
    net = ConvNet(depth=DEPTH, width=width, pools=pools, head=head)
    total = cost(network(net, side, 1, CLASSES), (side, side))
    found = (total.params, total.macs, total.activation_elements)
    return dict(zip(SENSES, (int(value or 0) for value in found), strict=True))


def earlier(pools: tuple[int, ...], than: tuple[int, ...]) -> bool:
    """Whether no pool stands later, and one stands earlier."""
    return pools != than and all(a <= b for a, b in zip(pools, than, strict=True))


def compute() -> Enumerated:
    """Compare every pair of placements of which one is earlier, on every image, head and in every sense of small."""
    cases, failing = 0, {sense: list[str]() for sense in SENSES}
    for (side, width), head in itertools.product(IMAGES, ("global_average", "flatten")):
        table = {pools: sizes(pools, side, width, head) for pools in PLACEMENTS}
        for early, late in itertools.permutations(PLACEMENTS, 2):
            if not earlier(early, late):
                continue
            for sense in SENSES:
                cases += 1
                if table[early][sense] >= table[late][sense]:
                    failing[sense].append(
                        f"pools after {early} have {table[early][sense]} {sense}, after {late} "
                        f"{table[late][sense]} ({side}x{side}, width {width}, {head} head)"
                    )
    counterexamples = tuple(line for sense in SENSES for line in failing[sense])
    cheap = len(failing["multiply-accumulates"]) + len(failing["activation elements"])
    first, last = sizes((1, 2), 28, 32, "global_average"), sizes((5, 6), 28, 32, "global_average")
    ratio = last["multiply-accumulates"] / first["multiply-accumulates"]
    return Enumerated(
        cases=cases,
        counterexamples=counterexamples,
        restricted=Restricted(
            condition="small means multiply-accumulates or activations, not parameters",
            cases=cases * 2 // 3,
            counterexamples=cheap,
        ),
        nearest_true=(
            "early pooling makes a net cheaper, not smaller: pools after (1, 2) instead of (5, 6) on 28x28 at width 32 "
            f"take {ratio:.1f} times fewer multiply-accumulates at the same {first['parameters']} parameters"
        ),
        tables=(by_placement(),),
    )


def by_placement() -> Table:
    """All placements on 28x28 at width 32 with a global average head."""
    rows: list[tuple[Scalar, ...]] = []
    for pools in PLACEMENTS:
        found = sizes(pools, 28, 32, "global_average")
        rows.append((str(pools), *(found[sense] for sense in SENSES)))
    return Table(title="28x28, width 32, global average head", columns=("pools after", *SENSES), rows=tuple(rows))


def figure() -> "Figure":
    """Three senses of small against where the pools stand, each relative to the earliest placement."""
    drawn, axes = canvas.canvas("Pooling early makes a net cheaper, not smaller", width=8.5)
    panel = axes[0][0]
    found = [sizes(pools, 28, 32, "global_average") for pools in PLACEMENTS]
    for sense, colour, marker in zip(SENSES, canvas.SERIES, canvas.MARKERS, strict=False):
        panel.plot([one[sense] / found[0][sense] for one in found], color=colour, marker=marker, label=sense)
    panel.set_xticks(range(len(PLACEMENTS)), [f"{first},{second}" for first, second in PLACEMENTS])
    panel.set_yscale("log", base=2)
    panel.set_yticks([1, 2, 4, 8], ["1x", "2x", "4x", "8x"])
    panel.set_xlabel("the two 2x2 pools stand after convolutions number (of six)")
    panel.set_ylabel("relative to pools after 1, 2")
    panel.legend(frameon=False)
    return drawn


CLAIM = Claim(
    says="Of two nets that differ only in where their pools stand, the one that pools earlier is the smaller.",
    notes='Max Pooling, first point: "as small as possible ... as early as possible"',
    kind="structural+cost",
    evidence=Computed(compute=compute, beside="pool_position"),
    rule=Exact(),
    figure=figure,
)
