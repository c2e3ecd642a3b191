"""The notes: ReLU's "derivative is 0 when x is less than or equal to zero, 1 when x is positive".

At 0 there is no derivative; what stands there is a convention (any number in [0, 1] is a subgradient), and a program
has to pick one. Every way JAX users write ReLU is differentiated at the same places in three number formats. The
condition tried is `jax.nn.relu`, whose derivative JAX states itself, at numbers that are not denormal:
a processor that flushes those to zero cannot tell them from it, which the table records as found here. What a choice
at 0 does to training (the sweep relu_at_zero) is extra and decides nothing.
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from cnnlab.inference.rules.exact import Enumerated, Exact, Restricted
from cnnlab.report import canvas
from cnnlab.spec.verdict import Number, Scalar, Table
from experiments.claims.base import Claim, Computed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WAYS: dict[str, Callable[[Array], Array]] = {
    "jax.nn.relu(x)": jax.nn.relu,
    "jnp.maximum(x, 0)": lambda x: jnp.maximum(x, 0),
    "jax.lax.max(x, 0)": lambda x: jax.lax.max(x, jnp.zeros_like(x)),
    "jnp.where(x > 0, x, 0)": lambda x: jnp.where(x > 0, x, 0),
    "jnp.where(x >= 0, x, 0)": lambda x: jnp.where(x >= 0, x, 0),
    "x * (x > 0)": lambda x: x * (x > 0),
}
STATED = "jax.nn.relu(x)"
DTYPES = ("float64", "float32", "bfloat16")
CONDITION = "the derivative is that of jax.nn.relu, which puts 0 at 0, and x is not denormal"


@dataclass(frozen=True, kw_only=True)
class Derivative:
    """One derivative: how ReLU is written, and where it is taken."""

    way: str
    dtype: str
    place: str
    x: float
    slope: float

    @property
    def expected(self) -> float:
        """What the notes say: 1 where x is positive, else 0."""
        return float(self.x > 0)

    @property
    def line(self) -> str:
        """The case as a counterexample."""
        return f"{self.way}, {self.dtype}: the derivative at {self.place} is {self.slope:g}, not {self.expected:g}"


def places(dtype: str) -> dict[str, float]:
    """Where the derivative is taken: the places of the rule, and the denormal's mirror image."""
    denormal = float(jnp.finfo(dtype).smallest_subnormal)  # type: ignore[no-untyped-call]
    return {"-1": -1.0, "-denormal": -denormal, "-0.0": -0.0, "0": 0.0, "denormal": denormal, "1": 1.0}


def cases() -> Iterator[Derivative]:
    """Differentiate every way of writing ReLU at every place, in every format."""

    @jax.jit
    def derivatives(given: Array) -> dict[str, Array]:
        return {way: jax.vmap(jax.grad(relu))(given) for way, relu in WAYS.items()}

    for dtype in DTYPES:
        at = places(dtype)
        with jax.enable_x64(True):
            # NumPy makes the numbers: a device that flushes denormals would lose them on the way
            found = derivatives(jnp.asarray(np.array(list(at.values())).astype(jnp.dtype(dtype))))
            slopes = {way: np.asarray(values).astype(float) for way, values in found.items()}
        for way, (place, x) in itertools.product(WAYS, at.items()):
            slope = float(slopes[way][list(at).index(place)])
            yield Derivative(way=way, dtype=dtype, place=place, x=x, slope=slope)


def compute() -> Enumerated:
    """Compare every derivative with what the notes say."""
    found = tuple(cases())
    failing = [case for case in found if case.slope != case.expected]
    clean = [case for case in found if case.way == STATED and "denormal" not in case.place]
    at_zero = {way: {case.slope for case in found if case.way == way and case.place == "0"} for way in WAYS}
    said = ", ".join(f"{way}: {'/'.join(f'{slope:g}' for slope in sorted(slopes))}" for way, slopes in at_zero.items())
    return Enumerated(
        cases=len(found),
        counterexamples=tuple(case.line for case in sorted(failing, key=lambda case: "denormal" in case.place)),
        restricted=Restricted(
            condition=CONDITION, cases=len(clean), counterexamples=sum(case in failing for case in clean)
        ),
        nearest_true=f"0 below zero and 1 above; at 0 ReLU has no derivative and a program chooses ({said})",
        number=Number(name="derivative of jnp.maximum(x, 0) at 0", value=max(at_zero["jnp.maximum(x, 0)"])),
        tables=(by_place(found),),
    )


def by_place(found: tuple[Derivative, ...]) -> Table:
    """Derivatives by way, format and place."""
    rows: list[tuple[Scalar, ...]] = []
    for way, dtype in itertools.product(WAYS, DTYPES):
        rows.append((way, dtype, *(case.slope for case in found if (case.way, case.dtype) == (way, dtype))))
    columns = ("ReLU written as", "dtype", *(f"at {place}" for place in places(DTYPES[0])))
    return Table(title=f"Derivatives, as found on {jax.default_backend()}", columns=columns, rows=tuple(rows))


def figure() -> "Figure":
    """Three lines that touch ReLU at 0 and stay below it, one for each choice a program makes."""
    drawn, axes = canvas.canvas(
        "At 0 many lines touch ReLU from below: its derivative there is a choice", width=9, height=4.6
    )
    panel = axes[0][0]
    x = np.array([-1.0, 0.0, 1.0])
    panel.plot(x, np.maximum(x, 0), color=canvas.BLACK, linewidth=3, label="ReLU")
    chosen: dict[float, list[str]] = {}
    for case in cases():
        if (case.place, case.dtype) == ("0", "float32"):
            chosen.setdefault(case.slope, []).append(case.way)
    for (slope, ways), colour, style in zip(sorted(chosen.items()), canvas.SERIES, ("--", "-.", ":"), strict=False):
        label = f"slope {slope:g} at 0: {', '.join(ways)}"
        panel.plot(x, slope * x, style, color=colour, linewidth=2, label=label)
    panel.plot(0, 0, "o", color=canvas.BLACK)
    panel.set_xlabel("x")
    panel.set_ylabel("ReLU(x)")
    panel.set_ylim(-1.05, 1.05)
    panel.legend(frameon=False, fontsize=9, loc="upper left")
    return drawn


CLAIM = Claim(
    says="ReLU has derivative 0 wherever x <= 0 and derivative 1 wherever x > 0.",
    notes='Few things to remember: "derivative is 0 when x is less than or equal to zero, 1 when x is positive"',
    kind="exact+empirical",
    evidence=Computed(compute=compute),
    rule=Exact(),
    figure=figure,
)
