"""What a user's function takes. No JAX."""

import inspect
import sys
from collections.abc import Callable
from typing import Any

from cnnlab.modules.source import KEY, one_line
from cnnlab.spec.own_module import OwnModule

LINEN_OWN = ("parent", "name")
"""Fields of every Linen module."""


def is_linen(module: Any) -> bool:
    """Whether it is a module (or a class of modules) of Flax Linen, which is not imported for the question."""
    linen = sys.modules["flax.linen"].Module if "flax.linen" in sys.modules else None
    return linen is not None and (isinstance(module, linen) or (inspect.isclass(module) and issubclass(module, linen)))


def parameters(net: OwnModule, function: Callable[..., Any]) -> tuple[dict[str, inspect.Parameter], bool]:
    """The arguments of a net's function by name, and whether it takes any others too."""
    with one_line(KEY, net.make, "what it takes cannot be found out"):
        if inspect.isclass(function):  # the class itself says no more than *args, **kwargs
            _, *rest = inspect.signature(function.__init__).parameters.values()
            found = {p.name: p for p in rest}
        else:
            found = dict(inspect.signature(function).parameters)
    own = LINEN_OWN if is_linen(function) else ()
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    named = {name: p for name, p in found.items() if p.kind in kinds and name not in own}
    return named, any(p.kind is p.VAR_KEYWORD for p in found.values())
