"""The notes say of the 1x1 convolution that it "is computation less expensive".

Counted: a 3x3 layer takes nine times the multiply-accumulates and kernel weights, at equal channels and equal output.
Timed: the rule wants the clock to agree by a factor of 1.5 in every cell, down to layers so small that starting them
takes longer than computing them. A depthwise 3x3 convolution is timed beside; no rule reads it.
"""

import itertools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from cnnlab.geometry.cost import cost
from cnnlab.inference.rules.all_of import AllOf
from cnnlab.inference.rules.cost import Cost, Timings, ratio
from cnnlab.inference.rules.exact import Enumerated, Exact
from cnnlab.report import canvas
from cnnlab.spec.network import Conv, Input, Network
from cnnlab.spec.verdict import Number, Scalar, Table
from experiments.claims.base import Claim, Computed, Timed
from experiments.timing.stopwatch import interleaved
from experiments.timing.timings import drawn

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TAPS = 9
CHANNELS, MAPS = (16, 64, 256), (8, 16, 32, 56)
"""Where the clock has to agree: channels in and out, and the side of the map in pixels."""
PASSES = ("forward", "forward + backward")
BATCH = 4
KERNELS = {"1x1": (1, 1), "3x3": (3, 1), "depthwise 3x3": (3, 0)}
"""Kernel side, and groups; 0 for as many as there are channels."""
COUNTED = tuple(itertools.product((1, 2, 3, 16, 64, 256, 512), (1, 2, 3, 16, 64, 256, 512), (1, 7, 8, 16, 32, 56, 224)))
"""Channels in, channels out, and side of the map, for the exact part."""


def counts(side: int, channels: int, filters: int, kernel: int) -> tuple[int, int]:
    """Multiply-accumulates of one image, and kernel weights, of one convolution that keeps the size."""
    layer = Conv(name="conv", inputs=("image",), filters=filters, kernel=(kernel, kernel), bias=False)
    found = cost(
        Network(nodes=(Input(name="image", channels=channels), layer), output="conv", features="conv"), (side, side)
    )
    return found.macs, found.params


def compute() -> Enumerated:
    """Count both kernels at every size: the larger must take nine times as much, no more and no less."""
    failing = []
    for channels, filters, side in COUNTED:
        pairs = zip(counts(side, channels, filters, 3), counts(side, channels, filters, 1), strict=True)
        for sense, (large, small) in zip(("multiply-accumulates", "weights"), pairs, strict=True):
            if large != TAPS * small:
                failing.append(f"{channels} to {filters} channels on {side}x{side}: {large} and {small} {sense}")
    return Enumerated(
        cases=2 * len(COUNTED),
        counterexamples=tuple(failing),
        nearest_true=None if not failing else "a 1x1 layer takes fewer, though not always nine times fewer, operations",
        number=Number(name="3x3 over 1x1, counted", value=TAPS, unit="x") if not failing else None,
        tables=(_counted_table(),),
    )


def _counted_table() -> Table:
    rows: list[tuple[Scalar, ...]] = []
    for channels in CHANNELS:
        small, large = counts(56, channels, channels, 1), counts(56, channels, channels, 3)
        rows.append((channels, *small, *large, large[0] / small[0]))
    columns = ("channels", "1x1 MACs", "1x1 weights", "3x3 MACs", "3x3 weights", "ratio")
    return Table(title="One layer on a 56x56 map, per image", columns=columns, rows=tuple(rows))


