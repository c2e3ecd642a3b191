"""Goes through a forward pass step by step and keeps a `Value` for each array."""

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import flax
import jax
from jax.extend import core

from cnnlab.spec.network import Mix, Norm
from cnnlab.tracing import layers, pointwise, products, reductions, views
from cnnlab.tracing.constants import constants, literal
from cnnlab.tracing.graph import TracedGraph, elementwise
from cnnlab.tracing.layers import module_of
from cnnlab.tracing.settle import NAMED, settle
from cnnlab.tracing.values import BATCH, Held, Known, Part, Refused, Role, TracedArray, TracingError, Value
from cnnlab.tracing.values import whole as whole_taps

HANDLERS: dict[str, views.Handler] = {**views.HANDLERS, **layers.HANDLERS, **reductions.HANDLERS, **products.HANDLERS}

CALLS = (
    "jit",
    "pjit",
    "closed_call",
    "core_call",
    "custom_jvp_call",
    "custom_vjp_call",
    "checkpoint",
    "remat",
    "remat2",
    "remat_opt",
    "custom_vmap_call",
    "composite",
    "call",
    "eval_jaxpr",
)
"""Steps that only group others."""

PLAINER = {
    "logistic": "sigmoid",
    "max": "maximum",
    "min": "minimum",
    **dict.fromkeys(("ge", "gt", "le", "lt", "eq", "ne"), "select_n"),
}
"""Steps by the name of what they are for."""

LIBRARIES = tuple(str(Path(place).parent) for place in (str(jax.__file__), str(flax.__file__), __file__))
"""Folders whose lines are no user's."""


@dataclass(frozen=True, kw_only=True)
class MarkedModule:
    """A module that is traced as one layer: its kind, and its path in the net."""

    kind: str
    path: str


