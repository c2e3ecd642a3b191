"""Elementwise functions: of one view, of shifted views that make a window, or of two layers that merge."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from cnnlab.spec.network import Add, Combine, Resize
from cnnlab.tracing.graph import TracedGraph, elementwise
from cnnlab.tracing.settle import ARITHMETIC, CHANNELS, settle, untouched
from cnnlab.tracing.values import SPATIAL, Fold, Held, Role, TracedArray, TracingError, Value, same_taps, unique

SILENT = frozenset(
    {
        "convert_element_type",
        "copy",
        "copy_p",
        "stop_gradient",
        "reduce_precision",
        "name",
        "optimization_barrier",
        "sharding_constraint",
        "layout_constraint",
        "real",
        "pvary",
        "bitcast_convert_type",
        "reshard",
        "reduced_vary_cast",
        "tie",
        "device_put",
    }
)
"""Functions that change the numbers no more than a type does."""

ARITHMETICS = frozenset({"add", "add_any", "sub", "mul", "div", "neg", "one_minus_square", "polynomial"})

FUNCTIONS = frozenset(
    {
        "abs",
        "acos",
        "acosh",
        "and",
        "asin",
        "asinh",
        "atan",
        "atan2",
        "atanh",
        "bessel_i0e",
        "bessel_i1e",
        "cbrt",
        "ceil",
        "clamp",
        "clz",
        "complex",
        "conj",
        "cos",
        "cosh",
        "digamma",
        "eq",
        "erf",
        "erf_inv",
        "erfc",
        "exp",
        "exp2",
        "expm1",
        "floor",
        "eq_to",
        "ge",
        "gt",
        "igamma",
        "igammac",
        "imag",
        "integer_pow",
        "is_finite",
        "le",
        "le_to",
        "lgamma",
        "log",
        "log1p",
        "log2",
        "logistic",
        "lt",
        "lt_to",
        "max",
        "min",
        "ne",
        "nextafter",
        "not",
        "or",
        "polygamma",
        "population_count",
        "pow",
        "rem",
        "round",
        "rsqrt",
        "select_n",
        "shift_left",
        "shift_right_arithmetic",
        "shift_right_logical",
        "sign",
        "sin",
        "sinh",
        "sqrt",
        "square",
        "tan",
        "tanh",
        "xor",
        "zeta",
    }
)

EVERY = FUNCTIONS | ARITHMETICS | SILENT
"""Steps that read one pixel of each of their inputs."""

FOLDS: dict[str, Fold] = {"max": "max", "min": "max", "add": "avg", "add_any": "avg", "sub": "avg"}
"""Functions that make one window of shifted views."""


def pointwise(
    graph: TracedGraph, name: str, label: str, shape: tuple[int, ...], inputs: Sequence[Value]
) -> TracedArray:
    """Follow an elementwise function of arrays of one shape; smaller ones are repeated along axes of length 1.

    Args:
        graph: grows where two layers merge.
        name: of JAX's primitive.
        label: of the function a user would name, such as `gelu`.
        shape: of the result.
        inputs: at least one is `TracedArray`.

    Raises:
        TracingError: its inputs read one map at different places, and their function is no window's.
    """
    seen = [stretched(graph.current(value), shape) for value in inputs if isinstance(value, TracedArray)]
    held = [value for value in inputs if isinstance(value, Held)]
    parts = frozenset[Any]().union(*(value.parts for value in held))
    if len(seen) == 1 and name in ("add", "add_any") and _is_bias(graph, seen[0], held, shape):
        return seen[0]
    joined, is_layer = _joined(graph, name, seen, shape)
    op = ARITHMETIC if name in ARITHMETICS and label == name else label
    ops = joined.ops if is_layer or name in SILENT else tuple(dict.fromkeys((*joined.ops, op)))
    return replace(joined, ops=ops, parts=joined.parts | parts)


def stretched(value: TracedArray, shape: tuple[int, ...]) -> TracedArray:
    """Repeat a view along its axes of length 1 until it has a shape; those axes are then free."""
    for axis, (have, want) in enumerate(zip(value.shape, shape, strict=True)):
        if have != want:
            value = freed(value, axis, want)
    return value


def freed(value: TracedArray, axis: int, length: int) -> TracedArray:
    """Give an axis of length 1 another length, along which nothing changes."""
    role = value.roles[axis]
    taps = value.taps
    if role in SPATIAL:
        place = value.axes(role).index(axis)
        side = SPATIAL.index(role)
        taps = unique([_with(tap, side, tap[side].take(0, axis=place)) for tap in taps])
    if role == "batch":
        raise TracingError("changes the batch")
    shape = tuple(length if at == axis else size for at, size in enumerate(value.shape))
    roles = tuple("free" if at == axis else found for at, found in enumerate(value.roles))
    return replace(value, shape=shape, roles=roles, taps=taps)


def _with(tap: Any, side: int, positions: Any) -> Any:
    return (positions, tap[1]) if side == 0 else (tap[0], positions)


def _is_bias(graph: TracedGraph, value: TracedArray, held: Sequence[Held], shape: tuple[int, ...]) -> bool:
    """Whether this sum adds the bias of the layer it reads, which the layer then has."""
    if len(held) != 1 or value.ops or value.parts or not untouched(graph, value):
        return False
    varies = {axis for axis, changes in enumerate(held[0].varying) if changes}
    return varies <= set(value.axes("channel")) and graph.absorbs(value.node, held[0].parts)


def _joined(graph: TracedGraph, name: str, seen: list[TracedArray], shape: tuple[int, ...]) -> tuple[TracedArray, bool]:
    """One view for all that an elementwise function reads, and whether the function is a layer or window itself."""
    first, is_layer = seen[0], False
    for other in seen[1:]:
        if first.node == other.node and _alike(first, other) and same_taps(first, other):
            roles, fold = agreed(first.roles, other.roles), first.fold or other.fold
            first = replace(first, roles=roles, fold=fold, ops=_ops(first, other), parts=first.parts | other.parts)
            continue
        is_layer = True
        if _slid(graph, name, first, other):
            step = max(first.step[0], other.step[0]), max(first.step[1], other.step[1])
            taps = unique([*first.taps, *other.taps])
            first = replace(first, taps=taps, fold=FOLDS[name], ops=_ops(first, other), step=step)
        else:
            first = _merged(graph, name, first, other, shape)
    return first, is_layer


def _ops(one: TracedArray, other: TracedArray) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*one.ops, *other.ops)))


def _alike(one: TracedArray, other: TracedArray) -> bool:
    """Whether two views are laid out alike along the height and the width."""
    return all(one.axes(role) == other.axes(role) for role in (*SPATIAL, "batch"))


def _slid(graph: TracedGraph, name: str, one: TracedArray, other: TracedArray) -> bool:
    """Whether two views of one map are taps of one window: neither is the map itself, and none carries weights."""
    return (
        one.node == other.node
        and name in FOLDS
        and one.roles == other.roles
        and not one.parts | other.parts
        and {one.fold, other.fold} <= {"", FOLDS[name]}
        and not untouched(graph, one)
        and not untouched(graph, other)
    )


def _merged(graph: TracedGraph, name: str, one: TracedArray, other: TracedArray, shape: tuple[int, ...]) -> TracedArray:
    """Append the layer in which two layers' maps meet."""
    roles = agreed(one.roles, other.roles)
    pair = tuple(spread(graph, value, roles, shape) for value in (one, other))
    inputs = (pair[0].node, pair[1].node)
    if name in ("add", "add_any"):
        node: Add | Combine = Add(name=graph.numbered("add"), inputs=inputs)
    else:
        kind = {"mul": "multiply", "select_n": "select"}.get(name, name)
        node = Combine(name=graph.numbered(kind), inputs=inputs, kind=kind)
    graph.add(node, graph.size(inputs[0]), pair[0].channels)
    return graph.value(node.name, pair[0])


