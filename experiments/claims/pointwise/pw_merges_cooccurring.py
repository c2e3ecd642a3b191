"""The notes say that 1x1 merges existing feature extractors "keeping in mind that those features are found together".

Judged in two senses. On built data the truth is known: eight part detectors feed a 1x1 layer with a ReLU, and a class
is a pair of parts at one place. There the area under the curve with which the size of the products of weights tells
true pairs from others must have an interval above .9. It must also be larger than where both parts of a pair speak for
the same class and never meet, else it is not their meeting that the weights have learned.

Amended before any run: comparing with parts that never meet was the claim's control and is a sense of its own, so that
holding on built data alone gives `qualified`.

Rule of protocol 4, written after pilots and before its data: a third sense, on real images, is gone, since no sweep
measures how often two channels are active together. So the claim is judged on built data, where the truth is known.
"""

from cnnlab.inference.rules.all_of import Senses
from cnnlab.inference.rules.within import Within
from experiments.claims.base import Claim, Contrast, Moderator, Trained

ASKED = 0.9
"""Area under the curve that the rule asks for; a guess has .5."""
AREA = "probe:pair_auc/auc"
MEASURES = "area under the curve with which products of 1x1 weights tell true pairs of parts"
MIX = Contrast(
    name="the first layer's 1x1 weights",
    better=("mix",),
    better_is="the trained 1x1 weights",
    worse_is="a guess at which parts are found together",
)

CLAIM = Claim(
    says="A trained 1x1 convolution gives large weights in common to channels whose features are found together.",
    notes='Ant-man, third point: "merging the pre-existing feature extractors ... those features are found together"',
    kind="empirical",
    evidence={
        "on built parts": Trained(
            sweep="pointwise_merging", contrasts=(MIX,), metric=AREA, margin=0.0, measures=MEASURES, tasks=("parts",)
        ),
        "because they meet": Trained(
            sweep="pointwise_merging",
            contrasts=(MIX,),
            metric=AREA,
            margin=0.0,
            measures=MEASURES,
            along=(Moderator(name="meeting", task="parts", dial="together", low=1.0, high=0.0),),
        ),
    },
    rule=Senses(parts=(("on built parts", Within(low=ASKED)), ("because they meet", Within(low=0.0)))),
)
