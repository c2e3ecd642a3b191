"""The notes do not use max-pooling "without convolving twice or more"."""

from cnnlab.inference.rules.directional import Directional
from experiments.claims.base import Claim, Contrast, Moderator, Trained

LATE = ("[2,4]", "[3,4]")

CLAIM = Claim(
    says="A first max-pool after two or three convolutions gives a better net than one after one convolution or none.",
    notes='Max Pooling, first point: "we don\'t use max-pooling without convolving twice or more"',
    kind="empirical",
    evidence=Trained(
        sweep="pool_position",
        contrasts=(
            Contrast(name="two or three against one", better=LATE, worse=("[1,4]",)),
            Contrast(name="two or three against none", better=LATE, worse=("[0,4]",)),
        ),
        moderators=(Moderator(name="detail scale", task="vernier", dial="offset_px", low=1.0, high=3.0),),
    ),
    rule=Directional(match="none"),
)
