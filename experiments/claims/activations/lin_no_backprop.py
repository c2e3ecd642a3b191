"""The notes: without activations "its not possible to use backpropagation ... to train the model".

Judged by the convex optimum of the same function class, a linear classifier on the pixels, which a solver finds without
backpropagation. The claim fails where linear nets of every depth up to 8 come within 1 point of its accuracy AND beat
chance by 30 points: then backpropagation has trained them. Where some fall short of the optimum and still beat chance,
the sentence holds in one sense and fails in the other, and so where only the deeper ones fall short. Depth 16 is shown
beside: a failure there is one of conditioning.

Amended before any run: both bounds are held against the accuracy itself (a net at chance is no "negligible" difference
from it, it is the claim come true), each depth by itself and not the worst of four members (whose noise adds up).
"""

from cnnlab.inference.rules.all_of import Senses
from cnnlab.inference.rules.within import Within
from experiments.claims.base import Claim, Contrast, Trained

DEPTHS = (1, 2, 4, 8)
SHORT, TRAINED = 0.01, 0.30
"""Points below the optimum that are too many, and points above chance that show training."""
OPTIMUM = "as falling short of the optimum with {} layers"
CHANCE = "as doing no better than chance with {} layers"


def _trained(depth: int, metric: str) -> Trained:
    """Accuracy over one of the two marks."""
    alone = Contrast(name=f"{depth} linear layers", better=(f"d{depth}",))
    tasks = ("digits8", "linear_xor_linear", "fashion14")
    return Trained(sweep="linear_depth", contrasts=(alone,), metric=metric, margin=SHORT, tasks=tasks)


CLAIM = Claim(
    says="A network without activation functions cannot be trained by backpropagation.",
    notes='Activation Function, "If we don\'t use": "Its not possible to use backpropagation ... to train the model"',
    kind="empirical",
    evidence={
        **{OPTIMUM.format(depth): _trained(depth, "over_linear") for depth in DEPTHS},
        **{CHANCE.format(depth): _trained(depth, "over_chance") for depth in DEPTHS},
    },
    rule=Senses(
        parts=(
            *((OPTIMUM.format(depth), Within(high=-SHORT)) for depth in DEPTHS),
            *((CHANCE.format(depth), Within(high=TRAINED)) for depth in DEPTHS),
        )
    ),
)
