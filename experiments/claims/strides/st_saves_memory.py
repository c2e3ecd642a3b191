"""The notes allow strides on weak hardware, to "ensure memory is not used a lot".

Judged on the training step, where memory is short: one convolution of the reference net is given stride 2, and the net
without it is the rival. Bytes are exact: the buffers that XLA assigns to the compiled step, and the outputs of all
layers, which the backward pass keeps. R-COST(1.10) asks for a ratio above 1.10 for both, and on the clock. A max-pool
in the stride's place is shown beside; no rule reads it.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax import Array

from cnnlab.geometry.cost import cost
from cnnlab.inference.rules.all_of import AllOf
from cnnlab.inference.rules.cost import Cost, Timings
from cnnlab.inference.rules.exact import Enumerated, Exact
from cnnlab.report import canvas
from cnnlab.spec.net import ConvNet
from cnnlab.spec.network import Activation, Conv
from cnnlab.spec.verdict import Number, Scalar, Table
from cnnlab.training.program import Frame, arrays, split
from cnnlab.zoo.lowering import network
from cnnlab.zoo.module import Net
from experiments.claims.base import Claim, Computed, Timed
from experiments.timing.stopwatch import interleaved

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PLAIN = ConvNet(pools=())
"""Six 3x3 convolutions of 16 channels at stride 1, global average head."""
PLACES = (1, 2, 3)
"""The convolution that is given the stride, or is followed by the pool."""
SIDE, BATCH, CLASSES = 12, 32, 10
SIDES = (12, 14, 28)
"""Images on which activations are counted; XLA is asked about the first."""
BAR = Cost().ratio
KIB = 1024
Step = Callable[..., Any]


def strided(place: int) -> ConvNet:
    """Give the net whose convolution number `place` has stride 2."""
    return dataclasses.replace(PLAIN, pools=(place,), down="strided_conv")


def pooled(place: int) -> ConvNet:
    """Give the net with a 2x2 max-pool behind that convolution."""
    return dataclasses.replace(PLAIN, pools=(place,), down="max")


def nets() -> dict[str, ConvNet]:
    """Every net of the claim by the name a reader sees."""
    places = {f"stride 2 at {place}": strided(place) for place in PLACES}
    return {"stride 1": PLAIN, **places, **{f"max-pool after {place}": pooled(place) for place in PLACES}}


def activation_bytes(net: ConvNet, side: int) -> int:
    """Bytes of the outputs of all layers for one batch, in float32: what the backward pass wants to find."""
    return BATCH * cost(network(net, side, 1, CLASSES), (side, side)).activation_bytes


def training_step(net: ConvNet, side: int) -> tuple[Step, Callable[[], tuple[Any, ...]]]:
    """One step of gradient descent with momentum, and what makes the arrays it begins with."""
    bound = network(net, side, 1, CLASSES)
    frame = Frame(*split(nnx.eval_shape(lambda: Net(bound, jax.random.key(0)))))
    optimizer = optax.sgd(0.0, 0.9)  # a rate of 0 keeps the weights, so that every step computes the same

    def loss(params: Any, images: Array, labels: Array) -> Array:
        logits = frame.net(params, {})(images, mode="train")[0]
        value: Array = optax.softmax_cross_entropy(logits, jax.nn.one_hot(labels, CLASSES)).mean()
        return value

    def step(params: Any, moments: Any, images: Array, labels: Array) -> Any:
        value, grads = jax.value_and_grad(loss)(params, images, labels)
        updates, moments = optimizer.update(grads, moments, params)
        return optax.apply_updates(params, updates), moments, value

    def begin() -> tuple[Any, ...]:
        params, _ = arrays(Net(bound, jax.random.key(0)))
        images = jax.random.uniform(jax.random.key(1), (BATCH, side, side, 1))
        return params, optimizer.init(params), images, jnp.arange(BATCH) % CLASSES

    return step, begin


@functools.cache
def compiled_bytes(names: tuple[str, ...] = tuple(nets()), side: int = SIDE) -> dict[str, int]:
    """Bytes that XLA assigns to each net's step, compiled for the CPU: arguments, results, and all between."""
    with jax.default_device(jax.devices("cpu")[0]):
        steps = [training_step(nets()[name], side) for name in names]
        lowered = [jax.jit(step, donate_argnums=(0, 1)).lower(*jax.eval_shape(begin)) for step, begin in steps]
    # memory is assigned before machine code is made, so the quickest code generation gives the same bytes
    quick = {"xla_backend_optimization_level": 0}
    with ThreadPoolExecutor(2) as threads:
        found = [one.memory_analysis() for one in threads.map(lambda one: one.compile(quick), lowered)]
    return {name: _bytes(analysis) for name, analysis in zip(names, found, strict=True)}


def _bytes(analysis: Any) -> int:
    between = analysis.temp_size_in_bytes + analysis.argument_size_in_bytes
    return int(between + analysis.output_size_in_bytes - analysis.alias_size_in_bytes)


def cases() -> Iterator[tuple[str, int, int]]:
    """Every comparison: what is counted, bytes at stride 1, and bytes with the stride."""
    assigned = compiled_bytes()
    for place in PLACES:
        name = f"stride 2 at {place}"
        yield f"buffers of the training step, {SIDE}x{SIDE}, {name}", assigned["stride 1"], assigned[name]
        for side in SIDES:
            large, small = (activation_bytes(net, side) for net in (PLAIN, strided(place)))
            yield f"activations, {side}x{side}, {name}", large, small


