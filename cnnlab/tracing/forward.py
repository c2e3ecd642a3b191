"""A Flax module's forward pass as a function of its arrays and the image, NNX and Linen alike."""

import contextlib
import functools
import itertools
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from unittest import mock

import jax
import jax.numpy as jnp
from flax import nnx
from jax.ad_checkpoint import checkpoint_name

from cnnlab.spec.invalid import InvalidError, require
from cnnlab.spec.network import Pair
from cnnlab.tracing.calling import evaluate, evaluate_linen, initialise_linen
from cnnlab.tracing.walk import MarkedModule, mark_name

KINDS = {
    "BatchNorm": "batch",
    "LayerNorm": "layer",
    "RMSNorm": "rms_norm",
    "GroupNorm": "group_norm",
    "InstanceNorm": "instance_norm",
    "Dropout": "dropout",
}
"""Modules of Flax that are followed as one layer, by the name of their class: norms mix pixels only by statistics."""

HANDED = ("params", "batch_stats")
"""Collections of a Linen module whose numbers are not looked at: what it learns, and running statistics."""

PATH = "cnnlab_path"
"""Attribute by which a module of the traced copy knows its place, also where a transform copies it once more."""


@dataclass(frozen=True, kw_only=True)
class Leaf:
    """One array of a module: its dotted path, whether it is learned, and its shape and type."""

    path: str
    learned: bool
    array: jax.ShapeDtypeStruct


@dataclass(frozen=True, kw_only=True)
class Forward:
    """A forward pass.

    Attributes:
        leaves: the module's arrays. run: (arrays in the order of the leaves, images) -> the module's first output.
        marking: makes `run` mark the modules of `KINDS` instead of running them, and gives the list of marks.
    """

    leaves: tuple[Leaf, ...]
    run: Callable[[list[Any], Any], Any]
    marking: Callable[[], contextlib.AbstractContextManager[list[MarkedModule]]]

    @property
    def arrays(self) -> list[jax.ShapeDtypeStruct]:
        """Shapes and types of the arrays."""
        return [leaf.array for leaf in self.leaves]

    @property
    def parameters(self) -> int:
        """Numbers that the module learns, whether or not the forward pass reads them."""
        return sum(leaf.array.size for leaf in self.leaves if leaf.learned)


def images(batch: int, size: Pair, channels: int) -> jax.ShapeDtypeStruct:
    """A batch of images without numbers."""
    return jax.ShapeDtypeStruct((batch, *size, channels), jnp.float32)  # type: ignore[no-untyped-call]


def forward(module: Any, image: jax.ShapeDtypeStruct) -> Forward:
    """Take a module apart; its copy is put into evaluation mode, and nothing is computed.

    Args:
        module: an `nnx.Module`, whose arrays may be abstract (`nnx.eval_shape`), a `linen.Module`, or a function
            without arguments that makes one. What a function makes has no numbers: only constants have.
        image: of the shape the module reads; only a Linen module's arrays depend on it.

    Raises:
        InvalidError: it is neither, it cannot be made without numbers, or a Linen module cannot be initialised on this
            image.
    """
    if isinstance(module, nnx.Module):
        return _nnx_instance(module)
    if _is_linen(module):
        return _linen(module, image)
    if callable(module):
        shapes, found = _shapes(module)
        return _linen(module(), image) if _is_linen(found) else _nnx(lambda: made(module), shapes)
    raise InvalidError("module", type(module).__name__, MUST_BE)


MUST_BE = "must be a flax.nnx.Module or a flax.linen.Module"


def _is_linen(module: Any) -> bool:
    return "flax.linen" in sys.modules and isinstance(module, sys.modules["flax.linen"].Module)


def made(make: Callable[[], Any]) -> Any:
    """Call a function that makes a module while JAX traces it, so that no weight is drawn.

    A function that reads the value of an array (the rate of a block from `jnp.linspace`) is called again with all
    arrays computed at once but those that depend on a random key.
    """
    try:
        return make()
    except (jax.errors.ConcretizationTypeError, jax.errors.TracerArrayConversionError):
        data = jax.lax.optimization_barrier(jnp.zeros(2, jnp.uint32))  # type: ignore[no-untyped-call]
        key = jax.random.wrap_key_data(data, impl="threefry2x32")
        with (
            mock.patch.object(jax.random, "key", return_value=key),
            mock.patch.object(jax.random, "PRNGKey", return_value=data),
            jax.ensure_compile_time_eval(),
        ):
            return make()


def _shapes(make: Callable[[], Any]) -> tuple[Any, Any]:
    """The state of the module that a function makes, without numbers, and the module."""
    found: list[Any] = []

    def state() -> Any:
        found.append(made(make))
        return nnx.state(found[0]) if isinstance(found[0], nnx.Module) else None

    try:
        shapes = jax.eval_shape(state)
    except (Exception, SystemExit) as problem:
        why = f"making the module fails: {said(problem)}"
        raise InvalidError("module", getattr(make, "__name__", type(make).__name__), why) from problem
    known = isinstance(found[0], nnx.Module) or _is_linen(found[0])
    require(known, "module", type(found[0]).__name__, MUST_BE)
    return shapes, found[0]


def _nnx_instance(module: nnx.Module) -> Forward:
    """A module that is there, whose arrays may be abstract."""
    graph, state = nnx.split(module)
    given = [isinstance(array, jax.ShapeDtypeStruct) for array in jax.tree.leaves(state)]

    def copy() -> nnx.Module:
        leaves, treedef = jax.tree.flatten(state)
        zeros = [
            jnp.zeros(leaf.shape, leaf.dtype) if isinstance(leaf, jax.ShapeDtypeStruct) else leaf for leaf in leaves
        ]
        return nnx.merge(graph, jax.tree.unflatten(treedef, zeros))

    return _nnx(copy, state, given)


