"""One layer along one axis: which inputs each output reads, and how many outputs there are.

Positions are integers on an endless line; pixel 0 is the first of the map and negative positions are padding.
Every layer repeats: `reads(u + period)` is `reads(u)` moved by `advance`, so its stride is advance / period.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
from typing import Literal

from cnnlab.spec.network import ResizeKind

Beyond = Literal["zeros", "reflect", "circular"]
"""What padding holds: nothing, the mirrored map without its edge pixel, or the map's other end."""


def same_padding(length: int, span: int, stride: int) -> tuple[int, int]:
    """Low and high padding under JAX's SAME rule: out = ceil(length / stride), the odd pixel is high."""
    total = max((-(-length // stride) - 1) * stride + span - length, 0)
    return total // 2, total - total // 2


def same_low(span: int, stride: int) -> int | None:
    """Low padding under SAME for a map of unknown length; None where it depends on the length."""
    # it falls as the length grows from 1 to the stride, and then begins again
    most, least = (same_padding(length, span, stride)[0] for length in (1, stride))
    return most if most == least else None


@dataclass(frozen=True, kw_only=True)
class Slide:
    """A sliding window: output u reads u * stride - low + j * dilation for j < taps.

    `low` and `high` are padding pixels; negative values crop. `unresolved` marks a SAME layer on a map of unknown
    length whose `low` depends on that length: then 0 stands for it, and `reads` is known up to one shift.
    """

    taps: int = 1
    stride: int = 1
    dilation: int = 1
    low: int = 0
    high: int = 0
    beyond: Beyond = "zeros"
    unresolved: bool = False

    @property
    def period(self) -> int:
        """The windows of all outputs are alike: the period is 1."""
        return 1

    @property
    def advance(self) -> int:
        """Inputs between neighbouring outputs."""
        return self.stride

    def length(self, length: int) -> int:
        """Count the outputs on a map of `length` pixels; below 1 if the window does not fit."""
        span = (self.taps - 1) * self.dilation + 1
        return (length + self.low + self.high - span) // self.stride + 1

    def reads(self, unit: int) -> Sequence[int]:
        """Positions that output `unit` reads, ascending."""
        first = unit * self.stride - self.low
        return range(first, first + self.taps * self.dilation, self.dilation)


@dataclass(frozen=True, kw_only=True)
class Spread:
    """A transposed window: input i paints outputs i * stride - low + j for j < taps; `low` and `high` crop."""

    taps: int
    stride: int
    low: int = 0
    high: int = 0

    @property
    def period(self) -> int:
        """Outputs painted in different ways before the pattern repeats."""
        return self.stride

    @property
    def advance(self) -> int:
        """Inputs passed in one period."""
        return 1

    def length(self, length: int) -> int:
        """Count the outputs on a map of `length` pixels."""
        return (length - 1) * self.stride + self.taps - self.low - self.high

    def reads(self, unit: int) -> Sequence[int]:
        """Positions that paint output `unit`, ascending; none where the stride leaves a gap."""
        place = unit + self.low
        return range(-((self.taps - 1 - place) // self.stride), place // self.stride + 1)


@dataclass(frozen=True, kw_only=True)
class Repeat:
    """The one pixel of a map, repeated: every output reads pixel 0."""

    count: int

    @property
    def period(self) -> int:
        """All outputs are alike: the period is 1."""
        return 1

    @property
    def advance(self) -> int:
        """No input is passed."""
        return 0

    def length(self, length: int) -> int:
        """Count the outputs."""
        return self.count * length

    def reads(self, unit: int) -> Sequence[int]:
        """The pixel."""
        return (0,)


WIDTHS: dict[ResizeKind, int] = {"bilinear": 1, "antialiased": 1, "cubic": 2, "lanczos3": 3, "lanczos5": 5}
"""Pixels on either side of an output's centre within which an interpolation has weights, where it enlarges."""


@dataclass(frozen=True, kw_only=True)
class Resample:
    """Interpolation by a rational factor with half-pixel centres."""

    scale: Fraction
    kind: ResizeKind

    @property
    def period(self) -> int:
        """Outputs interpolated in different ways before the pattern repeats."""
        return self.scale.numerator

    @property
    def advance(self) -> int:
        """Inputs passed in one period."""
        return self.scale.denominator

    def length(self, length: int) -> int:
        """Count the outputs on a map of `length` pixels."""
        return floor(length * self.scale)

    def reads(self, unit: int) -> Sequence[int]:
        """Positions that output `unit` reads with a weight above zero, ascending."""
        centre = (unit + Fraction(1, 2)) / self.scale
        if self.kind == "nearest":
            return (floor(centre),)
        wide = WIDTHS[self.kind] * (1 if self.kind == "bilinear" else max(Fraction(1), 1 / self.scale))
        middle = centre - Fraction(1, 2)
        return range(floor(middle - wide) + 1, ceil(middle + wide))


Layer = Slide | Spread | Repeat | Resample


def pixel(layer: Layer, position: int, length: int) -> int | None:
    """Find the pixel of a map of `length` that `layer` meets at `position`; None where it meets a padded zero.

    Interpolation repeats the edge pixel (wider weights end at it); reflection must not reach further than the map is
    long.
    """
    if 0 <= position < length:
        return position
    match layer:
        case Resample():
            return min(max(position, 0), length - 1)
        case Slide(beyond="circular"):
            return position % length
        case Slide(beyond="reflect"):
            return -position if position < 0 else 2 * (length - 1) - position
    return None
