"""The notes: without activations "we dont get benefit of adding more layers", however many.

What such a net can express does not grow (`lin_collapse` shows that exactly). What it learns may: depth changes the
path of gradient descent. So deep (2 to 16 layers) stands against one layer in four senses: accuracy, accuracy with few
images, accuracy where the truth is a map of low rank (a mechanism: built data), and the images that have to be seen to
nine tenths of the optimum. Where uselessness holds in one sense and fails in another the claim is qualified.

Errors are read as ratios to those of logistic regression, which are the same for all depths and so leave the difference
as it is: on tasks made for linear nets no arm can have the headroom that is asked of a design.

Rule of protocol 4, written after pilots and before its data: "no benefit" fails only if deeper is BETTER, by more than
1.15 times the errors (1.3 on built data), or faster by more than a quarter; deeper may be worse. Low rank is a sense of
its own. The number of images comes from validation accuracies after every epoch.
"""

import math

from cnnlab.inference.rules.all_of import Senses
from cnnlab.inference.rules.equivalence import Equivalence
from experiments.claims.base import Claim, Contrast, Trained

DEEPER = tuple(
    Contrast(
        name=f"{depth} layers against 1",
        better=(f"d{depth}",),
        worse=("d1",),
        better_is=f"{depth} linear layers",
        worse_is="one linear layer",
    )
    for depth in (2, 4, 8, 16)
)
RATIO, BUILT_RATIO, FASTER = math.log(1.15), math.log(1.3), math.log10(1.25)


def _trained(*tasks: str, margin: float = RATIO) -> Trained:
    """Errors of deeper nets over those of logistic regression on these tasks."""
    return Trained(sweep="linear_depth", contrasts=DEEPER, metric="over_linear", margin=margin, tasks=tasks)


CLAIM = Claim(
    says="Without activation functions more layers bring nothing over one layer.",
    notes='Activation Function, "If we don\'t use": "we dont get benefit of adding more layers"',
    kind="empirical",
    evidence={
        "in accuracy": _trained("digits8", "linear_xor_linear", "fashion_mnist"),
        "in accuracy with few images": _trained("digits8_few"),
        "where the truth is of low rank": _trained("linear_xor_low_rank", margin=BUILT_RATIO),
        "in steps to train": Trained(
            sweep="linear_depth",
            contrasts=DEEPER,
            metric="steps_to_train",
            margin=FASTER,
            measures="decades fewer training images until nine tenths of the accuracy of logistic regression",
            tasks=("digits8", "linear_xor_linear", "fashion_mnist"),
        ),
    },
    rule=Senses(
        parts=(
            ("in accuracy", Equivalence(rho=RATIO, one_sided=True)),
            ("in accuracy with few images", Equivalence(rho=RATIO, tasks=1, one_sided=True)),
            ("where the truth is of low rank", Equivalence(rho=BUILT_RATIO, tasks=1, mechanism=True, one_sided=True)),
            ("in steps to train", Equivalence(rho=FASTER, one_sided=True)),
        )
    ),
)
