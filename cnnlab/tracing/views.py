"""Steps that move pixels and channels about: slice, pad, reverse, transpose, reshape, repeat, gather, concatenate."""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from cnnlab.spec.network import Concat
from cnnlab.tracing.graph import TracedGraph
from cnnlab.tracing.pointwise import agreed, freed, spread, stretched
from cnnlab.tracing.reshape import reshaped
from cnnlab.tracing.settle import CHANNELS, interpolated, plain, settle, untouched
from cnnlab.tracing.values import (
    SPATIAL,
    Known,
    Positions,
    Role,
    Tap,
    TracedArray,
    TracingError,
    Value,
    same_taps,
    unique,
)

Handler = Callable[[TracedGraph, Any, list[Value]], Value | list[Value]]


def picked(
    graph: TracedGraph, value: TracedArray, axis: int, index: Positions, step: int = 1, beside: bool = False
) -> TracedArray:
    """Select positions of one axis, in this order; `beside` what is done to the map's other axis, or after it.

    Raises TracingError for a part of the batch.
    """
    if len(index) == value.shape[axis] and np.array_equal(index, np.arange(len(index))):
        return value
    role = value.roles[axis]
    shape = (*value.shape[:axis], len(index), *value.shape[axis + 1 :])
    if role == "batch":
        raise TracingError("takes a part of the batch")
    if role == "channel":
        bare = not set(value.ops) - {CHANNELS} and not value.parts and not value.fold
        if not bare and all(len(value.axes(side)) <= 1 for side in SPATIAL):
            value = settle(graph, value)  # once for all that is picked of it
        return replace(value, shape=shape, ops=tuple(dict.fromkeys((*value.ops, CHANNELS))))
    if role == "free":
        return replace(value, shape=shape)
    if value.shape[axis] == 1 and len(index):
        return freed(value, axis, len(index))
    turned = len(index) > 1 and index[0] > index[-1] and not value.ops and len(value.taps) == 1 and plain(value)
    if len(index) == 0:
        raise TracingError(f"leaves no pixel of the {role}")
    value = value if turned else ready(graph, value, role, beside)
    side, place = SPATIAL.index(role), value.axes(role).index(axis)
    taps = unique([moved(tap, side, tap[side].take(index, axis=place)) for tap in value.taps])
    strides = list(value.step)
    strides[side] *= step
    return replace(value, shape=shape, taps=taps, step=(strides[0], strides[1]))


def ready(graph: TracedGraph, value: TracedArray, role: Role, beside: bool = False) -> TracedArray:
    """Make a view a layer before pixels are taken of it, if it is more than a crop or a window along the other axis."""
    pending = value.fold == "" and bool(set(value.ops) - {CHANNELS} or value.parts)
    side = SPATIAL.index(role)
    folded = len({tap[side].tobytes() for tap in value.taps}) > 1
    own = [tap[side].ravel() for tap in value.taps]
    length = graph.size(value.node)[side]
    uncut = len(own[0]) >= length and np.array_equal(own[0], np.arange(own[0][0], own[0][0] + len(own[0])))
    fit = interpolated(graph, value, 1 - side, nearest=True) and len(own[0]) == length if beside else plain(value)
    return value if fit and uncut and not pending and not folded else settle(graph, value)


def moved(tap: Tap, side: int, positions: Positions) -> Tap:
    """A tap with other rows (side 0) or columns (side 1)."""
    return (positions, tap[1]) if side == 0 else (tap[0], positions)


def _slice(graph: TracedGraph, eqn: Any, inputs: list[Value]) -> Value:
    value, strides = _seen(inputs), eqn.params["strides"]
    for axis, (start, limit) in enumerate(zip(eqn.params["start_indices"], eqn.params["limit_indices"], strict=True)):
        step = 1 if strides is None else strides[axis]
        value = picked(graph, value, axis, np.arange(start, limit, step), step)
    return value


def _split(graph: TracedGraph, eqn: Any, inputs: list[Value]) -> list[Value]:
    axis, ends = eqn.params["axis"], np.cumsum((0, *eqn.params["sizes"]))
    value = _seen(inputs)
    return [picked(graph, value, axis, np.arange(a, b)) for a, b in itertools.pairwise(ends)]


def _rev(graph: TracedGraph, eqn: Any, inputs: list[Value]) -> Value:
    value = _seen(inputs)
    for axis in eqn.params["dimensions"]:
        value = picked(graph, value, axis, np.arange(value.shape[axis])[::-1])
    return value


def _dynamic_slice(graph: TracedGraph, eqn: Any, inputs: list[Value]) -> Value:
    value = _seen(inputs[:1])
    for axis, (start, size) in enumerate(zip(inputs[1:], eqn.params["slice_sizes"], strict=True)):
        if size == value.shape[axis]:
            continue
        if not isinstance(start, Known):
            raise TracingError("takes a slice whose place is no constant")
        first = min(max(int(start.value), 0), value.shape[axis] - size)
        value = picked(graph, value, axis, np.arange(first, first + size))
    return value


