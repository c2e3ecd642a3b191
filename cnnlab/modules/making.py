"""Calls a user's function: what it is given, and what may come back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
from flax import nnx
from jax import Array

from cnnlab.modules.signature import is_linen, parameters
from cnnlab.modules.source import KEY, load, one_line
from cnnlab.spec.invalid import InvalidError, require
from cnnlab.spec.own_module import OwnModule
from cnnlab.tracing.calling import KEYS, STREAMS

SIZES: Mapping[str, str] = {
    **dict.fromkeys(("classes", "num_classes", "n_classes"), "classes"),
    **dict.fromkeys(("in_channels", "image_channels"), "channels"),
    **dict.fromkeys(("side", "image_size"), "side"),
}
"""Arguments that are given the task's sizes, unless the user gives them."""


@dataclass(frozen=True, kw_only=True)
class ImageSizes:
    """What a net reads and tells apart: square images of `side` pixels with `channels`, and so many classes."""

    side: int
    channels: int
    classes: int


def prepared(net: OwnModule, sizes: ImageSizes) -> Callable[[Array], Any]:
    """The user's function as one of a key of JAX alone.

    Raises:
        InvalidError: it cannot be imported, or its arguments are not those given. Of what is returned: the function
            raises, or gives neither an NNX nor a Linen module, or gives an NNX module without having asked for `rngs`.
    """
    function = load(net)
    named, free = parameters(net, function)
    given = dict(net.args)
    for name, value in given.items():
        known = [word for word in named if word not in (*STREAMS, *KEYS)]
        valid = f"{net.make} takes {', '.join(known) or 'no arguments'}"
        require(free or name in known, f"model.args.{name}", value, valid)
    given = {name: getattr(sizes, SIZES[name]) for name in named if name in SIZES} | given
    missing = [name for name, p in named.items() if p.default is p.empty and name not in (*given, *STREAMS, *KEYS)]
    if missing:
        raise InvalidError(KEY, net.make, f"needs {', '.join(missing)}: add model.args.{missing[0]}=VALUE")
    random = [name for name in (*STREAMS, *KEYS) if name in named] or (["rngs"] if free else [])

    def make(key: Array) -> Any:
        streams = {name: nnx.Rngs(key) if name in STREAMS else key for name in random}
        with one_line(KEY, net.make, "making the module fails"):
            module = function(**given, **streams)
        if is_linen(module):
            return module
        if not isinstance(module, nnx.Module):
            must = f"returned a {type(module).__name__}: must return a flax.nnx.Module or a flax.linen.Module"
            raise InvalidError(KEY, net.make, must)
        must = "must take rngs and draw the module's initial weights from it: they belong to the member's seed"
        require(bool(random), KEY, net.make, must)
        return module

    return make


def some_key() -> Array:
    """A key whose numbers do not matter."""
    return jax.random.key(0)
