"""Turns a view of a layer into new layers: the window that reads its pixels, and the function applied to them."""

import itertools
from collections.abc import Sequence
from typing import Literal

import numpy as np

from cnnlab.geometry.axis import Beyond, Layer, Resample, Slide
from cnnlab.spec.net import ACTIVATIONS
from cnnlab.spec.network import Explicit, GroupPad, Node, Pad, Pair, Pool, Resize, SpaceToDepth
from cnnlab.tracing.graph import TracedGraph, elementwise
from cnnlab.tracing.reads import Read, recognised
from cnnlab.tracing.values import SPATIAL, Positions, TracedArray, TracingError, tap_key

ARITHMETIC, CHANNELS = "arithmetic", "channels"
"""Names of what is too small for a layer behind an average, or anywhere: constants, and channels moved about."""

NAMED = frozenset(
    {
        "relu",
        "relu6",
        "leaky_relu",
        "elu",
        "selu",
        "celu",
        "gelu",
        "silu",
        "swish",
        "mish",
        "softplus",
        "softsign",
        "soft_sign",
        "sigmoid",
        "hard_sigmoid",
        "hard_silu",
        "hard_swish",
        "hard_tanh",
        "log_sigmoid",
        "log_softmax",
        "softmax",
        "squareplus",
        "sparse_plus",
        "standardize",
        "glu",
        *ACTIVATIONS,
    }
)
"""Functions of jax.nn, and the zoo's, by which an elementwise layer is called."""


LINEAR = ["antialiased", "bilinear"]
"""Both are JAX's linear interpolation: the first shrinks, the second enlarges."""


def settle(graph: TracedGraph, value: TracedArray) -> TracedArray:
    """Replace a view by the layer or layers that compute it; a layer's own map is returned unchanged.

    Raises:
        TracingError: no layer reads these pixels.
    """
    value = graph.current(value)
    if is_layer(graph, value):
        return value
    for role in SPATIAL:
        if len(value.axes(role)) > 1:
            raise TracingError(f"reads a map whose {role} is split over several axes")
    name = value.node if untouched(graph, value) else _window(graph, value)
    kind = _kind(graph, value, name)
    if kind:
        name = elementwise(graph, name, kind, value.channels, value.parts)
    made = graph.value(name, value)
    graph.settled[value] = made
    return made


def is_layer(graph: TracedGraph, value: TracedArray) -> bool:
    """Whether a value is a layer's map and nothing else."""
    return not value.ops and not value.parts and untouched(graph, value) and _same_channels(graph, value)


def untouched(graph: TracedGraph, value: TracedArray) -> bool:
    """Whether each place reads its own pixel of the layer's map."""
    size = graph.size(value.node)
    return len(value.taps) == 1 and all(
        len(value.axes(role)) <= 1 and np.array_equal(positions.ravel(), np.arange(length))
        for role, positions, length in zip(SPATIAL, value.taps[0], size, strict=True)
    )


def reads(value: TracedArray) -> tuple[list[Read], list[Read]]:
    """Positions that each output reads along the height and the width.

    Raises TracingError if the pixels read are not all pairs of rows and columns.
    """
    pairs = {tap_key(tap) for tap in value.taps}
    by_axis = [{tap_key(tap)[axis]: tap[axis] for tap in value.taps} for axis in (0, 1)]
    if len(pairs) != len(by_axis[0]) * len(by_axis[1]):
        raise TracingError("reads pixels that form no rectangle")
    height, width = (_sets(list(found.values())) for found in by_axis)
    return height, width


def plain(value: TracedArray) -> bool:
    """Whether rows and columns are evenly spaced, as in a crop of a zero-padded map."""
    return all(_even(positions.ravel()) for tap in value.taps for positions in tap)


def interpolated(graph: TracedGraph, value: TracedArray, side: int, nearest: bool) -> bool:
    """Whether a view's rows (side 0) or columns (1) are those of the map, or an interpolation: nearest, or another."""
    layer = recognised(reads(value)[side], graph.size(value.node)[side])
    return layer == Slide() or (isinstance(layer, Resample) and (layer.kind == "nearest") == nearest)


def _even(positions: Positions) -> bool:
    steps = np.diff(positions)
    return len(steps) == 0 or bool(steps[0] > 0 and (steps == steps[0]).all())


def _sets(positions: Sequence[Positions]) -> list[Read]:
    return [frozenset(map(int, read)) for read in zip(*(found.ravel() for found in positions), strict=True)]


def _same_channels(graph: TracedGraph, value: TracedArray) -> bool:
    return value.channels == graph.maps[value.node].channels


def _kind(graph: TracedGraph, value: TracedArray, name: str) -> str:
    """Name of the elementwise layer behind the window; empty if none is needed."""
    same = value.channels == graph.maps[name].channels
    ops = [op for op in value.ops if op != CHANNELS]
    if same and not value.parts and not ops:
        return ""
    if same and not value.parts and set(ops) == {ARITHMETIC} and (value.fold == "avg" or graph.averages(name)):
        return ""
    choices = [op for op in ops if op in NAMED] or [op for op in ops if op != ARITHMETIC]
    return choices[0] if choices else "affine" if value.parts else ARITHMETIC if ops else CHANNELS


