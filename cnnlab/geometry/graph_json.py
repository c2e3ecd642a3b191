"""Networks as JSON: read a user's graph file, and write the results of geometry."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from cnnlab.geometry.cost import cost
from cnnlab.geometry.fields import Exact, Field, fields
from cnnlab.geometry.layers import last_map
from cnnlab.geometry.sizes import sizes
from cnnlab.spec.invalid import InvalidError, require, require_choice
from cnnlab.spec.network import (
    Add,
    Concat,
    Conv,
    Dense,
    DepthToSpace,
    Elementwise,
    Flatten,
    GlobalAveragePool,
    Input,
    Network,
    Node,
    Norm,
    Pad,
    Padding,
    Pair,
    Pool,
    Resize,
    TransposedConv,
)

Json = Any
"""A value as `json.loads` gives it."""

LARGEST = 10**9
"""No size, count or padding of a graph may be larger."""


MOST_BYTES, MOST_NODES = 1 << 24, 4_000
"""Of a graph file."""


@dataclass(frozen=True, kw_only=True)
class GraphFile:
    """A network read from a file, and the (height, width) of its image; None if the file does not give one."""

    network: Network
    input_size: Pair | None


def load(path: Path) -> GraphFile:
    """Read a graph file. Raises `InvalidError` if it is missing, is no JSON, or as `read`."""
    try:
        require(path.is_file(), "graph", path, "must be an existing JSON file")
        with path.open("rb") as file:
            text = file.read(MOST_BYTES + 1)
        require(len(text) <= MOST_BYTES, "graph", path, f"must have at most {MOST_BYTES} bytes")
        content = json.loads(text.decode(), object_pairs_hook=_once)
    except InvalidError:
        raise
    except (ValueError, OSError, RecursionError) as error:
        raise InvalidError("graph", path, f"must be JSON text ({error})") from None
    return read(content)


def _once(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    """A JSON object; raises `InvalidError` for a key that is given twice."""
    found: dict[str, Json] = {}
    for key, value in pairs:
        require(key not in found, "graph", key, "this key is given twice in one object")
        found[key] = value
    return found


def read(content: Json) -> GraphFile:
    """Read a graph: {"nodes": [...], "output": NAME, "input_size": [height, width] | null}.

    `stride`, `padding`, `kernel`, `filters`, `units` must be given; `dilation`, `groups`, `bias` and `scale` of a
    batch norm may be left out and are then 1, 1, true and true.

    Raises:
        InvalidError: a key or op is unknown, a key is missing, or a value is impossible; names the node and the key.
    """
    require(isinstance(content, Mapping), "graph", type(content).__name__, "must be an object with nodes and output")
    _check_keys("graph", content, needed=("nodes", "output"), allowed=("input_size",))
    rows = content["nodes"]
    require(isinstance(rows, list) and len(rows) > 0, "graph.nodes", rows, "must be a list of at least one node")
    require(len(rows) <= MOST_NODES, "graph.nodes", f"{len(rows)} nodes", f"must be at most {MOST_NODES}")
    nodes = tuple(_node(row, place) for place, row in enumerate(rows))
    inputs = [node.name for node in nodes if isinstance(node, Input)]
    require(inputs == [nodes[0].name], "graph.nodes", inputs, "the first node must be the one with op input")
    given = {"input_size": None, **content}["input_size"]
    size = None if given is None else _pair(given, "graph.input_size", least=1)
    output = _text(content["output"], "graph.output")
    network = Network(nodes=nodes, output=output, features=last_map(nodes, output), size=size)
    return GraphFile(network=network, input_size=size)


def report(network: Network, size: Pair | None) -> dict[str, Json]:
    """Everything geometry knows of a network, as plain JSON data.

    {"output": NAME, "input_size": [h, w] | null, "nodes": {NAME: {"rf": [h, w], "effective_stride": [h, w],
    "effective_padding": [h, w], "output_size": [h, w] | null, "params": int, "macs": int | null}},
    "totals": {"params": int, "macs": int | null}}. After a node that reads the whole map "rf" is all that the net
    reads of the image (null if its size is unknown), the padding what it leaves out at the top and left, negative, and
    the stride null: every output sees the same, along that axis or both.
    Padding that depends on an unknown size is null along that axis, and so are the parameters of a dense layer that
    reads a map of unknown size.

    Raises:
        AlignmentError, InvalidError: as `cnnlab.geometry.fields.fields`.
    """
    found, priced, seen = sizes(network, size), cost(network, size).nodes, fields(network, size)
    rows = {}
    for name, field in seen.items():
        row = {**_field_row(field), "output_size": _listed(found[name])}
        rows[name] = {**row, "params": priced[name].params, "macs": priced[name].macs}
    totals = {key: _total([row[key] for row in rows.values()]) for key in ("params", "macs")}
    return {"output": network.output, "input_size": _listed(size), "nodes": rows, "totals": totals}


def _field_row(field: Field) -> dict[str, Json]:
    """Write the receptive field of one node."""
    stride = None
    if field.stride is not None:
        stride = [
            None if all_of_it else _number(value) for value, all_of_it in zip(field.stride, field.axes, strict=True)
        ]
    padding = [None if value is None else _number(value) for value in field.padding]
    return {"rf": _listed(field.rf), "effective_stride": stride, "effective_padding": padding}


def _listed(size: Pair | None) -> list[int] | None:
    """Write a pair as a JSON list."""
    return None if size is None else list(size)


def _number(value: Exact) -> int | float:
    """Write an exact number as a JSON number."""
    return value if isinstance(value, int) else float(value)


def _total(values: list[int | None]) -> int | None:
    """Sum, null if a part is unknown."""
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


# ------------------------------------------------------------------------------------------------ one reader an op

Row = Mapping[str, Json]


def _node(row: Json, place: int) -> Node:
    """Read one node."""
    require(isinstance(row, Mapping), f"graph.nodes[{place}]", row, "must be an object")
    for key in ("name", "op"):
        require(key in row, f"graph.nodes[{place}]", sorted(row), f"must have the key {key}")
    name = _text(row["name"], f"graph.nodes[{place}].name")
    op = _text(row["op"], f"graph.{name}.op")
    require_choice(f"graph.{name}.op", op, OPS)
    needed, defaults, make = OPS[op]
    inputs = () if op == "input" else ("inputs",)
    _check_keys(f"graph.{name}", row, needed=("name", "op", *inputs, *needed), allowed=tuple(defaults))
    return make(name, _sources(row, name) if inputs else (), {**defaults, **row})


def _check_keys(where: str, row: Row, *, needed: tuple[str, ...], allowed: tuple[str, ...]) -> None:
    """Raise `InvalidError`, naming the key, if one is missing or unknown."""
    missing = [key for key in needed if key not in row]
    require(not missing, where, f"{{{', '.join(sorted(row))}}}", f"must have the key {', '.join(missing)}")
    for key in row:
        require(
            key in needed + allowed, f"{where}.{key}", row[key], f"unknown key; known: {', '.join(needed + allowed)}"
        )


def _input(name: str, inputs: tuple[str, ...], row: Row) -> Node:
    return Input(name=name, inputs=inputs, channels=_count(row, name, "channels"))


def _conv(name: str, inputs: tuple[str, ...], row: Row) -> Node:
    return Conv(
        name=name,
        inputs=inputs,
        filters=_count(row, name, "filters"),
        kernel=_window(row, name, "kernel"),
        stride=_window(row, name, "stride"),
        padding=_padding(row, name),
        dilation=_window(row, name, "dilation"),
        groups=_count(row, name, "groups"),
        bias=_switch(row, name, "bias"),
    )


def _transposed_conv(name: str, inputs: tuple[str, ...], row: Row) -> Node:
    return TransposedConv(
        name=name,
        inputs=inputs,
        filters=_count(row, name, "filters"),
        kernel=_window(row, name, "kernel"),
        stride=_window(row, name, "stride"),
        padding=_padding(row, name),
        bias=_switch(row, name, "bias"),
    )


def _resize(name: str, inputs: tuple[str, ...], row: Row) -> Node:
    where, scale = f"graph.{name}.scale", row["scale"]
    require(isinstance(scale, list) and len(scale) == 2, where, scale, "must be [height, width]")
    kind = row["kind"]
    require_choice(f"graph.{name}.kind", kind, ("nearest", "bilinear"))
    return Resize(name=name, inputs=inputs, scale=(_rational(scale[0], where), _rational(scale[1], where)), kind=kind)


def _depth_to_space(name: str, inputs: tuple[str, ...], row: Row) -> Node:
    return DepthToSpace(name=name, inputs=inputs, block=_count(row, name, "block"))


def _pool(name: str, inputs: tuple[str, ...], row: Row) -> Node:
    kind = row["kind"]
    require_choice(f"graph.{name}.kind", kind, ("max", "avg"))
    kernel, stride = _window(row, name, "kernel"), _window(row, name, "stride")
    return Pool(name=name, inputs=inputs, kind=kind, kernel=kernel, stride=stride, padding=_padding(row, name))


def _batchnorm(name: str, inputs: tuple[str, ...], row: Row) -> Node:
    return Norm(name=name, inputs=inputs, kind="batch", scale=_switch(row, name, "scale"))


def _pad(name: str, inputs: tuple[str, ...], row: Row) -> Node:
    padding = _padding(row, name)
    if isinstance(padding, str):
        raise InvalidError(f"graph.{name}.padding", row["padding"], "must be [[top, bottom], [left, right]]")
    return Pad(name=name, inputs=inputs, padding=padding)


def _elementwise(name: str, inputs: tuple[str, ...], row: Row) -> Node:
    return Elementwise(name=name, inputs=inputs, kind=_text(row["kind"], f"graph.{name}.kind"))


def _dense(name: str, inputs: tuple[str, ...], row: Row) -> Node:
    return Dense(name=name, inputs=inputs, units=_count(row, name, "units"), bias=_switch(row, name, "bias"))


Make = Callable[[str, tuple[str, ...], Row], Node]

OPS: dict[str, tuple[tuple[str, ...], Row, Make]] = {
    "input": (("channels",), {}, _input),
    "conv": (("kernel", "stride", "padding", "filters"), {"dilation": [1, 1], "groups": 1, "bias": True}, _conv),
    "transposed_conv": (("kernel", "stride", "padding", "filters"), {"bias": True}, _transposed_conv),
    "resize": (("scale", "kind"), {}, _resize),
    "depth_to_space": (("block",), {}, _depth_to_space),
    "pool": (("kind", "kernel", "stride", "padding"), {}, _pool),
    "global_avg_pool": ((), {}, lambda name, inputs, row: GlobalAveragePool(name=name, inputs=inputs)),
    "batchnorm": ((), {"scale": True}, _batchnorm),
    "elementwise": (("kind",), {}, _elementwise),
    "pad": (("padding",), {}, _pad),
    "add": ((), {}, lambda name, inputs, row: Add(name=name, inputs=inputs)),
    "concat": ((), {}, lambda name, inputs, row: Concat(name=name, inputs=inputs)),
    "flatten": ((), {}, lambda name, inputs, row: Flatten(name=name, inputs=inputs)),
    "dense": (("units",), {"bias": True}, _dense),
}
"""Per op: the keys it must have beside name, op and inputs, those it may have with their defaults, and its reader."""


# ---------------------------------------------------------------------------------------------- one reader a value


def _text(value: Json, where: str) -> str:
    require(isinstance(value, str) and value != "", where, value, "must be a name")
    return str(value)


def _sources(row: Row, name: str) -> tuple[str, ...]:
    value = row["inputs"]
    listed = isinstance(value, list) and all(isinstance(item, str) for item in value)
    require(listed, f"graph.{name}.inputs", value, "must be a list of names of earlier nodes")
    return tuple(value)


def _whole(value: Json, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= LARGEST


def _count(row: Row, name: str, key: str) -> int:
    value = row[key]
    require(_whole(value, 1), f"graph.{name}.{key}", value, f"must be a whole number from 1 to {LARGEST}")
    return int(value)


def _switch(row: Row, name: str, key: str) -> bool:
    value = row[key]
    require(isinstance(value, bool), f"graph.{name}.{key}", value, "must be true or false")
    return bool(value)


def _pair(value: Json, where: str, least: int) -> Pair:
    fits = isinstance(value, list) and len(value) == 2 and all(_whole(item, least) for item in value)
    require(fits, where, value, f"must be [height, width], whole numbers from {least} to {LARGEST}")
    return value[0], value[1]


def _window(row: Row, name: str, key: str) -> Pair:
    return _pair(row[key], f"graph.{name}.{key}", least=1)


def _padding(row: Row, name: str) -> Padding:
    where, value = f"graph.{name}.padding", row["padding"]
    if value == "SAME":
        return "same"
    if value == "VALID":
        return "valid"
    valid = 'must be "SAME", "VALID" or [[top, bottom], [left, right]] in whole pixels'
    pairs = isinstance(value, list) and len(value) == 2 and all(isinstance(p, list) and len(p) == 2 for p in value)
    require(pairs and all(_whole(item, -LARGEST) for pair in value for item in pair), where, value, valid)
    return (value[0][0], value[0][1]), (value[1][0], value[1][1])


def _rational(value: Json, where: str) -> Fraction:
    parts = value if isinstance(value, list) else [value, 1]
    fits = len(parts) == 2 and all(_whole(part, 1) for part in parts)
    require(fits, where, value, "a factor must be a whole number from 1 or [numerator, denominator]")
    return Fraction(parts[0], parts[1])
