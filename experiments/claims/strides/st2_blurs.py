"""The notes: stride 2 causes "information to be distorted leading the image to be blurred".

The computation says what a stride can do at all. A convolution of stride 2 is every second output of the same
convolution of stride 1, so it blurs nothing that its own kernel does not blur; what it adds is aliasing, detail folded
to a coarser pattern (cos(pi x), the finest grating there is, becomes constant). Which of the two a trained net shows
is decided by its kernels: as the protocol says, they decide the claim, and the computation alone does not refute it.
Their attenuation is the loss of energy at frequencies below the new Nyquist frequency, 1/4 cycle a pixel; claims.md
names no margin for it, and 5 % of the energy is taken. Both strided layers of a net are judged, each against the same
layer at stride 1; what they fold (the aliased share) and how answers change under shifts stands beside them in records.

Rule of protocol 4, written after pilots and before its data: three real tasks, at equal multiply-accumulates, where the
nets are compared for accuracy too (a net without any stride costs three times as much at equal width).

Padding in the identity: with the same low padding at both strides the first output is kept (conv_s1[::2]); under JAX's
SAME a 3x3 kernel of stride 2 pads (0, 1) on an even side, where stride 1 pads (1, 1), and the first output that is kept
is the second (conv_s1[1::2]).
"""

import functools
import itertools
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from numpy.typing import NDArray

from cnnlab.geometry.coverage import sliding
from cnnlab.inference.rules.all_of import AllOf
from cnnlab.inference.rules.directional import Directional
from cnnlab.inference.rules.exact import Enumerated, Exact
from cnnlab.probes.gratings import alias_share, frequencies, gains, grating
from cnnlab.report import canvas
from cnnlab.spec.network import Pair
from cnnlab.spec.verdict import Number, Scalar, Table
from experiments.claims.base import Claim, Computed, Contrast, Trained

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]
KERNELS, SIDES = (3, 2, 5), (16, 15)
JAX, TORCH = "JAX SAME", "k // 2 on both sides"
TOLERANCE = 1e-10
ATTENUATED = 0.05
"""Smallest difference of attenuation that counts, a share of energy."""
LENGTH = 32
DELTA = np.pad([[1.0]], 1)
BINOMIAL = np.outer([1, 2, 1], [1, 2, 1]) / 16
DRAWN = np.random.default_rng(5).normal(size=(3, 3))
RANDOM = DRAWN / np.linalg.norm(DRAWN.sum(0))
"""Scaled to pass the energy of vertical gratings unchanged, on average over all frequencies."""
FILTERS = {"delta kernel": DELTA, "binomial kernel": BINOMIAL, "random kernel": RANDOM}
HALVED = ("max-pool 2x2", "average-pool 2x2", "blur 3x3, stride 2")


def convolved(images: Array, kernel: Array, stride: int, padding: Pair) -> Array:
    """Convolve images [batch, side, side, channels] with zero padding; both padded alike along both axes."""
    numbers = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(images, kernel, (stride, stride), (padding, padding), dimension_numbers=numbers)


