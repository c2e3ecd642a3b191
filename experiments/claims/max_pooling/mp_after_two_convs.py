"""The notes do not use max-pooling "without convolving twice or more".

Rule of protocol 4, written after pilots and before its data: read on three real tasks, with the pool after three
convolutions among the late ones; how fine the detail is that decides is no moderator any more, since the built task
that was its dial stands at 98 % whatever the net. So the sweep of pool positions alone decides it.
"""

from cnnlab.inference.rules.directional import Directional
from experiments.claims.base import Claim, Contrast, Trained

LATE = ("[2,4]", "[3,4]")
LATE_IS = "two or three convolutions before the first max-pool"
TASKS = ("digits12", "textures12", "fashion12", "fashion_mnist", "cifar10")

CLAIM = Claim(
    says="A first max-pool after two or three convolutions gives a better net than one after one convolution or none.",
    notes='Max Pooling, first point: "we don\'t use max-pooling without convolving twice or more"',
    kind="empirical",
    evidence=Trained(
        sweep="pool_position",
        contrasts=(
            Contrast(
                name="two or three against one",
                better=LATE,
                worse=("[1,4]",),
                better_is=LATE_IS,
                worse_is="one convolution before the first max-pool",
            ),
            Contrast(
                name="two or three against none",
                better=LATE,
                worse=("[0,4]",),
                better_is=LATE_IS,
                worse_is="a max-pool before the first convolution",
            ),
        ),
        tasks=TASKS,
    ),
    rule=Directional(match="none"),
)