def _gather(graph: TracedGraph, eqn: Any, inputs: list[Value]) -> Value:
    """`x[:, indices]` along one axis, with constant indices."""
    value, indices, dims = _seen(inputs[:1]), inputs[1], eqn.params["dimension_numbers"]
    axes = dims.start_index_map
    whole = all(s == value.shape[a] for a, s in enumerate(eqn.params["slice_sizes"]) if a not in axes)
    if not isinstance(indices, Known):
        raise TracingError("gathers at places that are no constants")
    simple = len(axes) == 1 and dims.collapsed_slice_dims == axes and not dims.operand_batching_dims
    kept = tuple(axis for axis in range(eqn.outvars[0].aval.ndim) if axis != axes[0])
    if not simple or not whole or indices.value.ndim != 2 or dims.offset_dims != kept:
        raise TracingError("gathers along more than one axis")
    return picked(graph, value, axes[0], np.clip(indices.value[:, 0], 0, value.shape[axes[0]] - 1), beside=True)


def _transpose(graph: TracedGraph, eqn: Any, inputs: list[Value]) -> Value:
    return rearranged(_seen(inputs), eqn.params["permutation"])


def rearranged(value: TracedArray, order: Sequence[int]) -> TracedArray:
    """A view with its axes in another order."""
    taps = []
    for tap in value.taps:
        sides = []
        for role, positions in zip(SPATIAL, tap, strict=True):
            own = value.axes(role)
            sides.append(positions.transpose([own.index(axis) for axis in order if axis in own]))
        taps.append((sides[0], sides[1]))
    shape, roles = tuple(value.shape[axis] for axis in order), tuple(value.roles[axis] for axis in order)
    return replace(value, shape=shape, roles=roles, taps=tuple(taps))


def _reshape(graph: TracedGraph, eqn: Any, inputs: list[Value]) -> Value:
    if eqn.params["dimensions"] is not None:
        raise TracingError("reshapes and permutes at once")
    return reshaped(graph, _seen(inputs), tuple(eqn.outvars[0].aval.shape))


def _squeeze(graph: TracedGraph, eqn: Any, inputs: list[Value]) -> Value:
    return without(_seen(inputs), eqn.params["dimensions"])


def without(value: TracedArray, axes: Sequence[int]) -> TracedArray:
    """Drop axes: of channels, free ones, and those of the map that have length 1."""
    for axis in sorted(axes, reverse=True):
        if value.roles[axis] == "batch":
            raise TracingError("drops the batch axis")
        if value.roles[axis] in SPATIAL:
            value = freed(value, axis, 1)
        shape, roles = list(value.shape), list(value.roles)
        del shape[axis], roles[axis]
        value = replace(value, shape=tuple(shape), roles=tuple(roles))
    return value


def _broadcast_in_dim(graph: TracedGraph, eqn: Any, inputs: list[Value]) -> Value:
    value, shape = _seen(inputs[:1]), tuple(eqn.params["shape"])
    places = eqn.params["broadcast_dimensions"]
    value = stretched(value, tuple(shape[place] for place in places))
    roles: list[Role] = ["free"] * len(shape)
    for place, role in zip(places, value.roles, strict=True):
        roles[place] = role
    return replace(value, shape=shape, roles=tuple(roles))


def _pad(graph: TracedGraph, eqn: Any, inputs: list[Value]) -> Value:
    value = _seen(inputs[:1])
    for axis, (low, high, interior) in enumerate(eqn.params["padding_config"]):
        if interior:
            raise TracingError("puts padding between pixels")
        if low == high == 0:
            continue
        value = _padded(graph, value, axis, low, high)
    return value if value.ops else settle(graph, value)  # some of the channels may be one corner of a `GroupPad`


def _padded(graph: TracedGraph, value: TracedArray, axis: int, low: int, high: int) -> TracedArray:
    """Pad or crop one axis."""
    role, length = value.roles[axis], value.shape[axis]
    shape = (*value.shape[:axis], length + low + high, *value.shape[axis + 1 :])
    if role == "batch":
        raise TracingError("pads the batch")
    if role not in SPATIAL:
        roles = tuple("channel" if at == axis else found for at, found in enumerate(value.roles))
        return replace(value, shape=shape, roles=roles, ops=tuple(dict.fromkeys((*value.ops, CHANNELS))))
    side = SPATIAL.index(role)
    value = ready(graph, value, role)
    if len(value.taps) > 1 or not np.array_equal(value.taps[0][side], np.arange(graph.size(value.node)[side])):
        value = settle(graph, value)
    return replace(value, shape=shape, taps=(moved(value.taps[0], side, np.arange(-low, length + high)),))


