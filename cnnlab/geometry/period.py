"""How often pixels far from every border are read: one period of the pattern that the strides make.

`cnnlab.geometry.coverage` counts on an image of a given size, border and all. Nets see more than their image is wide
(ResNet-50: 483 pixels of 224), so that none of its pixels is free of the border. Here every map goes round in a circle
of one period: paths that leave on one side come back on the other, which counts exactly what an endless image would.
"""

from collections.abc import Sequence
from fractions import Fraction
from math import lcm

from cnnlab.geometry.axis import Slide
from cnnlab.geometry.coverage import Plane
from cnnlab.geometry.layers import along
from cnnlab.geometry.sizes import Map, maps
from cnnlab.spec.invalid import InvalidError, require_choice
from cnnlab.spec.network import Input, Network, Node, Pair

Rows = list[list[int]]


def periodic_coverage(network: Network, size: Pair, name: str) -> Plane:
    """Count the paths from each pixel of one period to all units of a node, over all branches, on an endless image.

    Args:
        network: the graph.
        size: (height, width) of the image it is meant for: it decides how SAME pads.
        name: of a node whose units have a window of their own.

    Returns:
        Rows of counts, as high and wide as the total stride; where the pattern begins within the image is left open.

    Raises:
        InvalidError: no node has that name, a layer before it sees the whole map or changes it by other than a sliding
            window, or as `cnnlab.geometry.sizes.sizes`.
    """
    require_choice("node", name, (node.name for node in network.nodes))
    found = maps(network, size)
    windows = {node.name: (_window(node, found, 0), _window(node, found, 1)) for node in _before(network, name)}
    (height, tall), (width, wide) = (_periods(network, windows, axis) for axis in (0, 1))
    counts: dict[str, Rows] = {name: [[1] * wide[name] for _ in range(tall[name])]}
    for node in reversed(network.nodes):
        if node.name not in counts or isinstance(node, Input):
            continue
        below = counts.pop(node.name)
        rows, columns = windows[node.name]
        for source in node.inputs:
            pulled = _turned([_pull(columns, row, wide[source]) for row in below])
            pulled = _turned([_pull(rows, column, tall[source]) for column in pulled])
            known = counts.get(source, [[0] * wide[source] for _ in range(tall[source])])
            counts[source] = [[a + b for a, b in zip(*pair, strict=True)] for pair in zip(known, pulled, strict=True)]
    image = network.nodes[0].name
    return tuple(tuple(row) for row in counts.get(image, [[0] * width for _ in range(height)]))


def unevenness(counts: Plane) -> Fraction | None:
    """Largest over smallest count; None where some pixel is not read at all."""
    every = [count for row in counts for count in row]
    return Fraction(max(every), min(every)) if min(every) > 0 else None


def _before(network: Network, name: str) -> list[Node]:
    """The nodes that one node depends on, itself among them, but not the image."""
    needed = {name}
    for node in reversed(network.nodes):
        if node.name in needed:
            needed |= set(node.inputs)
    return [node for node in network.nodes if node.name in needed and not isinstance(node, Input)]


def _window(node: Node, found: dict[str, Map], axis: int) -> Slide:
    """The window of a node along one axis; raises `InvalidError` for any other layer."""
    source = found[node.inputs[0]]
    layer = along(node, axis, None if source.size is None else source.size[axis], source.channels)
    if not isinstance(layer, Slide):
        raise InvalidError(
            f"network.{node.name}", type(node).__name__, "choose a node with only sliding windows before it"
        )
    return layer


def _periods(network: Network, windows: dict[str, tuple[Slide, Slide]], axis: int) -> tuple[int, dict[str, int]]:
    """Pixels of one period of the image, and of each map, along one axis."""
    strides = {network.nodes[0].name: 1}
    for node in network.nodes:
        if node.name in windows:
            strides[node.name] = strides[node.inputs[0]] * windows[node.name][axis].stride
    period = lcm(*strides.values())
    return period, {name: period // stride for name, stride in strides.items()}


def _pull(layer: Slide, counts: Sequence[int], before: int) -> list[int]:
    """Count the paths before a layer, round a circle of `before` pixels, from those after it."""
    pulled = [0] * before
    for unit, count in enumerate(counts):
        for position in layer.reads(unit):
            pulled[position % before] += count
    return pulled


def _turned(rows: Rows) -> Rows:
    """Swap rows and columns."""
    return [list(column) for column in zip(*rows, strict=True)]
