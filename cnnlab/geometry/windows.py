"""The image window of one unit; also correct where paths are misaligned.

Computed backwards from the unit, position by position; `cnnlab.geometry.fields` goes forwards from the image.
"""

from collections import defaultdict
from itertools import pairwise

from cnnlab.geometry.axis import Layer, Slide, pixel
from cnnlab.geometry.layers import along
from cnnlab.geometry.reach import Window
from cnnlab.geometry.sizes import Map, maps
from cnnlab.spec.invalid import InvalidError, require, require_choice
from cnnlab.spec.network import Input, Network, Node, Pad, Pair

MOST_READS = 10**7
"""Positions that may be followed back from one unit, over all layers: a few seconds."""


def window(network: Network, size: Pair | None, name: str, unit: Pair) -> tuple[Window | None, Window | None]:
    """First and last pixel that one unit of a node sees, inclusive, along the height and the width.

    Pixels outside the image are padding. The window spans all paths, aligned or not.

    Args:
        network: the graph.
        size: (height, width) of the image; None if unknown.
        name: of the node.
        unit: (row, column) of its unit; it need not exist on a map of this size.

    Returns:
        Per axis the window, or None if the unit sees nothing there (a gap of a transposed convolution).

    Raises:
        InvalidError: no node has that name, the size is unknown and needed, the unit depends on more than `MOST_READS`
            positions, or as `cnnlab.geometry.sizes.sizes`.
    """
    height, width = ((min(seen), max(seen)) if (seen := _seen(network, size, name, unit, a)) else None for a in (0, 1))
    return height, width


def wrapped(network: Network, size: Pair | None, name: str, unit: Pair) -> tuple[Window | None, Window | None]:
    """As `window`, but where circular padding takes a window round the border its first pixel is behind its last."""
    height, width = window(network, size, name, unit)
    circular = any(isinstance(node, Pad) and node.mode == "circular" for node in network.nodes)
    if size is None or not circular:
        return height, width
    sides = [_round(_seen(network, size, name, unit, axis), size[axis]) for axis in (0, 1)]
    return sides[0], sides[1]


def _round(seen: set[int], length: int) -> Window | None:
    """The shortest window that holds all positions, on a line that is closed to a circle."""
    places = sorted(seen)
    if not places or places[0] < 0 or places[-1] >= length:
        return (places[0], places[-1]) if places else None
    gaps = [after - before for before, after in pairwise([*places, places[0] + length])]
    widest = max(range(len(gaps)), key=lambda place: (gaps[place], place))
    return places[(widest + 1) % len(places)], places[widest]


def pixels(network: Network, size: Pair, name: str, unit: Pair) -> tuple[Window | None, Window | None]:
    """First and last pixel of the image that one unit of a node depends on, along the height and the width.

    Unlike `window` it follows no padded zero, of whatever layer: it says where the unit's gradient arrives.
    Arguments and errors as `window`.
    """
    height, width = (
        (min(seen), max(seen)) if (seen := _seen(network, size, name, unit, axis, within=True)) else None
        for axis in (0, 1)
    )
    return height, width


def _seen(network: Network, size: Pair | None, name: str, unit: Pair, axis: int, within: bool = False) -> set[int]:
    """Positions on the image line that one unit depends on.

    Mirrored and wrapped padding is followed to where it comes from, zeros to where they lie outside; `within` drops
    these.
    """
    require_choice("node", name, (node.name for node in network.nodes))
    found = maps(network, size)
    needed: defaultdict[str, set[int]] = defaultdict(set, {name: {unit[axis]}})
    seen: set[int] = set()
    reads = 0
    for node in reversed(network.nodes):
        if isinstance(node, Input):
            seen = needed[node.name]
        elif needed[node.name]:
            layer = _resolved(node, found, axis)
            for source in node.inputs:
                reads += _reads(layer, needed[node.name], found[source].size, axis)
                require(reads <= MOST_READS, f"network.{node.name}", reads, f"must read at most {MOST_READS} positions")
                if layer is None:
                    needed[source] |= set(range(_known(found[source].size)[axis]))
                else:
                    reading = {position for place in needed[node.name] for position in layer.reads(place)}
                    needed[source] |= _inside(layer, reading, found[source].size, axis, within)
    return seen


def _inside(layer: Layer, reading: set[int], size: Pair | None, axis: int, within: bool) -> set[int]:
    """Positions that a layer reads, those of wrapped and mirrored padding within the map if its size is known."""
    if size is None or (not within and not (isinstance(layer, Slide) and layer.beyond != "zeros")):
        return reading
    inside = (pixel(layer, position, size[axis]) for position in reading)
    return {position for position in inside if position is not None}


def _reads(layer: Layer | None, places: set[int], size: Pair | None, axis: int) -> int:
    """How many positions so many places read at most, counted without reading them."""
    if layer is None:
        return _known(size)[axis]
    return len(places) * max(len(layer.reads(place)) for place in (min(places), max(places)))


def _resolved(node: Node, found: dict[str, Map], axis: int) -> Layer | None:
    """Say what a node does along one axis; raises `InvalidError` if that needs an unknown size."""
    source = found[node.inputs[0]]
    layer = along(node, axis, None if source.size is None else source.size[axis], source.channels)
    if isinstance(layer, Slide) and layer.unresolved:
        raise InvalidError(
            "input_size", None, f"the SAME padding of layer {node.name} needs an image size, [height, width]"
        )
    return layer


def _known(size: Pair | None) -> Pair:
    """Give the size; raises `InvalidError` if it is unknown."""
    if size is None:
        raise InvalidError("input_size", None, "this unit sees the whole image: give an image size, [height, width]")
    return size
