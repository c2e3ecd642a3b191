"""The notes: without activations "we dont get benefit of adding more layers", however many.

What such a net can express does not grow (`lin_collapse` shows that exactly). What it learns may: depth changes the
path of gradient descent. Accuracy decides, deep (2 to 16 layers) against one layer, each at its own best learning rate,
the same to within 1 point. Accuracy with few images, and the steps to nine tenths of the optimum (the same to within a
quarter, in log10), can only qualify: uselessness then holds in one sense and fails in another.

Accuracy is read as what a net has over logistic regression, which is the same for all depths and so leaves the
difference as it is: on tasks made for linear nets no arm can have the headroom that is asked of a design.
"""

import math

from cnnlab.inference.rules.all_of import Senses
from cnnlab.inference.rules.equivalence import Equivalence
from experiments.claims.base import Awaited, Claim, Contrast, Trained

DEEPER = tuple(
    Contrast(name=f"{depth} layers against 1", better=(f"d{depth}",), worse=("d1",)) for depth in (2, 4, 8, 16)
)


def _trained(*tasks: str) -> Trained:
    """The gain over logistic regression of deeper nets on these tasks."""
    return Trained(sweep="linear_depth", contrasts=DEEPER, metric="over_linear", margin=0.01, tasks=tasks)


CLAIM = Claim(
    says="Without activation functions more layers bring nothing over one layer.",
    notes='Activation Function, "If we don\'t use": "we dont get benefit of adding more layers"',
    kind="empirical",
    evidence={
        "in accuracy": _trained("digits8", "linear_xor_linear", "fashion14"),
        "in accuracy with few images": _trained("digits8_few", "linear_xor_low_rank"),
        "in steps to train": Awaited(
            what="steps to 90 % of the optimum, in log10: records keep the validation accuracy of the epochs 1, 2, 3, "
            "5, 9, ... alone, too coarse to tell a quarter"
        ),
    },
    rule=Senses(
        parts=(
            ("in accuracy", Equivalence(rho=0.01)),
            ("in accuracy with few images", Equivalence(rho=0.01)),
            ("in steps to train", Equivalence(rho=math.log10(1.25))),
        )
    ),
)
