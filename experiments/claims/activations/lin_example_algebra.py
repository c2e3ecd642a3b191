"""The notes' example: L2 = w3 (w1 x1 + w2 x2) + w4 (w1 x1 + w2 x2) = x1 (w3 w1 + w1 w4) + x2 (w3 w2 + w4 w2).

Done symbolically, so that it holds for every weight and input: the two sides differ by zero, and the result is linear
in the inputs. So are layers of several different units, of which the example's two are copies: the output of two and
three layers is the product of their matrices times x.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cnnlab.inference.rules.exact import Enumerated, Exact
from cnnlab.report import canvas
from cnnlab.spec.verdict import Scalar, Table
from experiments.claims.base import Claim, Computed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Expression = Any
"""Of SymPy, which says nothing about its types."""
Activation = Callable[[Expression], Expression]
Identity = tuple[str, Expression, Expression, tuple[Expression, ...]]
"""(what it says, left side, right side, inputs in which it should be linear)."""
Edge = tuple[str, str, str, float]
"""(from, to, weight, bend of the arrow)."""
SHAPES = ((2, 2, 1), (2, 3, 2), (3, 2, 2, 1))
"""Units of the input and of every layer."""


def identity(value: Expression) -> Expression:
    """No activation: the value itself."""
    return value


def example(activation: Activation = identity) -> Identity:
    """The notes' two lines, with an activation after the first layer."""
    import sympy

    w1, w2, w3, w4, x1, x2 = sympy.symbols("w1 w2 w3 w4 x1 x2", real=True)
    first = activation(w1 * x1 + w2 * x2)
    claimed = x1 * (w3 * w1 + w1 * w4) + x2 * (w3 * w2 + w4 * w2)
    return "the notes' example", w3 * first + w4 * first, claimed, (x1, x2)


def layered(units: tuple[int, ...], activation: Activation = identity) -> Iterator[Identity]:
    """Every output of a chain of dense layers against the product of the layers' matrices."""
    import sympy

    layers = [
        sympy.Matrix(wide, narrow, lambda row, column, at=at: sympy.Symbol(f"w{at}_{row}{column}", real=True))
        for at, (narrow, wide) in enumerate(itertools.pairwise(units), start=1)
    ]
    inputs = sympy.Matrix(sympy.symbols(f"x1:{units[0] + 1}", real=True))
    signal, product = inputs, sympy.eye(units[0])
    for at, layer in enumerate(layers):
        signal = (layer * signal).applyfunc(activation) if at < len(layers) - 1 else layer * signal
        product = layer * product
    for at, (left, right) in enumerate(zip(signal, product * inputs, strict=True), start=1):
        yield f"layers of {'-'.join(map(str, units))} units, output {at}", left, right, tuple(inputs)


def differs(given: Identity) -> str | None:
    """Say how an identity fails; None where it holds for all weights and inputs and is linear in the inputs."""
    import sympy

    name, left, right, inputs = given
    difference = sympy.expand(left - right)
    if difference != 0:
        return f"{name}: the two sides differ by {difference}"
    bent = [pair for pair in itertools.product(inputs, repeat=2) if sympy.expand(sympy.diff(left, *pair)) != 0]
    return f"{name}: not linear in {bent[0]}" if bent else None


def identities(activation: Activation = identity) -> tuple[Identity, ...]:
    """The example and its general forms."""
    return (example(activation), *(one for units in SHAPES for one in layered(units, activation)))


def compute() -> Enumerated:
    """Expand both sides of every identity."""
    import sympy

    found = identities()
    rows: list[tuple[Scalar, ...]] = [
        (name, str(left), str(sympy.collect(sympy.expand(left), inputs))) for name, left, _, inputs in found[:4]
    ]
    return Enumerated(
        cases=len(found),
        counterexamples=tuple(line for one in found if (line := differs(one)) is not None),
        tables=(
            Table(title="As layers, and collected by input", columns=("", "layers", "one layer"), rows=tuple(rows)),
        ),
    )


def figure() -> "Figure":
    """The example as two layers, and as the one layer that it is."""
    drawn, axes = canvas.canvas(
        "Two layers without an activation between them have the weights of one", width=11, height=4.2, columns=2
    )
    written, collapsed = axes[0]
    places = {"x1": (0, 1), "x2": (0, 0), "L1": (1, 0.5), "L2": (2, 0.5)}
    edges: tuple[Edge, ...] = (
        ("x1", "L1", "w1", 0.0),
        ("x2", "L1", "w2", 0.0),
        ("L1", "L2", "w3", 0.35),
        ("L1", "L2", "w4", -0.35),
    )
    _graph(written, places, edges)
    written.set_title("as the notes write it", fontsize=10)
    places = {"x1": (0, 1), "x2": (0, 0), "L2": (2, 0.5)}
    edges = (("x1", "L2", "w3 w1 + w1 w4", 0.0), ("x2", "L2", "w3 w2 + w4 w2", 0.0))
    _graph(collapsed, places, edges)
    collapsed.set_title("one layer with the same output for every x1, x2", fontsize=10)
    return drawn


def _graph(panel: "Axes", places: Mapping[str, tuple[float, float]], edges: Sequence[Edge]) -> None:
    """Draw units as circles and weights as arrows; two weights between one pair of units bend apart."""
    panel.axis("off")
    for source, target, weight, bend in edges:
        (x0, y0), (x1, y1) = places[source], places[target]
        style = f"arc3,rad={bend}"
        arrow = {"arrowstyle": "->", "color": canvas.BLUE, "shrinkA": 17, "shrinkB": 17, "connectionstyle": style}
        panel.annotate("", (x1, y1), (x0, y0), arrowprops=arrow)
        middle, side = ((x0 + x1) / 2, (y0 + y1) / 2), -bend / 2 * (x1 - x0)
        label = {"boxstyle": "square,pad=0.15", "color": "white"}
        panel.text(middle[0], middle[1] + side, weight, ha="center", va="center", fontsize=11, bbox=label)
    for name, (x, y) in places.items():
        panel.plot(x, y, "o", markersize=30, color="white", markeredgecolor=canvas.BLACK)
        panel.text(x, y, name, ha="center", va="center", fontsize=11)
    panel.set_xlim(-0.3, 2.3)
    panel.set_ylim(-0.3, 1.3)


CLAIM = Claim(
    says="The notes' example of two layers without activations is one layer, with the weights they give.",
    notes='Activation Function, "If we don\'t use": "L2 = ... = x1(w3w1 + w1w4) + x2(w3w2+w4w2)"',
    kind="exact",
    evidence=Computed(compute=compute),
    rule=Exact(),
    figure=figure,
)
