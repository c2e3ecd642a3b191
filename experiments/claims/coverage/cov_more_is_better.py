"""The notes say "Its always good to cover as many number of pixels during convolution".

Coverage is changed in two ways at equal multiply-accumulates: by the padding of a stride-1 net, and by kernel and
stride of the first convolution (where 4x4 windows of stride 4, and 2x2 of stride 2, read every pixel once). Both have
to favour more coverage. Of the paddings, zeros (`same`, and `full`, with which every pixel is read nine times) stand
against none; mirrored and circular borders, which no match changes, stand in the sweep's table. The distance of the
evidence from the border is the moderator: images with nothing there have nothing to cover.

Amended before any run: an equivalence on centred data was to refute "always"; under the suite's rule for universals
only a reversed effect is a counterexample, so that the two directions are judged and "negligible" refutes as anywhere.
Neither manipulation may refute before the other has run.

Rule of protocol 4, written after pilots and before its data: both are read on three real tasks. `full` padding is run
at equal multiply-accumulates alone: at equal width its maps cost twice as much.
"""

from cnnlab.inference.rules.all_of import AllOf
from cnnlab.inference.rules.directional import Directional
from experiments.claims.base import Claim, Contrast, Moderator, Trained

TASKS = ("digits12", "textures12", "fashion12", "fashion_mnist", "cifar10")

CLAIM = Claim(
    says="A net whose convolutions read the pixels more often is the more accurate one.",
    notes='Convolution with strides, stride 1: "always good to cover as many number of pixels"',
    kind="empirical",
    evidence={
        "padding": Trained(
            sweep="coverage_padding",
            contrasts=(
                Contrast(
                    name="padded against not padded",
                    better=("same", "full"),
                    worse=("valid",),
                    better_is="padding with zeros",
                    worse_is="no padding",
                ),
            ),
            tasks=TASKS,
            moderators=(Moderator(name="distance from the border", task="border", dial="nearest", low=0.0, high=4.0),),
        ),
        "first convolution": Trained(
            sweep="stem_coverage",
            contrasts=(
                Contrast(
                    name="read more than once against once",
                    better=("pool", "k3s2", "k4s2"),
                    worse=("k2s2", "k4s4"),
                    better_is="a first layer that reads pixels more than once",
                    worse_is="a first layer that reads every pixel once",
                ),
            ),
            tasks=TASKS,
        ),
    },
    rule=AllOf(
        parts=(("padding", Directional(match="macs")), ("first convolution", Directional(match="macs"))), together=True
    ),
)
