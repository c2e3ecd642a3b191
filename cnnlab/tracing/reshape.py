"""Reshapes: they split or join axes, flatten a map, or move pixels into channels."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from cnnlab.spec.network import Flatten, Mix
from cnnlab.tracing.graph import TracedGraph
from cnnlab.tracing.settle import CHANNELS, interpolated, settle
from cnnlab.tracing.values import SPATIAL, Positions, Role, Tap, TracedArray, TracingError, unique, whole

Group = tuple[tuple[int, ...], tuple[int, ...]]
"""Neighbouring axes of the old shape, and those of the new one that hold the same numbers."""


def reshaped(graph: TracedGraph, value: TracedArray, shape: tuple[int, ...]) -> TracedArray:
    """Follow a reshape.

    Raises:
        TracingError: it mixes the batch, the height and the width, or mixes channels with a part of the pixels.
    """
    groups = list(_groups(value.shape, shape))
    for old, new in groups:
        if _flattens(value, old, new, shape):
            return _flat(graph, value, shape, new)
    vector = len(shape) == 4 and shape[0] == value.shape[0] and value.roles[0] == "batch" and min(shape[1:3]) > 1
    if vector and not set(value.roles) & set(SPATIAL) and graph.whole(value.node):
        value, size = settle(graph, value), (shape[1], shape[2])
        node = Mix(name=graph.numbered("reshape"), inputs=(value.node,), kind="reshape", size=size, channels=shape[3])
        graph.add(node, size, shape[3])
        kept: tuple[Role, ...] = ("batch", "height", "width", "channel")
        return TracedArray(node=node.name, shape=shape, roles=kept, taps=whole(kept, shape))
    for old, new in groups:
        if _regroups(graph, value, old, new, shape):
            value = settle(graph, value)
    roles: list[Role] = ["free"] * len(shape)
    stacked: list[int] = []
    spread: list[tuple[int, ...]] = []
    for old, new in groups:
        role, moved = _joined(value, old, [axis for axis in new if shape[axis] != 1])
        stacked.extend(moved)
        spread.append(old if role in SPATIAL else ())
        for axis in new:
            roles[axis] = role if shape[axis] != 1 else "free"
    value = _stack(value, stacked)
    taps = unique([_reshape_tap(value, tap, groups, spread, shape, tuple(roles)) for tap in value.taps])
    changed = math.prod(s for s, role in zip(shape, roles, strict=True) if role == "channel") != value.channels
    ops = tuple(dict.fromkeys((*value.ops, CHANNELS))) if changed else value.ops
    return replace(value, shape=shape, roles=tuple(roles), taps=taps, ops=ops)


def _groups(old: tuple[int, ...], new: tuple[int, ...]) -> Iterator[Group]:
    """Split both shapes into the smallest neighbouring groups of equal product."""
    i = j = 0
    while i < len(old) or j < len(new):
        a, b = i, j
        left, right = math.prod(old[i : i + 1]), math.prod(new[j : j + 1])
        i, j = min(i + 1, len(old)), min(j + 1, len(new))
        while left != right:
            if left < right:
                left, i = left * old[i], i + 1
            else:
                right, j = right * new[j], j + 1
        yield tuple(range(a, i)), tuple(range(b, j))


def _kinds(value: TracedArray, axes: tuple[int, ...]) -> set[Role]:
    return {value.roles[axis] for axis in axes if value.shape[axis] != 1} - {"free"}


def _flattens(value: TracedArray, old: tuple[int, ...], new: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    """Whether a group lays all pixels and channels along one axis."""
    needed = [a for a, role in enumerate(value.roles) if role in (*SPATIAL, "channel") and value.shape[a] != 1]
    several = len([axis for axis in new if shape[axis] != 1]) <= 1 and len(needed) > 1
    return several and bool(_kinds(value, old) & set(SPATIAL)) and set(needed) <= set(old)


def _regroups(
    graph: TracedGraph, value: TracedArray, old: tuple[int, ...], new: tuple[int, ...], shape: tuple[int, ...]
) -> bool:
    """Whether a group splits or joins the one axis of rows or columns that are no longer a layer's own."""
    counts = [sum(size[axis] != 1 for axis in axes) for size, axes in ((value.shape, old), (shape, new))]
    sides = [SPATIAL.index(role) for role in _kinds(value, old) if role in SPATIAL and len(value.axes(role)) == 1]
    pending = bool(set(value.ops) - {CHANNELS} or value.parts)
    fit = [
        np.array_equal(value.taps[0][side], np.arange(graph.size(value.node)[side]))
        and (len(value.axes(SPATIAL[1 - side])) != 1 or interpolated(graph, value, 1 - side, nearest=True))
        for side in sides
    ]
    return counts != [1, 1] and bool(sides) and (pending or not all(fit))


