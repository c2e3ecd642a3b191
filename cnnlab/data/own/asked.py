"""What a user asks of own data, and what a reader finds."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cnnlab.spec.invalid import require

Progress = Callable[[Sequence[Any]], Iterable[Any]]
"""Passes items on, and may show how far they are."""
MOST_BYTES = 1 << 31
"""Of decoded pictures, one byte a value: a worker holds four times as much."""
MOST_SEED = 2**31 - 1
SHOWN = 3
"""Examples that are named where there are more."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Which pictures, and what is to be made of them.

    Attributes:
        kind: `folder` or `npz`.
        path: of the folder or the file. labels: of the CSV file with names and labels, if there is one.
        side: in pixels, of the square that a picture becomes; 0 takes it as it is (npz alone).
        channels: 1 (grey) or 3 (RGB); 0 takes them as they are (npz alone).
        test_share: of every class, for the test set; of no effect where the data has a test set itself.
        split_seed: another one chooses other test pictures.
    """

    kind: str
    path: Path
    labels: Path | None
    side: int
    channels: int
    test_share: float
    split_seed: int

    def __post_init__(self) -> None:
        require(0 < self.test_share < 1, "data.test_share", self.test_share, "must lie between 0 and 1, such as 0.2")
        require(
            0 <= self.split_seed <= MOST_SEED, "data.split_seed", self.split_seed, f"must lie between 0 and {MOST_SEED}"
        )


@dataclass(frozen=True, kw_only=True)
class Counted:
    """How often something was done to pictures, or why they were left out, with the first few of them."""

    what: str
    count: int
    examples: tuple[str, ...]

    def __str__(self) -> str:
        """In a line, such as `2 cut to the middle square: cats/1.png, cats/2.png`."""
        more = ", ..." if self.count > len(self.examples) else ""
        return f"{self.count} {self.what}: {', '.join(self.examples)}{more}"


def counted(what: str, names: Sequence[str]) -> tuple[Counted, ...]:
    """Count names; nothing where there are none."""
    return (Counted(what=what, count=len(names), examples=tuple(names[:SHOWN])),) if names else ()


@dataclass(frozen=True, kw_only=True)
class Found:
    """Pictures as a reader gives them.

    Attributes:
        images: uint8 (n, side, side, channels). labels: int64 (n,), places in `classes`.
        test: bool (n,), which are the test set; None where the data says nothing of it.
        names: of every picture, as a user would look for it.
        classes: the names of the labels.
        origin: sizes or numbers that the pictures had, in a phrase.
        changed: what was done to them. dropped: what was left out.
    """

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    test: npt.NDArray[np.bool_] | None
    names: tuple[str, ...]
    classes: tuple[str, ...]
    origin: str
    changed: tuple[Counted, ...] = ()
    dropped: tuple[Counted, ...] = ()


def require_size(count: int, side: int, channels: int) -> None:
    """Raise `InvalidError` if so many decoded pictures would not fit in memory."""
    size = count * side**2 * channels
    valid = f"{count} pictures of {side}x{side}x{channels} are {size / 2**30:.1f} GiB, and {MOST_BYTES >> 30} GiB fit"
    require(size <= MOST_BYTES, "data.side", side, f"{valid}: choose a smaller side")
