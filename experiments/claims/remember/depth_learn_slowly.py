"""The notes advise to "always let the network learn slowly rather than overloading the memory".

The sentence has no unique test: "slowly" may speak of how much each layer adds, or of the learning rate. Two readings
are judged, each by its own direction: many thin layers against few wide ones at equal multiply-accumulates, and a small
learning rate against the tuned one (read off the stored tuning curves; no run of its own). Where they disagree the
claim is qualified by the reading.
"""

from cnnlab.inference.rules.all_of import Senses
from cnnlab.inference.rules.directional import Directional
from experiments.claim import Awaited, Claim

CLAIM = Claim(
    says="A net should learn slowly: better many layers that each do little than few that each do much, or better a "
    "small learning rate than a large one.",
    notes='Few things to remember, seventh point: "not push the layers to learn more ... learn slowly"',
    kind="empirical",
    evidence={
        "as many thin layers": Awaited(
            what="the sweep learn_slowly: accuracy of deep, thin nets against shallow, wide ones at equal "
            "multiply-accumulates"
        ),
        "as a small learning rate": Awaited(
            what="the sweep learn_slowly: accuracy at a small learning rate against the tuned one"
        ),
    },
    rule=Senses(
        parts=(
            ("as many thin layers", Directional(match="macs")),
            ("as a small learning rate", Directional(match="none")),
        )
    ),
)