def _flat(graph: TracedGraph, value: TracedArray, shape: tuple[int, ...], new: tuple[int, ...]) -> TracedArray:
    """Append the layer that flattens a map."""
    value = settle(graph, value)
    channels = math.prod(shape[axis] for axis in new)
    node = Flatten(name=graph.numbered("flatten"), inputs=(value.node,))
    graph.add(node, (1, 1), channels)
    batch = math.prod(value.shape[axis] for axis in value.axes("batch"))
    roles: list[Role] = ["free"] * len(shape)
    roles[next(axis for axis, size in enumerate(shape) if size == batch)] = "batch"
    roles[next(axis for axis in new if shape[axis] == channels)] = "channel"
    return TracedArray(node=node.name, shape=shape, roles=tuple(roles), taps=whole(tuple(roles), shape))


def _joined(value: TracedArray, old: tuple[int, ...], news: list[int]) -> tuple[Role, list[int]]:
    """Role of a group's new axes, and which spatial axes it lays side by side as channels."""
    kinds = _kinds(value, old)
    if not kinds:
        return "free", []
    if len(kinds) == 1:
        (role,) = kinds
        if role == "batch" and len(news) > 1:
            raise TracingError("splits the batch")
        return role, []
    inside = [axis for axis in old if value.roles[axis] in SPATIAL and value.shape[axis] != 1]
    outside = {value.roles[axis] for axis in range(len(value.shape)) if axis not in old and value.shape[axis] != 1}
    if "batch" not in kinds and len(news) == 1:
        if {value.roles[axis] for axis in inside} <= outside and "channel" in kinds:
            return "channel", inside  # some pixels of a block, as channels
        if len(kinds) == 2 and "channel" in kinds and "channel" in outside:
            return value.roles[inside[0]], []  # some channels, as pixels of a block
    raise TracingError(f"lays {' and '.join(sorted(kinds))} along one axis")


def _stack(value: TracedArray, axes: list[int]) -> TracedArray:
    """Make each place of some spatial axes a tap of its own; the axes keep their length as channels."""
    if not axes:
        return value
    if value.fold not in ("", "stack"):
        raise TracingError("lays pixels of a pool side by side as channels")
    taps: list[Tap] = []
    for tap, places in itertools.product(value.taps, itertools.product(*(range(value.shape[axis]) for axis in axes))):
        sides: list[Positions] = list(tap)
        for axis, place in sorted(zip(axes, places, strict=True), reverse=True):
            side = SPATIAL.index(value.roles[axis])
            sides[side] = np.take(sides[side], place, axis=value.axes(value.roles[axis]).index(axis))
        taps.append((sides[0], sides[1]))
    roles: tuple[Role, ...] = tuple("channel" if axis in axes else role for axis, role in enumerate(value.roles))
    return replace(value, roles=roles, taps=unique(taps), fold="stack")


def _reshape_tap(
    value: TracedArray,
    tap: Tap,
    groups: list[Group],
    spread: list[tuple[int, ...]],
    shape: tuple[int, ...],
    roles: tuple[Role, ...],
) -> Tap:
    """Lay out a tap's rows and columns along the new axes."""
    sides: list[Positions] = []
    for role, positions in zip(SPATIAL, tap, strict=True):
        full = positions.reshape([s if r == role else 1 for s, r in zip(value.shape, value.roles, strict=True)])
        repeated = {axis for axes in spread for axis in axes}
        grown = [
            size if axis in repeated and _turns(roles, groups, axis, role, shape) else full.shape[axis]
            for axis, size in enumerate(value.shape)
        ]
        full = np.broadcast_to(full, grown)
        sides.append(full.reshape([s for s, r in zip(shape, roles, strict=True) if r == role]))
    return sides[0], sides[1]


def _turns(roles: tuple[Role, ...], groups: list[Group], axis: int, role: Role, shape: tuple[int, ...]) -> bool:
    """Whether an old axis becomes part of an axis with this role."""
    return any(axis in old and any(roles[at] == role for at in new if shape[at] != 1) for old, new in groups)
