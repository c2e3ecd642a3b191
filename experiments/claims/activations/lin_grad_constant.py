"""The notes: without activations "the derivative of the function is a constant and has no relation to the input, X".

Which derivative? That of the activation is 1 everywhere, and that of a linear net by its input is the same matrix at
every input. But gradient descent follows a third one, of the loss by the weights; layer by layer it is the input to the
layer times the error that comes back, so it contains X. Each is compared between pairs of inputs, on zoo nets without
activations in float64; the weight gradients are also compared with that product, written out in NumPy.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array
from numpy.typing import NDArray

from cnnlab.inference.rules.exact import Enumerated, Exact, Restricted
from cnnlab.probes.weights import in_precision, with_offsets
from cnnlab.report import canvas
from cnnlab.spec.net import ConvNet
from cnnlab.spec.verdict import Number, Scalar, Table
from cnnlab.zoo.activations import activation
from cnnlab.zoo.lowering import network
from cnnlab.zoo.module import Net
from experiments.claims.base import Claim, Computed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TOLERANCE = 1e-10
UNITS, CLASSES, INPUTS, SIDE = 6, 3, 4, 5
DENSE_DEPTHS = (1, 2, 8)
LOSSES = ("squared error", "cross entropy")
CONDITION = (
    "the function is the activation, or the net as a function of its input; not the loss as a function of its weights"
)
FAST = {"xla_backend_optimization_level": 0}
"""Every program here runs once."""
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class GradientPair:
    """One derivative at two inputs.

    Attributes:
        what: whose derivative by what, and at which two inputs. of_weights: True for the loss by the weights.
        change: largest difference between the two inputs, relative to the largest entry.
    """

    what: str
    of_weights: bool
    change: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Derivatives:
    """Of one net at every input: by layer the kernels' gradients for each loss, and the derivative by the input.

    Attributes:
        by_weights: {loss: {layer: (inputs, ...)}}. by_input: (inputs, classes, ...).
    """

    by_weights: dict[str, dict[str, Floats]]
    by_input: Floats


def dense(depth: int) -> Net:
    """A chain of dense layers: 1x1 convolutions of a single pixel, then the logits."""
    spec = ConvNet(depth=depth, width=UNITS, kernel=1, pools=(), head="flatten", activation="identity", init="lecun")
    return with_offsets(Net(network(spec, 1, UNITS, CLASSES), jax.random.key(0)), seed=1)


def convolutional() -> Net:
    """Three 3x3 convolutions, an average pool and a flatten head."""
    spec = ConvNet(depth=3, width=4, pools=(2,), down="average", head="flatten", activation="identity", init="lecun")
    return with_offsets(Net(network(spec, SIDE, 1, CLASSES), jax.random.key(0)), seed=1)


@cache
def nets() -> dict[str, Net]:
    """The nets by name."""
    return {
        **{f"dense, depth {depth}": dense(depth) for depth in DENSE_DEPTHS},
        "convolutions, depth 3": convolutional(),
    }


def inputs(net: Net) -> Floats:
    """Random images for a net, (inputs, height, width, channels)."""
    size, channels = net.network.size, UNITS if net.network.size == (1, 1) else 1
    assert size is not None, "the zoo binds every net to an image"
    return np.random.default_rng(3).normal(size=(INPUTS, *size, channels))


def loss(kind: str, logits: Array) -> Array:
    """Loss of one image whose right class is the first."""
    target = jnp.eye(CLASSES, dtype=logits.dtype)[0]
    return jnp.sum((logits - target) ** 2) if kind == LOSSES[0] else -jax.nn.log_softmax(logits)[0]


@cache
def derivatives() -> dict[str, Derivatives]:
    """Differentiate every net at every input, in one compilation."""
    parts = {name: nnx.split(net) for name, net in nets().items()}

    def logits(name: str, state: Any, image: Array) -> Array:
        value: Array = in_precision(nnx.merge(parts[name][0], state), "float64")(image[None])[0][0]
        return value

    def at(name: str, state: Any, image: Array) -> tuple[dict[str, Any], Array]:
        weights = {kind: jax.grad(lambda s, k=kind: loss(k, logits(name, s, image)))(state) for kind in LOSSES}
        return weights, jax.jacrev(lambda x: logits(name, state, x))(image)

    @partial(jax.jit, compiler_options=FAST)
    def every(states: dict[str, Any], images: dict[str, Array]) -> dict[str, tuple[dict[str, Any], Array]]:
        over = {name: jax.vmap(lambda state, x, n=name: at(n, state, x), (None, 0)) for name in states}
        return {name: over[name](states[name], images[name]) for name in states}

    with jax.enable_x64(True), jax.default_matmul_precision("highest"):
        wide = {name: jax.tree.map(lambda leaf: leaf.astype("float64"), state) for name, (_, state) in parts.items()}
        found = jax.device_get(every(wide, {name: jnp.asarray(inputs(net)) for name, net in nets().items()}))
    return {
        name: Derivatives(
            by_weights={
                kind: {layer: np.asarray(leaves["kernel"].get_value()) for layer, leaves in state["layers"].items()}
                for kind, state in weights.items()
            },
            by_input=np.asarray(by_input),
        )
        for name, (weights, by_input) in found.items()
    }


def written_out(net: Net, image: Floats, kind: str) -> dict[str, Floats]:
    """The weight gradients of a dense net, in NumPy: each the layer's input times the error that comes back to it."""
    names = list(net.layers)
    weights = [np.asarray(net.layers[name].kernel[...], np.float64) for name in names]
    kernels = [kernel.reshape(kernel.shape[-2:]) for kernel in weights]
    signals = [image.reshape(-1)]
    for name, kernel in zip(names, kernels, strict=True):
        signals.append(signals[-1] @ kernel + np.asarray(net.layers[name].bias[...], np.float64))
    target = np.eye(CLASSES)[0]
    exponentials = np.exp(signals[-1] - signals[-1].max())
    error = 2 * (signals[-1] - target) if kind == LOSSES[0] else exponentials / exponentials.sum() - target
    found = {}
    for name, kernel, signal in zip(names[::-1], kernels[::-1], signals[-2::-1], strict=True):
        found[name] = np.outer(signal, error)
        error = kernel @ error
    return found


