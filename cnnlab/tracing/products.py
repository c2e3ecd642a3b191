"""Matrix products: dense layers, 1x1 convolutions, interpolation by a constant matrix, and fixed mixing of channels."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cnnlab.spec.network import Conv, Dense, Flatten, Node
from cnnlab.tracing.graph import TracedGraph
from cnnlab.tracing.layers import module_of
from cnnlab.tracing.settle import CHANNELS, interpolated, settle
from cnnlab.tracing.values import SPATIAL, Held, Known, Role, TracedArray, TracingError, Value, unique, whole
from cnnlab.tracing.views import Handler, moved

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
    product = _product(graph, eqn, inputs)
    value, weights = product.value, product.weights
    learned = isinstance(weights, Held) and bool(weights.parts)
    mixed = {value.roles[axis] for axis in product.own if value.shape[axis] != 1}
    wide = {axis for axis in value.axes("channel") if value.shape[axis] != 1}
    pixels = {axis for role in SPATIAL for axis in value.axes(role) if value.shape[axis] != 1}
    if mixed <= {"channel"} and wide <= set(product.own):
        return _channels(graph, product) if learned else _fixed(product)
    if learned and mixed & set(SPATIAL) and (wide | pixels) <= set(product.own) and "batch" not in mixed:
        return _everything(graph, product)
    if not learned and isinstance(weights, Known) and len(mixed) == 1 and mixed <= set(SPATIAL):
        return _interpolated(graph, product, weights)
    raise TracingError(
        f"mixes the {' and '.join(sorted(mixed)) or 'numbers'} of a map by {'' if learned else 'fixed '}weights"
    )


def _product(graph: TracedGraph, eqn: Any, inputs: list[Value]) -> Product:
    """Read the step's parameters, whichever factor the image's array is."""
    (contracted, batch) = eqn.params["dimension_numbers"]
    first = isinstance(inputs[0], TracedArray)
    value, weights = inputs if first else inputs[::-1]
    own, other = contracted if first else contracted[::-1]
    if not isinstance(value, TracedArray) or not isinstance(weights, Known | Held):
        raise TracingError("multiplies two arrays that depend on the image, as attention does")
    if batch[0]:
        raise TracingError("multiplies each group by weights of its own")
    value = graph.current(value)
    kept = [axis for axis in range(len(value.shape)) if axis not in own]
    new = [-1 for axis in range(len(weights.shape)) if axis not in other]
    made = math.prod(size for axis, size in enumerate(weights.shape) if axis not in other)
    layout, shape = (*kept, *new) if first else (*new, *kept), tuple(eqn.outvars[0].aval.shape)
    return Product(
        value=value, weights=weights, own=tuple(own), other=tuple(other), layout=layout, shape=shape, made=made
    )


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
    return value if fresh and bare and interpolated(graph, value, 1 - side, "bilinear") else settle(graph, value)


HANDLERS: dict[str, Handler] = {"dot_general": _dot_general}
