"""The notes advise to "always let the network learn slowly rather than overloading the memory".

The sentence has no unique test: "slowly" may speak of how much each layer adds, or of the learning rate. Two readings
are judged, each by its own direction: many thin layers against few wide ones at equal multiply-accumulates, and a small
learning rate, at most a quarter of the usual one, against the best one. Where they disagree the claim is qualified by
the reading.

Amended before any run: the second was to be read off the stored tuning curves. These have two members a rate, too few
for any verdict, so that the small rate is an arm of its own.

Rule of protocol 4, written after pilots and before its data: three real tasks, 96 epochs on digits (in 12, deep nets
had reached half of what they reach in 96).
"""

from cnnlab.inference.rules.all_of import Senses
from cnnlab.inference.rules.directional import Directional
from experiments.claims.base import Claim, Contrast, Trained

TASKS = ("digits12_long", "textures12", "fashion12", "fashion_mnist", "cifar10")

CLAIM = Claim(
    says="A net should learn slowly: better many layers that each do little than few that each do much, or better a "
    "small learning rate than a large one.",
    notes='Few things to remember, seventh point: "not push the layers to learn more ... learn slowly"',
    kind="empirical",
    evidence={
        "as many thin layers": Trained(
            sweep="learn_slowly",
            contrasts=(
                Contrast(
                    name="deep and thin against shallow",
                    better=("deep_thin",),
                    worse=("shallow_wide",),
                    better_is="twelve thin layers",
                    worse_is="three wide layers",
                ),
            ),
            tasks=TASKS,
        ),
        "as a small learning rate": Trained(
            sweep="learn_slowly",
            contrasts=(
                Contrast(
                    name="a small rate against the tuned one",
                    better=("slow",),
                    worse=("middle",),
                    better_is="a quarter of the usual learning rate, or less",
                    worse_is="the best learning rate",
                ),
            ),
            tasks=TASKS,
        ),
    },
    rule=Senses(
        parts=(
            ("as many thin layers", Directional(match="macs")),
            ("as a small learning rate", Directional(match="none")),
        )
    ),
)