def change(first: Floats, second: Floats) -> float:
    """Largest difference of two arrays, relative to the largest entry of either; 0 where all vanish."""
    largest = max(np.abs(first).max(), np.abs(second).max())
    return float(np.abs(first - second).max() / largest) if largest else 0.0


def cases() -> Iterator[GradientPair]:
    """Compare every derivative at every pair of inputs."""
    pairs = list(itertools.combinations(range(INPUTS), 2))
    places = np.random.default_rng(4).normal(0, 10, (100, 2))
    with jax.enable_x64(True):
        slopes = np.asarray(jax.vmap(jax.vmap(jax.grad(activation("identity"))))(jnp.asarray(places)))
    for (x, y), (first, second) in zip(places, slopes, strict=True):
        yield GradientPair(
            what=f"activation by its input, at {x:.2f} and {y:.2f}", of_weights=False, change=change(first, second)
        )
    for name, found in derivatives().items():
        for one, other in pairs:
            what = f"{name}, output by input, inputs {one} and {other}"
            yield GradientPair(what=what, of_weights=False, change=change(found.by_input[one], found.by_input[other]))
        for kind, layers in found.by_weights.items():
            for (layer, values), (one, other) in itertools.product(layers.items(), pairs):
                what = f"{name}, {kind} by the weights of {layer}, inputs {one} and {other}"
                yield GradientPair(what=what, of_weights=True, change=change(values[one], values[other]))


