"""The notes pool "once ... edges and gradients have been created".

Rule of protocol 4, written after pilots and before its data: read on three real tasks. Edges exist after two
convolutions at the earliest, and before the last at the latest; pools after 2 and 5, which no longer run on every task,
are described. Two clauses that no sweep could make are gone: a first layer of frozen edge filters, and where the pool
stands against the receptive field over the size of the object. So the claim is about WHERE to pool, not about edges
being the reason.
"""

from cnnlab.inference.rules.directional import Directional
from experiments.claims.base import Claim, Contrast, Trained

FORMED = ("[2,4]", "[3,4]")
FORMED_IS = "the first max-pool after two or three convolutions, the last two before the head"

CLAIM = Claim(
    says="Pooling once the first layers have formed edge detectors beats pooling before or long after that.",
    notes='Max Pooling, first point: "when we have edges and gradients have been created"',
    kind="empirical",
    evidence=Trained(
        sweep="pool_position",
        contrasts=(
            Contrast(
                name="formed against not yet",
                better=FORMED,
                worse=("[0,4]", "[1,4]"),
                better_is=FORMED_IS,
                worse_is="a max-pool before the second convolution",
            ),
            Contrast(
                name="formed against long after",
                better=FORMED,
                worse=("[2,6]",),
                better_is=FORMED_IS,
                worse_is="the last max-pool after the last convolution",
            ),
        ),
        tasks=("digits12", "textures12", "fashion12", "fashion_mnist", "cifar10"),
    ),
    rule=Directional(match="none"),
)
