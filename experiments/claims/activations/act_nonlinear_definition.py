"""The notes define: "Non linearity basically means ... there is not a one function that can describes that".

Two senses of "one function". (1) Any function: then a counterexample is a formula that gives a non-linear net's output
for every input. A ReLU net has one, piecewise affine: which units are on decides the matrix A_r and the offset b_r, and
f(x) = A_r x + b_r. On planes through three digits the formula is built from the pattern of active units at one point
of each region, and must predict the net at all the other points of that region (1e-10 relative, float64). (2) One
linear (affine) function, as the sentence goes on to say ("its not a simple linear relationship"): then no affine map
may fit the net on such a plane. Nets: two of the zoo, each at random initial weights and after 40 full-batch steps of
Adam on 200 of the 8x8 digits, done on the spot; "trained" here means no more than that. Planes: three for each.
"""

from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
import optax
from flax import nnx
from jax import Array

from cnnlab.data.digits import BRIGHTEST, CLASSES, SIDE, frozen
from cnnlab.inference.rules.all_of import Senses
from cnnlab.inference.rules.exact import Enumerated, Exact
from cnnlab.probes.regions import Plane, Regions, affine_misfit, regions
from cnnlab.probes.weights import with_offsets
from cnnlab.report import canvas
from cnnlab.spec.net import ConvNet
from cnnlab.spec.verdict import Number, Scalar, Table
from cnnlab.zoo.lowering import network
from cnnlab.zoo.module import Net
from experiments.claims.base import Claim, Computed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TOLERANCE = 1e-10
POINTS, FINE, IMAGES, STEPS, RATE = 50, 240, 200, 40, 0.02
CORNERS = ((0, 1, 2), (3, 4, 5), (6, 7, 8))
"""Digits of the training pool that span the planes."""
NETS = {
    # few units: a region should have many points of the grid
    "three strided convolutions": ConvNet(depth=3, width=4, stride=2, pools=()),
    "two convolutions, average pools": ConvNet(
        depth=2, width=3, stem_stride=2, pools=(1,), down="average", head="flatten"
    ),
}
FAST = {"xla_backend_optimization_level": 0}
"""Every program here runs a few times."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Slice:
    """One net on one plane."""

    net: str
    weights: str
    plane: int
    found: Regions

    @property
    def name(self) -> str:
        """Net, weights and plane."""
        return f"{self.net}, {self.weights}, plane {self.plane}"


def digits() -> tuple[np.ndarray[Any, np.dtype[np.float32]], np.ndarray[Any, np.dtype[np.int32]]]:
    """The first digits of the training pool, pixels in [0, 1], and their labels."""
    every = frozen()
    images, labels = every.images[~every.test][:IMAGES], every.labels[~every.test][:IMAGES]
    return (images[..., None] / BRIGHTEST).astype(np.float32), labels.astype(np.int32)


@partial(jax.jit, static_argnums=0, compiler_options=FAST)
def fit(graph: Any, state: Any, images: Array, labels: Array) -> tuple[Any, Array]:
    """Take the full-batch steps of Adam; gives the weights, and the loss before each step."""
    optimiser = optax.adam(RATE)

    def loss(state: Any) -> Array:
        logits = nnx.merge(graph, state)(images)[0]
        mean: Array = optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()
        return mean

    def step(carry: tuple[Any, Any], _: None) -> tuple[tuple[Any, Any], Array]:
        state, memory = carry
        value, gradient = jax.value_and_grad(loss)(state)
        updates, memory = optimiser.update(gradient, memory)
        return (optax.apply_updates(state, updates), memory), value

    (fitted, _), losses = jax.lax.scan(step, (state, optimiser.init(state)), None, STEPS)
    return fitted, losses


def planes(points: int) -> tuple[Plane, ...]:
    """Planes through three digits each, a little larger than their triangle."""
    images = digits()[0].astype(np.float64)
    found = []
    for first, second, third in (images[list(corners)] for corners in CORNERS):
        middle = (first + second + third) / 3
        across, up = (second - first) / 1.5, (third - (first + second) / 2) / 1.5
        found.append(Plane(origin=middle, across=across, up=up, points=points))
    return tuple(found)


@cache
def nets() -> dict[tuple[str, str], Net]:
    """Every net by its name and by what its weights are: at random, and after the steps."""
    images, labels = digits()
    found = {}
    for name, spec in NETS.items():
        found[name, "at random"] = with_offsets(Net(network(spec, SIDE, 1, CLASSES), jax.random.key(0)), seed=1)
        graph, state = nnx.split(found[name, "at random"])
        fitted, losses = fit(graph, state, images, labels)
        trained = f"after {STEPS} steps (loss {float(losses[0]):.2f} to {float(losses[-1]):.2f})"
        found[name, trained] = nnx.merge(graph, fitted)
    return found


@cache
def slices() -> tuple[Slice, ...]:
    """Every net on every plane."""
    return tuple(
        Slice(net=name, weights=weights, plane=at, found=regions(net, plane))
        for (name, weights), net in nets().items()
        for at, plane in enumerate(planes(POINTS), start=1)
    )


def any_function() -> Enumerated:
    """Count as counterexamples the nets that one piecewise affine formula describes at every point of a plane."""
    described = [one for one in slices() if one.found.formula_residual <= TOLERANCE]
    worst = max((one.found.formula_residual for one in described), default=0.0)
    points, pieces = POINTS**2, [one.found.count for one in slices()]
    return Enumerated(
        cases=len(slices()),
        counterexamples=tuple(
            f"{one.name}: one piecewise affine function, {one.found.count} pieces, gives the output at all {points} "
            f"points to {one.found.formula_residual:.0e}"
            for one in described
        ),
        nearest_true=(
            "no one affine function describes a non-linear net; a ReLU net is one piecewise affine function, here of "
            f"{min(pieces)} to {max(pieces)} pieces on a plane (to {worst:.0e})"
        ),
        number=Number(name="largest error of the piecewise affine formula", value=worst),
        tables=(by_slice(),),
    )


def affine_function() -> Enumerated:
    """Count as counterexamples the nets that one affine function describes."""
    misfits = {one.name: affine_misfit(one.found) for one in slices()}
    return Enumerated(
        cases=len(misfits),
        counterexamples=tuple(
            f"{name}: one affine function fits to {misfit:.0e}"
            for name, misfit in misfits.items()
            if misfit <= TOLERANCE
        ),
        number=Number(name="smallest error of one affine function", value=100 * min(misfits.values()), unit="%"),
    )


def by_slice() -> Table:
    """Regions and errors of every net on every plane."""
    rows: list[tuple[Scalar, ...]] = [
        (
            one.net,
            one.weights,
            one.plane,
            one.found.count,
            POINTS**2 - one.found.count,
            f"{one.found.formula_residual:.0e}",
            f"{100 * affine_misfit(one.found):.1f} %",
        )
        for one in slices()
    ]
    columns = (
        "net",
        "weights",
        "plane",
        "regions met",
        "points predicted",
        "error of the formula",
        "of one affine map",
    )
    return Table(title=f"ReLU nets on planes of {POINTS}x{POINTS} points", columns=columns, rows=tuple(rows))


def figure() -> "Figure":
    """The regions of one plane, before and after the steps."""
    drawn, axes = canvas.canvas(
        "A ReLU net is one function made of flat pieces: every patch has an affine map of its own",
        width=11,
        height=5.4,
        columns=2,
    )
    shown = [(weights, net) for (name, weights), net in nets().items() if name == next(iter(NETS))]
    for panel, (weights, net) in zip(axes[0], shown, strict=True):
        found = regions(net, planes(FINE)[0])
        shades = np.random.default_rng(0).permutation(found.count)[found.region].reshape(FINE, FINE)
        panel.imshow(shades, cmap=canvas.COUNTS, origin="lower", extent=(-1, 1, -1, 1), interpolation="nearest")
        panel.grid(visible=False)
        panel.set_title(f"{weights}: {found.count} regions", fontsize=10)
        panel.set_xlabel("s: from the first digit to the second")
    axes[0][0].set_ylabel("t: towards the third digit")
    return drawn


CLAIM = Claim(
    says="A network is non-linear if no one function describes its output for every input.",
    notes='Activation Function, first point: "there is not a one function that can describes that"',
    kind="exact",
    evidence={
        "for one affine function": Computed(compute=affine_function),
        "for one function of any kind": Computed(compute=any_function),
    },
    rule=Senses(parts=(("for one affine function", Exact()), ("for one function of any kind", Exact()))),
    figure=figure,
)
