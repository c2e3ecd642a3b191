"""Matrix products: dense layers, 1x1 convolutions, interpolation by a constant matrix, and fixed mixing of channels."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cnnlab.spec.network import Conv, Dense, Flatten, Mix, Node
from cnnlab.tracing.graph import TracedGraph
from cnnlab.tracing.layers import module_of
from cnnlab.tracing.pointwise import pointwise
from cnnlab.tracing.reductions import reduced
from cnnlab.tracing.settle import CHANNELS, interpolated, settle
from cnnlab.tracing.values import SPATIAL, Held, Known, Part, Role, TracedArray, TracingError, Value, unique, whole
from cnnlab.tracing.views import Handler, moved, rearranged, with_axis, without

ROUNDING = 1e-5
"""Weights of an interpolation below this share of the largest are zeros that rounding missed."""


@dataclass(frozen=True, kw_only=True)
class Product:
    """A product of the image's array with weights.

    Attributes:
        own, other: the contracted axes, of the array and of the weights.
        layout: for each axis of the result the axis of the array it is; -1 for an axis of the weights.
        shape: of the result. made: numbers along the weights' axes.
    """

    value: TracedArray
    weights: Known | Held
    own: tuple[int, ...]
    other: tuple[int, ...]
    layout: tuple[int, ...]
    shape: tuple[int, ...]
    made: int

    def roles(self, new: Role) -> tuple[Role, ...]:
        """Roles of the result's axes, if those of the weights have the role `new`."""
        return tuple(new if axis < 0 else self.value.roles[axis] for axis in self.layout)


def _dot_general(graph: TracedGraph, eqn: Any, inputs: list[Value]) -> Value:
    if all(isinstance(value, TracedArray) for value in inputs):
        return _of_two(graph, eqn, inputs)
    if eqn.params["dimension_numbers"][1][0]:
        return _grouped(graph, eqn, inputs)
    product = _product(graph, eqn, inputs)
    value, weights = product.value, product.weights
    learned = isinstance(weights, Held) and bool(weights.parts)
    mixed = {value.roles[axis] for axis in product.own if value.shape[axis] != 1}
    wide = {axis for axis in value.axes("channel") if value.shape[axis] != 1}
    pixels = {axis for role in SPATIAL for axis in value.axes(role) if value.shape[axis] != 1}
    if "batch" in mixed:
        raise TracingError("mixes the images of a batch")
    if not mixed and not learned:
        return _scaled(product)
    if mixed <= {"channel"} and wide <= set(product.own):
        return _channels(graph, product) if learned else _fixed(product)
    if learned and mixed & set(SPATIAL) and (wide | pixels) <= set(product.own):
        return _everything(graph, product)
    if pixels and pixels <= set(product.own):
        return _over_map(graph, product)
    if not learned and isinstance(weights, Known) and len(mixed) == 1 and mixed <= set(SPATIAL):
        return _interpolated(graph, product, weights)
    raise TracingError(
        f"mixes the {' and '.join(sorted(mixed)) or 'numbers'} of a map by {'' if learned else 'fixed '}weights"
    )


def summed(eqn: Any) -> int:
    """Numbers that each result of a product sums."""
    (axes, _), _ = eqn.params["dimension_numbers"]
    return math.prod(eqn.invars[0].aval.shape[axis] for axis in axes)


def _product(graph: TracedGraph, eqn: Any, inputs: list[Value]) -> Product:
    """Read the step's parameters, whichever factor the image's array is."""
    contracted, _ = eqn.params["dimension_numbers"]
    first = isinstance(inputs[0], TracedArray)
    value, weights = inputs if first else inputs[::-1]
    own, other = contracted if first else contracted[::-1]
    assert isinstance(value, TracedArray), "the other factor is none"
    assert isinstance(weights, Known | Held), "two arrays of the image are handled before"
    value = graph.current(value)
    kept = [axis for axis in range(len(value.shape)) if axis not in own]
    new = [-1 for axis in range(len(weights.shape)) if axis not in other]
    made = math.prod(size for axis, size in enumerate(weights.shape) if axis not in other)
    layout, shape = (*kept, *new) if first else (*new, *kept), tuple(eqn.outvars[0].aval.shape)
    return Product(
        value=value, weights=weights, own=tuple(own), other=tuple(other), layout=layout, shape=shape, made=made
    )


