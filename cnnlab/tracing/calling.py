"""How a user's module is called in evaluation mode, whatever its forward pass asks for beside the images."""

import inspect
from collections.abc import Mapping
from typing import Any

import jax

MODES: Mapping[str, bool] = {
    "train": False,
    "training": False,
    "is_training": False,
    "is_train": False,
    "deterministic": True,
    "use_running_average": True,
    "use_running_averages": True,
    "eval": True,
    "evaluate": True,
    "inference": True,
    "test": True,
}
"""Switches of Flax modules by name, and what they are in evaluation."""

STREAMS = ("rngs", "rng", "key")
"""Arguments that take random streams; in evaluation nothing draws from them."""


def evaluation_keywords(module: Any) -> dict[str, Any]:
    """Keywords with which a module's `__call__` runs in evaluation mode: its switches, and random streams if it must.

    Args:
        module: an `nnx.Module` or a `linen.Module`.

    Returns:
        By name what the signature of `__call__` has of `MODES`; of `STREAMS` only what has no default.
    """
    try:
        found = inspect.signature(module.__call__).parameters
    except (TypeError, ValueError):
        return {}
    named = [p for p in found.values() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    asked: dict[str, Any] = {p.name: MODES[p.name] for p in named if p.name in MODES}
    for p in named:
        if p.name in STREAMS and p.default is p.empty:
            asked[p.name] = _streams(p.name)
    return asked


def _streams(name: str) -> Any:
    if name != "rngs":
        return jax.random.key(0)
    from flax import nnx

    return nnx.Rngs(0)


def evaluate(module: Any, images: Any) -> Any:
    """Call an `nnx.Module` that is in evaluation mode (`module.eval()`) on a batch of images, channels last."""
    return module(images, **evaluation_keywords(module))


def evaluate_linen(module: Any, variables: Any, images: Any) -> Any:
    """Call a `linen.Module` in evaluation mode on a batch of images, channels last; what it stores is dropped."""
    made, _ = module.apply(variables, images, rngs=_linen_streams(), mutable=True, **_linen_keywords(module))
    return made


def initialise_linen(module: Any, images: Any) -> Any:
    """The variables of a `linen.Module` that reads these images."""
    return module.init(_linen_streams(), images, **_linen_keywords(module))


def _linen_keywords(module: Any) -> dict[str, Any]:
    """`rngs` is a word of Linen's own, by which no module can be given anything."""
    return {name: value for name, value in evaluation_keywords(module).items() if name != "rngs"}


def _linen_streams() -> dict[str, Any]:
    return dict.fromkeys(("params", "dropout", "default"), jax.random.key(0))
