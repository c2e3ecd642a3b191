"""The notes prefer "2^n kind of number" of channels, since "GPU's can handle this number much better".

The rule tells being a power of two apart from being a multiple of 8, 16, 32 or 64, which powers of two also are. Every
width from 16 to 272 is timed, as the forward and backward pass of one 3x3 convolution that keeps its width. Amended
before any run: the regression also has a quadratic trend in log2 of the width (narrow layers take longer for each
multiply-accumulate whatever divides them), and where powers of two are faster only because they are multiples of 64,
the claim is refuted.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from cnnlab.inference.rules.all_of import AllOf
from cnnlab.inference.rules.cost import Timings
from cnnlab.inference.rules.powers_of_two import PowersOfTwo, is_power_of_two, seconds_per_mac
from cnnlab.report import canvas
from experiments.claims.base import Claim, Timed
from experiments.timing.stopwatch import interleaved
from experiments.timing.timings import NotTimedError, drawn

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTHS = tuple(range(16, 273))
REFERENCE = 272
"""What every width is divided by, round by round; a multiple of 16 and no power of two."""
SIDE, BATCH = 28, 32
TYPES = ("float32", "bfloat16")
"""JAX's default precision: a GPU multiplies float32 as TF32 where it can."""


def layer(width: int, kind: str, side: int = SIDE, batch: int = BATCH) -> Callable[[], Any]:
    """Give a call that runs a 3x3 convolution of `width` channels, forward and backward."""
    keys = jax.random.split(jax.random.key(0), 2)
    images = jax.random.normal(keys[0], (batch, side, side, width), kind)
    weights = jax.random.normal(keys[1], (3, 3, width, width), kind) / width**0.5

    def convolve(x: Array, w: Array) -> Array:
        return lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))

    @jax.jit
    def both(x: Array, w: Array) -> tuple[Array, tuple[Array, Array]]:
        made, pull = jax.vjp(convolve, x, w)
        return made, pull(jnp.ones_like(made))

    return lambda: both(images, weights)


def measure(kind: str, widths: Sequence[int] = WIDTHS, side: int = SIDE, batch: int = BATCH) -> Mapping[str, Timings]:
    """Time every width in one set of rounds."""
    seconds = interleaved({str(width): layer(width, kind, side, batch) for width in widths})
    reference = max(widths)
    return {
        str(width): Timings(
            dear=seconds[str(width)],
            cheap=seconds[str(reference)],
            what=f"3x3 convolution, {side}x{side}, batch {batch}, {kind}, forward + backward",
            names=("this width", f"{reference} channels"),
            counted=(width / reference) ** 2,
        )
        for width in widths
    }


def figure() -> "Figure":
    """The saw-tooth: time per multiply-accumulate against width, powers of two and multiples of 8 marked."""
    found = {kind: cells for kind in TYPES if (cells := _kept(kind))}
    if not found:
        raise NotTimedError("ch-pow2-gpu has no timings to draw: it needs a GPU")
    figure, axes = canvas.canvas(
        "Time per multiply-accumulate by width: powers of two and multiples of 8",
        width=9.5,
        height=3.2 * len(found) + 0.8,
        rows=len(found),
    )
    for panel, (kind, cells) in zip(axes[:, 0], found.items(), strict=True):
        widths, speed = seconds_per_mac(cells)
        panel.plot(widths, speed, color="0.6", linewidth=0.9, zorder=1)
        groups = (
            ("not a multiple of 8", widths % 8 != 0, "0.6", ".", 12),
            ("multiple of 8", (widths % 8 == 0) & ~is_power_of_two(widths), canvas.SKY, "o", 30),
            ("power of two", is_power_of_two(widths), canvas.RED, "s", 55),
        )
        for label, chosen, colour, marker, size in groups:
            panel.scatter(widths[chosen], speed[chosen], color=colour, marker=marker, s=size, label=label, zorder=2)
        panel.set(yscale="log", ylabel="time per multiply-accumulate\n(1 = widest layer)")
        panel.set_title(f"{kind}, {next(iter(cells.values())).device}", fontsize=10)
        panel.set_xticks(np.arange(32, widths[-1] + 1, 32))
        panel.yaxis.set_major_formatter("{x:g}")
        panel.yaxis.set_minor_formatter("{x:g}")
    axes[-1][0].set_xlabel("channels in and out")
    axes[0][0].legend(frameon=False)
    return figure


def _kept(kind: str) -> Mapping[str, Timings]:
    try:
        return drawn("ch-pow2-gpu", kind)
    except NotTimedError:
        return {}


CLAIM = Claim(
    says="On a GPU, a convolution is faster where its channels are a power of two, beyond what other divisors explain.",
    notes='Few things to remember: "2^n kind of number ... GPU\'s can handle this number much better"',
    kind="cost",
    evidence={
        "float32": Timed(measure=lambda: measure("float32"), needs="gpu"),
        "bfloat16": Timed(measure=lambda: measure("bfloat16"), needs="gpu"),
    },
    rule=AllOf(parts=(("float32", PowersOfTwo()), ("bfloat16", PowersOfTwo()))),
    figure=figure,
)
