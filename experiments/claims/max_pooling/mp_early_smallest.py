"""The notes add max-pooling "as early as possible" to make a net "as small as possible"."""

import itertools

from cnnlab.geometry.cost import cost
from cnnlab.inference.rules.exact import Enumerated, Exact, Restricted
from cnnlab.spec.net import ConvNet
from cnnlab.zoo.lowering import network
from experiments.claim import Claim, Computed

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
    )


CLAIM = Claim(
    says="Of two nets that differ only in where their pools stand, the one that pools earlier is the smaller.",
    notes='Max Pooling, first point: "as small as possible ... as early as possible"',
    kind="structural+cost",
    evidence=Computed(compute=compute),
    rule=Exact(),
)
