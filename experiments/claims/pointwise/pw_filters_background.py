"""The notes say of 1x1 that "it can so happen that it decides not to pick" a feature of the background.

"It can so happen" asks for one instance, seen again in a fresh block of members. The data are built: some channels
carry the class, others a texture of the background, and which is known. Two things must hold of the same arm: the share
of the trained weights' energy that lies on background channels is below half of their share at random (and not only
because the initial weights were small: it is compared with initialisation), and setting those channels to zero changes
accuracy by less than 2 points, the margin of built tasks. Training with the background correlated to the class is
reported as the limit.
"""

from cnnlab.inference.rules.all_of import AllOf
from cnnlab.inference.rules.equivalence import Equivalence
from cnnlab.inference.rules.instances import Exists
from experiments.claim import Awaited, Claim

RHO = 0.02
"""Largest change of accuracy that counts as none: the margin of synthetic tasks."""

CLAIM = Claim(
    says="A 1x1 convolution can learn to give next to no weight to channels that show only the background.",
    notes='Ant-man, fourth point: "it can so happen that it decides not to pick a particular feature that defines the '
    'background"',
    kind="empirical",
    evidence={
        "small weights": Awaited(
            what="the sweep pointwise_filtering: share of weight energy on background channels, before and after "
            "training"
        ),
        "nothing lost": Awaited(
            what="the sweep pointwise_filtering: accuracy with the background channels set to zero and left alone"
        ),
    },
    rule=AllOf(
        parts=(
            ("small weights", Exists()),
            ("nothing lost", Equivalence(rho=RHO, match="none", tasks=1, mechanism=True)),
        )
    ),
)
