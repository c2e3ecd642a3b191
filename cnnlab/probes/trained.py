"""The input of a probe: a trained net with its weights, its task, and a fixed sample of images."""

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cnnlab.data import Split
from cnnlab.spec.network import Blur, Conv, GroupPad, Input, Network, Node, Pad, Pair, Pool, SpaceToDepth
from cnnlab.spec.task import Task

Values = NDArray[np.float32]
Layers = Mapping[str, Values]

SEED = 0x9E0B
"""Of everything a probe draws: the same for every member of every arm, so that members stay paired."""

HEAD = "head"
"""What the head's input is called in a probe's path, whatever the layer's own name."""


@dataclass(frozen=True, kw_only=True)
class TrainedMember:
    """One member after its training. Nothing here changes it.

    Attributes:
        network, size: the graph, and (height, width) of its images in pixels.
        task: what it was trained on.
        params: trained weights, {layer: {"kernel": array, ...}}.
        layers: images (n, height, width, channels) -> outputs of the layers that `watched` names, batch norm at its
            running statistics.
        pull: (layer, images, sent) -> gradient of the sum of `sent` times the layer's output, at the images, for the
            layer that gives the logits and for the last spatial map.
        train, test: a sample of the images it was trained on, and of the test set, with their labels.
    """

    network: Network
    size: Pair
    task: Task
    params: Mapping[str, Mapping[str, Values]]
    layers: Callable[[Values], Layers]
    pull: Callable[[str, Values, Values], Values]
    train: Split
    test: Split

    @cached_property
    def on_train(self) -> Layers:
        """Outputs of the watched layers for the sample of training images."""
        return self.layers(self.train.images)

    @cached_property
    def on_test(self) -> Layers:
        """Outputs of the watched layers for the sample of test images."""
        return self.layers(self.test.images)

    def predict(self, images: Values) -> NDArray[np.intp]:
        """The class of each image, (n,)."""
        found: NDArray[np.intp] = self.layers(images)[self.network.output].argmax(1)
        return found

    def random(self, name: str) -> np.random.Generator:
        """A fresh random stream for a probe of that name, the same for every member."""
        return np.random.default_rng([SEED, zlib.crc32(name.encode())])


def sample(split: Split, count: int) -> Split:
    """Take at most `count` images, the same places of every split of that length; in their order."""
    places = np.sort(np.random.default_rng([SEED, len(split)]).permutation(len(split))[:count])
    return Split(split.images[places], split.labels[places])


def down_samplings(network: Network) -> tuple[Node, ...]:
    """The layers that leave fewer pixels by a stride or a block, in their order: pools, blurs, strided convolutions."""
    return tuple(node for node in network.nodes if down_factor(node) > 1)


def down_factor(node: Node) -> int:
    """Pixels between neighbouring outputs of a layer along the axis where they are most; 1 of any other layer."""
    match node:
        case Conv() | Pool() | Blur():
            return max(node.stride)
        case SpaceToDepth():
            return node.block
    return 1


def source(network: Network, node: Node) -> Node:
    """The layer whose output a layer reads, not counting a padding of its own."""
    before = network[node.inputs[0]]
    return source(network, before) if isinstance(before, Pad | GroupPad) else before


def head(network: Network) -> str:
    """Name of the layer that the layer of the logits reads."""
    return network[network.output].inputs[0]


def first_convolution(network: Network) -> Conv:
    """The first convolution; raises LookupError in a net without."""
    found = next((node for node in network.nodes if isinstance(node, Conv)), None)
    if found is None:
        raise LookupError("the net has no convolution")
    return found


def reads_image(network: Network, node: Node) -> bool:
    """Whether a layer reads the image itself, not counting a padding of its own."""
    return isinstance(source(network, node), Input)


def watched(network: Network) -> tuple[str, ...]:
    """The layers whose outputs probes read: around every down-sampling, the last map, the head's input, the logits."""
    around = [name for node in down_samplings(network) for name in (source(network, node).name, node.name)]
    return tuple(dict.fromkeys((*around, network.features, head(network), network.output)))


def by_place(values: Mapping[str, Mapping[str, float]], network: Network) -> dict[str, float]:
    """Values of down-samplings as paths `<layer>/<what>`; again as `first/<what>` and `last/<what>`.

    The two aliases compare arms whose down-samplings stand at different places. Layers without values have no path.
    """
    paths = {f"{layer}/{what}": value for layer, found in values.items() for what, value in found.items()}
    order = [node.name for node in down_samplings(network) if node.name in values]
    ends = {"first": order[0], "last": order[-1]} if order else {}
    return paths | {f"{end}/{what}": value for end, layer in ends.items() for what, value in values[layer].items()}
