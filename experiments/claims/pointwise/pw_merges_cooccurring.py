"""The notes say that 1x1 merges existing feature extractors "keeping in mind that those features are found together".

Judged in three senses. On built data the truth is known: eight part detectors feed a 1x1 layer with a ReLU, and a class
is a pair of parts at one place. There the area under the curve with which the size of the products of weights tells
true pairs from others must have an interval above .9. It must also be larger than where both parts of a pair speak for
the same class and never meet, else it is not their meeting that the weights have learned. On real data no truth is
known: there the correlation between products of weights and how often two channels are active together is compared with
that of permuted channels.

Amended before any run: comparing with parts that never meet was the claim's control and is a sense of its own, so that
holding on built data alone gives `qualified`, as before; a permutation's p below .01 is replaced by the suite's rule
for directions, the stricter one (its p is corrected over all claims).
"""

from cnnlab.inference.rules.all_of import Senses
from cnnlab.inference.rules.directional import Directional
from cnnlab.inference.rules.within import Within
from experiments.claims.base import Awaited, Claim, Contrast, Moderator, Trained

ASKED = 0.9
"""Area under the curve that the rule asks for; a guess has .5."""
AREA = "probe:pair_auc/auc"
MIX = Contrast(name="the first layer's 1x1 weights", better=("mix",))

CLAIM = Claim(
    says="A trained 1x1 convolution gives large weights in common to channels whose features are found together.",
    notes='Ant-man, third point: "merging the pre-existing feature extractors ... those features are found together"',
    kind="empirical",
    evidence={
        "on built parts": Trained(sweep="pointwise_merging", contrasts=(MIX,), metric=AREA, tasks=("parts",)),
        "because they meet": Trained(
            sweep="pointwise_merging",
            contrasts=(MIX,),
            metric=AREA,
            along=(Moderator(name="meeting", task="parts", dial="together", low=1.0, high=0.0),),
        ),
        "on real images": Awaited(
            what="correlation of weight products and joint activity of channels on fashion14, against permuted channels"
        ),
    },
    rule=Senses(
        parts=(
            ("on built parts", Within(low=ASKED)),
            ("because they meet", Within(low=0.0)),
            ("on real images", Directional(match="none")),
        )
    ),
)