def _of_two(graph: TracedGraph, eqn: Any, inputs: list[Value]) -> Value:
    """A product of two arrays that depend on the image, as the product of their numbers and a sum."""
    contracted, batch = eqn.params["dimension_numbers"]
    sides: list[TracedArray] = []
    for place, value in enumerate(inputs):
        assert isinstance(value, TracedArray), "asked before"
        value = graph.current(value)
        shared, summed = batch[place], contracted[place]
        own = [axis for axis in range(len(value.shape)) if axis not in (*shared, *summed)]
        others = len(inputs[1 - place].shape) - len(shared) - len(summed)
        before, behind = (others, 0) if place else (0, others)
        value = rearranged(value, (*shared, *own, *summed))
        at = len(shared) + (0 if place else len(own))
        for _ in range(before + behind):
            value = with_axis(value, at)
        sides.append(value)
    for role in (*SPATIAL, "batch"):
        lone = [[axis for axis in side.axes(role) if side.shape[axis] > 1] for side in sides]
        if lone[0] and lone[1] and lone[0] != lone[1]:
            raise TracingError("multiplies two arrays that depend on the image, as attention does")
    shape = tuple(np.broadcast_shapes(*(side.shape for side in sides)))
    made = pointwise(graph, "mul", "mul", shape, sides)
    axes = range(len(shape) - len(contracted[0]), len(shape))
    return reduced(graph, made, "sum", tuple(axes)) if contracted[0] else made


def _grouped(graph: TracedGraph, eqn: Any, inputs: list[Value]) -> Value:
    """Each group of channels multiplied by weights of its own: a 1x1 convolution in groups."""
    contracted, batch = eqn.params["dimension_numbers"]
    first = isinstance(inputs[0], TracedArray)
    value, weights = inputs if first else inputs[::-1]
    (own, other), (shared, _) = (contracted, batch) if first else (contracted[::-1], batch[::-1])
    assert isinstance(value, TracedArray), "the other factor is none"
    value = graph.current(value)
    wide = {axis for axis in value.axes("channel") if value.shape[axis] != 1}
    groups = math.prod(value.shape[axis] for axis in shared)
    learned = isinstance(weights, Held) and bool(weights.parts)
    if not learned or wide != {axis for axis in (*shared, *own) if value.shape[axis] != 1}:
        raise TracingError("multiplies each group by weights of its own")
    assert isinstance(weights, Held), "asked before"
    kept = [axis for axis in range(len(value.shape)) if axis not in (*shared, *own)]
    made = math.prod(weights.shape) // (groups * math.prod(value.shape[axis] for axis in own))
    new: list[Role] = ["channel"] * (len(weights.shape) - len(shared) - len(other))
    free = [value.roles[axis] for axis in kept]
    layout = (*(value.roles[axis] for axis in shared), *((*free, *new) if first else (*new, *free)))
    value = settle(graph, value)
    node = Conv(
        name=graph.titled(module_of(weights.parts), "conv"),
        inputs=(value.node,),
        filters=groups * made,
        kernel=(1, 1),
        padding="valid",
        groups=groups,
        bias=False,
    )
    graph.add(node, graph.size(value.node), groups * made, weights.parts)
    shape = tuple(eqn.outvars[0].aval.shape)
    return TracedArray(node=node.name, shape=shape, roles=layout, taps=whole(layout, shape))


def _scaled(product: Product) -> Value:
    """One number repeated along new axes and multiplied by constants, such as one pixel that is interpolated."""
    value = without(product.value, product.own)
    kept = iter(range(len(value.shape)))
    order = [next(kept) if axis >= 0 else -1 for axis in product.layout]
    roles: tuple[Role, ...] = tuple("free" if axis < 0 else value.roles[axis] for axis in order)
    return replace(value, shape=product.shape, roles=roles)


def _over_map(graph: TracedGraph, product: Product) -> Value:
    """A weighted sum over the whole map, of each channel or of some."""
    value = settle(graph, product.value)
    parts = product.weights.parts if isinstance(product.weights, Held) else frozenset[Part]()
    roles = product.roles("channel")
    channels = math.prod(size for size, role in zip(product.shape, roles, strict=True) if role == "channel")
    batch = math.prod(size for size, role in zip(product.shape, roles, strict=True) if role == "batch")
    macs = math.prod(product.shape) // batch * math.prod(value.shape[axis] for axis in product.own) if parts else 0
    title = graph.titled(module_of(parts), "weighted_sum") if parts else graph.numbered("weighted_sum")
    node = Mix(name=title, inputs=(value.node,), kind="weighted_sum", size=(1, 1), channels=channels, macs=macs)
    graph.add(node, (1, 1), channels, parts)
    return TracedArray(node=node.name, shape=product.shape, roles=roles, taps=whole(roles, product.shape))


