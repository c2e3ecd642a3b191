"""The notes keep max-pooling "away from 2 or 3 convolution layers from output"."""

from cnnlab.inference.rules.all_of import AllOf
from cnnlab.inference.rules.directional import Directional
from cnnlab.inference.rules.survey import Survey
from experiments.claim import Awaited, Claim, Contrast, Trained

CLAIM = Claim(
    says="A net whose last max-pool stands two or three convolutions before the head beats one that pools at the head.",
    notes='Max Pooling, third point: "should be at least away from 2 or 3 convolution layers from output"',
    kind="survey+empirical",
    evidence={
        "accuracy": Trained(
            sweep="pool_position",
            contrasts=(Contrast(name="two or three before against none", better=("[2,4]", "[2,3]"), worse=("[2,6]",)),),
            needs=("the moderator `head` (arms with a flatten head)",),
        ),
        "practice": Awaited(what="the survey of classic nets"),
    },
    rule=AllOf(parts=(("accuracy", Directional(match="none")), ("practice", Survey()))),
)
