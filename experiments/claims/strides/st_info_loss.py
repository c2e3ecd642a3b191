"""The notes: stride "throws away lot of information".

As amended in the protocol the claim is about what can be learned from what is left, against stride 1 AND against a
max-pool, so no computation decides it alone: it waits for accuracies, against a max-pool at equal multiply-accumulates
and at equal parameters, with an added strided convolution as the pre-named moderator. Computed here is what bounds
them: the rank of a strided convolution as a matrix, and how much of an image a linear decoder reads off its output.
Padding is JAX's SAME, (0, 1) for a 3x3 kernel of stride 2 on an even side. Kernels are random, He-scaled.

Rule of protocol 4, written after pilots and before its data: read on three real tasks; a clause about a small
non-linear decoder is gone, since no sweep makes one. The linear decoder, which is unfair to max-pools and to ReLU,
decides nothing: it is a table.
"""

import functools
import itertools
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cnnlab.geometry.coverage import sliding
from cnnlab.inference.rules.all_of import AllOf
from cnnlab.inference.rules.directional import Directional
from cnnlab.inference.rules.exact import Enumerated, Exact, Restricted
from cnnlab.probes.convolution_matrix import convolution_matrix, kept
from cnnlab.probes.reconstruction import linear_r2, noise_images
from cnnlab.report import canvas
from cnnlab.spec.verdict import Number, Scalar, Table
from experiments.claims.base import Claim, Computed, Contrast, Trained, Variant

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]
KERNELS, STRIDES, CHANNELS = (3, 1, 2, 4, 5), (2, 3), (1, 2)
BLOCKS = 3
"""Windows along a side of the map that a matrix is written for; the side is this many strides."""
IMAGE_SIDE = 12
WIDENINGS = (1, 2, 4)
BETWEEN = ("", "ReLU", "CReLU")
Layer = tuple[str, int, str]
"""(down-sampling, channels over those of the image, what follows)."""
LAYERS: tuple[Layer, ...] = (
    ("max-pool 2x2", 1, ""),
    ("average-pool 2x2", 1, ""),
    ("blur 3x3, stride 2", 1, ""),
    ("every second pixel", 1, ""),
    ("space to depth", 4, ""),
    *(("conv 3x3, stride 2", widening, then) for then in BETWEEN for widening in WIDENINGS),
    *(("conv 3x3, max-pool 2x2", widening, "") for widening in WIDENINGS),
)


def widenings(stride: int) -> tuple[int, ...]:
    """Output channels over input channels that are tried."""
    return tuple(sorted({*WIDENINGS, stride**2}))


def drawn_kernel(kernel: int, channels: int, filters: int, seed: int = 0) -> Floats:
    """Draw a He-scaled kernel (kernel, kernel, channels, filters)."""
    scale = np.sqrt(2 / (kernel**2 * channels))
    drawn: Floats = scale * np.random.default_rng(seed).normal(size=(kernel, kernel, channels, filters))
    return drawn


@functools.cache
def matrix(kernel: int, stride: int, widening: int, channels: int = 1, side: int | None = None) -> Floats:
    """Write a random strided convolution with SAME padding as a matrix."""
    side = side or BLOCKS * stride
    drawn = drawn_kernel(kernel, channels, widening * channels)
    return convolution_matrix(drawn, side, sliding(side, kernel, stride, "same"))


@functools.cache
def rank(kernel: int, stride: int, widening: int, channels: int = 1) -> tuple[int, int, float]:
    """Rank, number of inputs, and smallest over largest singular value of a random strided convolution."""
    written = matrix(kernel, stride, widening, channels)
    dimensions, least = kept(written)
    return dimensions, written.shape[1], least


