"""Size of the gradient of each parameter."""

from jax import Array

from cnnlab.gradients.norm import l2
from cnnlab.gradients.snapshot import Snapshot, named


def statistic(snapshot: Snapshot) -> dict[str, Array]:
    """L2 norm of the raw gradient, by layer/parameter."""
    return {path: l2(gradient) for path, gradient in named(snapshot.grads)}
