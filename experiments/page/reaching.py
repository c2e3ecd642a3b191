"""What every layer of a net sees of the image, at one size: its windows, and whether the paths into a merge agree.

As `cnnlab.geometry.fields`, but a misaligned merge is told and followed on, not refused, since a page shows it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from cnnlab.geometry.axis import Layer, pixel
from cnnlab.geometry.fields import AlignmentError, exact
from cnnlab.geometry.layers import MERGES, along
from cnnlab.geometry.reach import Reach, Window, merged, through
from cnnlab.geometry.sizes import Map, maps
from cnnlab.spec.network import Input, Network, Node, Pair


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What the units of one node see along one axis. `reach` is None where each sees the whole image."""

    length: int
    reach: Reach | None

    def window(self, unit: int) -> Window | None:
        """First and last pixel that a unit sees; None if it sees nothing, or everything."""
        return None if self.reach is None else self.reach.window(unit)


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A net at one size.

    Attributes:
        seen: by node, along the height and the width.
        merges: by merge, the centres of its paths where they do not agree (or their strides), or None where they do.
    """

    seen: Mapping[str, tuple[Seen, Seen]]
    merges: Mapping[str, str | None]


def layout(network: Network, size: Pair) -> Layout:
    """Follow all windows through a net. Raises InvalidError where the image does not fit."""
    found = maps(network, size)
    seen: dict[str, tuple[Seen, Seen]] = {}
    merges: dict[str, str | None] = {}
    for node in network.nodes:
        height, width = (_seen(node, axis, found, seen, merges) for axis in (0, 1))
        seen[node.name] = height, width
    return Layout(seen=seen, merges=merges)


def drift(network: Network, size: Pair) -> tuple[Fraction, Fraction]:
    """Pixels by which the middle of the last map looks below, and right of, the middle of the image.

    Raises InvalidError as `layout`.
    """
    down, right = (
        _middle(seen) - Fraction(length - 1, 2)
        for seen, length in zip(layout(network, size).seen[network.features], size, strict=True)
    )
    return down, right


def _middle(seen: Seen) -> Fraction:
    assert seen.reach is not None, "the last map's units have windows of their own"
    return seen.reach.centre + seen.reach.stride * Fraction(seen.length - 1, 2)


def _seen(
    node: Node,
    axis: int,
    found: Mapping[str, Map],
    seen: Mapping[str, tuple[Seen, Seen]],
    merges: dict[str, str | None],
) -> Seen:
    """What one node sees along one axis; notes in `merges` where paths meet."""
    size = found[node.name].size
    assert size is not None, "sizes are known where the image size is"
    if isinstance(node, Input):
        return Seen(length=size[axis], reach=Reach())
    read = [seen[name][axis].reach for name in node.inputs]
    source = found[node.inputs[0]]
    layer = along(node, axis, None if source.size is None else source.size[axis], source.channels)
    reaches = [reach for reach in read if reach is not None]
    if layer is None or len(reaches) < len(read):
        return Seen(length=size[axis], reach=None)
    if isinstance(node, MERGES):
        agree = len({(reach.stride, reach.centre) for reach in reaches}) == 1
        if not agree and (node.name not in merges or merges[node.name] is None):
            merges[node.name] = str(AlignmentError(node.name, axis, reaches)).removeprefix(f"{node.name}: ")
        merges.setdefault(node.name, None)
        return Seen(length=size[axis], reach=merged(reaches, node.name))
    return Seen(length=size[axis], reach=through(reaches[0], layer, node.name))


def profile(network: Network, size: Pair, name: str, unit: int) -> tuple[int, ...] | None:
    """Paths from each pixel of the height to one unit of a node; None behind a merge or a layer that sees everything.

    The gradient of a linear net whose weights are all alike: the closed form of the effective receptive field before
    training (Luo et al. 2016). Along one axis; on the plane it is the outer product of both.

    Raises InvalidError as `layout`.
    """
    found = maps(network, size)
    counts = {unit: 1}
    node = network[name]
    while not isinstance(node, Input):
        if len(node.inputs) != 1:
            return None
        source = found[node.inputs[0]]
        assert source.size is not None, "sizes are known where the image size is"
        layer = along(node, 0, source.size[0], source.channels)
        if layer is None:
            return None
        counts = _pulled(layer, counts, source.size[0])
        node = network[node.inputs[0]]
    return tuple(counts[place] if place in counts else 0 for place in range(size[0]))


def _pulled(layer: Layer, counts: Mapping[int, int], length: int) -> dict[int, int]:
    pulled: dict[int, int] = {}
    for unit, count in counts.items():
        for position in layer.reads(unit):
            place = pixel(layer, position, length)
            if place is not None:
                pulled[place] = pulled.setdefault(place, 0) + count
    return pulled


def half_width(counts: tuple[int, ...]) -> int:
    """Fewest pixels in a row that hold half of the counts."""
    total, widths = sum(counts), []
    for first in range(len(counts)):
        held = 0
        for last in range(first, len(counts)):
            held += counts[last]
            if 2 * held >= total:
                widths.append(last - first + 1)
                break
    return min(widths)


def number(value: Fraction) -> str:
    """An exact number as a reader sees it: 1.5, 7/3."""
    found = exact(value)
    if isinstance(found, int):
        return str(found)
    short = float(found)
    return f"{short:g}" if Fraction(short).limit_denominator(1000) == found and short * 1000 % 1 == 0 else str(found)
