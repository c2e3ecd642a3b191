"""The notes say that an activation "adds non linearity and decides what information to pass".

The exact half: a map is affine just where it obeys superposition, f(x + y) = f(x) + f(y) - f(0). Every activation of
the zoo must break it, on inputs of every size, and identity, which stands for none, must not. Other layers are measured
beside them; for each the defect must vanish just where the layer is the affine map that probing builds. So the reader
sees what else adds non-linearity: a max-pool does, and so does normalising by the input's own statistics. The trained
half is whether non-linearity buys accuracy where a linear net must fail, at images whose contents stand anywhere: with
ReLU against without, flatten heads, no max-pool in either; whether the pool is an average or a max is the moderator,
looked at on XOR.

Rule of protocol 4, written after pilots and before its data: read on three real tasks, and no mechanism of built tasks;
nets that average and nets that stride, while those without any down-sampling, three times as dear, are described.
"""

from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array

from cnnlab.inference.rules.all_of import AllOf
from cnnlab.inference.rules.directional import Directional
from cnnlab.inference.rules.exact import Enumerated, Exact
from cnnlab.probes.affine import Floats, probed, probes, residual, superposition_defect
from cnnlab.probes.weights import in_precision, with_offsets
from cnnlab.report import canvas
from cnnlab.spec.net import ACTIVATIONS
from cnnlab.spec.network import (
    Activation,
    Blur,
    Conv,
    GlobalAveragePool,
    Input,
    Network,
    Node,
    Norm,
    Pool,
    SpaceToDepth,
)
from cnnlab.spec.verdict import Number, Scalar, Table
from cnnlab.zoo.module import Mode, Net
from experiments.claims.base import Claim, Computed, Contrast, Trained, Variant

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TOLERANCE = 1e-10
IMAGE = (4, 4, 2)
SIZES = (0.01, 1.0, 100.0)
"""Standard deviations of the inputs."""
FAST = {"xla_backend_optimization_level": 0}
"""Every layer is compiled to run a few times."""
NONE = "identity"
READS = ("image",)
PAIR = (2, 2)
LAYERS: dict[str, tuple[Node, Mode]] = {
    "convolution": (Conv(name="layer", inputs=READS, filters=3, kernel=(3, 3)), "evaluate"),
    "strided convolution": (Conv(name="layer", inputs=READS, filters=3, kernel=(3, 3), stride=PAIR), "evaluate"),
    "average pool": (Pool(name="layer", inputs=READS, kind="avg", kernel=PAIR, stride=PAIR), "evaluate"),
    "global average": (GlobalAveragePool(name="layer", inputs=READS), "evaluate"),
    "blur pool": (Blur(name="layer", inputs=READS, kernel=(3, 3), stride=PAIR), "evaluate"),
    "space to depth": (SpaceToDepth(name="layer", inputs=READS, block=2), "evaluate"),
    "batch norm, evaluating": (Norm(name="layer", inputs=READS, kind="batch"), "evaluate"),
    "max pool": (Pool(name="layer", inputs=READS, kind="max", kernel=PAIR, stride=PAIR), "evaluate"),
    "batch norm, training": (Norm(name="layer", inputs=READS, kind="batch"), "train"),
    "layer norm": (Norm(name="layer", inputs=READS, kind="layer"), "evaluate"),
}


@dataclass(frozen=True, kw_only=True)
class MeasuredLayer:
    """One layer: superposition defect by size of the inputs, and residual from the probed affine map."""

    name: str
    activation: bool
    defects: tuple[float, ...]
    residual: float


def measured(name: str, node: Node, mode: Mode) -> MeasuredLayer:
    """Measure a layer of the zoo on its own. In training mode the batch as a whole is the input."""
    alone = Network(
        nodes=(Input(name="image", channels=IMAGE[-1]), node), output="layer", features="image", size=IMAGE[:2]
    )
    bases = probes(IMAGE, "float64")
    draws = np.random.default_rng(0).normal(size=(3, *bases.shape))
    graph, state = nnx.split(with_offsets(Net(alone, jax.random.key(0)), seed=1))

    @partial(jax.jit, compiler_options=FAST)
    def run(state: Any, images: Array) -> Array:
        return in_precision(nnx.merge(graph, state), "float64")(images, mode=mode)[0]

    with jax.enable_x64(True), jax.default_matmul_precision("highest"):

        def function(images: Floats) -> Floats:
            return np.asarray(run(state, jnp.asarray(images)))

        return MeasuredLayer(
            name=name,
            activation=isinstance(node, Activation),
            defects=tuple(superposition_defect(function, size * draws[0], size * draws[1]) for size in SIZES),
            residual=residual(function(draws[2]), probed(function(bases)), draws[2]),
        )


@cache
def layers() -> tuple[MeasuredLayer, ...]:
    """Measure every activation, and the other layers."""
    activations = {kind: Activation(name="layer", inputs=READS, kind=kind) for kind in ACTIVATIONS}
    every = {**{kind: (node, "evaluate") for kind, node in activations.items()}, **LAYERS}
    return tuple(measured(name, node, mode) for name, (node, mode) in every.items())