def layer(kernel: str, channels: int, side: int, direction: str) -> Callable[[], Any]:
    """Give a call that runs one convolution of a batch, and for the backward pass both of its gradients."""
    taps, groups = KERNELS[kernel][0], KERNELS[kernel][1] or channels
    keys = jax.random.split(jax.random.key(0), 2)
    images = jax.random.normal(keys[0], (BATCH, side, side, channels))
    weights = jax.random.normal(keys[1], (taps, taps, channels // groups, channels)) / taps

    def convolve(x: Array, w: Array) -> Array:
        return lax.conv_general_dilated(
            x, w, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"), feature_group_count=groups
        )

    def both(x: Array, w: Array) -> tuple[Array, tuple[Array, Array]]:
        made, pull = jax.vjp(convolve, x, w)
        return made, pull(jnp.ones_like(made))

    run = jax.jit(convolve if direction == PASSES[0] else both)
    return lambda: run(images, weights)


def cell(channels: int, side: int, direction: str) -> str:
    """Name a cell as the table prints it."""
    return f"{channels} channels {side}x{side} {direction}"


def measure() -> Mapping[str, Timings]:
    """Time all three kernels in every cell."""
    cells = list(itertools.product(CHANNELS, MAPS, PASSES))
    calls = {(kernel, *where): layer(kernel, *where) for where in cells for kernel in KERNELS}
    seconds = interleaved({str(key): call for key, call in calls.items()})
    return {
        cell(*where): Timings(
            dear=seconds[str(("3x3", *where))],
            cheap=seconds[str(("1x1", *where))],
            what=f"3x3 against 1x1 convolution ({cell(*where)}, batch {BATCH})",
            names=("3x3", "1x1"),
            counted=TAPS,
            beside={"depthwise 3x3": seconds[str(("depthwise 3x3", *where))]},
        )
        for where in cells
    }


def figure() -> "Figure":
    """The measured speed-up against the channels, a line for each map, and the nine that counting promises."""
    kept = drawn("pw-cheaper", "time")
    device = next(iter(kept.values())).device
    figure, axes = canvas.canvas(
        "How many times longer a 3x3 convolution takes than a 1x1: counted, and by the clock", width=11, columns=2
    )
    for panel, direction in zip(axes[0], PASSES, strict=True):
        panel.axhline(TAPS, color=canvas.BLACK, linestyle="--", linewidth=1.2)
        panel.axhline(RULE.ratio, color=canvas.BLACK, linestyle=":", linewidth=1.2)
        for place, (side, colour, marker) in enumerate(zip(MAPS, canvas.SERIES, canvas.MARKERS, strict=False)):
            found = [ratio(kept[cell(channels, side, direction)]) for channels in CHANNELS]
            across = [channels * 1.06 ** (place - 1.5) for channels in CHANNELS]
            spans = [[middle - low for middle, low, _ in found], [high - middle for middle, _, high in found]]
            panel.errorbar(
                across,
                [middle for middle, _, _ in found],
                yerr=spans,
                color=colour,
                marker=marker,
                capsize=2,
                label=f"{side}x{side}",
            )
        panel.set(xscale="log", yscale="log", title=direction, xlabel="channels in and out")
        panel.set_xticks(CHANNELS, [str(channels) for channels in CHANNELS])
        panel.set_yticks([1, 1.5, 3, 9, 27], ["1x", "1.5x", "3x", "9x", "27x"])
        panel.minorticks_off()
        panel.set(xlim=(12, 560), ylim=(0.9, 40))
        for height, label in ((TAPS, "counted"), (RULE.ratio, "the rule's bar")):
            panel.text(540, height * 1.04, label, va="bottom", ha="right", fontsize=8)
    axes[0][0].set_ylabel("time of 3x3 / time of 1x1 (95 % interval)")
    figure.legend(*axes[0][0].get_legend_handles_labels(), title=f"map (batch {BATCH})", loc="outside right center")
    figure.supxlabel(device, fontsize=8)
    return figure


RULE = Cost(ratio=1.5)
CLAIM = Claim(
    says="A 1x1 convolution costs less than a 3x3 one with as many channels, counted and on the clock, at every size.",
    notes='ANT-MAN (1x1 convolution), first point: "computation less expensive"',
    kind="cost",
    evidence={"counted": Computed(compute=compute), "time": Timed(measure=measure)},
    rule=AllOf(parts=(("counted", Exact()), ("time", RULE))),
    figure=figure,
)
