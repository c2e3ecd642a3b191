"""Arrays of a forward pass that do not depend on the image: constants, and what is computed from a module's arrays."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax import numpy as jnp
from numpy.typing import NDArray

from cnnlab.tracing.values import Held, Known, Part, Value

RANDOM = ("random_", "rng_", "threefry", "philox")
"""Beginnings of the steps that draw numbers; they are never run."""

MOVES = frozenset(
    {
        "broadcast_in_dim",
        "broadcast_to",
        "concatenate",
        "copy",
        "dynamic_slice",
        "gather",
        "pad",
        "reshape",
        "rev",
        "slice",
        "split",
        "squeeze",
        "stack",
        "tile",
        "transpose",
        "unstack",
    }
)
"""Steps that move numbers about: linear as they are, and a fixed zero stays one, wherever it comes to stand."""

INDEXED = frozenset({"dynamic_slice", "gather"})
"""Those of them that are given places behind the array."""

KEEPS = frozenset({"abs", "convert_element_type", "neg", "reduce_precision", "sign", "sqrt", "square", "tanh"})
"""Functions of one array that are 0 at 0."""

ANY = frozenset({"add", "add_any", "sub", "max", "min"})
"""Functions of two arrays that are 0 where both are 0."""


def constants(eqn: Any, inputs: Sequence[Value]) -> list[Value]:
    """Results of a step that does not read the image; their values are computed only if asked for."""
    drawn = eqn.primitive.name.startswith(RANDOM)
    known = all(isinstance(value, Known) for value in inputs) and not drawn
    parts = frozenset[Part]().union(*(value.parts for value in inputs if isinstance(value, Held)))
    values: list[Value] = []
    results = functools.cache(lambda: _run(eqn, [value.value for value in inputs if isinstance(value, Known)]))
    for place, var in enumerate(eqn.outvars):
        shape = tuple(getattr(var.aval, "shape", ()))
        if known:
            values.append(Known(shape=shape, make=functools.partial(_nth, results, place)))
        else:
            find = None if drawn else _zeros(eqn, inputs, place)
            values.append(Held(shape=shape, parts=parts, varying=_varying(eqn, inputs, shape), find=find))
    return values


def literal(value: Any) -> Known:
    """A constant that is written in the forward pass."""
    return Known(shape=tuple(getattr(value, "shape", ())), make=lambda: value)


def _run(eqn: Any, arrays: Sequence[Any]) -> Sequence[Any]:
    with jax.ensure_compile_time_eval():
        made = eqn.primitive.bind(*map(jnp.asarray, arrays), **eqn.params)
    return made if eqn.primitive.multiple_results else [made]


def _nth(results: Callable[[], Sequence[Any]], place: int) -> Any:
    return results()[place]


def _zeros(eqn: Any, inputs: Sequence[Value], place: int) -> Callable[[], NDArray[Any]] | None:
    """How to find where a result is no fixed zero; None if no fixed zero can be in it, or none that is followed."""
    name = eqn.primitive.name
    masks = [value for value in inputs if isinstance(value, Known) or (isinstance(value, Held) and value.find)]
    if name == "select_n" and masks:
        return lambda: _selected(inputs)
    if not masks or not all(isinstance(value, Known | Held) for value in inputs):
        return None
    arrays: list[Known | Held] = [value for value in inputs if isinstance(value, Known | Held)]
    if name == "mul":
        return lambda: functools.reduce(np.logical_and, (value.live for value in arrays))
    if name in ANY:
        return lambda: functools.reduce(np.logical_or, (value.live for value in arrays))
    if name in KEEPS or name == "div":
        return (lambda: arrays[0].live) if arrays[0] in masks else None
    if name in MOVES:
        known = name not in INDEXED or all(isinstance(value, Known) for value in arrays[1:])
        return (lambda: _moved(eqn, arrays)[place]) if known else None
    return None


def _moved(eqn: Any, arrays: Sequence[Known | Held]) -> Sequence[NDArray[Any]]:
    """Where the results of a step that moves numbers are no fixed zeros; places are known."""
    indexed = eqn.primitive.name in INDEXED
    ones = [
        value.value if indexed and place and isinstance(value, Known) else value.live.astype(np.float32)
        for place, value in enumerate(arrays)
    ]
    return [np.asarray(found) != 0 for found in _run(eqn, ones)]


def _selected(inputs: Sequence[Value]) -> NDArray[Any]:
    """Where a choice between arrays is no fixed zero."""
    which, *cases = inputs
    lives = [case.live if isinstance(case, Known | Held) else np.ones(case.shape, bool) for case in cases]
    if isinstance(which, Known):
        return np.choose(which.value.astype(int), lives)
    found: NDArray[Any] = functools.reduce(np.logical_or, lives)
    return found


def _varying(eqn: Any, inputs: Sequence[Value], shape: tuple[int, ...]) -> tuple[bool, ...]:
    """Along which axes an array can change: those longer than one pixel that no broadcast made."""
    if eqn.primitive.name != "broadcast_in_dim":
        return tuple(size > 1 for size in shape)
    kept = dict(zip(eqn.params["broadcast_dimensions"], inputs[0].shape, strict=True))
    return tuple(axis in kept and kept[axis] > 1 for axis in range(len(shape)))
