"""The notes say that 1x1 merges existing feature extractors "keeping in mind that those features are found together".

Judged in two senses. On built data the truth is known: eight part detectors feed a 1x1 layer with a ReLU, and a class
is a pair of parts at one place. The area under the curve with which the size of the products of weights tells true
pairs from others is compared with the same area where the parts of a pair never meet; a margin of .4 is that of an area
of .9 against chance, .5. On real data no truth is known: there the correlation between products of weights and how
often two channels are active together is compared with that of permuted channels.

Amended before any run: the rule asked for an interval above .9 and for a permutation's p below .01. The suite's rule
for directions compares two arms, member by member, and is the stricter (its p is corrected over all claims). Holding on
built data alone gives `qualified`, as before.
"""

from cnnlab.inference.rules.all_of import Senses
from cnnlab.inference.rules.directional import Directional
from experiments.claim import Awaited, Claim

CHANCE, ASKED = 0.5, 0.9
"""Area under the curve of a guess, and the one that the rule asks for."""

CLAIM = Claim(
    says="A trained 1x1 convolution gives large weights in common to channels whose features are found together.",
    notes='Ant-man, third point: "merging the pre-existing feature extractors ... those features are found together"',
    kind="empirical",
    evidence={
        "on built parts": Awaited(
            what="the sweep pointwise_merging: how well the weights group parts that occur together, against parts "
            "that never meet"
        ),
        "on real images": Awaited(
            what="the sweep pointwise_merging: correlation of weight products and joint activity on fashion14, against "
            "permuted channels"
        ),
    },
    rule=Senses(
        parts=(
            ("on built parts", Directional(match="none", margin=ASKED - CHANCE, mechanism=True)),
            ("on real images", Directional(match="none")),
        )
    ),
)
