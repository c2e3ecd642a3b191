"""The notes say that tanh "also causes same vanishing gradient problem".

Two questions. (A) Do gradients vanish with tanh too: does a deep tanh net (16 convolutions) make more than half again
as many errors as a shallow one (2)? (B) Do they vanish as badly as with sigmoid: log10 of what a layer leaves of the
gradient at its output, at the same initial scale and before any training, within 0.1 decades a layer of sigmoid's? The
rule lets A decide and B only qualify; as senses that comes out so, except where tanh did not vanish and yet equalled
sigmoid, which would call sigmoid's own vanishing in question. Weights are drawn as Xavier for both; at which scale tanh
begins to vanish is in the table of `sig_vanishes`.

Rule of protocol 4, written after pilots and before its data: three real tasks, 96 epochs on digits (in 12, tanh nets of
16 layers reached half of what they reach in 96).
"""

import math

from cnnlab.inference.rules.all_of import Senses
from cnnlab.inference.rules.directional import Directional
from cnnlab.inference.rules.equivalence import Equivalence
from experiments.claims.base import Claim, Contrast, Trained

DECADES = 0.1
"""Half-width of "the same", in decades of the gradient's norm per layer."""
RATIO = math.log(1.5)
"""Log of how many times as many errors the deep net must make."""
TASKS = ("digits12_long", "textures12", "fashion12", "fashion_mnist", "cifar10")

CLAIM = Claim(
    says="With tanh gradients vanish just as with sigmoid.",
    notes='Activation Function, list: "tanh - also causes same vanishing gradient problem"',
    kind="empirical",
    evidence={
        "that they vanish": Trained(
            sweep="gradient_norms",
            contrasts=(
                Contrast(
                    name="2 against 16 tanh layers",
                    better=("tanh_2",),
                    worse=("tanh_16",),
                    better_is="two tanh layers",
                    worse_is="sixteen tanh layers",
                ),
            ),
            margin=RATIO,
            tasks=TASKS,
        ),
        "that they vanish as badly": Trained(
            sweep="gradient_norms",
            contrasts=(
                Contrast(
                    name="tanh against sigmoid, 16 layers",
                    better=("tanh_16",),
                    worse=("sigmoid_16",),
                    better_is="tanh",
                    worse_is="sigmoid",
                ),
            ),
            metric="gradient_decay",
            margin=DECADES,
            measures="log10 of what a layer leaves of the gradient, before training",
            tasks=TASKS,
        ),
    },
    rule=Senses(
        parts=(
            ("that they vanish", Directional(match="none", margin=RATIO)),
            ("that they vanish as badly", Equivalence(rho=DECADES)),
        )
    ),
)
