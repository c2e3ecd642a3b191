"""The notes say that of ReLU "only positive values are passed through".

Passed through means unchanged, and held back means replaced by zero (of either sign). Every number that the two
half-precision formats have is tried, and in float32 and float64 the special ones (-0.0, denormals, the smallest normal,
infinity, NaN) and a thousand at random, through the zoo's ReLU. NaN is not positive and passes all the same, because
the maximum of anything and NaN is NaN. A denormal is positive and may be held back: many processors flush it to zero.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from cnnlab.inference.rules.exact import Enumerated, Exact, Restricted
from cnnlab.report import canvas
from cnnlab.spec.verdict import Scalar, Table
from cnnlab.zoo.activations import activation
from experiments.claims.base import Claim, Computed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HALF, WIDE = ("float16", "bfloat16"), ("float32", "float64")
RANDOM = 1000
CONDITION = "the input is neither NaN nor a denormal number that the processor flushes to zero"
Values = NDArray[Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class Passed:
    """Inputs of one format and what came out, with the class of each."""

    dtype: str
    inputs: Values
    outputs: Values

    @property
    def classes(self) -> dict[str, NDArray[np.bool_]]:
        """Which inputs are of which class; every input is of exactly one."""
        x = widened(self.inputs)
        tiny = float(jnp.finfo(self.dtype).tiny)  # type: ignore[no-untyped-call]
        small = (np.abs(x) < tiny) & (x != 0)
        finite = np.isfinite(x)
        return {
            "NaN": np.isnan(x),
            "-inf": np.isneginf(x),
            "negative": (x < 0) & finite & ~small,
            "negative denormal": (x < 0) & small,
            "-0.0": (x == 0) & np.signbit(x),
            "0.0": (x == 0) & ~np.signbit(x),
            "positive denormal": (x > 0) & small,
            "positive": (x > 0) & finite & ~small,
            "inf": np.isposinf(x),
        }

    @property
    def holds(self) -> NDArray[np.bool_]:
        """Whether positive inputs come out unchanged, and all others as zero."""
        x, y = widened(self.inputs), widened(self.outputs)
        right: NDArray[np.bool_] = np.where(x > 0, y == x, y == 0)
        return right


def widened(values: Values) -> NDArray[np.float64]:
    """The same numbers in float64."""
    with np.errstate(invalid="ignore"):  # a signalling NaN becomes a quiet one
        return values.astype(np.float64)


def inputs(dtype: str) -> Values:
    """Every number of a half-precision format, or the special and a thousand random ones of a wider."""
    kind = jnp.dtype(dtype)
    if dtype in HALF:
        return np.arange(2**16, dtype=np.uint16).view(kind)
    info = jnp.finfo(dtype)  # type: ignore[no-untyped-call]
    special = [0.0, float(info.smallest_subnormal), float(info.tiny), 1.0, float(info.max), np.inf, np.nan]
    draw = np.random.default_rng(0)
    random = draw.normal(size=RANDOM) * 10.0 ** draw.uniform(-30, 30, RANDOM)
    return np.concatenate([special, -np.array(special), random]).astype(kind)


def passed(dtype: str, relu: Callable[[Array], Array]) -> Passed:
    """Put every input through ReLU."""
    given = inputs(dtype)
    with jax.enable_x64(True):
        return Passed(dtype=dtype, inputs=given, outputs=np.asarray(relu(jnp.asarray(given))))


def compute() -> Enumerated:
    """Try every input in every format."""
    found = [passed(dtype, activation("relu")) for dtype in (*HALF, *WIDE)]
    counterexamples, clean, clean_failing = [], 0, 0
    for one in found:
        flushed = one.classes["positive denormal"] & (widened(one.outputs) == 0)
        usual = ~(one.classes["NaN"] | flushed)
        clean, clean_failing = clean + int(usual.sum()), clean_failing + int((usual & ~one.holds).sum())
        for x, y in zip(one.inputs[~one.holds], one.outputs[~one.holds], strict=True):
            counterexamples.append(f"relu({float(x):.4g}) = {float(y):.4g} in {one.dtype}")
    counterexamples.sort(key=lambda line: "nan" not in line)
    return Enumerated(
        cases=sum(one.inputs.size for one in found),
        counterexamples=tuple(counterexamples),
        restricted=Restricted(condition=CONDITION, cases=clean, counterexamples=clean_failing),
        nearest_true="positive numbers pass unchanged, zero and negative ones come out as zero, and NaN passes too",
        tables=(by_class(found),),
    )


def by_class(found: list[Passed]) -> Table:
    """What became of every class of input, by format."""
    rows: list[tuple[Scalar, ...]] = []
    for name in found[0].classes:
        row: list[Scalar] = [name]
        for one in found:
            members = one.classes[name]
            row.append(f"{_fate(one.inputs[members], one.outputs[members])} ({members.sum()})")
        rows.append(tuple(row))
    columns = ("input", *(one.dtype for one in found))
    return Table(title="What becomes of an input (how many were tried)", columns=columns, rows=tuple(rows))


def _fate(given: Values, out: Values) -> str:
    x, y = widened(given), widened(out)
    fates = {"passes": bool(np.array_equal(x, y, equal_nan=True)), "becomes 0": bool((y == 0).all())}
    # zero does both
    said = [fate for fate, all_do in fates.items() if all_do]
    return said[-1] if said else "differs"


def figure() -> "Figure":
    """ReLU from in to out, with the inputs that are no numbers beside it."""
    drawn, axes = canvas.canvas(
        "ReLU passes positive numbers, holds back the rest, and lets NaN through", width=9, height=4.6, columns=2
    )
    curve, special = axes[0]
    x = np.linspace(-2, 2, 401)
    curve.plot(x, np.maximum(x, 0), color=canvas.BLUE, linewidth=2.5)
    curve.set_xlabel("x")
    curve.set_ylabel("ReLU(x)")
    one = passed("float32", activation("relu"))
    names = list(one.classes)
    special.grid(visible=False)
    special.set_xlim(0, 1)
    special.set_ylim(len(names) - 0.5, -0.9)
    special.axis("off")
    special.text(0, -0.8, "input", fontweight="bold")
    special.text(0.6, -0.8, "float32, found here", fontweight="bold")
    for row, name in enumerate(names):
        members = one.classes[name]
        fate, right = _fate(one.inputs[members], one.outputs[members]), bool(one.holds[members].all())
        special.text(0, row, name)
        special.text(
            0.6, row, fate if right else f"{fate}: against the claim", color=canvas.BLACK if right else canvas.RED
        )
    return drawn


CLAIM = Claim(
    says="ReLU passes positive inputs on unchanged and lets nothing else through.",
    notes='Activation Function, list: "only positive values are passed through"',
    kind="exact",
    evidence=Computed(compute=compute),
    rule=Exact(),
    figure=figure,
)
