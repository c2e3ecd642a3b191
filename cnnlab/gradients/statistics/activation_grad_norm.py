"""Size of the gradient that reaches each layer's output."""

from jax import Array

from cnnlab.gradients.norm import l2
from cnnlab.gradients.snapshot import Snapshot


def statistic(snapshot: Snapshot) -> dict[str, Array]:
    """L2 norm over batch, positions and channels of the gradient at the layer's output, by layer.

    The ratio of first to last WEIGHT gradient is blind where signal and gradient shrink together; this is not.
    """
    return {layer: l2(gradient) for layer, gradient in snapshot.activation_grads.items()}
