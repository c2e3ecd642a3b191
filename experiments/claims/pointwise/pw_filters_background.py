"""The notes say of 1x1 that "it can so happen that it decides not to pick" a feature of the background.

"It can so happen" asks for one instance, seen again in other members. The data are built: some channels carry the
class, others a texture of the background, and which is known. Two things must hold of the same arm, a net whose 1x1
layer is trained with weight decay: the share of the trained weights' energy that lies on background channels is below
half of their share at random (which is what initial weights have: small weights were learned), and setting those
channels to zero changes accuracy by less than 2 points. The net without weight decay stands beside, in the sweep's
table, and so does training with the background correlated to the class, as the limit.

The decay was chosen after a pilot: of nets without it few leave the initial weights of what they do not need.

Rule of protocol 4, written after pilots and before its data: the two halves of the arm's members are the two blocks in
which the instance has to be seen.
"""

from cnnlab.inference.rules.all_of import AllOf
from cnnlab.inference.rules.equivalence import Equivalence
from cnnlab.inference.rules.instances import Exists
from experiments.claims.base import Claim, Contrast, Trained

RHO = 0.02
"""Largest change of accuracy that counts as none, a fraction."""
HALF = 0.5
"""Of the share that background channels have at random."""
SWEEP, TASKS = "pointwise_filtering", ("distractor_channels",)

CLAIM = Claim(
    says="A 1x1 convolution can learn to give next to no weight to channels that show only the background.",
    notes='Ant-man, fourth point: "it can so happen that it decides not to pick a particular feature that defines the '
    'background"',
    kind="empirical",
    evidence={
        "small weights": Trained(
            sweep=SWEEP,
            contrasts=(
                Contrast(
                    name="half the share at random against the background's",
                    worse=("decay",),
                    bound=HALF,
                    better_is="half the share of weights at random",
                    worse_is="the share of background channels",
                ),
            ),
            metric="probe:nuisance_share/weight",
            margin=0.0,
            measures="share of the first layer's weight energy on background channels, over that at random",
            tasks=TASKS,
        ),
        "nothing lost": Trained(
            sweep=SWEEP,
            contrasts=(
                Contrast(
                    name="without the background against with it",
                    better=("decay",),
                    better_is="images without their background channels",
                    worse_is="images as they are",
                ),
            ),
            metric="probe:nuisance_share/zeroed",
            margin=RHO,
            measures="change of accuracy when the background channels are set to zero",
            tasks=TASKS,
        ),
    },
    rule=AllOf(
        parts=(
            ("small weights", Exists()),
            ("nothing lost", Equivalence(rho=RHO, match="none", tasks=1, mechanism=True)),
        )
    ),
)
