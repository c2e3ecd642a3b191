"""Receptive field, effective stride and padding of every node, and whether merging paths are aligned."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from cnnlab.geometry.axis import Layer, Slide, pixel
from cnnlab.geometry.layers import along
from cnnlab.geometry.reach import MOST_WINDOWS, Reach, Window, hull, merged, through
from cnnlab.geometry.sizes import Map, maps
from cnnlab.spec.invalid import require
from cnnlab.spec.network import Conv, Input, Network, Node, Pair

Exact = int | Fraction
AXES = ("height", "width")


class AlignmentError(ValueError):
    """The paths into a merge look at different places of the image, or move over it at different strides.

    Attributes:
        merge: name of the node. axis: 0 height, 1 width.
        strides: effective stride of each path, by the order of the merge's inputs.
        centres: centre of output 0's window on each path, in pixels; up to the shift that paths share if unknown.
        rf_per_path: receptive field of each path, in pixels.
    """

    def __init__(self, merge: str, axis: int, reaches: Sequence[Reach]) -> None:
        self.merge, self.axis = merge, axis
        self.strides = tuple(exact(reach.stride) for reach in reaches)
        self.centres = tuple(exact(reach.centre) for reach in reaches)
        self.rf_per_path = tuple(reach.extent for reach in reaches)
        what, values = ("centre", self.centres) if len(set(self.strides)) == 1 else ("stride", self.strides)
        shown = " vs ".join(str(value) for value in values)
        super().__init__(f"{merge}: {what} {shown} along the {AXES[axis]} (receptive fields {self.rf_per_path})")


@dataclass(frozen=True, kw_only=True)
class Field:
    """Receptive field of one node's outputs; pairs are (height, width), in pixels.

    Output u sees [-padding + u * stride, -padding + u * stride + rf - 1], padding counted as pixels outside the image.
    After transposed convolutions and interpolation windows differ in turn: `rf` is the largest, and `padding` is such
    that the mean centre is exact; `window` gives each output's own.

    Attributes:
        rf: of the longest path. None if it is the whole image and its size is unknown.
        shortest: receptive field of the shortest path.
        stride: pixels between neighbouring outputs; 0 along an axis of `axes`, None if that is both.
        padding: effective padding at the top and left; None along an axis where it depends on an unknown size.
        axes: along which axes each output sees all that the net reads of the image: behind a global pool, a flatten,
            a dense layer, or one pixel that was brought back to a map. That is the whole image, unless a crop or a
            window that does not fit once more leaves pixels out; padding is no part of it.
    """

    rf: Pair | None
    shortest: Pair | None
    stride: tuple[Exact, Exact] | None
    padding: tuple[Exact | None, Exact | None]
    axes: tuple[bool, bool] = (False, False)

    @property
    def whole(self) -> bool:
        """Whether `axes` are both."""
        return all(self.axes)


@dataclass(frozen=True, kw_only=True)
class Sight:
    """Receptive field of one node along one axis: over all paths, and over the shortest path alone.

    Attributes:
        seen: of the image, by all outputs together; unlike windows it leaves out what stands for padded zeros. None if
            that is nothing, or the image's size is unknown.
        whole: as in `Field.axes`. Then both reaches are the windows of all outputs one by one, without advance.
        folded: whether padding before it holds the map's own pixels, mirrored or wrapped: then a window outside the
            image is not empty, and `seen` is at most what is said.
    """

    longest: Reach
    shortest: Reach
    seen: Window | None = None
    whole: bool = False
    folded: bool = False

    def of(self, unit: int) -> Window | None:
        """What one output sees of the image."""
        return self.seen if self.folded else _common(self.longest.window(unit), self.seen)


Sights = tuple[Sight | None, Sight | None]
"""Of one node, (height, width); None along an axis where it sees the whole image, of whatever size."""


def fields(network: Network, size: Pair | None) -> dict[str, Field]:
    """Receptive field of every node.

    Args:
        network: the graph.
        size: (height, width) of the image. None leaves unknown the padding that SAME derives from it; paths into a
            merge are still compared where they share what is unknown.

    Raises:
        AlignmentError: at the first merge whose paths differ in effective stride or centre.
        InvalidError: there are too many different windows, or as `cnnlab.geometry.reach.through` and
            `cnnlab.geometry.sizes.sizes`.
    """
    found = maps(network, size)
    sights: dict[str, Sights] = {}
    windows = 0
    for node in network.nodes:
        sights[node.name] = seen = _sights(node, found, sights, size)
        windows += sum(len(sight.longest.windows) for sight in seen if sight is not None)
        require(windows <= MOST_WINDOWS, f"network.{node.name}", windows, f"at most {MOST_WINDOWS} different windows")
    return {name: _field(sight, size) for name, sight in sights.items()}


def outgrown(network: Network, size: Pair) -> dict[str, bool]:
    """Tell whether each node's receptive field is larger than the image, along the height or the width.

    Nodes that see the whole image by construction (after a global average, ...) have not outgrown it.
    """
    return {name: _exceeds(field, size) for name, field in fields(network, size).items()}


def unproductive(network: Network, size: Pair) -> tuple[str, ...]:
    """Name the convolutions wider than one pixel whose INPUT already sees more than the image.

    They can add no new pixels to any path, only re-weigh what is seen (Richter et al. 2021).
    """
    beyond = outgrown(network, size)
    wide = (node for node in network.nodes if isinstance(node, Conv) and max(node.kernel) > 1)
    return tuple(node.name for node in wide if beyond[node.inputs[0]])


def exact(value: Fraction) -> Exact:
    """Give an int where the fraction is whole."""
    return value.numerator if value.denominator == 1 else value


def _sights(node: Node, found: Mapping[str, Map], sights: Mapping[str, Sights], size: Pair | None) -> Sights:
    """Find what a node sees along both axes of an image of this size."""
    if isinstance(node, Input):
        all_of_it = (None, None) if size is None else ((0, size[0] - 1), (0, size[1] - 1))
        begin = [Sight(longest=Reach(), shortest=Reach(), seen=seen) for seen in all_of_it]
        return begin[0], begin[1]
    height, width = (
        _along_axis(node, axis, found[node.inputs[0]], [sights[name][axis] for name in node.inputs]) for axis in (0, 1)
    )
    return height, width


def _along_axis(node: Node, axis: int, source: Map, sights: Sequence[Sight | None]) -> Sight | None:
    """Find what a node sees along one axis, given what its inputs see and the first input's map."""
    length = None if source.size is None else source.size[axis]
    layer = along(node, axis, length, source.channels)
    read = [sight for sight in sights if sight is not None]
    if len(read) < len(sights):
        return None
    seen = hull([sight.seen for sight in read])
    if length is not None and (layer is None or layer.advance == 0):
        return _whole([seen])
    if layer is None:
        return None
    if length is not None and any(sight.whole for sight in read):
        return _whole(_one_by_one(layer, read, length, node.name))
    longest, shortest = read[0].longest, read[0].shortest
    if len(read) > 1:
        _check_alignment(node.name, axis, [sight.longest for sight in read])
        longest = merged([sight.longest for sight in read], node.name)
        shortest = min((sight.shortest for sight in read), key=lambda reach: reach.extent)
    else:
        longest, shortest = through(longest, layer, node.name), through(shortest, layer, node.name)
    mirrors = isinstance(layer, Slide) and layer.beyond != "zeros" and max(layer.low, layer.high) > 0
    folded = mirrors or any(sight.folded for sight in read)
    if length is not None and not folded:
        seen = _common(_together(longest, layer.length(length), seen), seen)
    return Sight(longest=longest, shortest=shortest, seen=seen, folded=folded)


