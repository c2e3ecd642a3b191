"""Receptive field, effective stride and padding of every node, and whether merging paths are aligned."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from cnnlab.geometry.layers import along
from cnnlab.geometry.reach import MOST_WINDOWS, Reach, merged, through
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
        stride: pixels between neighbouring outputs; 0 along an axis where each sees the whole image, None if that is
            both.
        padding: effective padding at the top and left; None along an axis where it depends on an unknown size.
        axes: along which axes each output sees the whole image: behind a global pool, a flatten, a dense layer, or
            one pixel that saw it and was brought back to a map.
    """

    rf: Pair | None
    shortest: Pair | None
    stride: tuple[Exact, Exact] | None
    padding: tuple[Exact | None, Exact | None]
    axes: tuple[bool, bool] = (False, False)

    @property
    def whole(self) -> bool:
        """Whether each output sees the whole image along both axes."""
        return all(self.axes)


@dataclass(frozen=True, kw_only=True)
class Sight:
    """Receptive field of one node along one axis: over all paths, and over the shortest path alone."""

    longest: Reach
    shortest: Reach


Sights = tuple[Sight | None, Sight | None]
"""Of one node, (height, width); None along an axis where it sees the whole image."""


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
        return Sight(longest=Reach(), shortest=Reach()), Sight(longest=Reach(), shortest=Reach())
    made: list[Sight | None] = []
    for axis in (0, 1):
        seen = _along_axis(node, axis, found[node.inputs[0]], [sights[name][axis] for name in node.inputs])
        made.append(None if seen is None or _stays_on_all(seen.longest, None if size is None else size[axis]) else seen)
    return made[0], made[1]


def _stays_on_all(reach: Reach, length: int | None) -> bool:
    """Whether all outputs see one and the same window, and that holds all `length` pixels of the image."""
    window = reach.windows[0]
    return (
        reach.advance == 0 and length is not None and window is not None and window[0] <= 0 and window[1] >= length - 1
    )


def _along_axis(node: Node, axis: int, source: Map, sights: Sequence[Sight | None]) -> Sight | None:
    """Find what a node sees along one axis, given what its inputs see and the first input's map."""
    length = None if source.size is None else source.size[axis]
    layer = along(node, axis, length, source.channels)
    read = [sight for sight in sights if sight is not None]
    if layer is None or len(read) < len(sights):
        return None
    if len(read) > 1:
        _check_alignment(node.name, axis, [sight.longest for sight in read])
        shortest = min((sight.shortest for sight in read), key=lambda reach: reach.extent)
        return Sight(longest=merged([sight.longest for sight in read], node.name), shortest=shortest)
    return Sight(
        longest=through(read[0].longest, layer, node.name), shortest=through(read[0].shortest, layer, node.name)
    )


def _check_alignment(merge: str, axis: int, reaches: Sequence[Reach]) -> None:
    """Raise `AlignmentError` unless all paths agree in stride, and in centre those that share their unknown shifts."""
    places = {reach.shift: reach.centre for reach in reaches}
    agree = all(reach.centre == places[reach.shift] for reach in reaches)
    if len({reach.stride for reach in reaches}) > 1 or not agree:
        raise AlignmentError(merge, axis, reaches)


def _field(sights: Sights, size: Pair | None) -> Field:
    """Turn what a node sees into its `Field`."""
    height, width = sights
    if height is None and width is None:
        return Field(rf=size, shortest=size, stride=None, padding=(0, 0), axes=(True, True))
    sides = [_Side.of(sight, None if size is None else size[axis]) for axis, sight in enumerate(sights)]
    return Field(
        rf=_both(sides[0].extent, sides[1].extent),
        shortest=_both(sides[0].shortest, sides[1].shortest),
        stride=(sides[0].stride, sides[1].stride),
        padding=(sides[0].padding, sides[1].padding),
        axes=(height is None, width is None),
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
