"""Size of each weight gradient relative to the weights it would change."""

from jax import Array

from cnnlab.gradients.norm import l2
from cnnlab.gradients.snapshot import Snapshot, kernels


def statistic(snapshot: Snapshot) -> dict[str, Array]:
    """L2 norm of the gradient over that of the weights, by layer/parameter; of kernels, since biases begin at zero.

    Infinite or not a number where all weights are zero.
    """
    weights = dict(kernels(snapshot.params))
    return {path: l2(gradient) / l2(weights[path]) for path, gradient in kernels(snapshot.grads)}
