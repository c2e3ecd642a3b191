"""The notes say of sigmoid that "all gradients of the weight becomes zero".

Judged as it stands: in a chain of sigmoid layers, is the gradient of EVERY weight exactly zero? One layer whose
gradient is not is a counterexample, so the exact half decides: the last layer stands right before the loss, and nothing
shrinks its gradient. Whether the first layers' gradients are exactly zero is a matter of the number format: they
shrink by a factor a layer and fall below its smallest number at some depth. Random inputs and cotangents, weights as
Xavier, seed fixed.
"""

from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from cnnlab.inference.rules.exact import Enumerated, Exact
from cnnlab.probes.decay import Flow, flow, kernels, plain
from cnnlab.report import canvas
from cnnlab.spec.verdict import Number, Scalar, Table
from experiments.claims.base import Claim, Computed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DTYPES = ("float64", "float32", "bfloat16", "float16")
DEPTHS = tuple(range(2, 81, 2))
TABLED = (2, 10, 20, 40, 60, 80)
WIDTH, BATCH = 32, 4
FAST = {"xla_backend_optimization_level": 0}
"""Every program here runs once."""
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Gradients:
    """Weight gradients of chains of every depth, in one number format.

    Attributes:
        norms: (depths, layers) L2 norms. zeros: (depths, layers) shares of exactly zero entries.
    """

    norms: Floats
    zeros: Floats

    def last(self, at: int) -> tuple[float, float]:
        """Norm and share of zeros of the last layer of the chain of `DEPTHS[at]` layers."""
        place = DEPTHS[at] - 1
        return float(self.norms[at, place]), float(self.zeros[at, place])

    @property
    def underflows(self) -> int | None:
        """Smallest depth at which the first layer's gradient is exactly zero throughout; None up to the deepest."""
        return next((depth for depth, share in zip(DEPTHS, self.zeros[:, 0], strict=True) if share == 1), None)


@cache
def gradients(kind: str, init: str, dtype: str) -> Gradients:
    """Send a gradient down chains of every depth; weights, inputs and cotangents are the same in every format."""
    weights = np.asarray(kernels(jax.random.key(0), max(DEPTHS), WIDTH, init, 1.0))
    image, cotangent = np.random.default_rng(0).normal(size=(2, BATCH, WIDTH))
    with jax.enable_x64(True), jax.default_matmul_precision("highest"):
        each = partial(flow, plain(kind), jnp.asarray(weights.astype(jnp.dtype(dtype))), image, cotangent)
        send = jax.jit(partial(jax.lax.map, each), compiler_options=FAST)
        found: Flow = jax.device_get(send(jnp.array(DEPTHS)))
    return Gradients(norms=np.asarray(found.weights), zeros=np.asarray(found.zeros))


def compute() -> Enumerated:
    """Look for a weight gradient that is not zero, in every format and at every depth."""
    counterexamples = []
    for dtype in DTYPES:
        found = gradients("sigmoid", "xavier", dtype)
        for at, depth in enumerate(DEPTHS):
            norm, share = found.last(at)
            if norm > 0 and share < 1:
                first = 100 * found.zeros[at, 0]
                counterexamples.append(
                    f"{dtype}, depth {depth}: the last layer's weight gradient has norm {norm:.2f} and "
                    f"{100 * share:.0f} % zeros (the first layer's: norm {found.norms[at, 0]:.1e}, {first:.0f} % zeros)"
                )
    # the deepest chain is the one the notes would be right about, if any
    counterexamples.reverse()
    lasts = [gradients("sigmoid", "xavier", dtype).last(at)[0] for dtype in DTYPES for at in range(len(DEPTHS))]
    return Enumerated(
        cases=len(DTYPES) * len(DEPTHS),
        counterexamples=tuple(counterexamples),
        nearest_true=f"the first layer's gradient shrinks by a factor a layer and is exactly zero {_where()}; "
        f"the last layer's keeps a norm of at least {min(lasts):.1f} at every depth",
        number=Number(name="smallest norm of the last layer's weight gradient", value=min(lasts)),
        tables=(by_depth(),),
    )


def _where() -> str:
    depths = {dtype: gradients("sigmoid", "xavier", dtype).underflows for dtype in DTYPES}
    said = [f"from depth {depth} in {dtype}" for dtype, depth in depths.items() if depth is not None]
    never = [f"at no depth up to {max(DEPTHS)} in {dtype}" for dtype, depth in depths.items() if depth is None]
    return ", ".join(said + never)


def by_depth() -> Table:
    """First and last layer by format and depth; ReLU beside them, whose exact zeros are blocked units."""
    rows: list[tuple[Scalar, ...]] = []
    for kind, init, dtype in (*(("sigmoid", "xavier", dtype) for dtype in DTYPES), ("relu", "he", "float64")):
        found = gradients(kind, init, dtype)
        for depth in TABLED:
            at = DEPTHS.index(depth)
            norm, share = found.last(at)
            first = (f"{found.norms[at, 0]:.1e}", round(100 * float(found.zeros[at, 0]), 1))
            rows.append((f"{kind}, {dtype}", depth, *first, round(norm, 2), round(100 * share, 1)))
    columns = ("chain", "depth", "first layer: norm", "zeros, %", "last layer: norm", "its zeros, %")
    title = f"Weight gradients at initialisation: {WIDTH} units, {BATCH} images"
    return Table(title=title, columns=columns, rows=tuple(rows))


def figure() -> "Figure":
    """Where the first layer's gradient underflows, by format; the last layer's never does."""
    drawn, axes = canvas.canvas(
        "Only the first layers' gradients reach exact zero, and only where the number format ends",
        width=12,
        height=4.8,
        columns=2,
    )
    norms, shares = axes[0]
    for dtype, colour, marker in zip(DTYPES, canvas.SERIES, canvas.MARKERS, strict=False):
        found = gradients("sigmoid", "xavier", dtype)
        style = {"color": colour, "marker": marker, "markersize": 4, "label": dtype}
        above = found.norms[:, 0] > 0
        norms.plot(np.array(DEPTHS)[above], np.log10(found.norms[above, 0]), **style)
        shares.plot(DEPTHS, 100 * found.zeros[:, 0], **style)
    exact = gradients("sigmoid", "xavier", "float64")
    last = [np.log10(exact.last(at)[0]) for at in range(len(DEPTHS))]
    norms.plot(DEPTHS, last, color=canvas.BLACK, linestyle="--", label="last layer, float64")
    norms.set_ylabel("log10 norm of the first layer's weight gradient")
    shares.set_ylabel("first layer: exactly zero entries, %")
    norms.set_title("a line ends where the gradient is zero throughout", fontsize=10)
    shares.set_title("depth at which the first layer underflows", fontsize=10)
    for panel in (norms, shares):
        panel.set_xlabel("sigmoid layers")
        panel.legend(frameon=False, fontsize=9)
    return drawn


CLAIM = Claim(
    says="In a net of sigmoids the gradients of all weights become zero.",
    notes='Activation Function, list: "(all gradients of the weight becomes zero)"',
    kind="exact+empirical",
    evidence=Computed(compute=compute),
    rule=Exact(reading="universal"),
    figure=figure,
)
