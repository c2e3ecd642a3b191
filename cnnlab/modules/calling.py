"""How a user's module is called in training and in evaluation: by the names of its arguments."""

import inspect
from dataclasses import dataclass
from typing import Any

from flax import nnx
from jax import Array

from cnnlab.modules.making import KEYS, STREAMS
from cnnlab.modules.source import KEY
from cnnlab.spec.invalid import InvalidError, require
from cnnlab.tracing.calling import MODES

RANDOM = (*STREAMS, *KEYS, "dropout_rng")
"""Arguments that are given random numbers in training: `rngs` gets `nnx.Rngs`, the others a key of JAX."""


@dataclass(frozen=True, kw_only=True)
class Convention:
    """Which arguments beside the images a module's `__call__` is given.

    Attributes:
        flags: of `MODES`. random: of `RANDOM`. needed: those of them that have no default.
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


def convention(make: str, kind: type[Any]) -> Convention:
    """Read the signature of a module class's `__call__`. Raises InvalidError if it needs what it cannot be given."""
    name = kind.__name__
    require(hasattr(kind, "__call__"), KEY, make, f"its module {name} has no __call__(images)")  # noqa: B004
    _, *others = inspect.signature(kind.__call__).parameters.values()
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_ONLY)
    named = [p for p in others if p.kind in kinds]
    images = others[0].kind is not inspect.Parameter.KEYWORD_ONLY if others else False
    require(images, KEY, make, f"{name}.__call__ must take the images first, then what it is given by name")
    rest = named[1:] if others[0].kind is not inspect.Parameter.VAR_POSITIONAL else named
    known = (*MODES, *RANDOM)
    unknown = [p.name for p in rest if p.default is p.empty and p.name not in known]
    if unknown:
        valid = f"{name}.__call__ needs {', '.join(unknown)}: beside the images it is given {', '.join(known)}"
        raise InvalidError(KEY, make, valid)
    return Convention(
        flags=tuple(p.name for p in rest if p.name in MODES),
        random=tuple(p.name for p in rest if p.name in RANDOM),
        needed=tuple(p.name for p in rest if p.name in RANDOM and p.default is p.empty),
    )
