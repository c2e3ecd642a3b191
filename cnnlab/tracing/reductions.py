"""Sums and extremes along whole axes: of channels, of the whole map, or of blocks that a reshape made."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from cnnlab.spec.network import GlobalAveragePool, Node, Pool
from cnnlab.tracing.graph import TracedGraph
from cnnlab.tracing.layers import KINDS
from cnnlab.tracing.settle import CHANNELS, settle
from cnnlab.tracing.values import SPATIAL, Fold, Tap, TracedArray, TracingError, Value, unique
from cnnlab.tracing.views import Handler, without


def _reduce(graph: TracedGraph, eqn: Any, inputs: list[Value]) -> Value:
    value, what = inputs[0], eqn.primitive.name.rpartition("_")[2]
    assert isinstance(value, TracedArray), "the only input"
    value, axes = graph.current(value), tuple(eqn.params["axes"])
    roles = {value.roles[axis] for axis in axes if value.shape[axis] != 1}
    if "batch" in roles:
        raise TracingError("mixes the images of a batch")
    pixels = [axis for axis in axes if value.roles[axis] in SPATIAL]
    if pixels and set(pixels) == {axis for role in SPATIAL for axis in value.axes(role)}:
        value = _over_map(graph, value, what, pixels)
    elif pixels:
        value = _over_blocks(graph, value, KINDS[what], pixels)
    if "channel" in roles:
        value = replace(value, ops=tuple(dict.fromkeys((*value.ops, f"channel_{what}"))))
    return without(value, axes)


def _over_map(graph: TracedGraph, value: TracedArray, what: str, pixels: Sequence[int]) -> TracedArray:
    """Append the layer that reads the whole map; the axes stay, with length 1."""
    value = settle(graph, value)
    if KINDS[what] == "avg":
        node: Node = GlobalAveragePool(name=graph.numbered("global_avg_pool"), inputs=(value.node,))
    else:
        name, size = graph.numbered(f"global_{what}_pool"), graph.size(value.node)
        node = Pool(name=name, inputs=(value.node,), kind="max", kernel=size, stride=(1, 1))
    graph.add(node, (1, 1), value.channels)
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


HANDLERS: dict[str, Handler] = {"reduce_sum": _reduce, "reduce_max": _reduce, "reduce_min": _reduce}
