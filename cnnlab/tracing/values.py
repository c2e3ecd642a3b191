"""The kinds of arrays in a traced forward pass: constants, arrays that the module holds, and views of a layer."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Role = Literal["batch", "height", "width", "channel", "free"]
"""What an axis of an array stands for; the value does not change along a free one."""

SPATIAL: tuple[Role, Role] = ("height", "width")

BATCH = 2
"""Images in the traced batch: more than one, so that the batch is never mistaken for an axis of length 1."""

Positions = NDArray[np.int64]
Tap = tuple[Positions, Positions]
"""Rows and columns of a map that each row and column of a view reads; outside the map lies a padded zero."""

Fold = Literal["", "max", "avg", "stack"]
"""How the taps of a view become one number: there is one, their maximum, their sum, or they are laid side by side."""


class TracingError(Exception):
    """A step of the forward pass that no layer of a `Network` stands for; its text says what it does."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """A learned array, or one slice of it where a scan runs over its first axis (`place` from 0; -1 without a scan)."""

    path: str
    size: int
    place: int = -1


@dataclass(frozen=True, kw_only=True, eq=False)
class Known:
    """A constant, computed only when its value is needed."""

    shape: tuple[int, ...]
    make: Callable[[], Any]

    @cached_property
    def value(self) -> NDArray[Any]:
        """The numbers."""
        return np.asarray(self.make())

    @property
    def live(self) -> NDArray[np.bool_]:
        """Where the array is not 0."""
        found: NDArray[np.bool_] = self.value != 0
        return found


@dataclass(frozen=True, kw_only=True, eq=False)
class Held:
    """An array computed from what the module holds, and not from the image.

    Attributes:
        parts: the learned arrays in it; running statistics and random keys are none.
        varying: for each axis, whether the array changes along it.
        find: gives where the array is not a fixed zero; None if there are no fixed zeros.
    """

    shape: tuple[int, ...]
    parts: frozenset[Part]
    varying: tuple[bool, ...]
    find: Callable[[], NDArray[Any]] | None = None

    @cached_property
    def live(self) -> NDArray[np.bool_]:
        """Where the array may be other than 0."""
        return np.ones(self.shape, bool) if self.find is None else np.broadcast_to(self.find(), self.shape)


@dataclass(frozen=True, kw_only=True, eq=False)
class TracedArray:
    """An array computed from the image: a pointwise function of the pixels that it reads of one layer's map.

    Attributes:
        node: the layer. shape, roles: of the array, axis by axis.
        taps: what each place reads of the layer's map. Rows have one dimension for each axis with role `height`,
            columns for each with role `width`, in the order of the axes.
        step: stride of the slices that made the taps, (height, width); it decides where there is one output only.
        fold: of several taps. ops: names of the pointwise functions since. parts: learned arrays in them.
    """

    node: str
    shape: tuple[int, ...]
    roles: tuple[Role, ...]
    taps: tuple[Tap, ...]
    step: tuple[int, int] = (1, 1)
    fold: Fold = ""
    ops: tuple[str, ...] = ()
    parts: frozenset[Part] = frozenset()

    @property
    def channels(self) -> int:
        """Numbers at one pixel."""
        return math.prod(size for size, role in zip(self.shape, self.roles, strict=True) if role == "channel")

    def axes(self, role: Role) -> tuple[int, ...]:
        """Axes that have a role."""
        return tuple(axis for axis, found in enumerate(self.roles) if found == role)


@dataclass(frozen=True, kw_only=True, eq=False)
class Refused:
    """An array that cannot be traced, and why; a mistake only if the output needs it."""

    shape: tuple[int, ...]
    what: str
    why: str


Value = Known | Held | TracedArray | Refused


def whole(roles: tuple[Role, ...], shape: tuple[int, ...]) -> tuple[Tap, ...]:
    """The one tap of an array that is a layer's map itself."""
    lengths = [[size for size, found in zip(shape, roles, strict=True) if found == role] for role in SPATIAL]
    rows, columns = (np.arange(math.prod(sizes)).reshape(sizes) for sizes in lengths)
    return ((rows, columns),)


def unique(taps: list[Tap]) -> tuple[Tap, ...]:
    """Taps without repetition, in their order."""
    return tuple({tap_key(tap): tap for tap in taps}.values())


def tap_key(tap: Tap) -> tuple[Any, ...]:
    """A hashable form of a tap."""
    return tuple((positions.shape, positions.tobytes()) for positions in tap)


def same_taps(one: TracedArray, other: TracedArray) -> bool:
    """Whether two views read the same pixels, place by place."""
    return {tap_key(tap) for tap in one.taps} == {tap_key(tap) for tap in other.taps}


def spatial(axis: int) -> Role:
    """Role of the map's axis: 0 height, 1 width."""
    return SPATIAL[axis]
