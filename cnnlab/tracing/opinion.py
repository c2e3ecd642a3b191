"""A second opinion on a trace: which pixels a unit depends on, by the module's own steps, run backwards.

The steps are those of the user's forward pass, and no layer of the trace takes part. What would hide a path from a
gradient is made transparent: functions of one pixel are the identity, products sums, maxima sums; of weights counts
only where they are fixed zeros. Modules that are marked (norms, dropout) pass one pixel on, as in the trace.
"""

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend import core

from cnnlab.geometry.reach import Window
from cnnlab.geometry.windows import pixels, window
from cnnlab.spec.invalid import InvalidError, require_choice
from cnnlab.spec.network import Pair
from cnnlab.tracing.constants import INDEXED, MOVES, RANDOM
from cnnlab.tracing.pointwise import EVERY
from cnnlab.tracing.tracing import Traced
from cnnlab.tracing.values import BATCH, SPATIAL
from cnnlab.tracing.walk import called

TINY = 1e-5
"""Weights below this share of the largest are zeros that rounding missed."""


@dataclass(frozen=True, eq=False)
class Seen:
    """An array that depends on the image, by its shape; it is itself alone."""

    shape: tuple[int, ...]


QUICK = {"xla_backend_optimization_level": 0}
"""Compiling takes longer than running."""

Windows = tuple[Window | None, Window | None]
Linear = Callable[..., Any]


@dataclass(frozen=True, kw_only=True)
class Opinion:
    """The pixels that one unit of a layer depends on, along the height and the width, by trace and by gradient.

    `cut` if the unit's window reaches over the border of the image. A window is a rectangle: where masks or branches
    leave corners of it unread, the border may cut off more than it says.
    """

    name: str
    unit: Pair
    traced: Windows
    measured: Windows
    cut: bool

    @property
    def agree(self) -> bool:
        """Whether both say the same, to the pixel; of a cut window the gradient may reach less."""
        return self.traced == self.measured or (self.cut and all(map(_within, self.measured, self.traced)))


def _within(inner: Window | None, outer: Window | None) -> bool:
    return inner is None or (outer is not None and outer[0] <= inner[0] and inner[1] <= outer[1])


@dataclass(frozen=True, kw_only=True)
class Step:
    """A linear function of the arrays in `reads` that gives those in `makes`."""

    run: Linear
    reads: tuple["Seen", ...]
    makes: tuple["Seen", ...]


def telling(found: Traced) -> tuple[str, ...]:
    """Layers that tell most, of those whose map is an array of the forward pass: the last map, and the output."""
    names = dict.fromkeys((found.network.features, found.network.output))
    return tuple(name for name in names if name in found.places)


def opinions(found: Traced, names: Sequence[str] = ()) -> tuple[Opinion, ...]:
    """Compare trace and gradient for the corner, middle and last units of layers.

    Args:
        found: the trace. names: of layers; empty for those that tell most.

    Raises:
        InvalidError: no such layer, its map is no array of the forward pass, or a step cannot be run backwards.
    """
    for name in names:
        require_choice("node", name, [node.name for node in found.network.nodes])
        require_choice("node", name, found.places)
    tape = _Tape(found)
    return tuple(itertools.chain.from_iterable(_of_layer(found, tape, name) for name in names or telling(found)))


