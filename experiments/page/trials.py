"""The nets behind one contrast: every member's accuracy, and how it hangs on the learning rate; as points of a picture.

A picture is made of numbers in pixels here and drawn by the template, so that it is there without scripts.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cnnlab.spec.curve import AtRate, Curve, finals, reading
from cnnlab.spec.invalid import require
from experiments.page.plot import tenth

Json = Any

WIDTH, ROW, LEFT, RIGHT = 520, 46, 20, 20
"""Of the picture of members, in pixels: its width, the height of a row, and its margins."""
HIGH, FLOOR, EDGE = 250, 34, 46
"""Of the picture over learning rates: its height, and the room for the labels below and to the left."""
STEPS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
"""Accuracy between two labels; the finest that gives at most `MOST_LABELS`."""
MOST_LABELS = 7


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One arm of a contrast.

    Attributes:
        title: what it is, such as "two convolutions before the first pool". better: the side said to be better.
        seeds: of its members, in the order of the curve. curve: their results by ascending learning rate.
    """

    title: str
    better: bool
    seeds: tuple[int, ...]
    curve: Curve

    def __post_init__(self) -> None:
        members = len(self.curve[0].test_accuracy)
        require(members == len(self.seeds), f"arm.{self.title}", members, f"{len(self.seeds)} members, as seeds")


@dataclass(frozen=True, kw_only=True)
class Trial:
    """All arms of one contrast on one task.

    Attributes:
        where: the contrast and its task, as the board names them.
    """

    where: str
    arms: tuple[Arm, ...]

    @property
    def count(self) -> int:
        """How many seeds all arms have."""
        return len(set.intersection(*(set(arm.seeds) for arm in self.arms)))


def trial(of: Trial) -> dict[str, Json]:
    """Both pictures of one contrast."""
    return {"where": of.where, "n": of.count, "members": members(of), "rates": rates(of)}


def scale(values: Sequence[float]) -> tuple[float, float, list[float]]:
    """Ends of an axis of accuracies, at whole steps, and its labels. Values are fractions; the ends hold them all."""
    low, high = min(values), max(values)
    for step in STEPS:
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        last = max(last, first + 1)
        if last - first < MOST_LABELS:
            break
    return first * step, last * step, [round(place * step, 6) for place in range(first, last + 1)]


def members(of: Trial) -> dict[str, Json]:
    """Every member's test accuracy at the rate where it is read: a row an arm, a line from seed to seed between two."""
    found = [(arm, finals(arm.curve)) for arm in of.arms]
    low, high, labels = scale([value for _, read in found for value in read.test_accuracy])

    def across(value: float) -> float:
        return tenth(LEFT + (WIDTH - LEFT - RIGHT) * (value - low) / (high - low))

    rows: list[dict[str, Json]] = []
    for place, (arm, read) in enumerate(found):
        dots = [
            {"x": across(value), "told": f"seed {seed}: {percent(value)} at rate {rate:.3g}{', lost' if gone else ''}"}
            for seed, value, rate, gone in zip(
                arm.seeds, read.test_accuracy, read.learning_rate, read.diverged, strict=True
            )
        ]
        mean = statistics.fmean(read.test_accuracy)
        lost = [value for value, gone in zip(read.test_accuracy, read.diverged, strict=True) if gone]
        rows.append(
            {
                "title": arm.title,
                "better": arm.better,
                "y": place * ROW + 28,
                "dots": dots,
                "lost": [(across(value), 0) for value in lost],
                "mean": across(mean),
                "told": f"mean {percent(mean)}",
            }
        )
    pairs = []
    if len(rows) == 2:
        ours, theirs = (dict(zip(arm.seeds, row["dots"], strict=True)) for arm, row in zip(of.arms, rows, strict=True))
        above, below = (row["y"] for row in rows)
        pairs = [((ours[seed]["x"], above), (theirs[seed]["x"], below)) for seed in ours if seed in theirs]
    ticks = [(across(label), percent(label)) for label in labels]
    return {"width": WIDTH, "height": len(rows) * ROW + 30, "rows": rows, "pairs": pairs, "ticks": ticks}


def rates(of: Trial) -> dict[str, Json]:
    """Validation accuracy against learning rate: a line a member, one for an arm's mean, and where each member is read.

    The scale is that of members that learned; what lies below it stands at the lower edge.
    """
    every = sorted({at.learning_rate for arm in of.arms for at in arm.curve})
    cells = [
        cell for arm in of.arms for at in arm.curve for cell in zip(at.validation_accuracy, at.diverged, strict=True)
    ]
    low, high, labels = scale([value for value, lost in cells if not lost] or [value for value, _ in cells])
    span = math.log2(every[-1] / every[0]) or 1.0
    alone = every[0] == every[-1]

    def across(rate: float) -> float:
        share = 0.5 if alone else math.log2(rate / every[0]) / span
        return tenth(EDGE + 10 + (WIDTH - EDGE - 30) * share)

    def down(value: float) -> float:
        return tenth(8 + (HIGH - FLOOR - 16) * (high - max(value, low)) / (high - low))

    arms = [
        {
            "title": arm.title,
            "better": arm.better,
            "mean": [(across(at.learning_rate), down(statistics.fmean(at.validation_accuracy))) for at in arm.curve],
            "lines": [
                [(across(at.learning_rate), down(at.validation_accuracy[member])) for at in arm.curve]
                for member in range(len(arm.seeds))
            ],
            "read": [
                (across(arm.curve[place].learning_rate), down(arm.curve[place].validation_accuracy[member]))
                for member, place in enumerate(reading(arm.curve))
            ],
            "lost": [
                (across(at.learning_rate), down(at.validation_accuracy[member]))
                for at in arm.curve
                for member in _lost(at)
            ],
        }
        for arm in of.arms
    ]
    return {
        "width": WIDTH,
        "height": HIGH,
        "left": EDGE,
        "arms": arms,
        "ticks": [(down(label), percent(label)) for label in labels],
        "rates": [(across(rate), f"{rate:.2g}") for rate in every],
    }


def percent(value: float) -> str:
    """An accuracy as a reader sees it."""
    return f"{100 * value:.1f}".removesuffix(".0") + " %"


def _lost(at: AtRate) -> list[int]:
    return [member for member, lost in enumerate(at.diverged) if lost]