def compute() -> Enumerated:
    """Activations must break superposition and identity must not; a defect must mean no affine map, and the reverse."""
    counterexamples, cases = [], 0
    for layer in layers():
        for size, defect in zip(SIZES, layer.defects, strict=True):
            cases += layer.activation
            if layer.activation and (defect > TOLERANCE) == (layer.name == NONE):
                says = "obeys" if defect <= TOLERANCE else "breaks"
                counterexamples.append(f"{layer.name} {says} superposition on inputs of size {size:g} ({defect:.1e})")
        cases += 1
        if (max(layer.defects) > TOLERANCE) != (layer.residual > TOLERANCE):
            counterexamples.append(
                f"{layer.name}: defect {max(layer.defects):.1e}, affine residual {layer.residual:.1e}"
            )
    least = min(
        (layer for layer in layers() if layer.activation and layer.name != NONE), key=lambda one: min(one.defects)
    )
    return Enumerated(
        cases=cases,
        counterexamples=tuple(counterexamples),
        nearest_true="not only activations are non-linear: "
        + ", ".join(one.name for one in layers() if not one.activation and max(one.defects) > TOLERANCE),
        number=Number(name=f"smallest defect of an activation ({least.name})", value=min(least.defects)),
        tables=(by_layer(),),
    )


def by_layer() -> Table:
    """Defect and residual of every layer."""
    rows: list[tuple[Scalar, ...]] = []
    for layer in layers():
        kind = "activation" if layer.activation else "other layer"
        verdict = "affine" if layer.residual <= TOLERANCE else "non-linear"
        rows.append((layer.name, kind, *(f"{one:.1e}" for one in layer.defects), f"{layer.residual:.1e}", verdict))
    columns = ("layer", "kind", *(f"defect, inputs of size {size:g}" for size in SIZES), "affine residual", "it is")
    return Table(
        title="Superposition, float64: |f(x+y) - f(x) - f(y) + f(0)| / |f(x+y) - f(0)|",
        columns=columns,
        rows=tuple(rows),
    )


def figure() -> "Figure":
    """Defect bars of every layer: activations, and what is non-linear though it is none."""
    from matplotlib.patches import Patch

    drawn, axes = canvas.canvas(
        "Activations add non-linearity, and they are not the only layers that do", width=10, height=5.8
    )
    panel = axes[0][0]
    shown = sorted(layers(), key=lambda layer: layer.defects[1])
    floor = 1e-17
    for row, layer in enumerate(shown):
        colour, hatch = (canvas.BLUE, "") if layer.activation else (canvas.ORANGE, "//")
        panel.barh(row, max(layer.defects[1], 2 * floor), color=colour, hatch=hatch, edgecolor="white")
    panel.set_yticks(range(len(shown)), [layer.name for layer in shown])
    panel.axvline(TOLERANCE, color=canvas.BLACK, linestyle="--", linewidth=1)
    panel.text(TOLERANCE * 2, 0, "right of the line: non-linear", fontsize=9, va="center")
    panel.set_xscale("log")
    panel.set_xlim(floor, 10)
    panel.set_xlabel("superposition defect on inputs of size 1, float64")
    handles = (
        Patch(color=canvas.BLUE, label="activation"),
        Patch(facecolor=canvas.ORANGE, hatch="//", edgecolor="white", label="other layer"),
    )
    panel.legend(handles=handles, frameon=False, loc="lower right", bbox_to_anchor=(1, 0.08))
    panel.grid(visible=False, axis="y")
    return drawn


RELU, NO_RELU = "a net with ReLU", "the same net without activations"

CLAIM = Claim(
    says="An activation function adds non-linearity to a network.",
    notes='Activation Function, first point: "Activation adds non linearity"',
    kind="exact+empirical",
    evidence={
        "superposition": Computed(compute=compute),
        "accuracy": Trained(
            sweep="pooling_is_activation",
            contrasts=(
                Contrast(
                    name="ReLU against none, without a max-pool",
                    better=("relu_average", "relu_stride"),
                    worse=("linear_average", "linear_stride"),
                    better_is=RELU,
                    worse_is=NO_RELU,
                ),
            ),
            tasks=("digits12", "textures12", "fashion12", "fashion_mnist", "cifar10"),
            moderators=(
                Variant(
                    name="pool",
                    task="linear_xor",
                    low=Contrast(
                        name="average",
                        better=("relu_average",),
                        worse=("linear_average",),
                        better_is=RELU,
                        worse_is=NO_RELU,
                    ),
                    high=Contrast(
                        name="max", better=("relu_max",), worse=("linear_max",), better_is=RELU, worse_is=NO_RELU
                    ),
                ),
            ),
        ),
    },
    rule=AllOf(parts=(("superposition", Exact()), ("accuracy", Directional(match="none")))),
    figure=figure,
)
