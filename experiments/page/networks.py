"""Which nets the page shows: those of the suite, classics by name, graph files, and a reader's own module."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cnnlab.geometry.sizes import shown
from cnnlab.spec.invalid import InvalidError, require, require_choice
from cnnlab.spec.net import Classic, ConvNet, ZooNet
from cnnlab.spec.network import Conv, Network, Pair, Pool
from cnnlab.zoo.lowering import names, network
from experiments.cli.errors import UsageError
from experiments.geometry.network import (
    CUSTOMARY,
    IMAGENET,
    InputImages,
    MeasuredNetwork,
    from_graph,
    from_module,
    size_of,
)

DIGITS = InputImages(side=12, channels=1, classes=10)
SUITE: tuple[tuple[str, ZooNet, InputImages], ...] = (
    ("the reference net (six 3x3, max-pools after 2 and 4)", ConvNet(), DIGITS),
    ("the strided reference net", ConvNet(down="strided_conv"), DIGITS),
    ("the reference net with 4x4 kernels", ConvNet(kernel=4), DIGITS),
)
"""What the suite's own claims are about."""
CLASSICS = ("tiny_vgg", "vgg16", "resnet50")
"""Classics that stand on the page unless others are named."""


@dataclass(frozen=True, kw_only=True)
class TracedNetwork(MeasuredNetwork):
    """A reader's own module. Tracing resolves SAME, so that its paddings hold at one size alone.

    Attributes:
        at: traces it again on images of (height, width). Raises UsageError or InvalidError where that fails.
    """

    at: Callable[[Pair], Network]


def traced(place: str, size: Pair | None, channels: int | None) -> TracedNetwork:
    """The module that `package.module:make` makes; arguments and errors as `from_module`."""
    found = from_module(place, size, channels)
    return TracedNetwork(
        network=found.network,
        size=found.size,
        title=found.title,
        notes=found.notes,
        at=lambda other: from_module(place, other, channels).network,
    )


def network_at(subject: MeasuredNetwork, size: Pair) -> Network:
    """The net on images of another size. Raises InvalidError where it does not fit, or is another net there."""
    if not isinstance(subject, TracedNetwork) or size == subject.size:
        return subject.network
    try:
        found = subject.at(size)
    except UsageError as problem:
        raise InvalidError("size", shown(size), str(problem)) from None
    same = [node.name for node in found.nodes] == [node.name for node in subject.network.nodes]
    require(same, "size", shown(size), "the module has other layers there")
    return found


def classic(name: str) -> MeasuredNetwork:
    """A classic on its customary images: `vgg16`, `resnet50:v1`, `resnet50@225`.

    Raises:
        UsageError, InvalidError: there is none of that name or variant, or the side is no number of pixels.
    """
    what, _, side = name.partition("@")
    word, _, variant = what.partition(":")
    require_choice("--net", word, names())
    images = CUSTOMARY[word] if word in CUSTOMARY else IMAGENET
    pixels = size_of(side)[0] if side else images.side
    built = network(Classic(name=word, variant=variant), pixels, images.channels, images.classes)
    return MeasuredNetwork(network=built, size=(pixels, pixels), title=f"{what} on {pixels}x{pixels} images")


def networks(
    named: Sequence[str], modules: Sequence[str], size: Pair | None, channels: int | None, *, fast: bool
) -> tuple[MeasuredNetwork, ...]:
    """The nets of a command line, the reader's own first; those of the suite if none is named.

    Args:
        named: classics, or graph files (`.json`). modules: `package.module:make`.
        size: (height, width) of the image of modules and graph files. channels: of modules.
        fast: leave the classics out that nobody named.

    Raises:
        UsageError, InvalidError: one cannot be found, read, made or traced, or a graph file has no image size.
    """
    own: list[MeasuredNetwork] = [traced(place, size, channels) for place in modules]
    for name in named:
        own.append(from_graph(Path(name), size) if name.endswith(".json") else classic(name))
        if own[-1].size is None:
            raise UsageError(f"--net {name} is not valid: the file gives no input_size; add --size")
    return tuple(own) or suite(fast=fast)


def suite(*, fast: bool) -> tuple[MeasuredNetwork, ...]:
    """The nets that the suite speaks of."""
    made = [
        MeasuredNetwork(
            network=network(net, images.side, images.channels, images.classes),
            size=(images.side, images.side),
            title=f"{title} on {images.side}x{images.side} images",
        )
        for title, net, images in SUITE
    ]
    return tuple(made) if fast else (*made, *map(classic, CLASSICS), same_padded(classic(CLASSICS[-1])))


def same_padded(subject: MeasuredNetwork) -> MeasuredNetwork:
    """The net with every window padded by SAME, as Flax has it where nothing else is said."""
    nodes = [
        replace(node, padding="same") if isinstance(node, (Conv, Pool)) else node for node in subject.network.nodes
    ]
    title, _, images = subject.title.partition(" on ")
    built = replace(subject.network, nodes=tuple(nodes))
    return MeasuredNetwork(network=built, size=subject.size, title=f"{title} padded by SAME as Flax does on {images}")
