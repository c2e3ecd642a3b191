"""Find the layer from the positions that every output reads along one axis."""

from collections.abc import Iterator, Sequence
from fractions import Fraction

from cnnlab.geometry.axis import Layer, Resample, Slide, pixel

Read = frozenset[int]
"""Positions that one output reads; positions outside the map are padded zeros."""


def recognised(reads: Sequence[Read], length: int, step: int = 1) -> Layer | None:
    """Find the layer whose outputs read exactly these positions of a line of `length` pixels; None if there is none.

    `step` is the stride where a single output does not tell it. What is found has been compared output by output.
    """
    for layer in _candidates(reads, length, step):
        if layer.length(length) == len(reads) and all(
            _read(layer, unit, length) == read for unit, read in enumerate(reads)
        ):
            return layer
    return None


def _read(layer: Layer, unit: int, length: int) -> Read:
    """Positions that one output reads; mirrored, wrapped and repeated pixels by where they come from."""
    places = layer.reads(unit)
    if isinstance(layer, Slide) and layer.beyond == "zeros":
        return frozenset(places)
    return frozenset(found for place in places if (found := pixel(layer, place, length)) is not None)


def _candidates(reads: Sequence[Read], length: int, step: int) -> Iterator[Layer]:
    """Layers that fit the first two outputs, or the number of outputs."""
    first, count = sorted(reads[0]), len(reads)
    dilation = first[1] - first[0] if len(first) > 1 else 1
    stride = min(reads[1]) - first[0] if count > 1 else step
    if stride >= 1:
        span, low = (len(first) - 1) * dilation + 1, -first[0]
        high = (count - 1) * stride + span - length - low
        yield Slide(taps=len(first), stride=stride, dilation=dilation, low=low, high=high)
    if len(first) == 1:
        around = -first[0] % length
        if count - length >= around:
            yield Slide(low=around, high=count - length - around, beyond="circular")
        if 0 <= first[0] <= count - length < first[0] + length and max(first[0], count - length - first[0]) < length:
            yield Slide(low=first[0], high=count - length - first[0], beyond="reflect")
    yield Resample(scale=Fraction(count, length), kind="nearest")
    yield Resample(scale=Fraction(count, length), kind="bilinear")
