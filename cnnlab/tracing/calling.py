"""How a user's module is called, in training and in evaluation: by the names of its arguments."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
from flax import nnx
from jax import Array

from cnnlab.spec.invalid import InvalidError, require

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

STREAMS, KEYS = ("rngs",), ("rng", "key", "dropout_rng")
"""Arguments that are given random numbers: `nnx.Rngs`, or a key of JAX."""


@dataclass(frozen=True, kw_only=True)
class Convention:
    """Which arguments beside the images a module's `__call__` is given.

    Attributes:
        flags: of `MODES`. random: of `STREAMS` and `KEYS`. needed: those of them that have no default.
    """

    flags: tuple[str, ...]
    random: tuple[str, ...]
    needed: tuple[str, ...]

    def given(self, key: Array, *, training: bool) -> dict[str, Any]:
        """The arguments; random numbers in evaluation only where the module cannot be called without."""
        random = self.random if training else self.needed
        return {name: MODES[name] != training for name in self.flags} | {
            name: nnx.Rngs(key) if name in STREAMS else key for name in random
        }


def convention(kind: type[Any], key: str = "module", value: str = "") -> Convention:
    """Read the signature of a module class's `__call__`.

    Args:
        kind: an `nnx.Module` or a `linen.Module`. Of the latter `rngs` is Flax's own word, and never an argument.
        key, value: what the error names, if not the class.

    Raises:
        InvalidError: it needs what it cannot be given.
    """
    name = kind.__name__
    asked = value or name
    require(hasattr(kind, "__call__"), key, asked, f"its module {name} has no __call__(images)")  # noqa: B004
    _, *others = inspect.signature(kind.__call__).parameters.values()
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_ONLY)
    named = [p for p in others if p.kind in kinds]
    images = others[0].kind is not inspect.Parameter.KEYWORD_ONLY if others else False
    require(images, key, asked, f"{name}.__call__ must take the images first, then what it is given by name")
    rest = named[1:] if others[0].kind is not inspect.Parameter.VAR_POSITIONAL else named
    random = (*(STREAMS if issubclass(kind, nnx.Module) else ()), *KEYS)
    known = (*MODES, *random)
    unknown = [p.name for p in rest if p.default is p.empty and p.name not in known]
    if unknown:
        valid = f"{name}.__call__ needs {', '.join(unknown)}: beside the images it is given {', '.join(known)}"
        raise InvalidError(key, asked, valid)
    return Convention(
        flags=tuple(p.name for p in rest if p.name in MODES),
        random=tuple(p.name for p in rest if p.name in random),
        needed=tuple(p.name for p in rest if p.name in random and p.default is p.empty),
    )


def evaluate(module: Any, images: Any) -> Any:
    """Call an `nnx.Module` that is in evaluation mode (`module.eval()`) on a batch of images, channels last."""
    return module(images, **_in_evaluation(module))


def evaluate_linen(module: Any, variables: Any, images: Any) -> Any:
    """Call a `linen.Module` in evaluation mode on a batch of images, channels last; what it stores is dropped."""
    made, _ = module.apply(variables, images, rngs=_linen_streams(), mutable=True, **_in_evaluation(module))
    return made


def initialise_linen(module: Any, images: Any) -> Any:
    """The variables of a `linen.Module` that reads these images."""
    return module.init(_linen_streams(), images, **_in_evaluation(module))


def _in_evaluation(module: Any) -> dict[str, Any]:
    return convention(type(module)).given(jax.random.key(0), training=False)


def _linen_streams() -> dict[str, Any]:
    return dict.fromkeys(("params", "dropout", "default"), jax.random.key(0))
