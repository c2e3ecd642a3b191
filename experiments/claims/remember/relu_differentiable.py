"""The notes: ReLU's "derivative is not continuous at a particular point but its differentiable".

Both halves are judged at every place: a jump of the derivative, and differentiability, where one-sided difference
quotients (ReLU(x + h) - ReLU(x)) / h have one limit as h goes to 0 from above and from below. ReLU is straight on
either side of 0, so with h a power of two, small enough not to cross 0, the quotients are exact and are their limits.
The sentence speaks of the very place where the derivative jumps; leaving that place out would leave out its subject, so
no condition is tried. (Nor could it hold for another function: a derivative that exists on both sides of a place and at
it has no jump there, by Darboux's theorem.)
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from cnnlab.inference.rules.exact import Enumerated, Exact
from cnnlab.report import canvas
from cnnlab.spec.verdict import Number, Scalar, Table
from cnnlab.zoo.activations import activation
from experiments.claims.base import Claim, Computed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PLACES = (-2.0, -1.0, -(2.0**-10), 0.0, 2.0**-10, 1.0, 2.0, 0.75, -0.75, 3.0)
STEPS = tuple(2.0**-power for power in range(11, 41))


@dataclass(frozen=True, kw_only=True)
class Sides:
    """What ReLU does around one place.

    Attributes:
        left, right: all difference quotients from below and above; one number each where they are exact.
        jump: largest change of the function itself over the steps, over the step.
    """

    x: float
    left: tuple[float, ...]
    right: tuple[float, ...]
    jump: float

    @property
    def differentiable(self) -> bool:
        """Whether all quotients agree."""
        return len({*self.left, *self.right}) == 1

    @property
    def line(self) -> str:
        """The place as a counterexample."""
        left, right = (f"{values[-1]:g}" for values in (self.left, self.right))
        return f"at x = {self.x:g} the slope is {left} from the left and {right} from the right: no derivative"


def around(x: float) -> Sides:
    """Take the quotients of the zoo's ReLU at one place, in float64."""
    relu = activation("relu")
    steps = np.array(STEPS)
    with jax.enable_x64(True):
        middle, above, below = (np.asarray(relu(jnp.asarray(at))) for at in (np.array(x), x + steps, x - steps))
    right, left = (above - middle) / steps, (middle - below) / steps
    jump = float(np.max(np.abs(np.concatenate([above - middle, below - middle])) / np.tile(steps, 2)))
    return Sides(x=x, left=tuple(left.tolist()), right=tuple(right.tolist()), jump=jump)


def compute() -> Enumerated:
    """Ask at every place whether ReLU is differentiable there."""
    found = [around(x) for x in PLACES]
    failing = [sides for sides in found if not sides.differentiable]
    steepest = max(sides.jump for sides in found)
    where = ", ".join(f"{sides.x:g}" for sides in failing)
    rows: list[tuple[Scalar, ...]] = [
        (sides.x, sides.left[-1], sides.right[-1], "yes" if sides.differentiable else "no") for sides in found
    ]
    return Enumerated(
        cases=len(found),
        counterexamples=tuple(sides.line for sides in failing),
        nearest_true=(
            f"ReLU is continuous everywhere (it never changes by more than {steepest:g} times the step) and "
            f"differentiable everywhere but at {where}, where its derivative jumps"
        ),
        number=Number(name="right slope minus left slope at 0", value=around(0.0).right[-1] - around(0.0).left[-1]),
        tables=(
            Table(
                title=f"Difference quotients, steps from {STEPS[0]:.2g} to {STEPS[-1]:.2g}",
                columns=("x", "from the left", "from the right", "differentiable"),
                rows=tuple(rows),
            ),
        ),
    )


def figure() -> "Figure":
    """ReLU with its two slopes at 0, and the quotients as the step shrinks."""
    drawn, axes = canvas.canvas(
        "ReLU has two slopes at 0, and they never meet: it is continuous there, not differentiable",
        width=11,
        height=4.4,
        columns=2,
    )
    curve, quotients = axes[0]
    x = np.array([-1.0, 0.0, 1.0])
    curve.plot(x, np.maximum(x, 0), color=canvas.BLACK, linewidth=3)
    curve.plot(0, 0, "o", color=canvas.BLACK)
    curve.annotate("slope 0", (-0.6, 0.05), color=canvas.BLUE, fontsize=11)
    curve.annotate("slope 1", (0.25, 0.6), color=canvas.RED, fontsize=11)
    curve.set_xlabel("x")
    curve.set_ylabel("ReLU(x)")
    sides = around(0.0)
    quotients.plot(STEPS, sides.right, color=canvas.RED, marker="s", markersize=4, label="from the right")
    quotients.plot(STEPS, sides.left, color=canvas.BLUE, marker="o", markersize=4, label="from the left")
    quotients.set_xscale("log")
    quotients.invert_xaxis()
    quotients.set_ylim(-0.2, 1.2)
    quotients.set_xlabel("step h (shrinking to the right)")
    quotients.set_ylabel("(ReLU(0 ± h) - ReLU(0)) / (± h)")
    quotients.legend(frameon=False, loc="center left")
    return drawn


CLAIM = Claim(
    says="ReLU is differentiable even at the one point where its derivative jumps.",
    notes='Few things to remember: "derivative is not continuous at a particular point but its differentiable"',
    kind="exact",
    evidence=Computed(compute=compute),
    rule=Exact(),
    figure=figure,
)
