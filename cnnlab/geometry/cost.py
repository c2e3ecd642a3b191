"""Cost of a network: parameters, multiply-accumulates and activation memory, per node and in total.

Multiply-accumulates are those of convolutions, transposed convolutions and dense layers, per sample: biases, norms,
activations and pools are not counted, and a tap that falls on padding is (every tool's convention for a convolution).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from cnnlab.geometry.sizes import Map, maps
from cnnlab.spec.invalid import InvalidError
from cnnlab.spec.network import Conv, Dense, Elementwise, Input, Mix, Network, Node, Norm, Pair, TransposedConv

FLOAT32_BYTES = 4


@dataclass(frozen=True, kw_only=True)
class NodeCost:
    """Cost of one node; None where the image size is needed and unknown.

    Attributes:
        params: trainable parameters. A norm has an offset and, if scaled, a scale; running statistics do not count.
        macs: multiply-accumulates per sample.
        activation_elements: numbers in its output, per sample.
    """

    params: int | None
    macs: int | None
    activation_elements: int | None

    @property
    def activation_bytes(self) -> int | None:
        """Bytes of the node's output in float32, per sample."""
        return None if self.activation_elements is None else FLOAT32_BYTES * self.activation_elements


@dataclass(frozen=True, kw_only=True)
class NetworkCost:
    """Cost of every node, whether or not the output depends on it, and the totals.

    The totals raise `InvalidError` where the image size is needed and unknown. The image itself is no activation.
    """

    nodes: Mapping[str, NodeCost]

    @property
    def params(self) -> int:
        """Trainable parameters."""
        return _total("parameters", {name: node.params for name, node in self.nodes.items()})

    @property
    def macs(self) -> int:
        """Multiply-accumulates per sample."""
        return _total("multiply-accumulates", {name: node.macs for name, node in self.nodes.items()})

    @property
    def activation_elements(self) -> int:
        """Numbers in the outputs of all layers, per sample."""
        return _total("activations", {name: node.activation_elements for name, node in self.nodes.items()})

    @property
    def activation_bytes(self) -> int:
        """Bytes of the outputs of all layers in float32, per sample."""
        return FLOAT32_BYTES * self.activation_elements


def cost(network: Network, size: Pair | None) -> NetworkCost:
    """Cost of a network on an image of (height, width) `size`; what needs the size is None if that is None.

    Raises:
        InvalidError: as `cnnlab.geometry.sizes.sizes`.
    """
    found = maps(network, size)
    return NetworkCost(nodes={node.name: _node_cost(node, found) for node in network.nodes})


def _node_cost(node: Node, found: Mapping[str, Map]) -> NodeCost:
    """Cost of one node, given every map."""
    if isinstance(node, Input):
        return NodeCost(params=0, macs=0, activation_elements=0)
    read, made = found[node.inputs[0]], found[node.name]
    elements = made.elements
    match node:
        case Conv():
            weights = _product(node.kernel[0] * node.kernel[1] * (node.filters // node.groups), read.channels)
            return _weighted(weights, node.bias * node.filters, made.size, elements, node.counted)
        case TransposedConv():  # every input pixel paints a whole kernel
            weights = _product(node.kernel[0] * node.kernel[1] * node.filters, read.channels)
            return _weighted(weights, node.bias * node.filters, read.size, elements, node.counted)
        case Dense():
            weights = _product(node.units, read.channels)
            return _weighted(weights, node.bias * node.units, made.size, elements, node.counted)
        case Norm():
            learned = _product((1 + node.scale) * node.counted, made.channels)
            return NodeCost(params=learned, macs=0, activation_elements=elements)
        case Mix():
            return NodeCost(params=node.params, macs=node.macs, activation_elements=elements)
        case Elementwise():
            return NodeCost(params=node.params, macs=0, activation_elements=elements)
    return NodeCost(params=0, macs=0, activation_elements=elements)


def _weighted(weights: int | None, biases: int, places: Pair | None, elements: int | None, counted: bool) -> NodeCost:
    """Cost of a layer whose weights are all used once at each of `places` positions; `counted` if they are its own."""
    macs = None if weights is None or places is None else weights * places[0] * places[1]
    params = None if weights is None else (weights + biases) * counted
    return NodeCost(params=params, macs=macs, activation_elements=elements)


def _product(factor: int, channels: int | None) -> int | None:
    """`factor * channels`, None if these are unknown."""
    return None if channels is None else factor * channels


def _total(what: str, values: Mapping[str, int | None]) -> int:
    """Sum over nodes; raises `InvalidError`, naming the first node whose value needs the image size."""
    for name, value in values.items():
        if value is None:
            raise InvalidError("input_size", None, f"the {what} of layer {name} need an image size, [height, width]")
    return sum(value or 0 for value in values.values())
