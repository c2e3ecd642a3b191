"""How far a step moves each weight, relative to its size."""

from jax import Array

from cnnlab.gradients.norm import l2
from cnnlab.gradients.snapshot import Snapshot, kernels


def statistic(snapshot: Snapshot) -> dict[str, Array]:
    """L2 norm of the update over that of the weights, by layer/parameter; of kernels, since biases begin at zero.

    Infinite or not a number where all weights are zero.
    """
    weights = dict(kernels(snapshot.params))
    return {path: l2(update) / l2(weights[path]) for path, update in kernels(snapshot.updates)}