class Walker:
    """Walks the steps of a forward pass; `graph` grows."""

    def __init__(self, graph: TracedGraph, marks: Sequence[MarkedModule], parts: Iterable[Part]) -> None:
        """Begin; the step `mark_name(place)` stands for the module `marks[place]`, `parts` is all that is learned.

        `made` will hold the arrays that depend on the image, by the number of their step and their place in it.
        """
        self.graph, self._parts = graph, {part.path: part for part in parts}
        self.marks = {mark_name(place): mark for place, mark in enumerate(marks)}
        self._calls: list[Any] = []
        self._steps = itertools.count()
        self.made: dict[tuple[int, int], TracedArray] = {}

    def run(
        self, jaxpr: Any, consts: Sequence[Any], inputs: Sequence[Value], within: tuple[str, ...] = ()
    ) -> list[Value]:
        """Follow the steps of a jaxpr; `within` names the functions around it."""
        found: dict[Any, Value] = dict(zip(jaxpr.invars, inputs, strict=True))
        found.update(zip(jaxpr.constvars, map(literal, consts), strict=True))
        for eqn in jaxpr.eqns:
            read = [literal(atom.val) if isinstance(atom, core.Literal) else found[atom] for atom in eqn.invars]
            number = next(self._steps)
            made = self._step(eqn, read, within)
            self.made |= {(number, at): value for at, value in enumerate(made) if isinstance(value, TracedArray)}
            found.update(zip(eqn.outvars, made, strict=True))
        return [literal(atom.val) if isinstance(atom, core.Literal) else found[atom] for atom in jaxpr.outvars]

    def _step(self, eqn: Any, inputs: list[Value], within: tuple[str, ...]) -> list[Value]:
        """Follow one step; what cannot be followed is noted, and is a mistake only if the output needs it."""
        empty = eqn.primitive.name == "concatenate"  # an operand of no pixels is none
        inputs = [value for value in inputs if not empty or value.shape[eqn.params["dimension"]]]
        refused = next((value for value in inputs if isinstance(value, Refused)), None)
        try:
            if refused is None or eqn.primitive.name in CALLS:
                return self._follow(eqn, inputs, within)
        except TracingError as problem:
            if (mixed := self._mixed(eqn, inputs, problem)) is not None:
                return [mixed]
            refused = Refused(shape=(), what=described(eqn, self._calls), why=str(problem))
        assert refused is not None, "nothing else is left"
        return [replace(refused, shape=_shape(var)) for var in eqn.outvars]

    def _follow(self, eqn: Any, inputs: list[Value], within: tuple[str, ...]) -> list[Value]:
        name = eqn.primitive.name
        closed = called(eqn)
        if closed is not None:
            label = eqn.params["name"] if "name" in eqn.params else ""
            self._calls.append(eqn)
            made = self.run(closed.jaxpr, closed.consts, inputs, (*within, str(label)))
            self._calls.pop()
            return made
        if name == "scan":
            return self._scan(eqn, inputs, within)
        if not any(isinstance(value, TracedArray) for value in inputs):
            return constants(eqn, inputs)
        inputs = [self.graph.current(value) if isinstance(value, TracedArray) else value for value in inputs]
        if name == "name" and eqn.params["name"] in self.marks:
            return [self._module(self.marks[eqn.params["name"]], inputs[0])]
        if name in HANDLERS:
            found = HANDLERS[name](self.graph, eqn, inputs)
            return found if isinstance(found, list) else [found]
        if name in pointwise.EVERY:
            shape = _shape(eqn.outvars[0])
            return [pointwise.pointwise(self.graph, name, _label(eqn, within), shape, inputs)]
        raise TracingError("is no layer, window or elementwise function")

    def _mixed(self, eqn: Any, inputs: Sequence[Value], problem: TracingError) -> Value | None:
        """What a step that is no layer makes of numbers that all depend on the whole image: more of them; else None."""
        name = eqn.primitive.name
        read = [settled(self.graph, value) for value in inputs if isinstance(value, TracedArray)]
        whole = [value is not None and self.graph.whole(value.node) for value in read]
        shape = _shape(eqn.outvars[0])
        spreads = name in ("dot_general", "conv_general_dilated")  # each result reads all its inputs
        fits = len(eqn.outvars) == 1 and BATCH in shape and (any(whole) if spreads else all(whole))
        if "batch" in str(problem) or not (name in HANDLERS or name in pointwise.EVERY) or not fits or None in read:
            return None
        batch = shape.index(BATCH)
        roles: tuple[Role, ...] = tuple("batch" if axis == batch else "channel" for axis in range(len(shape)))
        parts = frozenset[Part]().union(*(value.parts for value in inputs if isinstance(value, Held)))
        channels = math.prod(shape) // BATCH
        macs = channels * products.summed(eqn) if parts and name == "dot_general" else 0
        title = self.graph.titled(module_of(parts), name) if parts else self.graph.numbered(name)
        sources = tuple(value.node for value in read if value is not None)
        node = Mix(name=title, inputs=sources, kind=name, size=(1, 1), channels=channels, macs=macs)
        self.graph.add(node, (1, 1), channels, parts)
        return TracedArray(node=node.name, shape=shape, roles=roles, taps=whole_taps(roles, shape))

    def _module(self, mark: MarkedModule, value: Value) -> Value:
        """Append the layer that a marked module is."""
        if not isinstance(value, TracedArray):
            return value
        value = settle(self.graph, value)
        parts = frozenset(part for path, part in self._parts.items() if path.startswith(f"{mark.path}."))
        kind = f"{mark.kind}_norm" if mark.kind in ("batch", "layer") else mark.kind
        title, size, channels = (
            self.graph.titled(module_of(parts) if parts else mark.path, kind),
            self.graph.size(value.node),
            value.channels,
        )
        endings = sorted(part.path.rpartition(".")[2] for part in parts)
        standard = mark.kind in ("batch", "layer") and {part.size for part in parts} == {channels}
        if standard and endings in (["bias"], ["bias", "scale"]):
            norm: Any = mark.kind
            node = Norm(name=title, inputs=(value.node,), kind=norm, scale="scale" in endings)
            self.graph.add(node, size, channels, parts)
            return self.graph.value(node.name, value)
        return self.graph.value(elementwise(self.graph, value.node, kind, channels, parts, title), value)

    def _scan(self, eqn: Any, inputs: list[Value], within: tuple[str, ...]) -> list[Value]:
        """Follow a scan turn by turn; what it stacks must not depend on the image."""
        params = eqn.params
        consts, carried = params["num_consts"], params["num_carry"]
        fixed, carry, rows = inputs[:consts], inputs[consts : consts + carried], inputs[consts + carried :]
        turns = range(params["length"])
        stacks: list[list[Value]] = []
        for turn in reversed(turns) if params["reverse"] else turns:
            row = [_row(value, turn) for value in rows]
            self._parts.update({part.path: part for value in row if isinstance(value, Held) for part in value.parts})
            made = self.run(params["jaxpr"].jaxpr, params["jaxpr"].consts, [*fixed, *carry, *row], within)
            carry = made[:carried]
            stacks.append(made[carried:])
        return [
            *carry,
            *(
                _stacked(values, _shape(var))
                for values, var in zip(zip(*stacks, strict=True), eqn.outvars[carried:], strict=True)
            ),
        ]


