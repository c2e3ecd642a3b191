"""The notes pool "once ... edges and gradients have been created"."""

from cnnlab.inference.rules.directional import Directional
from experiments.claims.base import Claim, Contrast, Trained

CLAIM = Claim(
    says="Pooling once the first layers have formed edge detectors beats pooling before or long after that.",
    notes='Max Pooling, first point: "when we have edges and gradients have been created"',
    kind="empirical",
    evidence=Trained(
        sweep="pool_position",
        # groups named before any run: edges exist after two convolutions at the earliest, before the last at the latest
        contrasts=(
            Contrast(name="formed against not yet", better=("[2,4]", "[3,4]", "[2,5]"), worse=("[0,4]", "[1,4]")),
            Contrast(name="formed against long after", better=("[2,4]", "[3,4]", "[2,5]"), worse=("[2,6]",)),
        ),
        needs=(
            "an arm whose first layer is frozen edge filters",
            "the long-range task (pool position against receptive field over object size)",
        ),
    ),
    rule=Directional(match="none"),
)