def _of_layer(found: Traced, tape: "_Tape", name: str) -> Iterator[Opinion]:
    (height, width), size = _size(found, name), found.network.size
    assert size is not None, "a trace has one"
    places = [(0, 0), (height // 2, width // 2), (max(height // 2 - 1, 0), width - 1), (height - 1, width - 1)]
    units = list(dict.fromkeys(places))
    for start in range(0, len(units), BATCH):
        some = units[start : start + BATCH]
        for unit, measured in zip(some, tape.pixels(found, name, some), strict=True):
            seen = pixels(found.network, size, name, unit)
            cut = window(found.network, size, name, unit) != seen
            yield Opinion(name=name, unit=unit, traced=seen, measured=measured, cut=cut)


def _size(found: Traced, name: str) -> Pair:
    value = found.places[name][1]
    height, width = (
        int(np.prod([size for size, role in zip(value.shape, value.roles, strict=True) if role == side]))
        for side in SPATIAL
    )
    return height, width


class _Tape:
    """The linear skeleton of a forward pass: its steps in order, and the arrays that they read and make."""

    def __init__(self, found: Traced) -> None:
        """Walk the steps once; only constants are computed."""
        self._numbers = itertools.count()
        self.steps: list[Step] = []
        self.arrays: dict[tuple[int, int], Seen] = {}
        self.image = Seen(found.image.shape)
        jaxpr = found.steps
        draw = np.random.default_rng(0)  # what is computed of weights must not be 0 by chance, as it is of equal ones
        arrays = [draw.uniform(0.5, 1.5, array.shape).astype(array.dtype) for array in found.arrays]
        self._run(jaxpr.jaxpr, jaxpr.consts, [*arrays, self.image])

    def pixels(self, found: Traced, name: str, units: Sequence[Pair]) -> list[Windows]:
        """Run backwards from units of a layer, at most as many as there are images."""
        place, value = found.places[name]
        end = self.arrays[place]
        start = np.zeros(end.shape, np.float32)
        for image, unit in enumerate(units):
            index: list[Any] = [slice(None)] * len(end.shape)
            for role, at in zip((*SPATIAL, "batch"), (*unit, image), strict=True):
                for axis in value.axes(role):
                    index[axis] = at
            start[tuple(index)] = 1
        hits = np.asarray(self._backwards(end)(start))
        return [(_ends(np.flatnonzero(hit.any(1))), _ends(np.flatnonzero(hit.any(0)))) for hit in hits[: len(units)]]

    @functools.cache  # noqa: B019 - a tape lives as long as the command
    def _backwards(self, end: Seen) -> Callable[[Any], Any]:
        """Compile: 1 where units of an array are asked for -> where the image reaches them."""

        def run(start: Any) -> Any:
            reached: dict[Seen, Any] = {end: start}
            for step in reversed(self.steps):
                if not any(made in reached for made in step.makes):
                    continue
                given = [reached.pop(made) if made in reached else jnp.zeros(made.shape) for made in step.makes]
                shapes = [jax.ShapeDtypeStruct(read.shape, jnp.float32) for read in step.reads]  # type: ignore[no-untyped-call]
                pulled = jax.linear_transpose(step.run, *shapes)(given[0] if len(given) == 1 else given)
                for read, part in zip(step.reads, pulled, strict=True):
                    hit = (part > 0).astype(jnp.float32)
                    reached[read] = jnp.maximum(reached[read], hit) if read in reached else hit
            found = reached[self.image] if self.image in reached else jnp.zeros(self.image.shape)
            return found.max(-1) > 0

        return jax.jit(run, compiler_options=QUICK)

    def _run(self, jaxpr: Any, consts: Sequence[Any], inputs: Sequence[Any]) -> list[Any]:
        found: dict[Any, Any] = dict(zip(jaxpr.invars, inputs, strict=True))
        found.update(zip(jaxpr.constvars, consts, strict=True))
        for eqn in jaxpr.eqns:
            read = [atom.val if isinstance(atom, core.Literal) else found[atom] for atom in eqn.invars]
            number = next(self._numbers)
            made = self._step(eqn, read)
            self.arrays |= {(number, at): value for at, value in enumerate(made) if isinstance(value, Seen)}
            found.update(zip(eqn.outvars, made, strict=True))
        return [atom.val if isinstance(atom, core.Literal) else found[atom] for atom in jaxpr.outvars]

    def _step(self, eqn: Any, inputs: list[Any]) -> list[Any]:
        closed = called(eqn)
        if closed is not None:
            return self._run(closed.jaxpr, closed.consts, inputs)
        if eqn.primitive.name == "scan":
            return self._scan(eqn, inputs)
        if not any(isinstance(value, Seen) for value in inputs):
            return _computed(eqn, inputs)
        shapes = [tuple(var.aval.shape) for var in eqn.outvars]
        made = [Seen(shape) for shape in shapes]
        places = [place for place, value in enumerate(inputs) if isinstance(value, Seen)]
        rule = linear(eqn, [None if isinstance(value, Seen) else value for value in inputs])

        def run(*seen: Any) -> Any:
            return rule(dict(zip(places, seen, strict=True)))

        reads = tuple(inputs[place] for place in places)
        self.steps.append(Step(run=run, reads=reads, makes=tuple(made)))
        return list(made)

    def _scan(self, eqn: Any, inputs: list[Any]) -> list[Any]:
        params = eqn.params
        consts, carried = params["num_consts"], params["num_carry"]
        fixed, carry, rows = inputs[:consts], inputs[consts : consts + carried], inputs[consts + carried :]
        turns = range(params["length"])
        for turn in reversed(turns) if params["reverse"] else turns:
            made = self._run(
                params["jaxpr"].jaxpr, params["jaxpr"].consts, [*fixed, *carry, *(row[turn] for row in rows)]
            )
            carry = made[:carried]
        return [*carry, *(np.ones(var.aval.shape, np.float32) for var in eqn.outvars[carried:])]


def _ends(places: Any) -> Window | None:
    return (int(places[0]), int(places[-1])) if len(places) else None


def _computed(eqn: Any, inputs: Sequence[Any]) -> list[Any]:
    """A step that does not read the image; what would be drawn is 1."""
    if eqn.primitive.name.startswith(RANDOM):
        return [np.ones(var.aval.shape, np.float32) for var in eqn.outvars]
    made = eqn.primitive.bind(*inputs, **eqn.params)
    return list(made) if eqn.primitive.multiple_results else [made]


def _weights(value: Any) -> Any:
    """1 where a weight is not 0."""
    size = jnp.abs(jnp.asarray(value)).astype(jnp.float32)
    return (size > TINY * jnp.max(size, initial=0)).astype(jnp.float32)


def linear(eqn: Any, constants: list[Any]) -> Callable[[dict[int, Any]], Any]:
    """A step as a linear function of those of its inputs that depend on the image, by their places.

    Raises InvalidError for a step that is not known.
    """
    name, shape = eqn.primitive.name, tuple(eqn.outvars[0].aval.shape)

    def total(seen: dict[int, Any]) -> Any:
        return functools.reduce(jnp.add, (jnp.broadcast_to(value, shape) for value in seen.values()))

    if name == "mul" and any(value is not None for value in constants):
        mask = _weights(next(value for value in constants if value is not None))
        return lambda seen: total(seen) * mask
    if name == "select_n" and constants[0] is not None:
        which = constants[0]
        return lambda seen: lax.select_n(
            which, *(seen[at] if at in seen else jnp.zeros(shape) for at in range(1, len(constants)))
        )
    if name in EVERY:
        return total
    if name in ("conv_general_dilated", "dot_general"):
        return _product(eqn, constants)
    if name.startswith("reduce_window"):
        keys = ("window_dimensions", "window_strides", "padding", "base_dilation", "window_dilation")
        window = {key: eqn.params[key] for key in keys}
        return lambda seen: lax.reduce_window(seen[0], np.float32(0), lax.add, **window)
    if name.startswith("reduce_"):
        return lambda seen: seen[0].sum(tuple(eqn.params["axes"]))
    if name in MOVES:
        return _moved(eqn, constants)
    raise InvalidError("module", name, "this step cannot be run backwards")


def _moved(eqn: Any, constants: Sequence[Any]) -> Callable[[dict[int, Any]], Any]:
    indexed = eqn.primitive.name in INDEXED

    def run(seen: dict[int, Any]) -> Any:
        read = [
            seen[at] if at in seen else value if indexed else jnp.zeros_like(value, jnp.float32)
            for at, value in enumerate(constants)
        ]
        params = {**eqn.params, "fill_value": None} if eqn.primitive.name == "gather" else eqn.params
        return eqn.primitive.bind(*read, **params)

    return run


def _product(eqn: Any, constants: Sequence[Any]) -> Callable[[dict[int, Any]], Any]:
    """A convolution or a product of matrices; of two arrays that depend on the image each counts where it is read."""
    params = {**eqn.params, "preferred_element_type": jnp.dtype(jnp.float32)}
    shapes = [var.aval.shape for var in eqn.invars]

    def run(seen: dict[int, Any]) -> Any:
        total: Any = 0
        for place, value in seen.items():
            other = constants[1 - place]
            factors = [value, jnp.ones(shapes[1 - place]) if other is None else _weights(other)]
            total = total + eqn.primitive.bind(*factors[:: -1 if place else 1], **params)
        return total

    return run
