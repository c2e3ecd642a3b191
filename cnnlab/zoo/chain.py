"""A network under construction: layers one after the other."""

import dataclasses

from cnnlab.geometry.sizes import Map, maps
from cnnlab.spec.invalid import require
from cnnlab.spec.net import ZooNet
from cnnlab.spec.network import Activation, Conv, Input, Network, Node, Norm, Pair

IMAGE = "image"


class Chain:
    """Builds a graph layer by layer; each layer reads the one before it unless its inputs are named."""

    def __init__(self, net: ZooNet, side: int, channels: int) -> None:
        """Begin with a square image of `side` pixels."""
        self.net = net
        self.image: Pair = (side, side)
        self.nodes: list[Node] = [Input(name=IMAGE, channels=channels)]
        self._maps = {IMAGE: Map(size=self.image, channels=channels)}

    @property
    def last(self) -> str:
        """Name of the newest layer."""
        return self.nodes[-1].name

    @property
    def map(self) -> Map:
        """Size and channels of the newest layer's output."""
        return self._maps[self.last]

    @property
    def channels(self) -> int:
        """Channels of the newest layer's output."""
        assert self.map.channels is not None, "the image's size is known, so every map's channels are"
        return self.map.channels

    @property
    def side(self) -> int:
        """Pixels along one axis of the newest map; images are square, and every layer here treats both axes alike."""
        assert self.map.size is not None, "the chain began with an image of known size"
        return self.map.size[0]

    def add(self, node: Node) -> None:
        """Append a layer. Raises InvalidError, naming it and the size, if its map would shrink below 1 x 1."""
        node = node if node.inputs else dataclasses.replace(node, inputs=(self.last,))
        if isinstance(node, Conv) and self.net.init == "delta_orthogonal":
            reads = (self._maps[node.inputs[0]].channels or 0) // node.groups
            must = f"needs at least as many filters as channels; layer {node.name} has {node.filters} for {reads}"
            require(node.filters >= reads, "model.init", self.net.init, must)
        # the layer alone, on maps of the size its inputs have: a chain of n layers is measured n times less often
        sources = tuple(Input(name=name, channels=self._maps[name].channels or 0) for name in node.inputs)
        alone = Network(nodes=(*sources, node), output=node.name, features=node.name)
        self._maps[node.name] = maps(alone, self._maps[node.inputs[0]].size)[node.name]
        self.nodes.append(node)

    def normed(self, conv: Conv, kind: str = "") -> str:
        """Append a convolution, its batch norm `<name>_norm` and, if one is named, the activation `<name>_act`.

        The convolution loses its bias, which the norm would subtract again. Returns the name of the newest layer.
        Raises InvalidError as `add`.
        """
        self.add(dataclasses.replace(conv, bias=False))
        self.add(Norm(name=f"{conv.name}_norm", kind="batch"))
        if kind:
            self.add(Activation(name=f"{conv.name}_act", kind=kind))
        return self.last

    def network(self, features: str, activation: str) -> Network:
        """Return the finished network, whose newest layer gives the logits.

        Args:
            features: name of the last spatial map.
            activation: the one that every site carries.
        """
        return Network(
            nodes=tuple(self.nodes),
            output=self.last,
            features=features,
            activation=activation,
            init=self.net.init,
            init_scale=self.net.init_scale,
            size=self.image,
        )
