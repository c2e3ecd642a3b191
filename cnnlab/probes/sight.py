"""Receptive fields, measured: where a unit's input gradient is not 0, in float64, with positive weights.

An independent check of `cnnlab.geometry`: it uses no recurrence. It asks geometry only how large an image must be so
that no window meets the border, and enlarges the image where a measured window meets it after all.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, lcm

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from cnnlab.geometry.fields import Exact, exact
from cnnlab.geometry.layers import along
from cnnlab.geometry.reach import Reach, Window, through
from cnnlab.geometry.sizes import maps, sizes
from cnnlab.probes.skeleton import skeleton, spatial, upstream
from cnnlab.spec.invalid import InvalidError, require, require_choice
from cnnlab.spec.network import Input, Network, Pair

BATCH = 32
"""Units measured at once."""

ENLARGEMENTS = 3
"""How often the image is doubled where a window meets its border."""

LONGEST = 16_384
"""Pixels along one axis of the largest image that is measured on."""

QUICK = {"xla_backend_optimization_level": 0}
"""Compiling takes longer than running."""

CHANNELS = 3
Profiles = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class MeasuredField:
    """What the units of a node see of the image, away from its border; pairs are (height, width), in pixels.

    Unit u sees [-padding + u * stride, -padding + u * stride + rf - 1]. Where windows differ in turn, after a
    transposed convolution or an interpolation, `rf` is the largest and `padding` the one of the mean centre.
    """

    rf: Pair
    stride: tuple[Exact, Exact]
    padding: tuple[Exact, Exact]

    @property
    def centre(self) -> tuple[Fraction, Fraction]:
        """Centre of unit 0's window."""
        height, width = (Fraction(rf - 1, 2) - low for rf, low in zip(self.rf, self.padding, strict=True))
        return height, width


@dataclass(frozen=True, kw_only=True)
class Canvas:
    """An image large enough along one axis, small along the other, on which every SAME pads as on the given one.

    Attributes:
        size: (height, width). step: pixels by which it may grow along the axis, so that no padding changes.
        turns: units after which the windows of every node repeat.
    """

    size: Pair
    step: int
    turns: int


def measured_fields(network: Network, size: Pair, names: Sequence[str]) -> dict[str, MeasuredField]:
    """Measure the receptive field, effective stride and effective padding of nodes by gradients, one pass an axis.

    Args:
        network: the graph; the zoo must be able to run it.
        size: (height, width) of the image it is meant for: it decides how SAME pads. The image measured on is larger
            where windows would be cut by the border, and pads alike.
        names: of nodes whose units have a window of their own.

    Raises:
        InvalidError: no such node, its window needs an image of more than `LONGEST` pixels to be measured, the zoo
            does not run a layer, or as `cnnlab.geometry.sizes.sizes`.
    """
    sizes(network, size)
    for name in names:
        require_choice("node", name, spatial(network))
    part = upstream(network, *names)
    height, width = (_measured_line(part, size, tuple(names), axis) for axis in (0, 1))
    return {name: _seen(height[name], width[name]) for name in names}


@contextmanager
def _exactly() -> Iterator[None]:
    """Compute in float64 on the CPU, whose convolutions add products and nothing else: what is not read stays zero."""
    with jax.enable_x64(True), jax.default_device(jax.local_devices(backend="cpu")[0]):
        yield


def _seen(height: Reach, width: Reach) -> MeasuredField:
    """Put both axes together."""
    lows = [Fraction(reach.extent - 1, 2) - reach.centre for reach in (height, width)]
    return MeasuredField(
        rf=(height.extent, width.extent),
        stride=(exact(height.stride), exact(width.stride)),
        padding=(exact(lows[0]), exact(lows[1])),
    )


def _measured_line(network: Network, size: Pair, names: tuple[str, ...], axis: int) -> dict[str, Reach]:
    """Measure the windows of the named nodes along one axis, on a canvas where none meets the border."""
    canvas = _canvas(network, size, axis)
    for attempt in range(ENLARGEMENTS + 1):
        length = canvas.size[axis]
        found = _windows(network, canvas, names, axis)
        cut = any(window and (window[0] == 0 or window[1] == length - 1) for _, of in found.values() for window in of)
        if not cut or attempt == ENLARGEMENTS:
            break
        longer = length + canvas.step * ceil(length / canvas.step)
        canvas = Canvas(size=_with(canvas.size, axis, longer), step=canvas.step, turns=canvas.turns)
    return {name: _reach(first, windows, canvas.turns) for name, (first, windows) in found.items()}


def _reach(first: int, windows: Sequence[Window | None], turns: int) -> Reach:
    """Turn the windows of 2 * turns neighbouring units, from unit `first`, into those of the units from 0 on."""
    later = zip(windows[:turns], windows[turns:], strict=True)
    advance = next((after[0] - before[0] for before, after in later if before and after), 0)
    # unit 0 looks like the first unit that stands a whole number of turns after it
    offset = -first % turns
    back = (first + offset) // turns * advance
    own = windows[offset : offset + turns]
    moved = tuple(None if window is None else (window[0] - back, window[1] - back) for window in own)
    return Reach(windows=moved, advance=advance)


