"""My claim: kernels of 5x5 beat kernels of 3x3."""

from cnnlab.inference.rules.directional import Directional
from experiments.claims.base import Claim, Contrast, Trained

FIVE = Contrast(name="5 against 3", better=("5",), worse=("3",), better_is="5x5 kernels", worse_is="3x3 kernels")
CLAIM = Claim(
    says="A net of 5x5 kernels makes fewer errors than one of 3x3 kernels.",
    notes="the tutorial",
    kind="empirical",
    evidence=Trained(sweep="kernel_size", contrasts=(FIVE,)),
    rule=Directional(match="none"),
)
