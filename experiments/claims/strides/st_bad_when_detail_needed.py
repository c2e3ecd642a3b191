"""The notes: stride 2 "is not useful where we want to preserve lot of information".

Rule of protocol 4, written after pilots and before its data, which changes the scale of effects (ratios of errors) and
drops the nets of equal width, where a net without down-sampling costs three times as much. At matched
multiply-accumulates, where fine detail decides (a vernier offset of 1 pixel, the parity of a pixel's place, a grating
against its alias, digits of half the size): a net without down-sampling beats the strided one, a net that pools beats
it too, and the penalty shrinks along a dial of detail (its difference above 0: claims.md asks for a slope whose
interval excludes 0, without a margin). The dials are the vernier offset, 1 against 3 pixels, and the size of a digit, 4
against 8 pixels. Synthetic by nature: a mechanism.
"""

from cnnlab.inference.rules.all_of import AllOf
from cnnlab.inference.rules.directional import Directional
from experiments.claims.base import Claim, Contrast, Moderator, Trained

SWEEP = "detail_needed"
FINE = ("vernier", "phase", "aliasing_pair", "digits_scaled_half")
DIALS = (
    Moderator(name="offset", task="vernier", dial="offset_px", low=1.0, high=3.0),
    Moderator(name="size of the digit", task="digits_scaled", dial="scale", low=0.5, high=1.0),
)
STRIDED = "convolutions of stride 2"
PENALTY = Contrast(
    name="no down-sampling against stride 2",
    better=("none",),
    worse=("stride",),
    better_is="no down-sampling",
    worse_is=STRIDED,
)
POOLED = Contrast(
    name="max-pools against stride 2", better=("max",), worse=("stride",), better_is="max-pools", worse_is=STRIDED
)

CLAIM = Claim(
    says="Where fine detail decides, convolutions of stride 2 cost accuracy, more than where coarse shape decides.",
    notes='Convolution with strides, third disadvantage: "not useful where we want to preserve lot of information"',
    kind="empirical",
    evidence={
        "penalty at the finest detail": Trained(sweep=SWEEP, contrasts=(PENALTY,), tasks=FINE),
        "worse than a pool there": Trained(sweep=SWEEP, contrasts=(POOLED,), tasks=FINE),
        "penalty grows with detail": Trained(sweep=SWEEP, contrasts=(PENALTY,), along=DIALS, margin=0.0),
    },
    rule=AllOf(
        parts=(
            ("penalty at the finest detail", Directional(match="macs", mechanism=True)),
            ("worse than a pool there", Directional(match="macs", mechanism=True)),
            ("penalty grows with detail", Directional(match="macs", margin=0.0, mechanism=True)),
        )
    ),
)