def _windows(
    network: Network, canvas: Canvas, names: tuple[str, ...], axis: int
) -> dict[str, tuple[int, list[Window | None]]]:
    """Measure 2 * turns units of each node in the middle of the canvas: number of the first, and all their windows."""
    made = sizes(network, canvas.size)
    count = 2 * canvas.turns
    picks: list[tuple[int, int]] = []
    starts: dict[str, int] = {}
    for place, name in enumerate(names):
        shape = made[name]
        assert shape is not None, "sizes are known where the image size is"
        starts[name] = (shape[axis] - count) // 2
        picks += [(place, starts[name] + unit) for unit in range(count)]
    supports = [np.flatnonzero(profile > 0) for profile in _profiles(network, canvas.size, names, axis, picks)]
    spans = [(int(pixels[0]), int(pixels[-1])) if pixels.size else None for pixels in supports]
    return {name: (starts[name], spans[place * count : (place + 1) * count]) for place, name in enumerate(names)}


def _profiles(
    network: Network, size: Pair, names: tuple[str, ...], axis: int, picks: list[tuple[int, int]]
) -> Profiles:
    """Gradient of one unit a row with respect to the pixels along the axis, summed over the other.

    Along the other axis all units are taken together: windows along one axis do not depend on the other.

    Args:
        picks: for each row the place of the node in `names`, and the unit along the axis.
    """
    across = 2 - axis
    batch = min(BATCH, len(picks))
    rows = np.array(picks + picks[:1] * (-len(picks) % batch)).reshape(-1, batch, 2)
    with _exactly():
        net = skeleton(network, size).net()

        def picked(images: Array, row: Array) -> Array:
            outputs = net(images)[1]
            total = jnp.zeros(())
            for place, name in enumerate(names):
                lines = outputs[name].sum((across, CHANNELS))
                chosen = jax.nn.one_hot(row[:, 1], lines.shape[1]) * (row[:, 0] == place)[:, None]
                total += (lines * chosen).sum()
            return total

        def gradient(row: Array) -> Array:
            images = jnp.zeros((row.shape[0], *size, 1))
            pixels: Array = jax.grad(picked)(images, row)
            return pixels.sum((across, CHANNELS))

        run = jax.jit(gradient, compiler_options=QUICK)
        found = np.concatenate([np.asarray(run(jnp.asarray(row))) for row in rows])
    return found[: len(picks)]


def _canvas(network: Network, size: Pair, axis: int) -> Canvas:
    """Plan the canvas of one axis: long enough for the widest window by a generous guess, else as small as can be."""
    step, reach, turns = _plan(network, size, axis)
    wanted = _grown(size[axis], step, reach)
    require(wanted <= LONGEST, "network", network.output, f"too wide to measure: it needs an image of {wanted} pixels")
    across = 1 - axis
    other, _, _ = _plan(network, size, across)
    for small in range(size[across] % other or other, size[across], other):
        thin = _with(_with(size, axis, wanted), across, small)
        try:
            sizes(network, thin)
        except InvalidError:  # too small for some layer
            continue
        return Canvas(size=thin, step=step, turns=turns)
    return Canvas(size=_with(size, axis, wanted), step=step, turns=turns)


def _plan(network: Network, size: Pair, axis: int) -> tuple[int, int, int]:
    """Give pixels by which an image may grow without another padding, pixels it must have, and turns of the windows."""
    found = maps(network, size)
    extents: dict[str, Fraction] = {}
    strides: dict[str, Fraction] = {}
    step, turns = 1, 1
    for node in network.nodes:
        if isinstance(node, Input):
            extents[node.name] = strides[node.name] = Fraction(1)
            continue
        source = found[node.inputs[0]]
        layer = along(node, axis, None if source.size is None else source.size[axis], source.channels)
        assert layer is not None, "only nodes with windows are planned for"
        stride = max(strides[name] for name in node.inputs)
        own = through(Reach(), layer, node.name)
        extents[node.name] = max(extents[name] for name in node.inputs) + (own.extent - 1) * stride
        strides[node.name] = stride * own.stride
        # every map grows by whole multiples of what its reader advances in a turn
        step = lcm(step, (stride * layer.advance).numerator)
        turns *= layer.period
    return step, ceil(max(extents.values()) + 2 * (turns + 1) * max(strides.values())), turns


def _grown(length: int, step: int, least: int) -> int:
    """Give the least length of at least `least` pixels that is a whole number of steps from `length`."""
    return length + step * ceil((least - length) / step)


def _with(size: Pair, axis: int, length: int) -> Pair:
    """Give a size with another length along one axis."""
    return (length, size[1]) if axis == 0 else (size[0], length)