def _channels(graph: TracedGraph, product: Product) -> Value:
    """A dense layer on a vector, a 1x1 convolution on a map."""
    value = settle(graph, product.value)
    assert isinstance(product.weights, Held), "asked before"
    name, parts, source = module_of(product.weights.parts), product.weights.parts, (value.node,)
    if set(value.roles) & set(SPATIAL):
        node: Node = Conv(
            name=graph.titled(name, "conv"),
            inputs=source,
            filters=product.made,
            kernel=(1, 1),
            padding="valid",
            bias=False,
        )
    else:
        node = Dense(name=graph.titled(name, "dense"), inputs=source, units=product.made, bias=False)
    graph.add(node, graph.size(value.node), product.made, parts)
    roles = product.roles("channel")
    return TracedArray(node=node.name, shape=product.shape, roles=roles, taps=whole(roles, product.shape))


def _everything(graph: TracedGraph, product: Product) -> Value:
    """A dense layer that contracts pixels and channels at once: it flattens the map itself."""
    value = settle(graph, product.value)
    assert isinstance(product.weights, Held), "asked before"
    flat = Flatten(name=graph.numbered("flatten"), inputs=(value.node,))
    graph.add(flat, (1, 1), math.prod(product.weights.shape[axis] for axis in product.other))
    name = graph.titled(module_of(product.weights.parts), "dense")
    node = Dense(name=name, inputs=(flat.name,), units=product.made, bias=False)
    graph.add(node, (1, 1), product.made, product.weights.parts)
    roles = product.roles("channel")
    return TracedArray(node=name, shape=product.shape, roles=roles, taps=whole(roles, product.shape))


def _fixed(product: Product) -> Value:
    """Channels mixed by constants, pixel by pixel."""
    roles, value = product.roles("channel"), product.value
    kept = [axis for axis in product.own if value.roles[axis] in SPATIAL]
    if kept:
        raise TracingError("mixes pixels by fixed weights")
    return replace(value, shape=product.shape, roles=roles, ops=tuple(dict.fromkeys((*value.ops, "fixed_weights"))))


def _interpolated(graph: TracedGraph, product: Product, weights: Known) -> Value:
    """Pixels along one axis of the map mixed by a constant matrix, of which each column is one output."""
    axis = next(axis for axis in product.own if product.value.shape[axis] != 1)
    role = product.value.roles[axis]
    side = SPATIAL.index(role)
    value = _unmixed(graph, product.value, side)
    if len(product.own) > 1 or len(weights.shape) != 2 or len(value.axes(role)) != 1:
        raise TracingError(f"mixes the {role} and more of a map by fixed weights")
    matrix = np.abs(weights.value if product.other == (0,) else weights.value.T)
    columns = [np.flatnonzero(column > ROUNDING * matrix.max()) for column in matrix.T]
    if min(map(len, columns)) == 0:
        raise TracingError("leaves an output without a pixel")
    widest = max(map(len, columns))
    places = np.array([np.pad(column, (0, widest - len(column)), mode="edge") for column in columns])
    taps = unique([moved(tap, side, tap[side][places[:, j]]) for tap in value.taps for j in range(widest)])
    return replace(value, shape=product.shape, roles=product.roles(role), taps=taps, fold="avg")


def _unmixed(graph: TracedGraph, value: TracedArray, side: int) -> TracedArray:
    """Make a view a layer, unless it is a layer's map that was at most interpolated along the other axis."""
    length = graph.size(value.node)[side]
    fresh = all(np.array_equal(tap[side], np.arange(length)) for tap in value.taps)
    bare = not set(value.ops) - {CHANNELS} and not value.parts and value.fold in ("", "avg")
    return value if fresh and bare and interpolated(graph, value, 1 - side, nearest=False) else settle(graph, value)


HANDLERS: dict[str, Handler] = {"dot_general": _dot_general}
