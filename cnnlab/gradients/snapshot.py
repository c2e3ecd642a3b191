"""The input of the statistics: parameters, gradients, updates and activations of one training step."""

from collections.abc import Iterator
from dataclasses import dataclass

import jax
from jax import Array

Parameters = dict[str, dict[str, Array]]
"""{layer: {"kernel": array, "bias": array}}; a norm has "scale" and "bias"."""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """One training step, before it is applied. A pytree, so that it passes through `jax.jit` and `jax.eval_shape`.

    Attributes:
        params: before the step.
        grads: of the batch's mean loss, raw: before the optimiser.
        updates: what the optimiser adds to the parameters.
        activations: outputs of the layers that carry the activation, by layer: (batch, height, width, channels) or
            (batch, channels).
        activation_grads: gradient of the batch's mean loss with respect to layer outputs, by layer, shaped as these.
        activation_name: the one activation of the net, of `cnnlab.spec.net.ACTIVATIONS`.
    """

    params: Parameters
    grads: Parameters
    updates: Parameters
    activations: dict[str, Array]
    activation_grads: dict[str, Array]
    activation_name: str


jax.tree_util.register_dataclass(
    Snapshot, ["params", "grads", "updates", "activations", "activation_grads"], ["activation_name"]
)


def named(parameters: Parameters) -> Iterator[tuple[str, Array]]:
    """Walk over all parameters: ("conv3/kernel", array), ..."""
    for layer, leaves in parameters.items():
        for name, value in leaves.items():
            yield f"{layer}/{name}", value


def kernels(parameters: Parameters) -> Iterator[tuple[str, Array]]:
    """Walk over the weights alone, the parameters of two or more axes: ("conv3/kernel", array), ..."""
    return ((path, value) for path, value in named(parameters) if value.ndim > 1)
