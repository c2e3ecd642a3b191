"""Find the layer from the positions that every output reads along one axis."""

from collections.abc import Iterator, Sequence
from fractions import Fraction

from cnnlab.geometry.axis import Layer, Resample, Slide, pixel
from cnnlab.spec.network import ResizeKind

INTERPOLATIONS: tuple[ResizeKind, ...] = ("nearest", "bilinear", "antialiased", "cubic", "lanczos3", "lanczos5")

WITH_ZEROS = ("cubic", "lanczos3", "lanczos5")
"""Interpolations whose weights are 0 a whole number of steps from the centre."""

Read = frozenset[int]
"""Positions that one output reads; positions outside the map are padded zeros."""


def recognised(reads: Sequence[Read], length: int, step: int = 1) -> Layer | None:
    """Find the layer whose outputs read exactly these positions of a line of `length` pixels; None if there is none.

    `step` is the stride where a single output does not tell it. What is found has been compared output by output.
    """
    for layer in _candidates(reads, length, step):
        same = _hulls if isinstance(layer, Resample) and layer.kind in WITH_ZEROS else _equal
        if layer.length(length) == len(reads) and all(
            same(_read(layer, unit, length), read) for unit, read in enumerate(reads)
        ):
            return layer
    return None


def _equal(one: Read, other: Read) -> bool:
    return one == other


def _hulls(layer: Read, found: Read) -> bool:
    """Whether a layer that has zeros between its weights reads these positions."""
    return found <= layer and (min(found), max(found)) == (min(layer), max(layer))


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
    if length == 1:
        yield Resample(scale=Fraction(count), kind="nearest")
    if len(first) == 1:
        around = -first[0] % length
        if count == length:
            yield Slide(low=around, high=-around, beyond="circular")  # a roll
        if count - length >= around:
            yield Slide(low=around, high=count - length - around, beyond="circular")
        if 0 <= first[0] <= count - length < first[0] + length and max(first[0], count - length - first[0]) < length:
            yield Slide(low=first[0], high=count - length - first[0], beyond="reflect")
    for kind in INTERPOLATIONS:
        yield Resample(scale=Fraction(count, length), kind=kind)