def compute() -> Enumerated:
    """Try whether a strided convolution keeps fewer dimensions than it reads."""
    cases, invertible, restricted = 0, [], 0
    for kernel, stride, channels in itertools.product(KERNELS, STRIDES, CHANNELS):
        for widening in widenings(stride):
            dimensions, inputs, least = rank(kernel, stride, widening, channels)
            cases += 1
            narrow = widening < stride**2 or kernel < stride
            restricted += narrow
            if dimensions == inputs:
                line = (
                    f"{kernel}x{kernel}, stride {stride}, {widening} times the channels: rank {dimensions} of "
                    f"{inputs}, smallest over largest singular value {least:.1g}"
                )
                invertible.append((narrow, line))
    dimensions, inputs, _ = rank(3, 2, 1)
    share = dimensions / inputs
    full, pooled = decodability()["conv 3x3, stride 2", 4, ""][0], decodability()["max-pool 2x2", 1, ""][0]
    return Enumerated(
        cases=cases,
        counterexamples=tuple(line for _, line in invertible),
        restricted=Restricted(
            condition="the channels grow by less than stride^2, or the kernel is smaller than the stride",
            cases=restricted,
            counterexamples=sum(narrow for narrow, _ in invertible),
        ),
        nearest_true=(
            f"a 3x3 convolution of stride 2 with the channels it reads keeps {share:.0%} of the dimensions; with four "
            f"times the channels it keeps all of them, and a linear decoder recovers {full:.0%} of a natural image's "
            f"variance, against {pooled:.0%} after a max-pool"
        ),
        number=Number(name="of the dimensions kept by 3x3, stride 2, equal channels", value=100 * share, unit="%"),
        tables=(by_rank(), by_layer()),
    )


def by_rank() -> Table:
    """Rank and condition for one input channel."""
    rows: list[tuple[Scalar, ...]] = []
    for stride, kernel in itertools.product(STRIDES, sorted(KERNELS)):
        for widening in widenings(stride):
            dimensions, inputs, least = rank(kernel, stride, widening)
            share = round(100 * dimensions / inputs, 1)
            rows.append((stride, f"{kernel}x{kernel}", widening, dimensions, inputs, share, float(f"{least:.2g}")))
    columns = ("stride", "kernel", "channels x", "rank", "inputs", "kept [%]", "least / largest singular value")
    return Table(
        title="strided convolutions as matrices, SAME padding (ratio 0: cannot be undone)",
        columns=columns,
        rows=tuple(rows),
    )


