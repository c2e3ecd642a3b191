"""The notes say "Its always good to cover as many number of pixels during convolution".

Coverage is changed in two ways at equal multiply-accumulates: by the padding of a stride-1 net, and by kernel and
stride of the first convolution (where 4x4 windows of stride 4 read every pixel once). Both have to favour more
coverage. The distance of the evidence from the border is the moderator: centred images have nothing there to cover.

Amended before any run: an equivalence on centred data was to refute "always"; under the suite's rule for universals
only a reversed effect is a counterexample, so that the two directions are judged and "negligible" refutes as anywhere.
Neither manipulation may refute before the other has run.
"""

from cnnlab.inference.rules.all_of import AllOf
from cnnlab.inference.rules.directional import Directional
from experiments.claim import Awaited, Claim

CLAIM = Claim(
    says="A net whose convolutions read the pixels more often is the more accurate one.",
    notes='Convolution with strides, stride 1: "always good to cover as many number of pixels"',
    kind="empirical",
    evidence={
        "padding": Awaited(
            what="the sweep coverage_padding: accuracy with no, zero, reflected, circular and full padding, by the "
            "distance of the evidence from the border"
        ),
        "first convolution": Awaited(
            what="the sweep stem_coverage: accuracy with first convolutions of kernel/stride 2/2, 3/2, 4/2, 4/4, "
            "and of 3/1 with a pool"
        ),
    },
    rule=AllOf(
        parts=(("padding", Directional(match="macs")), ("first convolution", Directional(match="macs"))),
        together=True,
    ),
)
