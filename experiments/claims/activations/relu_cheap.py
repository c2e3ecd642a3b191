"""The notes call ReLU "computationally less expensive", after sigmoid and tanh.

Two senses, each with its own rule, as a cheap operation need not make a cheap step. Alone: one elementwise operation on
arrays that fit in a cache, forward, and forward and backward. In a whole training step: that of the suite's reference
net. In both, tanh, sigmoid and GELU (exact, by erf) must all be dearer; leaky ReLU, which the notes list as one more of
the same kind, is timed beside and no rule reads it.
"""

import dataclasses
import itertools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from cnnlab.inference.rules.all_of import Senses
from cnnlab.inference.rules.cost import Cost, Timings, ratio
from cnnlab.report import canvas
from cnnlab.spec.arm import Arm
from cnnlab.spec.net import ConvNet
from cnnlab.spec.recipe import Recipe
from cnnlab.spec.task import Task
from cnnlab.training.program import program
from cnnlab.zoo.activations import activation
from experiments.claims.base import Claim, Timed
from experiments.timing.stopwatch import interleaved
from experiments.timing.timings import drawn

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RIVALS, BESIDE = ("tanh", "sigmoid", "gelu"), "leaky_relu"
EVERY = ("relu", BESIDE, *RIVALS)
PASSES = ("forward", "forward + backward")
IN_CACHE = {"cpu": (2**14, 2**16), "gpu": (2**20, 2**22)}
"""Elements of an array by JAX backend: 64 and 256 KiB fit a core's second-level cache, 4 and 16 MiB a GPU's."""
TASK = Task(name="digits12", side=12, channels=1, classes=10, train_images=960, validation_images=238)
REFERENCE = Arm(net=ConvNet(), recipe=Recipe(), task=TASK)
"""Six 3x3 convolutions of 16 channels, pools after two and four, on 12x12 images, batch 32."""
ALONE, STEP = "as an operation alone", "in a whole training step"


def operation(kind: str, elements: int, direction: str) -> Callable[[], Any]:
    """Give a call that applies one activation to an array, and for the backward pass its derivative too."""
    act = activation(kind)
    values, cotangent = jax.random.normal(jax.random.key(0), (2, elements))

    @jax.jit
    def both(x: Array, g: Array) -> tuple[Array, Array]:
        made, pull = jax.vjp(act, x)
        return made, pull(g)[0]

    return (lambda: act(values)) if direction == PASSES[0] else (lambda: both(values, cotangent))


def step(kind: str) -> Callable[[], Any]:
    """Give a call that makes one training step of the reference net with this activation, at learning rate 0."""
    arm = dataclasses.replace(REFERENCE, net=ConvNet(activation=kind))
    built, task = program(arm), arm.task
    state, run = built.init(0), jax.jit(built.step, donate_argnums=0)
    draw = np.random.default_rng(0)
    images = jnp.asarray(draw.random((task.train_images, task.side, task.side, task.channels), np.float32))
    labels = jnp.asarray(draw.integers(task.classes, size=task.train_images, dtype=np.int32))
    index = jnp.arange(arm.recipe.batch_size)

    def call() -> Any:
        nonlocal state
        # a rate of 0 keeps the weights, so that every round computes the same
        state, loss = run(state, images, labels, index, np.float32(0))
        return loss

    return call


def alone() -> Mapping[str, Timings]:
    """Time every activation by itself, at each size and pass."""
    cells = list(itertools.product(IN_CACHE[jax.default_backend()], PASSES))
    seconds = interleaved({f"{kind} {where}": operation(kind, *where) for where in cells for kind in EVERY})
    found = {}
    for (elements, direction), rival in itertools.product(cells, RIVALS):
        where = f"{elements} elements {direction}"
        sides = {kind: seconds[f"{kind} {(elements, direction)}"] for kind in EVERY}
        found[f"{rival} {where}"] = against_relu(sides, rival, where)
    return found


def in_a_step() -> Mapping[str, Timings]:
    """Time the training step of the reference net with every activation."""
    seconds = interleaved({kind: step(kind) for kind in EVERY})
    return {rival: against_relu(seconds, rival, "training step of the reference net") for rival in RIVALS}


def against_relu(seconds: Mapping[str, tuple[float, ...]], rival: str, where: str) -> Timings:
    """Pair one activation's seconds with ReLU's, leaky ReLU's beside."""
    return Timings(
        dear=seconds[rival],
        cheap=seconds["relu"],
        what=f"{rival} against ReLU ({where})",
        names=("rival", "ReLU"),
        beside={"leaky ReLU": seconds[BESIDE]},
    )


def figure() -> "Figure":
    """Paired bars: what each activation takes relative to ReLU, alone and in a whole step."""
    operations, steps = drawn("relu-cheap", ALONE), drawn("relu-cheap", STEP)
    device = next(iter(steps.values())).device
    elements = max(int(name.split()[1]) for name in operations)
    wheres = [f"{elements} elements {direction}" for direction in PASSES]
    series = [{rival: operations[f"{rival} {where}"] for rival in RIVALS} for where in wheres] + [dict(steps)]
    labels = [f"alone, {direction} ({elements} elements)" for direction in PASSES] + ["whole training step"]
    figure, axes = canvas.canvas("What an activation costs next to ReLU: alone, and in a whole training step", width=9)
    panel = axes[0][0]
    for place, (cells, label) in enumerate(zip(series, labels, strict=True)):
        found = [ratio(_leaky(cells)), *(ratio(cells[rival]) for rival in RIVALS)]
        spans = [[middle - low for middle, low, _ in found], [high - middle for middle, _, high in found]]
        across = np.arange(len(found)) + 0.26 * (place - 1)
        colour, hatch = canvas.SERIES[place], ("", "//", "..")[place]
        bars = panel.bar(
            across,
            [middle for middle, _, _ in found],
            0.24,
            yerr=spans,
            capsize=2,
            color=colour,
            hatch=hatch,
            edgecolor="white",
            label=label,
        )
        panel.bar_label(bars, [f"{middle:.2f}x" for middle, _, _ in found], fontsize=8, padding=3)
    panel.axhline(1, color=canvas.BLACK, linewidth=1)
    panel.axhline(Cost().ratio, color=canvas.BLACK, linewidth=1, linestyle=":")
    panel.set_xticks(range(1 + len(RIVALS)), ["leaky ReLU", "tanh", "sigmoid", "GELU"])
    panel.set_ylabel("time relative to ReLU (95 % interval)")
    panel.set_xlabel(f"line: as fast as ReLU; dotted: the rule's bar, 1.10\n{device}")
    panel.legend(frameon=False, loc="upper left")
    return figure


def _leaky(cells: Mapping[str, Timings]) -> Timings:
    """Put leaky ReLU in the rival's place."""
    first = next(iter(cells.values()))
    return dataclasses.replace(first, dear=first.beside["leaky ReLU"])


CLAIM = Claim(
    says="ReLU takes less time to compute than tanh, sigmoid or GELU.",
    notes='Activation Function, third of the list: "computationally less expensive"',
    kind="cost",
    evidence={ALONE: Timed(measure=alone), STEP: Timed(measure=in_a_step)},
    rule=Senses(parts=((ALONE, Cost()), (STEP, Cost()))),
    figure=figure,
)
