"""The notes: without activations "its not possible to use backpropagation ... to train the model".

Judged by the convex optimum of the same function class, a linear classifier on the pixels, which a solver finds without
backpropagation. The claim fails where linear nets of every depth up to 8 make less than 1.55 times its errors AND a
guess makes more than 1.5 times theirs (90 against 60 % wrong at ten classes): then backpropagation has trained them.
Where some fall short of the optimum and still beat chance, the sentence holds in one sense and fails in the other, and
so where only the deeper ones fall short. Depth 16 is shown beside: a failure there is one of conditioning.

Amended before any run: both bounds are held against the accuracy itself (a net at chance is no "negligible" difference
from it, it is the claim come true), each depth by itself and not the worst of four members (whose noise adds up).

Rule of protocol 4, written after pilots and before its data: both bounds are ratios of errors. The solver is scored on
validation images and nets on the test set, on which the solver itself makes more errors: 1.24 times on digits8, 1.34 on
linear_xor_linear (pilots, seeds 5100-5103). So 1.55 is 1.15 times the optimum on the same images.
"""

import math

from cnnlab.inference.rules.all_of import Senses
from cnnlab.inference.rules.within import Within
from experiments.claims.base import Claim, Contrast, Trained

DEPTHS = (1, 2, 4, 8)
SHORT, TRAINED = math.log(1.55), math.log(1.5)
"""Logs of how many times the optimum's errors are too many, and of how many times theirs a guess has to make."""
OPTIMUM = "as falling short of the optimum with {} layers"
CHANCE = "as doing no better than chance with {} layers"


def _trained(depth: int, metric: str) -> Trained:
    """Errors at one of the two marks over those of the net."""
    mark = "logistic regression" if metric == "over_linear" else "a guess"
    layers = f"{depth} linear layers" if depth > 1 else "one linear layer"
    alone = Contrast(name=f"{depth} linear layers", better=(f"d{depth}",), better_is=layers, worse_is=mark)
    tasks = ("digits8", "linear_xor_linear", "fashion_mnist")
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
