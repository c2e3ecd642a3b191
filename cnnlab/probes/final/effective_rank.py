"""How many directions a layer's output fills."""

import numpy as np

from cnnlab.probes.eigenvalues import Floats, centred_spectrum, units
from cnnlab.probes.trained import HEAD, TrainedMember, head


def probe(member: TrainedMember) -> dict[str, float]:
    """Effective rank (Roy & Vetterli 2007) over the test images: of the `head`'s input, and of the last map.

    exp of the entropy of the covariance's eigenvalues, each as a share of their sum: between 1 and the number of
    units. `features` takes every position of the last spatial map as a sample of its channels. 0 where nothing varies.
    """
    layers = {HEAD: head(member.network), "features": member.network.features}
    return {path: effective_rank(centred_spectrum(units(member.on_test[name]))) for path, name in layers.items()}


def effective_rank(eigenvalues: Floats) -> float:
    """exp(-sum p log p), with p the eigenvalues' shares of their sum; 0 if all are 0."""
    total = eigenvalues.sum()
    shares = eigenvalues[eigenvalues > 0] / total if total > 0 else np.zeros(0)
    return float(np.exp(-(shares * np.log(shares)).sum())) if len(shares) else 0.0
