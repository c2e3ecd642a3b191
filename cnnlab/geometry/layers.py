"""Translates each node of a network into a window along one axis; no other module does this."""

from collections.abc import Sequence
from dataclasses import replace

from cnnlab.geometry.axis import Layer, Repeat, Resample, Slide, Spread, same_low, same_padding
from cnnlab.spec.network import (
    Activation,
    Add,
    Blur,
    Combine,
    Concat,
    Conv,
    Dense,
    DepthToSpace,
    Elementwise,
    Flatten,
    GlobalAveragePool,
    GlobalPool,
    GroupPad,
    Mix,
    Node,
    Norm,
    Pad,
    Padding,
    Pair,
    Pool,
    Resize,
    SpaceToDepth,
    TransposedConv,
)

WHOLE_MAP = (GlobalAveragePool, Flatten, Dense, Mix)
"""Nodes whose outputs read the whole map."""

MERGES = (Add, Combine, Concat)


def last_map(nodes: Sequence[Node], output: str) -> str:
    """Name the last spatial map that the output depends on."""
    needed, whole = {output}, set[str]()
    for node in reversed(nodes):
        if node.name in needed:
            needed |= set(node.inputs)
    for node in nodes:
        if reads_whole(node) == (True, True) or whole & set(node.inputs):
            whole.add(node.name)
    return next((node.name for node in reversed(nodes) if node.name in needed - whole), nodes[0].name)


def reads_whole(node: Node) -> tuple[bool, bool]:
    """Whether a node's outputs read all rows, and all columns, of its map."""
    return node.axes if isinstance(node, GlobalPool) else (isinstance(node, WHOLE_MAP),) * 2


def along(node: Node, axis: int, length: int | None, channels: int | None) -> Layer | None:
    """Say what `node` does along `axis` (0 height, 1 width) of an input map; None if it reads the whole map.

    Args:
        node: any node but an `Input`; a merge does to each of its inputs what is returned.
        axis: 0 or 1.
        length: pixels of the input map along the axis; None if unknown.
        channels: of the input map; None if unknown.

    Raises:
        TypeError: the node is of a kind that geometry does not know.
    """
    match node:
        case Conv():
            slide = _slide(node.kernel[axis], node.stride[axis], node.dilation[axis], node.padding, axis, length)
            return _trimmed(slide, node.blank[axis])
        case Pool() | Blur():
            return _slide(node.kernel[axis], node.stride[axis], 1, node.padding, axis, length)
        case TransposedConv():
            return _spread(node.kernel[axis], node.stride[axis], node.padding, axis)
        case Resize():
            scale = node.scale[axis]
            if length == 1 and scale.denominator == 1:
                return Repeat(count=scale.numerator)
            return Resample(scale=scale, kind=node.kind)
        case SpaceToDepth():
            return Slide(taps=node.block, stride=node.block)
        case DepthToSpace():  # each pixel paints a block, of which no two overlap
            return Spread(taps=node.block, stride=node.block)
        case Pad():
            low, high = node.padding[axis]
            return Slide(low=low, high=high, beyond=node.mode)
        case GroupPad():
            return _group_pad(node.total[axis], axis, channels)
        case Norm() | Activation() | Elementwise() | Add() | Combine() | Concat():
            return Slide()
        case GlobalPool():
            return None if node.axes[axis] else Slide()
        case GlobalAveragePool() | Flatten() | Dense() | Mix():
            return None
    raise TypeError(f"geometry knows no node of kind {type(node).__name__} ({node.name})")


def _slide(taps: int, stride: int, dilation: int, padding: Padding, axis: int, length: int | None) -> Slide:
    """Make a sliding window with its padding resolved as far as the length is known."""
    span = (taps - 1) * dilation + 1
    if padding == "valid":
        return Slide(taps=taps, stride=stride, dilation=dilation)
    if padding != "same":
        low, high = padding[axis]
        return Slide(taps=taps, stride=stride, dilation=dilation, low=low, high=high)
    if length is not None:
        low, high = same_padding(length, span, stride)
        return Slide(taps=taps, stride=stride, dilation=dilation, low=low, high=high)
    known = same_low(span, stride)
    return Slide(taps=taps, stride=stride, dilation=dilation, low=known or 0, unresolved=known is None)


def _trimmed(slide: Slide, blank: Pair) -> Slide:
    """A window without its outer taps that are fixed zeros: as many outputs, each of which reads less."""
    first, last = (amount * slide.dilation for amount in blank)
    return replace(slide, taps=slide.taps - sum(blank), low=slide.low - first, high=slide.high - last)


def _spread(taps: int, stride: int, padding: Padding, axis: int) -> Spread:
    """Make a transposed window; SAME crops kernel - stride pixels, or fills them where that is negative."""
    if padding == "valid":
        return Spread(taps=taps, stride=stride)
    if padding != "same":
        low, high = padding[axis]
        return Spread(taps=taps, stride=stride, low=low, high=high)
    low = max(taps - stride, 0) // 2
    return Spread(taps=taps, stride=stride, low=low, high=taps - stride - low)


def _group_pad(total: int, axis: int, channels: int | None) -> Slide:
    """Unite the shifts that the channel groups make: larger share first, then smaller (`GroupPad`).

    Groups stand at (top left), (top right), (bottom left), (bottom right), and channels fill them in that order, so
    the second shift of the width needs two channels and that of the height three.
    """
    small, large = total // 2, total - total // 2
    both = channels is None or channels >= (3, 2)[axis]
    if not both:
        return Slide(low=large, high=small)
    return Slide(taps=large - small + 1, low=large, high=large)
