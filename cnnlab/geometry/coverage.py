"""How often pixels are read or written: exact path counts through stacks of windows and through whole networks.

A count is the number of paths between one pixel and all units at the other end, over positions alone: channels do not
multiply it. In a stack it is the product of the counts along the height and the width (`plane`).
"""

from collections.abc import Sequence

from cnnlab.geometry.axis import Layer, Slide, Spread, pixel, same_padding
from cnnlab.geometry.layers import along
from cnnlab.geometry.sizes import maps
from cnnlab.spec.invalid import InvalidError, require, require_choice
from cnnlab.spec.network import Input, Network, Pair

MOST_STEPS = 5 * 10**7
"""Additions that counting the paths of a network may take: some ten seconds."""

Counts = tuple[int, ...]
Plane = tuple[Counts, ...]
"""Rows of counts: `plane[row][column]`."""


def coverage(
    length: int, kernel: int, stride: int = 1, padding: str | Pair = "same", *, dilation: int = 1, depth: int = 1
) -> Counts:
    """Count the windows that read each of `length` pixels; with `depth` equal layers, the paths that leave each.

    Args:
        length: pixels of the line.
        kernel: taps of each layer, a convolution or a pool.
        stride: of each layer.
        padding: `same` (JAX rule), `valid`, or (low, high) pixels of zeros.
        dilation: of each layer.
        depth: layers stacked.

    Raises:
        InvalidError: a window does not fit on the map that it reads.
    """
    layers: list[Layer] = []
    reached = length
    for _ in range(depth):
        layers.append(sliding(reached, kernel, stride, padding, dilation=dilation))
        reached = layers[-1].length(reached)
    return read_counts(layers, length)


def transposed_coverage(
    length: int, kernel: int, stride: int, padding: str | Pair = "same", *, depth: int = 1
) -> Counts:
    """Count the inputs that paint each output of a transposed convolution; with `depth` layers, the paths.

    Uneven away from the border exactly if `stride` does not divide `kernel` (Odena et al., Distill 2016).

    `length` is that of its input. Other arguments and errors as `coverage`; `padding` (low, high) crops, as in
    `cnnlab.spec.network.TransposedConv`.
    """
    low = max(kernel - stride, 0) // 2
    crops = {"valid": (0, 0), "same": (low, kernel - stride - low)}
    if isinstance(padding, str):
        require_choice("padding", padding, crops)
        padding = crops[padding]
    layer = Spread(taps=kernel, stride=stride, low=padding[0], high=padding[1])
    return write_counts([layer] * depth, length)


def plane(rows: Sequence[int], columns: Sequence[int]) -> Plane:
    """Outer product: the counts on a map whose axes have these counts."""
    return tuple(tuple(row * column for column in columns) for row in rows)


def interior(counts: Sequence[int], margin: int) -> Counts:
    """Drop `margin` pixels at either end: what is left is free of the border if the margin is large enough."""
    return tuple(counts[margin : len(counts) - margin])


def sliding(length: int, kernel: int, stride: int, padding: str | Pair, *, dilation: int = 1) -> Slide:
    """Make a window on a line of `length` pixels; arguments as `coverage`."""
    pads = {"valid": (0, 0), "same": same_padding(length, (kernel - 1) * dilation + 1, stride)}
    if isinstance(padding, str):
        require_choice("padding", padding, pads)
        padding = pads[padding]
    return Slide(taps=kernel, stride=stride, dilation=dilation, low=padding[0], high=padding[1])


def read_counts(layers: Sequence[Layer], length: int) -> Counts:
    """Count the paths from each of `length` pixels to all outputs of the stack.

    Raises:
        InvalidError: a window does not fit on the map that it reads.
    """
    return _read_by(layers, length, [1] * _lengths(layers, length)[-1])


def profile(layers: Sequence[Layer], length: int, unit: int) -> Counts:
    """Count the paths from each of `length` pixels to one output of the stack.

    This is the gradient of that output with respect to the pixels when all weights are 1 and all layers linear: the
    closed form of an effective receptive field before training (Luo et al. 2016). Raises as `read_counts`.
    """
    outputs = _lengths(layers, length)[-1]
    require(0 <= unit < outputs, "unit", unit, f"must lie between 0 and {outputs - 1}")
    return _read_by(layers, length, [int(place == unit) for place in range(outputs)])


