"""How many outputs of a bounded activation stand at its bounds."""

import jax.numpy as jnp
from jax import Array

from cnnlab.gradients.snapshot import Snapshot
from cnnlab.spec.invalid import require_choice

LIMITS: dict[str, tuple[float, float] | None] = {
    "relu": None,
    "relu_half": None,
    "relu_one": None,
    "leaky_relu": None,
    "tanh": (-0.99, 0.99),
    "scaled_tanh": (-0.99 * 1.7159, 0.99 * 1.7159),
    "sigmoid": (0.01, 0.99),
    "gelu": None,
    "identity": None,
}
"""Outputs below the first or above the second value are saturated; None for an activation without two bounds.

They leave 2 % of its greatest slope to a tanh and 4 % to a sigmoid.
"""


def statistic(snapshot: Snapshot) -> dict[str, Array]:
    """Share of the outputs, over batch, positions and channels, beyond the `LIMITS` of the activation, by layer.

    Empty for an activation without two bounds.

    Raises:
        InvalidError: the snapshot names an activation that the table does not have.
    """
    require_choice("activation_name", snapshot.activation_name, LIMITS)
    limits = LIMITS[snapshot.activation_name]
    if limits is None:
        return {}
    low, high = limits
    return {
        layer: jnp.mean((output < low) | (output > high), dtype=jnp.float32)
        for layer, output in snapshot.activations.items()
    }
