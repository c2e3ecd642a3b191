"""The notes say that after a late max-pool "the last layer will not have any much information"."""

from cnnlab.inference.rules.directional import Directional
from experiments.claim import Claim, Contrast, Trained

CLAIM = Claim(
    says="A max-pool just before the head takes away what the head needs, and that is why accuracy falls.",
    notes='Max Pooling, third point: "the last layer will not have any much information"',
    kind="empirical",
    evidence=Trained(
        sweep="pool_position",
        contrasts=(Contrast(name="away from the head against at the head", better=("[2,4]",), worse=("[2,6]",)),),
        needs=(
            "linear probes before and after the late pool",
            "an arm whose head is given the map before the last pool (mediation)",
        ),
    ),
    rule=Directional(match="none", mechanism=True),
)
