"""A Flax module's forward pass as a function of its arrays and the image, NNX and Linen alike."""

import contextlib
import functools
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from unittest import mock

import jax
import jax.numpy as jnp
from flax import nnx
from jax.ad_checkpoint import checkpoint_name

from cnnlab.spec.invalid import InvalidError, require
from cnnlab.spec.network import Pair
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
    """Take a module apart; it is put into evaluation mode, and nothing is computed.

    Args:
        module: an `nnx.Module`, whose arrays may be abstract (`nnx.eval_shape`), or a `linen.Module`.
        image: of the shape the module reads; only a Linen module's arrays depend on it.

    Raises:
        InvalidError: it is neither, or a Linen module cannot be initialised on this image.
    """
    if isinstance(module, nnx.Module):
        return _nnx(module)
    if "flax.linen" in sys.modules and isinstance(module, sys.modules["flax.linen"].Module):
        return _linen(module, image)
    raise InvalidError("module", type(module).__name__, "must be a flax.nnx.Module or a flax.linen.Module")


def _nnx(module: nnx.Module) -> Forward:
    graph, state = nnx.split(module)
    variables, _ = jax.tree_util.tree_flatten_with_path(state, is_leaf=lambda leaf: isinstance(leaf, nnx.Variable))
    treedef = jax.tree.structure(state)
    leaves = [
        Leaf(path=_dotted(path), learned=isinstance(variable, nnx.Param), array=_abstract(array))
        for path, variable in variables
        for array in jax.tree.leaves(variable)
    ]
    followed = tuple(getattr(nnx, name) for name in KINDS)

    def run(arrays: list[Any], image: Any) -> Any:
        model = nnx.merge(graph, jax.tree.unflatten(treedef, arrays))
        model.eval()  # type: ignore[no-untyped-call]
        for path, part in nnx.iter_modules(model):
            if isinstance(part, followed):
                setattr(part, PATH, ".".join(map(str, path)))
        return _first(model(image))

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
        return _mark(inputs[0] if inputs else next(iter(named.values())), kind, getattr(self, PATH), marks)

    return call


def _mark(value: Any, kind: str, path: str, marks: list[MarkedModule]) -> Any:
    marks.append(MarkedModule(kind=kind, path=path))
    return checkpoint_name(value, mark_name(len(marks) - 1))  # type: ignore[no-untyped-call]


def _linen(module: Any, image: jax.ShapeDtypeStruct) -> Forward:
    linen = sys.modules["flax.linen"]
    key = jax.random.key(0)
    try:
        state = jax.eval_shape(lambda x: module.init({"params": key, "dropout": key}, x), image)
    except Exception as problem:
        raise failed(module, image, problem) from problem
    found, treedef = jax.tree_util.tree_flatten_with_path(state)
    leaves = [
        Leaf(path=_dotted(path[1:]), learned=path[0].key == "params", array=_abstract(array)) for path, array in found
    ]

    def run(arrays: list[Any], image: Any) -> Any:
        return _first(module.apply(jax.tree.unflatten(treedef, arrays), image, rngs={"dropout": key}))

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


def failed(module: Any, image: jax.ShapeDtypeStruct, problem: Exception) -> InvalidError:
    """Describe an error of the module's own code in one line."""
    said = next((line.strip() for line in str(problem).splitlines() if line.strip()), "")
    shape = "x".join(map(str, image.shape[1:]))
    why = f"its forward pass fails on a {shape} image: {type(problem).__name__}: {said}"
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
