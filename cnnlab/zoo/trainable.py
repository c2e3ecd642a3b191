"""What the one training step needs of a net, whoever wrote it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jax import Array

Tree = Any
"""A pytree of arrays."""
Layers = dict[str, Array]
"""Outputs by layer."""
Parameters = dict[str, dict[str, Array]]
"""Trainable weights by layer and name."""


@dataclass(frozen=True, kw_only=True)
class Trainable:
    """A net as pure functions of its arrays, for one member.

    Attributes:
        init: key -> (params, statistics): trainable weights, and all else that a member carries from step to step.
        train: (params, nudges, statistics, images) -> (logits, layers, statistics). `nudges` are arrays added to the
            outputs of the layers they name, so that the gradient at zeros is the gradient at those outputs.
        evaluate: (params, statistics, images) -> layers, the logits (batch, classes) as `output` among them.
        parameters: params -> weights by layer.
        output: what the logits are called among the layers.
        sites: layers at whose outputs gradients are measured. activations: those of them whose outputs are measured.
        activation: the one activation of `activations`, of `cnnlab.spec.net.ACTIVATIONS`.
        loops: whether steps of one member may be taken in a loop inside a program on a CPU.
    """

    init: Callable[[Array], tuple[Tree, Tree]]
    train: Callable[[Tree, Layers, Tree, Array], tuple[Array, Layers, Tree]]
    evaluate: Callable[[Tree, Tree, Array], Layers]
    parameters: Callable[[Tree], Parameters]
    output: str
    sites: tuple[str, ...]
    activations: tuple[str, ...]
    activation: str
    loops: bool