def after(layer: Layer, images: Floats) -> Floats:
    """What a layer makes of images [count, side, side], as features [count, features]."""
    down, widening, then = layer
    count, side, _ = images.shape
    blocks = images.reshape(count, side // 2, 2, side // 2, 2)
    flat = images.reshape(count, -1)
    match down:
        case "max-pool 2x2":
            found = blocks.max((2, 4))
        case "average-pool 2x2":
            found = blocks.mean((2, 4))
        case "every second pixel":
            found = blocks[:, :, 0, :, 0]
        case "space to depth":
            found = images
        case "blur 3x3, stride 2":
            binomial = np.outer([1, 2, 1], [1, 2, 1])[:, :, None, None] / 16
            found = flat @ convolution_matrix(binomial, side, sliding(side, 3, 2, "same")).T
        case "conv 3x3, max-pool 2x2":
            wide = (flat @ matrix(3, 1, widening, side=side).T).reshape(count, side // 2, 2, side // 2, 2, widening)
            found = wide.max((2, 4))
        case _:
            found = flat @ matrix(3, 2, widening, side=side).T
    found = found.reshape(count, -1)
    both = np.hstack([found, -found]) if then == "CReLU" else found
    features: Floats = np.maximum(both, 0) if then else both
    return features


@functools.cache
def decodability() -> dict[Layer, tuple[float, float]]:
    """Linear R2 of the image on unseen images, for natural (1/f) images and for white noise."""
    found: dict[Layer, list[float]] = {layer: [] for layer in LAYERS}
    for kind in ("pink", "white"):
        images = noise_images(kind, IMAGE_SIDE)
        parts = (images.train, images.validation, images.test)
        for layer in LAYERS:
            train, validation, test = ((after(layer, part), part.reshape(len(part), -1)) for part in parts)
            found[layer].append(linear_r2(train, validation, test))
    return {layer: (pink, white) for layer, (pink, white) in found.items()}


def named(layer: Layer) -> str:
    """A layer as a reader sees it."""
    down, widening, then = layer
    times = f", {widening} channel{'s' * (widening > 1)}" if "conv" in down else ""
    return f"{down}{times}{f', {then}' if then else ''}"


def by_layer() -> Table:
    """How much a linear decoder recovers after each layer."""
    rows = tuple((named(layer), round(pink, 2), round(white, 2)) for layer, (pink, white) in decodability().items())
    title = f"share of a {IMAGE_SIDE}x{IMAGE_SIDE} image's variance that a linear decoder recovers (test R2)"
    return Table(title=title, columns=("layer on one channel", "natural (1/f) images", "white noise"), rows=rows)


def figure() -> "Figure":
    """What is recovered, by layer."""
    drawn, axes = canvas.canvas(
        "Stride 2 loses nothing once the channels grow fourfold; ReLU then takes half of the detail away",
        width=10,
        height=6,
    )
    panel = axes[0][0]
    found = decodability()
    places = np.arange(len(LAYERS))[::-1]
    for which, name, shift, colour, hatch in (
        (0, "natural (1/f) images", 0.2, canvas.BLUE, ""),
        (1, "white noise", -0.2, canvas.ORANGE, "//"),
    ):
        values = [both[which] for both in found.values()]
        bars = panel.barh(places + shift, values, 0.38, color=colour, hatch=hatch, edgecolor="white", label=name)
        panel.bar_label(bars, fmt="%.2f", padding=2, fontsize=8)
    panel.set_yticks(places, [named(layer) for layer in LAYERS], fontsize=9)
    panel.set_xlim(0, 1.08)
    share = "share of the image's variance that a linear decoder recovers (test R\u00b2)"
    panel.set_xlabel(f"{share}\nCReLU: ReLU(x) and ReLU(-x) side by side")
    panel.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.4, -0.13), ncols=2)
    return drawn


TASKS = ("digits12", "textures12", "fashion12", "fashion_mnist", "cifar10")
STRIDED = "convolutions of stride 2"
POOL = Contrast(
    name="max-pool against stride 2", better=("max",), worse=("stride",), better_is="max-pools", worse_is=STRIDED
)
ADDED = Variant(
    name="the strided convolution",
    task="digits12",
    low=Contrast(
        name="in place of another", better=("max",), worse=("stride",), better_is="max-pools", worse_is=STRIDED
    ),
    high=Contrast(
        name="added", better=("max",), worse=("all_cnn",), better_is="max-pools", worse_is="added strided convolutions"
    ),
)

CLAIM = Claim(
    says="A convolution with a stride of 2 loses information that stride 1, or a max-pool behind it, would keep.",
    notes='Convolution with strides, second disadvantage: "it throws away lot of information"',
    kind="exact+empirical",
    evidence={
        "it cannot be undone": Computed(compute=compute),
        "accuracy against a max-pool at equal cost": Trained(
            sweep="stride_vs_pool", contrasts=(POOL,), tasks=TASKS, moderators=(ADDED,)
        ),
        "accuracy against a max-pool at equal parameters": Trained(
            sweep="stride_vs_pool", contrasts=(POOL,), tasks=TASKS
        ),
        "accuracy against stride 1": Trained(
            sweep="stride_vs_pool",
            contrasts=(
                Contrast(
                    name="stride 1 against stride 2",
                    better=("none",),
                    worse=("stride",),
                    better_is="no down-sampling",
                    worse_is=STRIDED,
                ),
            ),
            tasks=TASKS,
        ),
    },
    rule=AllOf(
        parts=(
            ("it cannot be undone", Exact()),
            ("accuracy against a max-pool at equal cost", Directional(match="macs")),
            ("accuracy against a max-pool at equal parameters", Directional(match="params")),
            ("accuracy against stride 1", Directional(match="macs")),
        ),
        together=True,
    ),
    figure=figure,
)
