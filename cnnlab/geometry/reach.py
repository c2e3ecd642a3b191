"""The receptive-field recurrence along one axis, in exact fractions, for a chain of layers.

A transposed convolution or an interpolation shows its outputs different windows in turn, so a reach holds one window
for each of the `period` turns. Without them the period is 1 and this is the recurrence of Araujo et al. (Distill
2019): window grows by (span - 1) * stride, strides multiply, padding adds up times the stride.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import gcd, lcm

from cnnlab.geometry.axis import Layer, Slide
from cnnlab.spec.invalid import InvalidError

LONGEST_PERIOD = 2**16
"""Outputs after which windows must repeat; real nets need a few hundred at most."""

MOST_WINDOWS = 2**18
"""Windows that may be compared to find those of one layer, and all that a network may have: some seconds."""

FARTHEST = 10**100
"""Pixels that no window or stride may exceed, so that all numbers can be written as JSON."""

Window = tuple[int, int]
"""First and last pixel, inclusive, counting padding as pixels outside the map."""


@dataclass(frozen=True, kw_only=True)
class Reach:
    """Windows of the outputs 0, 1, ... along one axis: output u + period sees output u's window moved by `advance`.

    Attributes:
        windows: of the outputs 0 .. period - 1; None for an output that sees nothing (a gap of a transposed layer).
        advance: pixels that the window moves in one period.
        shift: unknown shifts of all windows to the left: (layer, how often) for each SAME layer on a map of unknown
            length whose padding depends on that length. Empty where all is known.
    """

    windows: tuple[Window | None, ...] = ((0, 0),)
    advance: int = 1
    shift: tuple[tuple[str, Fraction], ...] = ()

    @property
    def stride(self) -> Fraction:
        """Pixels between neighbouring outputs."""
        return Fraction(self.advance, len(self.windows))

    @property
    def extent(self) -> int:
        """Pixels in the largest window."""
        return max((window[1] - window[0] + 1 for window in self.windows if window), default=0)

    @property
    def centre(self) -> Fraction:
        """Centre of output 0's window, up to the unknown shift; with a period above 1 the mean over it.

        The mean is that of centre - u * stride: where the window of output 0 would lie if all looked alike.
        """
        seen = [(unit, window) for unit, window in enumerate(self.windows) if window]
        centres = [Fraction(sum(window), 2) - unit * self.stride for unit, window in seen]
        return sum(centres, Fraction(0)) / max(len(centres), 1)

    @property
    def padding(self) -> Fraction | None:
        """P such that output u sees [-P + u * stride, -P + u * stride + extent - 1]; None if a shift is unknown."""
        return None if self.shift else Fraction(self.extent - 1, 2) - self.centre

    def window(self, unit: int) -> Window | None:
        """Give the window of one output, up to the unknown shift."""
        turn = unit % len(self.windows)
        found = self.windows[turn]
        moved = (unit - turn) // len(self.windows) * self.advance
        return None if found is None else (found[0] + moved, found[1] + moved)


def through(reach: Reach, layer: Layer, name: str) -> Reach:
    """Add one more layer to a reach; `name` labels its shift where its padding is unknown.

    Raises:
        InvalidError: the windows would repeat only after more than `LONGEST_PERIOD` outputs, take more than
            `MOST_WINDOWS` to find, or exceed `FARTHEST` pixels.
    """
    turns = len(reach.windows) // gcd(len(reach.windows), layer.advance)
    period, advance = layer.period * turns, len(reach.windows)
    _bounded(period, name)
    compared = period * len(_ends(layer.reads(0), advance))
    if compared > MOST_WINDOWS:
        raise InvalidError(
            f"network.{name}", compared, f"at most {MOST_WINDOWS} windows may be compared to find its own"
        )
    windows = tuple(hull([reach.window(i) for i in _ends(layer.reads(unit), advance)]) for unit in range(period))
    shift = reach.shift
    if isinstance(layer, Slide) and layer.unresolved:
        shift = (*shift, (name, reach.stride))
    moved = Fraction(layer.advance * turns) * reach.stride
    made = Reach(windows=windows, advance=int(moved), shift=shift)
    if max(made.extent, made.advance) > FARTHEST:
        raise InvalidError(
            f"network.{name}", "more than 10^100 pixels", "its receptive field and stride must be smaller"
        )
    return made


def _ends(reads: Sequence[int], turns: int) -> Sequence[int]:
    """The reads that bound a window: windows repeat after `turns` reads, moved on, so the first and last suffice."""
    return reads if len(reads) <= 2 * turns else (*reads[:turns], *reads[-turns:])


def _bounded(period: int, name: str) -> None:
    """Raise `InvalidError`, naming the node, if its windows repeat too late to be followed one by one."""
    if period > LONGEST_PERIOD:
        raise InvalidError(f"network.{name}", period, f"its windows must repeat within {LONGEST_PERIOD} outputs")


def hull(windows: Sequence[Window | None]) -> Window | None:
    """Find the smallest window that holds all the given ones; None if there are none."""
    seen = [window for window in windows if window]
    return (min(low for low, _ in seen), max(high for _, high in seen)) if seen else None


def merged(reaches: Sequence[Reach], name: str) -> Reach:
    """Unite aligned reaches, those of the paths into the merge `name`: the largest window that they span.

    Paths whose unknown shifts differ cannot be laid over one another: then the longest stands for all, and where it
    lies is unknown.
    """
    longest = max(reaches, key=lambda reach: reach.extent)
    if len({reach.shift for reach in reaches}) > 1:
        return Reach(windows=longest.windows, advance=longest.advance, shift=((name, Fraction(1)),))
    period = lcm(*(len(reach.windows) for reach in reaches))
    _bounded(period, name)
    windows = tuple(hull([reach.window(unit) for reach in reaches]) for unit in range(period))
    return Reach(windows=windows, advance=int(longest.stride * period), shift=longest.shift)
