"""The notes find strides "useful if we have a resource constraint hardware and the problem at hand is not complicated".

Rule as the protocol amends it: on the easy task, the digits, strided and pooled nets of equal width do the same, to
within 1 point, and a training step of the strided net is cheaper by more than 10 %. How the gap grows with difficulty
(the same digits with few images or wrong labels, more classes) is described and decides nothing, because a ceiling on
easy tasks makes any gap vanish.
"""

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
            contrasts=(Contrast(name="stride 2 against max-pools", better=("stride",), worse=("max",)),),
            tasks=("digits12",),
        ),
        "cheaper": Timed(measure=measure),
    },
    rule=AllOf(
        parts=(
            ("as good on the easy task", Equivalence(rho=0.01, match="none", tasks=1)),
            ("cheaper", Cost(ratio=1.10)),
        )
    ),
)