def _window(graph: TracedGraph, value: TracedArray) -> str:
    """Append the layer whose windows are the pixels that a view reads."""
    channels = graph.maps[value.node].channels
    assert channels is not None, "known where the size is"
    made = value.taps[0][0].size, value.taps[0][1].size
    node = _corners(graph, value, made)
    if node is None:
        layers = [
            recognised(found, length, step)
            for found, length, step in zip(reads(value), graph.size(value.node), value.step, strict=True)
        ]
        node = (
            _blocks(graph, value, layers) if value.fold == "stack" else _spatial(graph, value.node, layers, value.fold)
        )
    if node is None:
        raise TracingError("reads pixels in a pattern that is no window, padding, crop or interpolation of JAX's")
    return graph.add(node, made, channels * (node.block**2 if isinstance(node, SpaceToDepth) else 1))


def _spatial(graph: TracedGraph, source: str, layers: Sequence[Layer | None], fold: str) -> Node | None:
    """Find the pad, crop, pool or resize that two axes make together; None if they make none."""
    height, width = layers
    if isinstance(height, Resample) or isinstance(width, Resample):
        return _resized(graph, source, height, width)
    if not isinstance(height, Slide) or not isinstance(width, Slide) or max(height.dilation, width.dilation) > 1:
        return None
    padding = (height.low, height.high), (width.low, width.high)
    kernel, stride = (height.taps, width.taps), (height.stride, width.stride)
    if kernel == stride == (1, 1):
        modes = {axis.beyond for axis in (height, width) if axis.low or axis.high}
        return None if len(modes) > 1 else _padded(graph, source, padding, modes.pop())
    if (height.beyond, width.beyond) != ("zeros", "zeros"):
        return None
    before = graph.nodes[source]
    if isinstance(before, Pad) and before.mode == "zeros":
        source, padding = before.inputs[0], _sum(before.padding, padding)
    name = graph.numbered("subsample" if kernel == (1, 1) else f"{fold}_pool")
    kind: Literal["max", "avg"] = "avg" if fold == "avg" else "max"
    return Pool(name=name, inputs=(source,), kind=kind, kernel=kernel, stride=stride, padding=padding)


def _padded(graph: TracedGraph, source: str, padding: Explicit, mode: Beyond) -> Pad:
    """Find the padding of a map; one side after the other is one padding."""
    before = graph.nodes[source]
    if isinstance(before, Pad) and before.mode == mode:
        both = zip((*before.padding[0], *before.padding[1]), (*padding[0], *padding[1]), strict=True)
        if not any(one and other for one, other in both):
            source, padding = before.inputs[0], _sum(before.padding, padding)
    name = graph.numbered("crop" if max(map(max, padding)) <= 0 else "pad")
    return Pad(name=name, inputs=(source,), padding=padding, mode=mode)


def _sum(one: Explicit, other: Explicit) -> Explicit:
    """Two paddings, one around the other."""
    (top, bottom), (left, right) = one
    (above, below), (before, behind) = other
    return (top + above, bottom + below), (left + before, right + behind)


def _resized(graph: TracedGraph, source: str, height: Layer | None, width: Layer | None) -> Node | None:
    """Find the interpolation of two axes, of which one may stay as it is."""
    found = [axis for axis in (height, width) if isinstance(axis, Resample)]
    kinds = sorted({axis.kind for axis in found})
    if any(axis not in (*found, Slide()) for axis in (height, width)) or kinds not in ([kinds[0]], LINEAR):
        return None
    scales = [axis.scale if isinstance(axis, Resample) else found[0].scale ** 0 for axis in (height, width)]
    if 1 in graph.size(source):
        graph.pools_all(source)
    return Resize(name=graph.numbered("resize"), inputs=(source,), scale=(scales[0], scales[1]), kind=kinds[0])


def _blocks(graph: TracedGraph, value: TracedArray, layers: Sequence[Layer | None]) -> Node | None:
    """Find the layer that lays the pixels of a block side by side as channels."""
    height, width = layers
    block = height.taps if isinstance(height, Slide) else 1
    if block > 1 and height == width == Slide(taps=block, stride=block):
        return SpaceToDepth(name=graph.numbered("space_to_depth"), inputs=(value.node,), block=block)
    return None


def _corners(graph: TracedGraph, value: TracedArray, made: Pair) -> Node | None:
    """Find the layer that pads four groups of channels towards four corners, and lays them side by side."""
    total = made[0] - graph.size(value.node)[0], made[1] - graph.size(value.node)[1]
    if value.fold != "stack" or min(total) < 0:
        return None
    corners = itertools.product(*((amount - amount // 2, amount // 2) for amount in total))
    shifts = list(corners)[: graph.maps[value.node].channels]
    wanted = {tap_key((np.arange(-top, made[0] - top), np.arange(-left, made[1] - left))) for top, left in shifts}
    if wanted != {tap_key((rows.ravel(), columns.ravel())) for rows, columns in value.taps}:
        return None
    return GroupPad(name=graph.numbered("group_pad"), inputs=(value.node,), total=total)
