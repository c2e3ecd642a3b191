"""The notes say that after a late max-pool "the last layer will not have any much information".

A mechanism, so all of its steps must hold. The class is harder to read behind the late pool than before it (a linear
classifier on either map, at equal dimension). The net is worse than one that pools two convolutions earlier. And that
is why: given the map before its last pool, the head does as well as in the net that pools earlier, so that the
difference of accuracy vanishes (to within 1 point). What a linear probe cannot read a net may still use.
"""

from cnnlab.inference.rules.all_of import AllOf
from cnnlab.inference.rules.directional import Directional
from cnnlab.inference.rules.equivalence import Equivalence
from experiments.claims.base import Claim, Contrast, Trained

CLAIM = Claim(
    says="A max-pool just before the head takes away what the head needs, and that is why accuracy falls.",
    notes='Max Pooling, third point: "the last layer will not have any much information"',
    kind="empirical",
    evidence={
        "harder to read behind the pool": Trained(
            sweep="pool_position",
            contrasts=(Contrast(name="before the late pool against behind it", better=("[2,6]",)),),
            metric="probe:linear_probe/last/drop",
        ),
        "accuracy falls": Trained(
            sweep="pool_position",
            contrasts=(Contrast(name="away from the head against at the head", better=("[2,4]",), worse=("[2,6]",)),),
        ),
        "not if the head sees past the pool": Trained(
            sweep="pool_distance",
            contrasts=(Contrast(name="pooled earlier against not pooled late", better=("two",), worse=("unpooled",)),),
        ),
    },
    rule=AllOf(
        parts=(
            ("harder to read behind the pool", Directional(match="none", mechanism=True)),
            ("accuracy falls", Directional(match="none", mechanism=True)),
            ("not if the head sees past the pool", Equivalence(rho=0.01, match="none", mechanism=True)),
        )
    ),
)
