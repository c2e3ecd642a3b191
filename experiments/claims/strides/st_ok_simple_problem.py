"""The notes find strides "useful if we have a resource constraint hardware and the problem at hand is not complicated".

Rule as the protocol amends it: on the easy task strided and pooled nets do the same, to within 1 point, and the strided
net is cheaper by more than 10 %. How the gap grows with difficulty (labels at random, few images, more classes) is
described and decides nothing, because a ceiling on easy tasks makes any gap vanish.
"""

from cnnlab.inference.rules.all_of import AllOf
from cnnlab.inference.rules.cost import Cost
from cnnlab.inference.rules.equivalence import Equivalence
from experiments.claim import Awaited, Claim

CLAIM = Claim(
    says="On an easy problem strided convolutions cost no accuracy against pooling, and they save time.",
    notes='Convolution with strides, last paragraph: "resource constraint hardware ... not complicated"',
    kind="empirical",
    evidence={
        "as good on the easy task": Awaited(
            what="the sweep difficulty: accuracy with stride 2 minus with max-pools on digits, not re-widthed"
        ),
        "cheaper": Awaited(what="the sweep difficulty: training step of the pooled over that of the strided net"),
    },
    rule=AllOf(
        parts=(
            ("as good on the easy task", Equivalence(rho=0.01, match="none", tasks=1)),
            ("cheaper", Cost(ratio=1.10)),
        )
    ),
)