def called(eqn: Any) -> core.ClosedJaxpr | None:
    """The steps that a step groups; None if it is a step of its own."""
    inner = next((eqn.params[key] for key in ("jaxpr", "call_jaxpr", "fun_jaxpr") if key in eqn.params), None)
    if eqn.primitive.name not in CALLS or inner is None:
        return None
    return inner if hasattr(inner, "consts") else core.ClosedJaxpr(inner, ())


def settled(graph: TracedGraph, value: TracedArray) -> TracedArray | None:
    """A view as a layer; None if there is none."""
    try:
        return settle(graph, value)
    except TracingError:
        return None


def mark_name(place: int) -> str:
    """Name of the step that stands for a marked module."""
    return f"cnnlab.tracing:{place}"


def described(eqn: Any, calls: Sequence[Any]) -> str:
    """A step, the shape it makes, and the line of the user's code that asks for it or for the calls around it."""
    lines = (line for asking in (eqn, *reversed(calls)) for line in _lines(asking))
    shape = "x".join(map(str, _shape(eqn.outvars[0])))
    return f"{eqn.primitive.name} ({shape})" + "".join(f" at {line}" for line in itertools.islice(lines, 1))


def _lines(eqn: Any) -> Iterator[str]:
    """Lines of the user's code that led to a step, innermost first."""
    if eqn.source_info.traceback is not None:
        for frame in eqn.source_info.traceback.frames:
            if not frame.file_name.startswith((*LIBRARIES, "<")):
                yield f"{frame.file_name}:{frame.line_num}"


def _shape(var: Any) -> tuple[int, ...]:
    return tuple(getattr(var.aval, "shape", ()))


def _label(eqn: Any, within: tuple[str, ...]) -> str:
    """The function that a user would name: the outermost known one around the step, else the step."""
    names = [name for name in within if name in NAMED]
    if not names and eqn.source_info.traceback is not None:
        frames = [f.function_name for f in eqn.source_info.traceback.frames if f.file_name.endswith("nn/functions.py")]
        names = [name for name in reversed(frames) if name in NAMED]
    name = eqn.primitive.name
    return names[0] if names else PLAINER[name] if name in PLAINER else name


def _row(value: Value, turn: int) -> Value:
    """One turn's slice of what a scan runs over."""
    shape = value.shape[1:]
    match value:
        case Known():
            return Known(shape=shape, make=lambda: value.value[turn])
        case Held():
            split = {Part(path=p.path, size=p.size // value.shape[0], place=turn) for p in value.parts}
            return Held(shape=shape, parts=frozenset(split), varying=value.varying[1:])
        case TracedArray():
            raise TracingError("scans over the image")
    return value


def _stacked(values: Sequence[Value], shape: tuple[int, ...]) -> Value:
    """What a scan stacks over its turns."""
    refused = next((value for value in values if isinstance(value, Refused)), None)
    if refused is not None:
        return replace(refused, shape=shape)
    if any(isinstance(value, TracedArray) for value in values):
        return Refused(shape=shape, what="scan", why="stacks arrays that depend on the image")
    parts = frozenset[Part]().union(*(value.parts for value in values if isinstance(value, Held)))
    return Held(shape=shape, parts=parts, varying=(True,) * len(shape))
