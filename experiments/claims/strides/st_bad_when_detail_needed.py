"""The notes: stride 2 "is not useful where we want to preserve lot of information".

Rule, before any run. On the tasks with a detail dial (vernier offsets of 1 to 3 pixels, the phase task, the aliasing
pair) at matched multiply-accumulates: at the finest setting a net without down-sampling beats the strided one, a net
that pools beats it too, and the penalty is larger at the finest than at the coarsest setting (its difference above 0:
claims.md asks for a slope whose interval excludes 0, without a margin). Synthetic by nature: a mechanism.
"""

from cnnlab.inference.rules.all_of import AllOf
from cnnlab.inference.rules.directional import Directional
from experiments.claim import Awaited, Claim

CLAIM = Claim(
    says="Where fine detail decides, convolutions of stride 2 cost accuracy, more than where coarse shape decides.",
    notes='Convolution with strides, third disadvantage: "not useful where we want to preserve lot of information"',
    kind="empirical",
    evidence={
        "penalty at the finest detail": Awaited(
            what="the sweep detail_needed: accuracy without down-sampling minus with stride 2, offset of 1 pixel"
        ),
        "worse than a pool there": Awaited(
            what="the sweep detail_needed: accuracy with max-pools minus with stride 2, offset of 1 pixel"
        ),
        "penalty grows with detail": Awaited(
            what="the sweep detail_needed: the penalty at the finest setting minus that at the coarsest"
        ),
    },
    rule=AllOf(
        parts=(
            ("penalty at the finest detail", Directional(match="macs", mechanism=True)),
            ("worse than a pool there", Directional(match="macs", mechanism=True)),
            ("penalty grows with detail", Directional(match="macs", margin=0.0, mechanism=True)),
        )
    ),
)
