"""The Flax NNX module that runs a `Network`: it holds the weights by layer name and walks the graph."""

from typing import Any, Literal

import jax
import numpy as np
from flax import nnx
from jax import Array

from cnnlab.geometry.sizes import maps
from cnnlab.spec.invalid import InvalidError, require
from cnnlab.spec.network import Conv, Dense, Elementwise, Input, Network, Node, Norm, TransposedConv
from cnnlab.zoo.initialisers import kernel
from cnnlab.zoo.operations import TRAINING_ONLY, convolve_rectified, operate, rectified_convolutions

BATCH_NORM_MOMENTUM = 0.9
"""PyTorch's, where Flax has 0.99: runs here are some hundred steps, too few for a memory of a hundred."""

LEARNED = (Conv, TransposedConv, Dense, Norm)
"""Kinds of layer that hold weights."""

Mode = Literal["train", "evaluate"]


class Weights(nnx.Module):
    """What a (transposed) convolution or dense layer learns: a kernel and, unless None, a bias that begins at zero."""

    def __init__(self, kernel: Array, bias: bool) -> None:
        self.kernel = nnx.Param(kernel)
        # from NumPy, since XLA would compile a program for the zeros of every length
        self.bias = nnx.Param(jax.device_put(np.zeros(kernel.shape[-1], kernel.dtype))) if bias else None


class Net(nnx.Module):
    """A network that runs. Weights sit at `layers/<layer name>/kernel` and so on.

    Plain `nnx.split`, `nnx.merge` and `jax.jit` serve it. Nets of one network split into equal graph definitions
    whatever the key, so a step compiled for one member runs all.
    """

    def __init__(self, network: Network, key: Array) -> None:
        """Draw the weights of every layer from the key and the layer's name alone (`cnnlab.zoo.initialisers`).

        Raises InvalidError where a layer's shape depends on the image's size and the network has none.
        """
        self.network = network
        found = maps(network, network.size)
        layers: dict[str, Any] = {}
        for node in network.nodes:
            if isinstance(node, LEARNED):
                channels = found[node.inputs[0]].channels
                if channels is None:
                    raise InvalidError("network.size", None, f"layer {node.name} needs the image's (height, width)")
                layers[node.name] = _layer(network, node, channels, key)
        self.layers = nnx.Dict(layers)

    def __call__(
        self, images: Array, *, mode: Mode = "evaluate", perturbations: dict[str, Array] | None = None
    ) -> tuple[Array, dict[str, Array]]:
        """Return the logits of a batch, and the output of every layer by name; jit drops what nobody reads.

        Args:
            images: (batch, height, width, channels).
            mode: `train` normalises by the batch and moves the running statistics of batch norm; `evaluate` uses them.
            perturbations: arrays added to the outputs of the named layers, so that the gradient with respect to zeros
                is the gradient at those outputs. Raises InvalidError for a name that is no layer.

        Returns:
            logits of shape (batch, classes), and {layer name: output}, the image and the logits among them; in training
            without those computed in one with the ReLU behind them (`operations.rectified_convolutions`).
        """
        nudges = perturbations or {}
        outputs: dict[str, Array] = {}
        names = [node.name for node in self.network.nodes]
        for name in nudges:
            require(name in names, "perturbations", name, f"choose of the layers {', '.join(names)}")
        pairs = rectified_convolutions(self.network) if mode == "train" else {}
        pairs = {relu: conv for relu, conv in pairs.items() if conv.name not in nudges}
        left_out = {conv.name for conv in pairs.values()}
        for node in self.network.nodes:
            if node.name in left_out:
                continue
            if isinstance(node, Input):
                value = images
            elif node.name in pairs:
                conv = pairs[node.name]
                value = convolve_rectified(conv, self.layers[conv.name], outputs[conv.inputs[0]])
            else:
                value = self._forward(node, mode, *(outputs[name] for name in node.inputs))
            outputs[node.name] = value + nudges[node.name] if node.name in nudges else value
        return outputs[self.network.output], outputs

    def _forward(self, node: Node, mode: Mode, *inputs: Array) -> Array:
        """Compute the output of one layer; only batch norm looks at the mode, and dropout refuses to train."""
        if isinstance(node, Elementwise) and mode == "train" and node.kind in TRAINING_ONLY:
            raise InvalidError(
                f"network.{node.name}.kind", node.kind, "acts in training and needs random numbers there"
            )
        layer = self.layers[node.name] if isinstance(node, LEARNED) else None
        if isinstance(node, Norm) and layer is not None:
            settings = {"use_running_average": mode == "evaluate"} if node.kind == "batch" else {}
            normed: Array = layer(*inputs, **settings)
            return normed
        return operate(node, layer, *inputs)


def _layer(network: Network, node: Conv | TransposedConv | Dense | Norm, channels: int, key: Array) -> nnx.Module:
    """Make the learned part of a layer that reads `channels`."""
    match node:
        case Conv():
            shape: tuple[int, ...] = (*node.kernel, channels // node.groups, node.filters)
            return Weights(_kernel(network, node, shape, key), node.bias)
        case TransposedConv():
            return Weights(_kernel(network, node, (*node.kernel, channels, node.filters), key), node.bias)
        case Dense():
            return Weights(_kernel(network, node, (channels, node.units), key), node.bias)
    # Flax asks for random streams it never uses: a scale begins at one, an offset at zero. Its fast variance,
    # mean(x**2) - mean(x)**2, cancels where the mean is large.
    settings: dict[str, Any] = {"use_scale": node.scale, "use_fast_variance": False, "rngs": nnx.Rngs(0)}
    if node.kind == "batch":
        return nnx.BatchNorm(channels, momentum=BATCH_NORM_MOMENTUM, **settings)
    return nnx.LayerNorm(channels, **settings)


def _kernel(network: Network, node: Node, shape: tuple[int, ...], key: Array) -> Array:
    """Draw the layer's initial kernel. The output layer has no activation behind it and begins as `lecun` says."""
    init, scale = ("lecun", 1.0) if node.name == network.output else (network.init, network.init_scale)
    return kernel(key, node.name, shape, init, scale)