def _together(reach: Reach, count: int, seen: Window | None) -> Window | None:
    """What so many outputs see together, or at least `seen` where that is all there is."""
    turns = len(reach.windows)  # windows move on, so those of the first and of the last period suffice
    ends = hull([reach.window(unit) for unit in (0, count - 1)])
    if turns == 1 or (seen is not None and _common(ends, seen) == seen):
        return ends
    units = itertools.chain(range(min(turns, count)), range(max(count - turns, 0), count))
    return hull([reach.window(unit) for unit in units])


def _whole(windows: Sequence[Window | None]) -> Sight:
    """What outputs see of which each sees all there is: their windows one by one, or one that is the same for all."""
    reach = Reach(windows=tuple(windows[:1] if len(set(windows)) == 1 else windows), advance=0)
    return Sight(longest=reach, shortest=reach, seen=hull(windows), whole=True)


def _common(one: Window | None, other: Window | None) -> Window | None:
    """What two windows share; None if that is nothing."""
    if one is None or other is None:
        return None
    low, high = max(one[0], other[0]), min(one[1], other[1])
    return (low, high) if low <= high else None


def _one_by_one(layer: Layer, sights: Sequence[Sight], length: int, name: str) -> Sequence[Window | None]:
    """The window of each output of a layer on a map of `length`, or one that is the same for all.

    Raises InvalidError, naming the node, if there are too many.
    """
    every = hull([sight.seen for sight in sights])
    if any(sight.longest.windows == (every,) for sight in sights if sight.whole):
        return [every]
    count = layer.length(length)
    require(max(count, length) <= MOST_WINDOWS, f"network.{name}", count, f"at most {MOST_WINDOWS} different windows")
    inputs = [hull([sight.of(unit) for sight in sights]) for unit in range(length)]
    reads = ([pixel(layer, place, length) for place in layer.reads(unit)] for unit in range(count))
    return [hull([inputs[place] for place in places if place is not None]) for places in reads]


