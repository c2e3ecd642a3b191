"""Sums and extremes along whole axes: of channels, of the whole map, or of blocks that a reshape made."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from cnnlab.spec.network import GlobalAveragePool, GlobalPool, Node
from cnnlab.tracing.graph import TracedGraph
from cnnlab.tracing.layers import KINDS
from cnnlab.tracing.settle import CHANNELS, settle
from cnnlab.tracing.values import SPATIAL, Fold, Tap, TracedArray, TracingError, Value, unique
from cnnlab.tracing.views import Handler, without


def _reduce(graph: TracedGraph, eqn: Any, inputs: list[Value]) -> Value:
    value = inputs[0]
    assert isinstance(value, TracedArray), "the only input"
    return reduced(graph, graph.current(value), eqn.primitive.name.rpartition("_")[2], tuple(eqn.params["axes"]))


def reduced(graph: TracedGraph, value: TracedArray, what: str, axes: tuple[int, ...]) -> TracedArray:
    """Sum or extreme (`what`) along some axes.

    Raises TracingError for the batch.
    """
    roles = {value.roles[axis] for axis in axes if value.shape[axis] != 1}
    if "batch" in roles:
        raise TracingError("mixes the images of a batch")
    pixels = [axis for axis in axes if value.roles[axis] in SPATIAL]
    done = tuple(bool(value.axes(role)) and set(value.axes(role)) <= set(pixels) for role in SPATIAL)
    if pixels and set(pixels) == {
        a for role, every in zip(SPATIAL, done, strict=True) if every for a in value.axes(role)
    }:
        value = _over_map(graph, value, KINDS[what], pixels, done)
    elif pixels:
        value = _over_blocks(graph, value, KINDS[what], pixels)
    if "channel" in roles:
        value = replace(value, ops=tuple(dict.fromkeys((*value.ops, f"channel_{what}"))))
    return without(value, axes)


def _over_map(
    graph: TracedGraph, value: TracedArray, kind: Literal["max", "avg"], pixels: Sequence[int], done: Sequence[bool]
) -> TracedArray:
    """Append the layer that reads all rows, all columns or both (`done`); the axes stay, with length 1."""
    value = settle(graph, value)
    height, width = (size == 1 or every for size, every in zip(graph.size(value.node), done, strict=True))
    name = graph.numbered(f"global_{kind}_pool")
    if kind == "avg" and height and width:
        node: Node = GlobalAveragePool(name=name, inputs=(value.node,))
    else:
        node = GlobalPool(name=name, inputs=(value.node,), kind=kind, axes=(height, width))
    size = graph.size(value.node)
    graph.add(node, (1 if height else size[0], 1 if width else size[1]), value.channels)
    return graph.value(node.name, replace(value, shape=_shortened(value, pixels)))


def _over_blocks(graph: TracedGraph, value: TracedArray, fold: Fold, pixels: Sequence[int]) -> TracedArray:
    """Make each place along some axes of the map a tap; the axes stay, with length 1."""
    if set(value.ops) - {CHANNELS} and not value.fold:
        value = settle(graph, value)
    if value.fold not in ("", fold):
        raise TracingError("mixes the pixels of a pool of another kind")
    taps: list[Tap] = []
    for tap, places in itertools.product(value.taps, itertools.product(*(range(value.shape[a]) for a in pixels))):
        sides = list(tap)
        for axis, place in zip(pixels, places, strict=True):
            side = SPATIAL.index(value.roles[axis])
            sides[side] = sides[side].take([place], axis=value.axes(value.roles[axis]).index(axis))
        taps.append((sides[0], sides[1]))
    return replace(value, shape=_shortened(value, pixels), taps=unique(taps), fold=fold)


def _shortened(value: TracedArray, axes: Sequence[int]) -> tuple[int, ...]:
    return tuple(1 if axis in axes else size for axis, size in enumerate(value.shape))


HANDLERS: dict[str, Handler] = dict.fromkeys(
    ("reduce_sum", "reduce_max", "reduce_min", "reduce_prod", "reduce_and", "reduce_or", "reduce_xor"), _reduce
)