def _nnx(make: Callable[[], nnx.Module], shapes: Any, given: Sequence[bool] = ()) -> Forward:
    """A module by a function that makes it and the shapes of its state.

    What it learns, and the arrays that `given` marks, are handed to the forward pass; others are as they were made.
    """
    variables, _ = jax.tree_util.tree_flatten_with_path(shapes, is_leaf=lambda leaf: isinstance(leaf, nnx.Variable))
    every = [
        (path, isinstance(variable, nnx.Param), array)
        for path, variable in variables
        for array in jax.tree.leaves(variable)
    ]
    handed = [learned or any(given[place : place + 1]) for place, (_, learned, _) in enumerate(every)]
    leaves = [
        Leaf(path=_dotted(path), learned=learned, array=_abstract(array))
        for path, learned, array in itertools.compress(every, handed)
    ]
    followed = tuple(getattr(nnx, name) for name in KINDS)

    def run(arrays: list[Any], image: Any) -> Any:
        graph, state = nnx.split(make())  # never the user's own objects: what is made may be kept by them
        own, treedef = jax.tree.flatten(state)
        rest = iter(arrays)
        model = nnx.merge(
            graph,
            jax.tree.unflatten(treedef, [next(rest) if new else old for new, old in zip(handed, own, strict=True)]),
        )
        model.eval()  # type: ignore[no-untyped-call]
        for path, part in nnx.iter_modules(model):
            if isinstance(part, followed):
                setattr(part, PATH, ".".join(map(str, path)))
        return _first(evaluate(model, image))

    @contextlib.contextmanager
    def marking() -> Iterator[list[MarkedModule]]:
        marks: list[MarkedModule] = []
        with contextlib.ExitStack() as stack:
            for name, kind in KINDS.items():
                stack.enter_context(mock.patch.object(getattr(nnx, name), "__call__", _marker(kind, marks)))
            yield marks

    return Forward(leaves=tuple(leaves), run=run, marking=marking)


def _marker(kind: str, marks: list[MarkedModule]) -> Callable[..., Any]:
    """A method that stands in for a module's own: it returns its input, under a name."""

    def call(self: Any, *inputs: Any, **named: Any) -> Any:
        return _mark(inputs[0] if inputs else next(iter(named.values())), kind, getattr(self, PATH, ""), marks)

    return call


def _mark(value: Any, kind: str, path: str, marks: list[MarkedModule]) -> Any:
    marks.append(MarkedModule(kind=kind, path=path))
    return checkpoint_name(value, mark_name(len(marks) - 1))  # type: ignore[no-untyped-call]


def _linen(module: Any, image: jax.ShapeDtypeStruct) -> Forward:
    linen = sys.modules["flax.linen"]

    def init(image: Any) -> Any:
        return initialise_linen(module, image)

    try:
        state = jax.eval_shape(init, image)
    except (Exception, SystemExit) as problem:
        raise failed(module, image, problem) from problem
    found, treedef = jax.tree_util.tree_flatten_with_path(state)
    handed = [path[0].key in HANDED for path, _ in found]
    leaves = [
        Leaf(path=_dotted(path[1:]), learned=path[0].key == "params", array=_abstract(array))
        for path, array in itertools.compress(found, handed)
    ]

    def run(arrays: list[Any], image: Any) -> Any:
        rest = iter(arrays)
        own = [None] * len(handed) if all(handed) else jax.tree.leaves(init(image))
        variables = [next(rest) if new else old for new, old in zip(handed, own, strict=True)]
        return _first(evaluate_linen(module, jax.tree.unflatten(treedef, variables), image))

    @contextlib.contextmanager
    def marking() -> Iterator[list[MarkedModule]]:
        marks: list[MarkedModule] = []

        def intercept(following: Any, inputs: Any, named: Any, context: Any) -> Any:
            kinds = [kind for name, kind in KINDS.items() if isinstance(context.module, getattr(linen, name))]
            if not kinds or context.method_name != "__call__":
                return following(*inputs, **named)
            value = inputs[0] if inputs else next(iter(named.values()))
            return _mark(value, kinds[0], ".".join(context.module.path), marks)

        with linen.intercept_methods(intercept):
            yield marks

    return Forward(leaves=tuple(leaves), run=run, marking=marking)


def said(problem: BaseException) -> str:
    """An error of the user's own code in one line: its kind, and the first line of its text."""
    first = next((line.strip() for line in str(problem).splitlines() if line.strip()), "")
    return f"{type(problem).__name__}: {first}"


FAILS = "its forward pass fails"
"""How the line begins that tells an error of the module's own code."""


def failed(module: Any, image: jax.ShapeDtypeStruct, problem: BaseException) -> InvalidError:
    """Describe an error of the module's own code in one line."""
    shape = "x".join(map(str, image.shape[1:]))
    why = f"{FAILS} on a {shape} image: {said(problem)}"
    return InvalidError("module", type(module).__name__, why)


def _first(output: Any) -> Any:
    """The output, or the first of several."""
    found = output[0] if isinstance(output, tuple | list) and output else output
    require(
        isinstance(found, jax.Array), "module", type(output).__name__, "must return an array, or several, output first"
    )
    return found


def _dotted(path: tuple[Any, ...]) -> str:
    """`blocks.0.conv.kernel`."""
    return ".".join(str(functools.reduce(_key, ("key", "idx", "name"), entry)) for entry in path)


def _key(entry: Any, attribute: str) -> Any:
    return getattr(entry, attribute) if hasattr(entry, attribute) else entry


def _abstract(array: Any) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(array.shape, array.dtype)  # type: ignore[no-untyped-call]
