"""The notes say that before convolutional networks "we used fast fouriers" with frequencies found by hand.

What was used when is history and no run can test it (nor is it all of history: oriented filters, wavelets and
histograms of gradients were the hand-made features of their time). The verdict line says so.

A proxy is planned, the sweep fourier_features, and is shown beside, never as the verdict: a small convolutional net
against logistic regression on Fourier or cosine coefficients that keep their phase; and whether trained 7x7 first-layer
kernels become oriented band-pass filters, against initialisation and against training on shuffled labels.
"""

from cnnlab.inference.rules.directional import Directional
from experiments.claims.base import Claim, Untestable

CLAIM = Claim(
    says="Before convolutional networks features were made by Fourier transforms with parameters chosen by hand, which "
    "a network finds by itself.",
    notes='Few things to remember, first point: "we used fast fouriers ... algorithm could figure this out by itself"',
    kind="empirical",
    evidence=Untestable(
        why="history: what was used before cannot be run; the proxy, learned kernels against Fourier coefficients, is "
        "the sweep fourier_features"
    ),
    rule=Directional(match="none"),
)
