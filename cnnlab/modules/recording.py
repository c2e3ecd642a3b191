"""Outputs of a user's layers by their place in the module's tree, and nudges added to them."""

import collections
import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import jax
from flax import nnx
from jax import Array
from jax.extend import core


def _transform() -> Any:
    """The transform of JAX that is tracing; equal to itself alone."""
    return core.get_opaque_trace_state(convention="nnx")  # type: ignore[no-untyped-call]


@dataclass
class Recorder:
    """What layers give while a forward pass is traced.

    Attributes:
        names: of the layers to record. nudges: arrays to add to their outputs, by name.
        outputs: by name, in the order of the calls. calls: how often each was called.
        around: the transform of JAX that the pass is traced by. What a layer gives inside another one (`scan`, `vmap`,
            `checkpoint`, `jit`) may not leave that, and is left out.
    """

    names: Collection[str]
    nudges: Mapping[str, Array]
    outputs: dict[str, Array] = field(default_factory=dict)
    calls: collections.Counter[str] = field(default_factory=collections.Counter)
    inside: set[str] = field(default_factory=set)
    around: Any = field(default_factory=_transform)

    def call(self, name: str, function: Callable[[], Any]) -> Any:
        """Call a layer; a class that calls its parent's `__call__` is one layer."""
        if name not in self.names or name in self.inside or self.around != _transform():
            return function()
        self.inside.add(name)
        try:
            value = function()
        finally:
            self.inside.discard(name)
        if not isinstance(value, jax.Array):
            return value
        if name in self.nudges:
            value = value + self.nudges[name].astype(value.dtype)
        self.calls[name] += 1
        self.outputs[name] = value
        return value


@contextlib.contextmanager
def recording(model: nnx.Module, names: Collection[str], nudges: Mapping[str, Array]) -> Iterator[Recorder]:
    """Record the outputs of layers, by dotted path, while the model is called inside the `with` block.

    Their classes' `__call__` is replaced for as long.
    """
    recorder = Recorder(names, nudges)
    if not names:
        yield recorder
    elif isinstance(model, nnx.bridge.ToNNX):
        with _linen(recorder):
            yield recorder
    else:
        with _nnx(model, recorder):
            yield recorder


@contextlib.contextmanager
def _nnx(model: nnx.Module, recorder: Recorder) -> Iterator[None]:
    paths = {id(part): dotted(path) for path, part in nnx.iter_modules(model)}
    named = [part for path, part in nnx.iter_modules(model) if dotted(path) in recorder.names]
    kinds = {type(part) for part in named if callable(part)}

    def replaced(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(self: Any, *given: Any, **named: Any) -> Any:
            name = paths[id(self)] if id(self) in paths else ""
            return recorder.call(name, lambda: original(self, *given, **named))

        return call

    with contextlib.ExitStack() as stack:
        for kind in kinds:
            stack.enter_context(mock.patch.object(kind, "__call__", replaced(kind.__call__)))
        yield


@contextlib.contextmanager
def _linen(recorder: Recorder) -> Iterator[None]:
    from flax import linen

    def intercept(following: Any, given: Any, named: Any, context: Any) -> Any:
        if context.method_name != "__call__":
            return following(*given, **named)
        return recorder.call(dotted(context.module.path), lambda: following(*given, **named))

    with linen.intercept_methods(intercept):
        yield


def dotted(path: tuple[Any, ...]) -> str:
    """A place in a tree as text, such as `blocks.0.conv`."""
    return ".".join(map(str, path))
