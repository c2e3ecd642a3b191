"""Reads a jaxpr for its activations: the check that a factor reached every site of a net, and nothing else did."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

from cnnlab.zoo.activations import TABLE

LINEAR = frozenset(
    {
        "add",
        "broadcast_in_dim",
        "concatenate",
        "conv_general_dilated",
        "convert_element_type",
        "copy",
        "div",
        "dot_general",
        "mul",
        "neg",
        "pad",
        "reduce_sum",
        "reshape",
        "rev",
        "rsqrt",
        "scatter",
        "slice",
        "square",
        "squeeze",
        "stop_gradient",
        "sub",
        "transpose",
    }
)
"""Primitives of convolutions, pads, averages and norms. What is not here, and not named in `TABLE`, is reported.

`scatter` is how Flax writes the running statistics of batch norm, whole; compiled it is a copy."""


def activation_sites(jaxpr: ClosedJaxpr) -> Counter[str]:
    """Count the sites of each activation of the table in a jaxpr, by name.

    An elementwise non-linearity written by hand is counted too, under the name of its primitive: `tanh`, `logistic`,
    `select_n`, or `max` for a maximum with a constant. The maximum of two arrays is a pool's and is not counted.

    >>> import jax
    >>> activation_sites(jax.make_jaxpr(lambda x: TABLE["gelu"](x) + jax.numpy.sin(x))(1.0))
    Counter({'gelu': 1, 'sin': 1})
    """
    return Counter(_sites(jaxpr.jaxpr))


def _sites(jaxpr: Jaxpr) -> Iterator[str]:
    """Name the sites in the order they run."""
    for equation in jaxpr.eqns:
        name, inner = equation.params.get("name"), list(_inner(equation.params))
        if name in TABLE and inner:
            yield name
        elif inner:
            for sub in inner:
                yield from _sites(sub)
        elif equation.primitive.name == "max":
            yield from ["max"] if any(isinstance(operand, Literal) for operand in equation.invars) else []
        elif equation.primitive.name not in LINEAR:
            yield equation.primitive.name


def _inner(params: dict[str, Any]) -> Iterator[Jaxpr]:
    """Find the jaxprs inside an equation: of a jit, a custom derivative, a branch."""
    for value in params.values():
        for entry in value if isinstance(value, (tuple, list)) else (value,):
            if isinstance(entry, ClosedJaxpr):
                yield entry.jaxpr
            elif isinstance(entry, Jaxpr):
                yield entry
