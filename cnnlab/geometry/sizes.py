"""Size and channels of every map of a network."""

from dataclasses import dataclass

from cnnlab.geometry.layers import MERGES, along
from cnnlab.geometry.reach import FARTHEST
from cnnlab.spec.invalid import InvalidError, require
from cnnlab.spec.network import (
    Add,
    Combine,
    Concat,
    Conv,
    Dense,
    DepthToSpace,
    Elementwise,
    Flatten,
    GlobalAveragePool,
    GlobalPool,
    Input,
    Mix,
    Network,
    Node,
    Pad,
    Pair,
    SpaceToDepth,
    TransposedConv,
)


@dataclass(frozen=True, kw_only=True)
class Map:
    """A layer's output: its (height, width), None if unknown, and its channels, None if they depend on that."""

    size: Pair | None
    channels: int | None

    @property
    def elements(self) -> int | None:
        """Numbers in the map of one sample; None if unknown."""
        if self.size is None or self.channels is None:
            return None
        return self.size[0] * self.size[1] * self.channels


def sizes(network: Network, size: Pair | None) -> dict[str, Pair | None]:
    """Output (height, width) of every node; (1, 1) after a global pool, a flatten or a dense layer.

    Args:
        network: the graph.
        size: (height, width) of the image; None leaves what depends on it None.

    Raises:
        InvalidError: a map would shrink below 1 x 1, or the maps that a layer reads do not fit; names layer and size.
    """
    return {name: found.size for name, found in maps(network, size).items()}


def maps(network: Network, size: Pair | None) -> dict[str, Map]:
    """Size and channels of every node's output. Arguments and errors as `sizes`."""
    if size is not None:
        require(min(size) >= 1, "input_size", shown(size), "must be at least 1x1")
    found: dict[str, Map] = {}
    for node in network.nodes:
        if isinstance(node, Input):
            found[node.name] = Map(size=size, channels=node.channels)
            continue
        read = [found[name] for name in node.inputs]
        least = 2 if isinstance(node, MERGES) else 1
        fits = len(read) >= least if least == 2 else len(read) == 1
        require(fits, f"network.{node.name}.inputs", len(read), "two or more" if least == 2 else "exactly one")
        found[node.name] = made = Map(size=_size(node, read), channels=_channels(node, read))
        written = max(*(made.size or (0,)), made.channels or 0) <= FARTHEST
        require(written, f"network.{node.name}", "more than 10^100 pixels or channels", "its map must be smaller")
    return found


def shown(size: Pair | None) -> str:
    """Write a size as a user reads it: `28x28`."""
    return "unknown" if size is None else f"{size[0]}x{size[1]}"


def _size(node: Node, read: list[Map]) -> Pair | None:
    """Output size of one node."""
    if isinstance(node, GlobalAveragePool | Flatten):
        return 1, 1
    if isinstance(node, Mix):
        return node.size
    if isinstance(node, GlobalPool) and read[0].size is None:
        return (1, 1) if all(node.axes) else None
    if isinstance(node, Dense):
        single = read[0].size in (None, (1, 1))
        require(single, f"network.{node.name}", shown(read[0].size), "a dense layer reads one vector: flatten the map")
        return 1, 1
    known = {source.size for source in read if source.size is not None}
    agree = "all maps that a merge reads must have one size"
    require(len(known) <= 1, f"network.{node.name}", " and ".join(map(shown, sorted(known))), agree)
    if any(source.size is None for source in read):
        return None
    height, width = known.pop()
    _check_map(node, (height, width))
    grown = _length(node, 0, height), _length(node, 1, width)
    if min(grown) < 1:
        reason = f"the {height}x{width} map it reads is too small; use a larger image or fewer, smaller windows"
        raise InvalidError(f"network.{node.name}", shown(grown), reason)
    return grown


def _length(node: Node, axis: int, length: int) -> int:
    """Output pixels of a node along one axis."""
    layer = along(node, axis, length, None)
    return 1 if layer is None else layer.length(length)


def _check_map(node: Node, size: Pair) -> None:
    """Raise `InvalidError` if the node cannot read a map of this size."""
    if isinstance(node, SpaceToDepth):
        divides = all(length % node.block == 0 for length in size)
        require(divides, f"network.{node.name}", shown(size), f"height and width must be multiples of {node.block}")
    if isinstance(node, Pad) and node.mode != "zeros":
        spare = 1 if node.mode == "reflect" else 0
        fits = all(max(pads) <= length - spare for pads, length in zip(node.padding, size, strict=True))
        require(fits, f"network.{node.name}", shown(size), f"{node.mode} padding must be smaller than the map")


def _channels(node: Node, read: list[Map]) -> int | None:
    """Output channels of one node; raises `InvalidError` where they do not fit."""
    first = read[0].channels
    match node:
        case Conv():
            whole = first is None or (first % node.groups == 0 and node.filters % node.groups == 0)
            must = f"must divide both {first} channels and {node.filters} filters"
            require(whole, f"network.{node.name}.groups", node.groups, must)
            return node.filters
        case TransposedConv():
            return node.filters
        case Dense():
            return node.units
        case Mix():
            return node.channels
        case Flatten():
            return read[0].elements
        case Elementwise() if node.channels is not None:
            return node.channels
        case SpaceToDepth():
            return None if first is None else first * node.block**2
        case DepthToSpace():
            whole = first is None or first % node.block**2 == 0
            require(whole, f"network.{node.name}", f"{first} channels", f"must be a multiple of {node.block**2}")
            return None if first is None else first // node.block**2
        case Concat():
            return None if any(source.channels is None for source in read) else sum(s.channels or 0 for s in read)
        case Add() | Combine():
            known = {source.channels for source in read if source.channels is not None}
            together = " and ".join(map(str, sorted(known)))
            require(len(known) <= 1, f"network.{node.name}", f"{together} channels", "all must have the same number")
            return known.pop() if known else None
    return first
