"""How many units are silent for the whole batch."""

import jax.numpy as jnp
from jax import Array

from cnnlab.gradients.snapshot import Snapshot


def statistic(snapshot: Snapshot) -> dict[str, Array]:
    """Share of dead units, in [0, 1], by layer.

    A unit is one channel at one position (one channel of a dense layer); it is dead if its output is exactly zero for
    every sample of the batch. Meant for ReLU; no other activation of the table is exactly zero on an open set of
    inputs (GELU rounds to it below about -13).
    """
    return {
        layer: jnp.mean(jnp.all(output == 0, axis=0), dtype=jnp.float32)
        for layer, output in snapshot.activations.items()
    }