def difference(kernel: int, side: int, padding: str) -> float:
    """Largest difference between stride 2 and every second output of stride 1, over the largest output."""
    draw = np.random.default_rng(kernel)
    asked: str | Pair = "same" if padding == JAX else (kernel // 2, kernel // 2)
    two, one = (sliding(side, kernel, stride, asked) for stride in (2, 1))
    with jax.enable_x64(True):
        images = jnp.asarray(draw.normal(size=(2, side, side, 2)))
        weights = jnp.asarray(draw.normal(size=(kernel, kernel, 2, 3)))
        strided = convolved(images, weights, 2, (two.low, two.high))
        plain = convolved(images, weights, 1, (one.low, one.high))
        first = one.low - two.low
        sampled = plain[:, first::2, first::2][:, : strided.shape[1], : strided.shape[2]]
        return float(jnp.abs(strided - sampled).max() / jnp.abs(plain).max())


def compute() -> Enumerated:
    """Try whether stride 2 differs from subsampled stride 1, or lets less through below the new Nyquist frequency."""
    counterexamples = list[str]()
    identities = list(itertools.product(KERNELS, SIDES, (TORCH, JAX)))
    differences = [difference(*case) for case in identities]
    for (kernel, side, padding), apart in zip(identities, differences, strict=True):
        if apart <= TOLERANCE:
            counterexamples.append(
                f"{kernel}x{kernel} on {side}x{side}, padding {padding}: stride 2 is every second output of stride 1 "
                f"(relative difference {apart:.1g})"
            )
    found = passed()
    coarse = frequencies(LENGTH) <= 0.25
    for name in FILTERS:
        one, two = found[name, 1][coarse], found[name, 2][coarse]
        worst = float(np.abs(two - one).max() / one.max())
        if worst <= TOLERANCE:
            counterexamples.append(f"{name}: the same energy below 1/4 cycle a pixel at strides 1 and 2")
    share, after_blur = (alias_share(found[name, 2], 2) for name in ("delta kernel", "blur 3x3, stride 2"))
    return Enumerated(
        cases=len(identities) + len(FILTERS),
        counterexamples=tuple(counterexamples),
        nearest_true=(
            f"stride 2 takes every second output of stride 1 (relative difference at most {max(differences):.1g}) and "
            f"blurs nothing itself: it aliases. Of what a delta kernel of stride 2 makes of white noise {share:.0%} is "
            f"folded-down detail, with a blur in front {after_blur:.0%}"
        ),
        number=Number(name="of a delta kernel's output is aliased", value=100 * share, unit="%"),
        tables=(by_layer(),),
    )


@functools.cache
def passed() -> dict[tuple[str, int], Floats]:
    """Energy that comes out of each layer, by frequency: kernels at both strides, and pools of stride 2."""
    strided = {
        (name, stride): gains(functools.partial(circular, kernel, stride), LENGTH)
        for name, kernel in FILTERS.items()
        for stride in (1, 2)
    }
    return strided | {(name, 2): gains(functools.partial(halved, name), LENGTH) for name in HALVED}


def circular(kernel: Floats, stride: int, images: Floats) -> Floats:
    """Convolve maps [batch, side, side] that go round in a circle."""
    margin = len(kernel) // 2
    wrapped = np.pad(images, ((0, 0), (margin, margin), (margin, margin)), mode="wrap")
    with jax.enable_x64(True):
        weights = jnp.asarray(kernel)[:, :, None, None]
        return np.asarray(convolved(jnp.asarray(wrapped)[..., None], weights, stride, (0, 0)))[..., 0]


def halved(name: str, images: Floats) -> Floats:
    """Down-sample maps by two in another way than by a kernel of stride 2."""
    count, side, _ = images.shape
    if name.startswith("blur"):
        return circular(BINOMIAL, 2, images)
    blocks = images.reshape(count, side // 2, 2, side // 2, 2)
    found: Floats = blocks.max((2, 4)) if name.startswith("max") else blocks.mean((2, 4))
    return found


def by_layer() -> Table:
    """What each layer passes below the new Nyquist frequency, and what it folds."""
    rows: list[tuple[Scalar, ...]] = []
    below = frequencies(LENGTH) <= 0.25
    for (name, stride), gain in passed().items():
        finest = round(100 * float(gain[-1]), 1)
        aliased = round(100 * alias_share(gain, stride), 1)
        rows.append(
            (
                f"{name}, stride {stride}" if name in FILTERS else name,
                round(100 * float(gain[below].mean()), 1),
                finest,
                aliased,
            )
        )
    columns = ("layer", "energy passed below 1/4 cycle [%]", "of cos(pi x) [%]", "aliased share of the output [%]")
    title = "vertical gratings through one layer: energy out over energy in"
    return Table(title=title, columns=columns, rows=tuple(rows))


def figure() -> "Figure":
    """The finest grating before and after stride 2, and what each layer lets through by frequency."""
    drawn, axes = canvas.canvas(
        "Stride 2 does not blur: it folds fine detail into coarse patterns", width=11.5, height=4.2, columns=3
    )
    before = np.tile(grating(LENGTH, LENGTH / 2), (LENGTH, 1))
    after = circular(DELTA, 2, before[None])[0]
    for panel, image, title in (
        (axes[0][0], before[:16, :16], "the finest grating, cos(\u03c0x)"),
        (axes[0][1], after[:8, :8], "after stride 2 (delta kernel):\nconstant, as bright as the crests"),
    ):
        panel.grid(visible=False)
        panel.imshow(image, cmap=canvas.COUNTS, vmin=-1, vmax=1)
        panel.set_title(title, fontsize=10)
        panel.set_xticks([])
        panel.set_yticks([])
        panel.set_xlabel(f"{image.shape[0]}x{image.shape[1]} pixels")
    panel = axes[0][2]
    found = passed()
    for (name, stride), colour, style, label in (
        (("delta kernel", 1), canvas.BLACK, "-", "stride 1"),
        (("delta kernel", 2), canvas.RED, "--", "stride 2 (the same)"),
        (("max-pool 2x2", 2), canvas.GREEN, ":", "max-pool 2x2 (the same)"),
        (("average-pool 2x2", 2), canvas.PURPLE, "-.", "average-pool 2x2"),
        (("blur 3x3, stride 2", 2), canvas.BLUE, (0, (1, 1)), "blur, then stride 2"),
    ):
        panel.plot(frequencies(LENGTH), found[name, stride], color=colour, ls=style, lw=2.2, label=label)
    panel.axvspan(0.25, 0.5, color="0.93", zorder=0)
    panel.text(0.255, 1.03, "folded by stride 2", fontsize=9, va="bottom")
    panel.set_ylim(0, 1.12)
    panel.set_xlabel("frequency of the grating [cycles a pixel]")
    panel.set_ylabel("energy that comes out / goes in")
    panel.legend(frameon=False, fontsize=8, loc="lower left")
    return drawn


def _trained(layer: str) -> Trained:
    """What a layer's trained kernels attenuate: where it has stride 2, minus where the same layer has stride 1."""
    return Trained(
        sweep="stride_vs_pool",
        contrasts=(
            Contrast(
                name="stride 2 against stride 1",
                better=("stride",),
                worse=("none",),
                better_is="a trained layer of stride 2",
                worse_is="the same layer at stride 1",
            ),
        ),
        metric=f"probe:spectra/{layer}/attenuated",
        margin=ATTENUATED,
        measures="share of energy lost below the new Nyquist frequency",
        tasks=("digits12", "textures12", "fashion12", "fashion_mnist", "cifar10"),
    )


CLAIM = Claim(
    says="Convolutions of stride 2 blur the image.",
    notes='Convolution with strides, second paragraph: "distorted leading the image to be blurred"',
    kind="exact+empirical",
    evidence={
        "the stride itself": Computed(compute=compute),
        "trained kernels, first strided layer": _trained("conv2"),
        "trained kernels, second strided layer": _trained("conv4"),
    },
    rule=AllOf(
        parts=(
            ("the stride itself", Exact()),
            ("trained kernels, first strided layer", Directional(match="macs", margin=ATTENUATED)),
            ("trained kernels, second strided layer", Directional(match="macs", margin=ATTENUATED)),
        ),
        together=True,
    ),
    figure=figure,
)
