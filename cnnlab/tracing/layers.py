"""Convolutions, transposed convolutions and pools, in whatever order their axes stand."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from cnnlab.spec.network import Conv, Explicit, Mix, Node, Pair, Pool, TransposedConv
from cnnlab.tracing.graph import TracedGraph
from cnnlab.tracing.pointwise import spread
from cnnlab.tracing.settle import settle
from cnnlab.tracing.values import SPATIAL, Held, Known, Part, Role, TracedArray, TracingError, Value, whole
from cnnlab.tracing.views import Handler

Shape = tuple[int, ...]

NO_BLANK: Explicit = ((0, 0), (0, 0))

KINDS: dict[str, Literal["max", "avg"]] = {
    "sum": "avg",
    **dict.fromkeys(("max", "min", "prod", "and", "or", "xor"), "max"),
}
"""Pool that a reduction is; a minimum reads what a maximum reads."""


def _convolution(graph: TracedGraph, eqn: Any, inputs: list[Value]) -> Value:
    """A convolution, transposed where the image is dilated, or a window with fixed weights."""
    image, kernel = inputs
    if not isinstance(image, TracedArray) or not isinstance(kernel, Known | Held):
        raise TracingError("convolves with a kernel that depends on the image")
    params = eqn.params
    dims = params["dimension_numbers"]
    if len(image.shape) != 4:
        raise TracingError(f"convolves along {len(image.shape) - 2} axes; two are known, height and width")
    if params["batch_group_count"] != 1:
        raise TracingError("convolves groups of the batch")
    value = _facing(graph, image, dims.lhs_spec)
    parts = kernel.parts if isinstance(kernel, Held) else frozenset[Part]()
    order = [value.roles[axis] for axis in dims.lhs_spec[2:]]
    flip = order == ["width", "height"]
    pairs = {
        key: tuple(params[key][::-1] if flip else params[key])
        for key in ("window_strides", "padding", "lhs_dilation", "rhs_dilation")
    }
    pairs["padding"] = tuple(tuple(map(int, pad)) for pad in pairs["padding"])
    taps = [kernel.shape[axis] for axis in dims.rhs_spec[2:]]
    size: Pair = (taps[1], taps[0]) if flip else (taps[0], taps[1])
    out: Shape = tuple(eqn.outvars[0].aval.shape)
    roles: list[Role] = ["batch"] * 4
    for axis, role in zip(dims.out_spec, ("batch", "channel", *order), strict=True):
        roles[axis] = role
    blank = _blank(kernel, dims.rhs_spec[2:][::-1] if flip else dims.rhs_spec[2:])
    groups, filters = params["feature_group_count"], out[dims.out_spec[1]]
    node = _conv_node(graph, value.node, parts, blank, size, pairs, groups, filters)
    made = tuple(out[roles.index(role)] for role in SPATIAL)
    graph.add(node, (made[0], made[1]), filters, parts)
    return graph.value(node.name, replace(value, shape=out, roles=tuple(roles)))


def _blank(kernel: Known | Held, axes: Sequence[int]) -> Explicit:
    """Count the outer rows and columns of a kernel that are fixed zeros: (top, bottom), (left, right)."""
    if isinstance(kernel, Held) and kernel.find is None:
        return (0, 0), (0, 0)
    sides: list[Pair] = []
    for axis in axes:
        used = np.flatnonzero(kernel.live.any(tuple(other for other in range(4) if other != axis)))
        if not len(used):
            raise TracingError("convolves with a kernel of fixed zeros")
        sides.append((int(used[0]), kernel.shape[axis] - 1 - int(used[-1])))
    return sides[0], sides[1]


def _conv_node(
    graph: TracedGraph,
    source: str,
    parts: frozenset[Part],
    blank: Explicit,
    size: Pair,
    pairs: dict[str, Any],
    groups: int,
    filters: int,
) -> Node:
    """The layer that a convolution is; see `_convolution`."""
    stride, padding, dilation = pairs["window_strides"], pairs["padding"], pairs["rhs_dilation"]
    if max(pairs["lhs_dilation"]) > 1:
        if max(stride) > 1 or max(dilation) > 1 or groups > 1 or blank != NO_BLANK:
            raise TracingError("is a transposed convolution with groups, dilation, a second stride or fixed zeros")
        crop: Any = tuple(tuple(taps - 1 - pad for pad in pads) for taps, pads in zip(size, padding, strict=True))
        return TransposedConv(
            name=graph.titled(module_of(parts), "transposed_conv") if parts else graph.numbered("fixed_weights"),
            inputs=(source,),
            filters=filters,
            kernel=size,
            stride=pairs["lhs_dilation"],
            padding=crop,
            bias=False,
        )
    if not parts and groups == filters == graph.maps[source].channels and max(dilation) == 1 and blank == NO_BLANK:
        return Pool(
            name=graph.numbered("fixed_weights"),
            inputs=(source,),
            kind="avg",
            kernel=size,
            stride=stride,
            padding=padding,
        )
    return Conv(
        name=graph.titled(module_of(parts), "conv") if parts else graph.numbered("fixed_weights"),
        inputs=(source,),
        filters=filters,
        kernel=size,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        bias=False,
        blank=blank,
    )


def _facing(graph: TracedGraph, value: TracedArray, spec: tuple[int, ...]) -> TracedArray:
    """Make a view a layer whose axes are batch, channels and the two of the map, as a convolution reads them."""
    wanted: list[Role] = list(value.roles)
    strange = {*wanted[:1], *(wanted[axis] for axis in spec[2:] if value.shape[axis] > 1)} - {"batch", "free", *SPATIAL}
    if (strange or wanted[spec[1]] in SPATIAL) and graph.whole(value.node):
        return laid_out(graph, value, spec)
    if wanted[spec[0]] != "batch":
        raise TracingError("convolves along the batch")
    if wanted[spec[1]] == "free":
        wanted[spec[1]] = "channel"
    missing = [role for role in SPATIAL if role not in wanted]
    for axis in spec[2:]:
        if wanted[axis] == "free" and missing:
            wanted[axis] = missing.pop(0)
    if wanted[spec[1]] != "channel" or {wanted[axis] for axis in spec[2:]} != set(SPATIAL):
        raise TracingError(f"convolves over the axes {', '.join(value.roles)}, not over height and width")
    return spread(graph, value, tuple(wanted), value.shape)


def laid_out(graph: TracedGraph, value: TracedArray, spec: tuple[int, ...]) -> TracedArray:
    """Lay numbers that see the whole image out as a map: a vector that a decoder reshapes."""
    if value.roles[spec[0]] != "batch":
        raise TracingError("convolves along the batch")
    value = settle(graph, value) if not set(SPATIAL) & set(value.roles) else value
    roles: list[Role] = ["batch"] * 4
    for axis, role in zip(spec[1:], ("channel", *SPATIAL), strict=True):
        roles[axis] = role
    size, channels = (value.shape[spec[2]], value.shape[spec[3]]), value.shape[spec[1]]
    node = Mix(name=graph.numbered("reshape"), inputs=(value.node,), kind="reshape", size=size, channels=channels)
    graph.add(node, size, channels)
    return TracedArray(node=node.name, shape=value.shape, roles=tuple(roles), taps=whole(tuple(roles), value.shape))


def module_of(parts: frozenset[Part]) -> str:
    """Dotted path of the module that holds the learned array, numbered within a scan."""
    part = min(parts, key=lambda part: part.path)
    path = part.path.rpartition(".")[0] or part.path
    return path if part.place < 0 else f"{path}.{part.place}"


def _pool(graph: TracedGraph, eqn: Any, inputs: list[Value]) -> Value:
    """`reduce_window`: a pool, or a window over channels, which reads one pixel."""
    params, name = eqn.params, eqn.primitive.name
    image = inputs[0]
    assert isinstance(image, TracedArray), "the only array among the inputs"
    window, strides, padding = (params[key] for key in ("window_dimensions", "window_strides", "padding"))
    if max(params["base_dilation"]) > 1 or max(params["window_dilation"]) > 1:
        raise TracingError("is a pool with dilation")
    acts = [axis for axis, size in enumerate(window) if size > 1 or strides[axis] > 1 or any(padding[axis])]
    value = settle(graph, image)
    roles = {value.roles[axis] for axis in acts}
    out: Shape = tuple(eqn.outvars[0].aval.shape)
    if roles <= {"channel"}:
        return replace(value, shape=out, ops=("channel_window",))
    if not roles <= set(SPATIAL) or any(len(value.axes(role)) != 1 for role in SPATIAL):
        raise TracingError(f"pools over the axes {', '.join(sorted(roles))}, not over height and width")
    height, width = (value.axes(role)[0] for role in SPATIAL)
    kind = KINDS[name.rpartition("_")[2]]
    node = Pool(
        name=graph.numbered(f"{name.rpartition('_')[2].replace('sum', 'avg')}_pool"),
        inputs=(value.node,),
        kind=kind,
        kernel=(window[height], window[width]),
        stride=(strides[height], strides[width]),
        padding=(_pads(padding[height]), _pads(padding[width])),
    )
    graph.add(node, (out[height], out[width]), value.channels)
    return graph.value(node.name, replace(value, shape=out))


def _pads(pads: Sequence[int]) -> Pair:
    return int(pads[0]), int(pads[1])


HANDLERS: dict[str, Handler] = {
    "conv_general_dilated": _convolution,
    "reduce_window_max": _pool,
    "reduce_window_min": _pool,
    "reduce_window_sum": _pool,
}
