"""The notes say that after a late max-pool "the last layer will not have any much information".

A mechanism, and so a chain: every link must hold, and one that is reversed refutes. The class is harder to read behind
the late pool than before it (a linear classifier on either map, on equal terms). The net makes more errors than one
that pools two convolutions earlier. And that is why: given the map before its last pool, the head does as well as in
the net that pools earlier. What a linear probe cannot read a net may still use.

Rule of protocol 4, written after pilots and before its data: all links are judged on the three real tasks, where one
that is Neg on two refutes the chain; the last fails only if the net that pools earlier is BETTER than the one whose
head sees past the pool, by 1.15 times the errors; and all links read one sweep.
"""

import math

from cnnlab.inference.rules.all_of import AllOf
from cnnlab.inference.rules.directional import Directional
from cnnlab.inference.rules.equivalence import Equivalence
from experiments.claims.base import Claim, Contrast, Trained

SWEEP, TASKS = "pool_distance", ("digits12", "textures12", "fashion12", "fashion_mnist", "cifar10")
DROP = 0.01
"""Smallest drop of the probe's accuracy that matters, a fraction."""
RHO = math.log(1.15)
EARLIER = "the last max-pool two convolutions before the head"

CLAIM = Claim(
    says="A max-pool just before the head takes away what the head needs, and that is why accuracy falls.",
    notes='Max Pooling, third point: "the last layer will not have any much information"',
    kind="empirical",
    evidence={
        "harder to read behind the pool": Trained(
            sweep=SWEEP,
            contrasts=(
                Contrast(
                    name="before the late pool against behind it",
                    better=("none",),
                    better_is="a linear classifier before the late max-pool",
                    worse_is="a linear classifier behind it",
                ),
            ),
            metric="probe:linear_probe/last/drop",
            margin=DROP,
            measures="accuracy of a linear classifier before the last pool minus behind it",
            tasks=TASKS,
        ),
        "accuracy falls": Trained(
            sweep=SWEEP,
            contrasts=(
                Contrast(
                    name="away from the head against at the head",
                    better=("two",),
                    worse=("none",),
                    better_is=EARLIER,
                    worse_is="a max-pool just before the head",
                ),
            ),
            tasks=TASKS,
        ),
        "not if the head sees past the pool": Trained(
            sweep=SWEEP,
            contrasts=(
                Contrast(
                    name="pooled earlier against not pooled late",
                    better=("two",),
                    worse=("unpooled",),
                    better_is=EARLIER,
                    worse_is="the head reading the map before the late max-pool",
                ),
            ),
            tasks=TASKS,
        ),
    },
    rule=AllOf(
        parts=(
            ("harder to read behind the pool", Directional(match="none", margin=DROP)),
            ("accuracy falls", Directional(match="none")),
            ("not if the head sees past the pool", Equivalence(rho=RHO, match="none", one_sided=True)),
        )
    ),
)