def _check_alignment(merge: str, axis: int, reaches: Sequence[Reach]) -> None:
    """Raise `AlignmentError` unless all paths agree in stride, and in centre those that share their unknown shifts."""
    places = {reach.shift: reach.centre for reach in reaches}
    agree = all(reach.centre == places[reach.shift] for reach in reaches)
    if len({reach.stride for reach in reaches}) > 1 or not agree:
        raise AlignmentError(merge, axis, reaches)


def _field(sights: Sights, size: Pair | None) -> Field:
    """Turn what a node sees into its `Field`."""
    sides = [_Side.of(sight, None if size is None else size[axis]) for axis, sight in enumerate(sights)]
    axes = sights[0] is None or sights[0].whole, sights[1] is None or sights[1].whole
    return Field(
        rf=_both(sides[0].extent, sides[1].extent),
        shortest=_both(sides[0].shortest, sides[1].shortest),
        stride=None if all(axes) else (sides[0].stride, sides[1].stride),
        padding=(sides[0].padding, sides[1].padding),
        axes=axes,
    )


@dataclass(frozen=True, kw_only=True)
class _Side:
    """What a node sees along one axis; as in `Field`."""

    extent: int | None
    shortest: int | None
    stride: Exact
    padding: Exact | None

    @classmethod
    def of(cls, sight: Sight | None, length: int | None) -> "_Side":
        """Of a sight, on an image of so many pixels; None if it sees them all."""
        if sight is None:
            return cls(extent=length, shortest=length, stride=0, padding=0)
        padding = sight.longest.padding
        return cls(
            extent=sight.longest.extent,
            shortest=sight.shortest.extent,
            stride=exact(sight.longest.stride),
            padding=None if padding is None else exact(padding),
        )


def _both(height: int | None, width: int | None) -> Pair | None:
    return None if height is None or width is None else (height, width)


def _exceeds(field: Field, size: Pair) -> bool:
    """Tell whether a field is larger than the image along some axis."""
    return field.rf is not None and any(seen > there for seen, there in zip(field.rf, size, strict=True))