def compute() -> Enumerated:
    """Ask of every derivative whether it is the same at both inputs."""
    found = tuple(cases())
    clean = [case for case in found if not case.of_weights]
    failing = [case for case in found if case.change > TOLERANCE]
    least = min(case.change for case in found if case.of_weights)
    product = max(difference for difference in against_product().values())
    return Enumerated(
        cases=len(found),
        counterexamples=tuple(
            f"{case.what}: the derivative changes by {100 * case.change:.0f} % of its largest entry" for case in failing
        ),
        restricted=Restricted(
            condition=CONDITION, cases=len(clean), counterexamples=sum(case.change > TOLERANCE for case in clean)
        ),
        nearest_true=(
            "the activation's derivative is constant; the loss's by a layer's weights is the layer's input times the "
            f"error that comes back (to {product:.0e}) and changes by at least {100 * least:.0f} % between two inputs"
        ),
        number=Number(name="smallest change of a weight gradient between two inputs", value=100 * least, unit="%"),
        tables=(by_net(found),),
    )


def against_product() -> dict[str, float]:
    """Largest relative difference between JAX's weight gradients and the product written out, by dense net."""
    found = {}
    for name, net in nets().items():
        if "dense" not in name:
            continue
        found[name] = max(
            change(written.reshape(values[at].shape), values[at])
            for kind, layers in derivatives()[name].by_weights.items()
            for at, image in enumerate(inputs(net))
            for layer, written in written_out(net, image, kind).items()
            for values in (layers[layer],)
        )
    return found


def by_net(found: tuple[GradientPair, ...]) -> Table:
    """Largest and smallest change of each derivative between two inputs."""
    rows: list[tuple[Scalar, ...]] = [_row("activation by its input", found, "activation", None)]
    for name in nets():
        rows.append(_row(f"{name}, output by input", found, f"{name}, output", None))
        for kind in LOSSES:
            product = against_product()[name] if "dense" in name else None
            rows.append(_row(f"{name}, {kind} by weights", found, f"{name}, {kind}", product))
    columns = ("derivative", "smallest change, %", "largest change, %", "off from input x error")
    return Table(title="Change between two inputs, of the largest entry", columns=columns, rows=tuple(rows))


def _row(title: str, found: tuple[GradientPair, ...], begins: str, product: float | None) -> tuple[Scalar, ...]:
    changes = [100 * case.change for case in found if case.what.startswith(begins)]
    written = None if product is None else f"{product:.0e}"
    return title, float(f"{min(changes):.2g}"), float(f"{max(changes):.2g}"), written


def figure() -> "Figure":
    """Two inputs, and what the derivative of a linear net and of its loss are at each."""
    drawn, axes = canvas.canvas(
        "A linear net's derivative by its input is constant; the gradient that trains it contains the input",
        width=11,
        height=5.6,
        rows=2,
        columns=3,
    )
    name = "dense, depth 2"
    found, given = derivatives()[name], inputs(nets()[name])
    gradients = found.by_weights[LOSSES[0]]["conv1"].reshape(INPUTS, UNITS, UNITS)
    limit = float(np.abs(gradients[:2]).max())
    for row, at in enumerate((0, 1)):
        _map(axes[row][0], given[at].reshape(1, -1), f"input {at + 1}: 6 numbers", None)
        _map(axes[row][1], found.by_input[at].reshape(CLASSES, -1), "output by input: the same", None)
        _map(axes[row][2], gradients[at], "loss by the first layer's weights: not the same", limit)
    return drawn


def _map(panel: "Axes", values: Floats, title: str, limit: float | None) -> None:
    """Draw a matrix with its numerals, blue below zero and orange above; both are told apart by any eye."""
    most = limit or float(np.abs(values).max())
    panel.imshow(values, cmap="PuOr_r", vmin=-most, vmax=most)
    for (row, column), value in np.ndenumerate(values):
        colour = "white" if abs(value) > 0.6 * most else "black"
        panel.text(column, row, f"{value:.1f}", ha="center", va="center", fontsize=8, color=colour)
    panel.set_title(title, fontsize=10)
    panel.grid(visible=False)
    panel.set_xticks([])
    panel.set_yticks([])


CLAIM = Claim(
    says="Without activation functions the derivative is a constant that does not depend on the input.",
    notes='Activation Function, "If we don\'t use": "derivative ... is a constant and has no relation to the input"',
    kind="exact",
    evidence=Computed(compute=compute),
    rule=Exact(),
    figure=figure,
)