def agreed(one: Sequence[Role], other: Sequence[Role]) -> tuple[Role, ...]:
    """Roles of the axes of a result. Raises TracingError where height meets width or another role."""
    found: list[Role] = []
    for first, second in zip(one, other, strict=True):
        if first != second and "free" not in (first, second):
            raise TracingError(f"lays the {second} of one map along the {first} of another")
        found.append(second if first == "free" else first)
    return tuple(found)


def spread(graph: TracedGraph, value: TracedArray, roles: Sequence[Role], shape: tuple[int, ...]) -> TracedArray:
    """Make a view a layer that has these roles and this shape: one pixel or one channel is repeated by a layer."""
    wanted = {role: [s for s, r in zip(shape, roles, strict=True) if r == role] for role in (*SPATIAL, "channel")}
    value = settle(graph, value)
    scales = []
    for role, here in zip(SPATIAL, graph.size(value.node), strict=True):
        grown = int(np.prod(wanted[role]))
        if here != grown and here != 1:
            raise TracingError(f"lays {here} pixels along {grown}")
        scales.append(Fraction(grown, here))
    name = value.node
    if max(scales) > 1:
        graph.pools_all(name)
        resize = Resize(name=graph.numbered("broadcast"), inputs=(name,), scale=(scales[0], scales[1]), kind="nearest")
        size = int(np.prod(wanted["height"])), int(np.prod(wanted["width"]))
        name = graph.add(resize, size, value.channels)
    channels = int(np.prod(wanted["channel"]))
    if channels != value.channels:
        name = elementwise(graph, name, CHANNELS, channels)
    return graph.value(name, replace(value, roles=tuple(roles), shape=shape))