def _concatenate(graph: TracedGraph, eqn: Any, inputs: list[Value]) -> Value:
    axis, shape = eqn.params["dimension"], tuple(eqn.outvars[0].aval.shape)
    if len(inputs) == 1:
        return inputs[0]
    seen = [graph.current(value) for value in inputs if isinstance(value, TracedArray)]
    role = next((value.roles[axis] for value in seen if value.roles[axis] in SPATIAL), None)
    if any(value.roles[axis] == "batch" for value in seen):
        raise TracingError("lays batches one behind the other")
    if role is None:
        return _beside(graph, seen, axis, shape)
    same = all(value.node == seen[0].node and value.roles == seen[0].roles for value in seen)
    others = {tuple(t[1 - SPATIAL.index(role)].tobytes() for t in value.taps) for value in seen}
    bare = all(len(value.taps) == 1 and not value.ops and not value.parts for value in seen)
    constants = len(seen) < len(inputs)
    if not same or not bare or len(others) > 1 or constants:
        raise TracingError(f"lays different maps along the {role}")
    side = SPATIAL.index(role)
    positions = np.concatenate([value.taps[0][side] for value in seen], axis=seen[0].axes(role).index(axis))
    return replace(seen[0], shape=shape, taps=(moved(seen[0].taps[0], side, positions),))


def _stack(graph: TracedGraph, eqn: Any, inputs: list[Value]) -> Value:
    """`jnp.stack`: a new axis of channels."""
    axis, shape = eqn.params["axis"], tuple(eqn.outvars[0].aval.shape)
    seen = [graph.current(value) for value in inputs if isinstance(value, TracedArray)]
    return _beside(graph, [with_axis(value, axis) for value in seen], axis, shape)


def with_axis(value: TracedArray, axis: int) -> TracedArray:
    """A view with one more axis, of length 1."""
    shape = (*value.shape[:axis], 1, *value.shape[axis:])
    return replace(value, shape=shape, roles=(*value.roles[:axis], "free", *value.roles[axis:]))


def _unstack(graph: TracedGraph, eqn: Any, inputs: list[Value]) -> list[Value]:
    value, axis = _seen(inputs), eqn.params["axis"]
    return [without(picked(graph, value, axis, np.array([at])), (axis,)) for at in range(value.shape[axis])]


def _tile(graph: TracedGraph, eqn: Any, inputs: list[Value]) -> Value:
    """`jnp.tile`: each axis behind itself, so many times."""
    value, times = _seen(inputs), tuple(eqn.params["reps"])
    for _ in range(len(times) - len(value.shape)):
        value = with_axis(value, 0)
    for axis, count in enumerate(times):
        if count > 1:
            value = picked(graph, value, axis, np.tile(np.arange(value.shape[axis]), count))
    return value


def _broadcast_to(graph: TracedGraph, eqn: Any, inputs: list[Value]) -> Value:
    value, shape = _seen(inputs[:1]), tuple(eqn.outvars[0].aval.shape)
    for _ in range(len(shape) - len(value.shape)):
        value = with_axis(value, 0)
    return stretched(value, shape)


def _beside(graph: TracedGraph, seen: list[TracedArray], axis: int, shape: tuple[int, ...]) -> TracedArray:
    """Lay channels side by side: of one view, of pixels of one map, or of several layers."""
    roles = seen[0].roles
    for value in seen[1:]:
        roles = agreed(roles, value.roles)
    roles = tuple("channel" if at == axis else found for at, found in enumerate(roles))
    first = seen[0]
    ops = tuple(dict.fromkeys((*(op for value in seen for op in value.ops), CHANNELS)))
    parts = frozenset[Any]().union(*(value.parts for value in seen))
    one = all(value.node == first.node for value in seen)
    if one and all(same_taps(first, value) for value in seen):
        return replace(first, shape=shape, roles=roles, ops=ops, parts=parts)
    if one and not any(len(value.taps) > 1 or untouched(graph, value) for value in seen) and not parts:
        taps, step = unique([value.taps[0] for value in seen]), np.max([value.step for value in seen], axis=0)
        return replace(
            first, shape=shape, roles=roles, ops=ops, taps=taps, fold="stack", step=(int(step[0]), int(step[1]))
        )
    layers = []
    for value in seen:
        own = tuple(value.shape[at] if at == axis else size for at, size in enumerate(shape))
        layers.append(spread(graph, value, roles, own))
    channels = math.prod(size for size, role in zip(shape, roles, strict=True) if role == "channel")
    node = Concat(name=graph.numbered("concat"), inputs=tuple(layer.node for layer in layers))
    graph.add(node, graph.size(layers[0].node), channels)
    return graph.value(node.name, replace(first, shape=shape, roles=roles))


def _seen(inputs: list[Value]) -> TracedArray:
    (value,) = inputs
    if not isinstance(value, TracedArray):
        raise TracingError("reads the image at places that depend on the image")
    return value


HANDLERS: dict[str, Handler] = {
    "slice": _slice,
    "split": _split,
    "rev": _rev,
    "dynamic_slice": _dynamic_slice,
    "gather": _gather,
    "transpose": _transpose,
    "reshape": _reshape,
    "squeeze": _squeeze,
    "broadcast_in_dim": _broadcast_in_dim,
    "pad": _pad,
    "concatenate": _concatenate,
    "stack": _stack,
    "unstack": _unstack,
    "tile": _tile,
    "broadcast_to": _broadcast_to,
}
