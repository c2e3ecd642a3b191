"""The notes find strides "useful if we have a resource constraint hardware and the problem at hand is not complicated".

Rule of protocol 4, written after pilots and before its data: on the easy task, the digits, the strided net makes at
most 1.15 times the errors of the pooled one of equal width (it may make fewer), and its training step is cheaper by
more than 10 %. How the gap grows with difficulty (the same digits with few images; at full also wrong labels and more
classes) is described and decides nothing.
"""

import math
from collections.abc import Mapping

from cnnlab.geometry.cost import cost
from cnnlab.inference.rules.all_of import AllOf
from cnnlab.inference.rules.cost import Cost, Timings
from cnnlab.inference.rules.equivalence import Equivalence
from cnnlab.spec.net import ConvNet
from cnnlab.zoo.lowering import network
from experiments.claims.base import Claim, Contrast, Timed, Trained
from experiments.claims.strides.st_saves_memory import BATCH, CLASSES, SIDE, stepping
from experiments.timing.stopwatch import interleaved

POOLED, STRIDED = ConvNet(), ConvNet(down="strided_conv")
"""The arms `max` and `stride` of the sweep: six convolutions, down-sampled after the second and the fourth."""


def measure() -> Mapping[str, Timings]:
    """Time the training step of both nets."""
    nets = {"max-pools": POOLED, "stride 2": STRIDED}
    seconds = interleaved({name: stepping(net) for name, net in nets.items()})
    macs = {name: cost(network(net, SIDE, 1, CLASSES), (SIDE, SIDE)).macs for name, net in nets.items()}
    timings = Timings(
        dear=seconds["max-pools"],
        cheap=seconds["stride 2"],
        what=f"training step with max-pools against stride 2 ({SIDE}x{SIDE}, batch {BATCH})",
        names=tuple(nets),
        counted=macs["max-pools"] / macs["stride 2"],
    )
    return {"training step": timings}


CLAIM = Claim(
    says="On an easy problem strided convolutions cost no accuracy against pooling, and they save time.",
    notes='Convolution with strides, last paragraph: "resource constraint hardware ... not complicated"',
    kind="empirical",
    evidence={
        "as good on the easy task": Trained(
            sweep="difficulty",
            contrasts=(
                Contrast(
                    name="max-pools against stride 2",
                    better=("max",),
                    worse=("stride",),
                    better_is="max-pools",
                    worse_is="convolutions of stride 2",
                ),
            ),
            tasks=("digits12",),
        ),
        "cheaper": Timed(measure=measure),
    },
    rule=AllOf(
        parts=(
            ("as good on the easy task", Equivalence(rho=math.log(1.15), match="none", tasks=1, one_sided=True)),
            ("cheaper", Cost(ratio=1.10)),
        )
    ),
)