def compute() -> Enumerated:
    """Compare bytes at every place: the net without the stride must take more than 1.10 times as many."""
    found = list(cases())
    failing = [f"{what}: {small} of {large} bytes" for what, large, small in found if large <= BAR * small]
    ratios = [large / small for _, large, small in found]
    return Enumerated(
        cases=len(found),
        counterexamples=tuple(failing),
        nearest_true=f"stride 1 takes {min(ratios):.2f} to {max(ratios):.2f} times the bytes" if failing else None,
        number=Number(name="smallest ratio of bytes", value=min(ratios), unit="x"),
        tables=(_bytes_table(),),
    )


def _bytes_table() -> Table:
    assigned, rows = compiled_bytes(), list[tuple[Scalar, ...]]()
    for name, net in nets().items():
        live = activation_bytes(net, SIDE)
        buffers = assigned[name]
        plain = (assigned["stride 1"] / buffers, activation_bytes(PLAIN, SIDE) / live)
        rows.append((name, buffers // KIB, float(f"{plain[0]:.3f}"), live // KIB, float(f"{plain[1]:.3f}")))
    columns = ("net", "XLA's buffers, KiB", "stride 1 takes", "activations, KiB", "stride 1 takes ")
    return Table(title=f"One training step, {SIDE}x{SIDE} images, batch {BATCH}", columns=columns, rows=tuple(rows))


def measure() -> Mapping[str, Timings]:
    """Time the training step of every net."""
    seconds = interleaved({name: stepping(net) for name, net in nets().items()})
    macs = {name: cost(network(net, SIDE, 1, CLASSES), (SIDE, SIDE)).macs for name, net in nets().items()}
    found = {}
    for place in PLACES:
        name = f"stride 2 at {place}"
        found[name] = Timings(
            dear=seconds["stride 1"],
            cheap=seconds[name],
            what=f"training step with stride 1 everywhere against {name} ({SIDE}x{SIDE}, batch {BATCH})",
            names=("stride 1", "stride 2"),
            counted=macs["stride 1"] / macs[name],
            beside={"max-pool instead": seconds[f"max-pool after {place}"]},
        )
    return found


def stepping(net: ConvNet) -> Callable[[], Any]:
    """Give a call that makes one training step and keeps its state for the next."""
    step, begin = training_step(net, SIDE)
    params, moments, images, labels = begin()
    run = jax.jit(step, donate_argnums=(0, 1))

    def call() -> Any:
        nonlocal params, moments
        params, moments, value = run(params, moments, images, labels)
        return value

    return call


def by_layer(net: ConvNet) -> dict[str, float]:
    """KiB of each convolution's output with its activation's, for a batch."""
    bound = network(net, SIDE, 1, CLASSES)
    nodes = cost(bound, (SIDE, SIDE)).nodes
    found = dict[str, float]()
    last = ""
    for node in bound.nodes:
        last = node.name if isinstance(node, Conv) else last
        if isinstance(node, (Conv, Activation)):
            size = BATCH * (nodes[node.name].activation_bytes or 0) / KIB
            found[last] = size + (found[last] if last in found else 0.0)
    return found


def figure() -> "Figure":
    """Bytes layer by layer with the stride at each place, and what XLA assigns to the whole step."""
    figure, axes = canvas.canvas("A stride saves memory from its layer on: the earlier, the more", width=11, columns=2)
    _draw_layers(axes[0][0])
    _draw_totals(axes[0][1])
    return figure


def _draw_layers(panel: "Axes") -> None:
    """A group of bars for each convolution, one bar a net."""
    for place, name in enumerate(("stride 1", *(f"stride 2 at {place}" for place in PLACES))):
        sizes = by_layer(nets()[name])
        across = np.arange(len(sizes)) + 0.2 * (place - 1.5)
        panel.bar(
            across,
            list(sizes.values()),
            0.19,
            color=canvas.SERIES[place],
            hatch=("", "//", "..", "xx")[place],
            edgecolor="white",
            label=name,
        )
        panel.set_xticks(range(len(sizes)), list(sizes))
    panel.set(ylabel=f"output and activation, KiB a batch of {BATCH}", title="layer by layer")
    panel.set_ylim(0, 1.3 * panel.get_ylim()[1])
    panel.legend(frameon=False, ncols=2, loc="upper center")


def _draw_totals(panel: "Axes") -> None:
    """Two bars for each net: what XLA assigns, and the activations."""
    assigned = compiled_bytes()
    live = {name: activation_bytes(net, SIDE) for name, net in nets().items()}
    for offset, (values, label, colour, hatch) in enumerate(
        ((assigned, "XLA's buffers, whole step", canvas.BLUE, ""), (live, "activations", canvas.ORANGE, "//"))
    ):
        across = np.arange(len(values)) + 0.4 * (offset - 0.5)
        bars = panel.barh(
            across,
            [value / KIB for value in values.values()],
            0.38,
            color=colour,
            hatch=hatch,
            edgecolor="white",
            label=label,
        )
        panel.bar_label(bars, fmt="{:.0f}", fontsize=8, padding=2)
    panel.set_yticks(range(len(assigned)), list(assigned))
    panel.invert_yaxis()
    panel.set(xlabel=f"KiB, {SIDE}x{SIDE} images, batch {BATCH}", title="the training step")
    panel.legend(frameon=False, loc="upper right", bbox_to_anchor=(1, 0.84))


CLAIM = Claim(
    says="Giving one convolution stride 2 makes a training step need clearly less memory, and less time.",
    notes='Convolution with strides, last paragraph: "ensure memory is not used a lot"',
    kind="cost",
    evidence={"bytes": Computed(compute=compute), "time": Timed(measure=measure)},
    rule=AllOf(parts=(("bytes", Exact()), ("time", Cost()))),
    figure=figure,
)