def write_counts(layers: Sequence[Layer], length: int) -> Counts:
    """Count the paths from all of `length` pixels to each output of the stack. Raises as `read_counts`."""
    lengths = _lengths(layers, length)
    counts = [1] * length
    for layer, before, after in zip(layers, lengths[:-1], lengths[1:], strict=True):
        found = ([pixel(layer, place, before) for place in layer.reads(unit)] for unit in range(after))
        counts = [sum(counts[place] for place in places if place is not None) for places in found]
    return tuple(counts)


def network_coverage(network: Network, size: Pair, name: str) -> Plane:
    """Count the paths from each pixel of the image to all units of one node, over all branches.

    A concat counts like an add, and symmetric padding (`GroupPad`) counts every shift that its channel groups make.

    Raises:
        InvalidError: no node has that name, it would take more than `MOST_STEPS` additions, or as
            `cnnlab.geometry.sizes.sizes`.
    """
    require_choice("node", name, (node.name for node in network.nodes))
    found = {key: (value.size, value.channels) for key, value in maps(network, size).items()}
    end, _ = found[name]
    assert end is not None, "sizes are known where the image size is"
    _require_steps(size[0] * size[1] + end[0] * end[1], name)
    counts: dict[str, list[list[int]]] = {name: [[1] * end[1] for _ in range(end[0])]}
    steps = 0
    for node in reversed(network.nodes):
        if node.name not in counts or isinstance(node, Input):
            continue
        below = counts.pop(node.name)
        for source in node.inputs:
            before, channels = found[source]
            assert before is not None, "sizes are known where the image size is"
            rows, columns = (along(node, axis, before[axis], channels) for axis in (0, 1))
            steps += _steps(rows, columns, (len(below), len(below[0])), before)
            _require_steps(steps, node.name)
            pulled = _pull_plane(rows, columns, below, before)
            known = counts.get(source, [[0] * before[1] for _ in range(before[0])])
            counts[source] = [[a + b for a, b in zip(*pair, strict=True)] for pair in zip(known, pulled, strict=True)]
    nothing = [[0] * size[1] for _ in range(size[0])]
    return tuple(tuple(row) for row in counts.get(network.nodes[0].name, nothing))


def _steps(rows: Layer | None, columns: Layer | None, after: Pair, before: Pair) -> int:
    """Additions that it takes to count the paths before a layer from those after it."""
    tall, wide = (
        1 if layer is None else max(len(layer.reads(0)), len(layer.reads(length - 1)))
        for layer, length in ((rows, after[0]), (columns, after[1]))
    )
    return after[0] * (after[1] * wide + before[1]) + before[1] * (after[0] * tall + before[0])


def _require_steps(steps: int, name: str) -> None:
    """Raise `InvalidError` if counting would take too long, or its maps too much memory."""
    valid = f"must take at most {MOST_STEPS} additions: choose a smaller image, or smaller windows"
    require(steps <= MOST_STEPS, f"network.{name}", f"{steps} additions to count its paths", valid)


def _pull_plane(rows: Layer | None, columns: Layer | None, counts: list[list[int]], size: Pair) -> list[list[int]]:
    """Count the paths before a layer from those after it; a layer that reads the whole map reads each pixel once."""
    wide = [_pull(columns, row, size[1]) for row in counts]
    tall = [_pull(rows, list(column), size[0]) for column in zip(*wide, strict=True)]
    return [list(row) for row in zip(*tall, strict=True)]


def _pull(layer: Layer | None, counts: Sequence[int], before: int) -> list[int]:
    """Count the paths before a layer, along one axis of `before` pixels, from those after it."""
    if layer is None:
        return [sum(counts)] * before
    pulled = [0] * before
    for unit, count in enumerate(counts):
        for position in layer.reads(unit):
            place = pixel(layer, position, before)
            if place is not None:
                pulled[place] += count
    return pulled


def _read_by(layers: Sequence[Layer], length: int, counts: list[int]) -> Counts:
    """Pull the counts of a stack's outputs back to its `length` pixels."""
    for layer, before in zip(reversed(layers), reversed(_lengths(layers, length)[:-1]), strict=True):
        counts = _pull(layer, counts, before)
    return tuple(counts)


def _lengths(layers: Sequence[Layer], length: int) -> list[int]:
    """Lengths before, between and after the layers of a stack."""
    lengths = [length]
    for layer in layers:
        lengths.append(layer.length(lengths[-1]))
        if lengths[-1] < 1:
            raise InvalidError("length", length, f"its map of {lengths[-2]} pixels is too small for {layer}")
    return lengths
