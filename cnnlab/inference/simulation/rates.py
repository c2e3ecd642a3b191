"""How often a planted claim gets each verdict, and how often the intervals hold the truth."""

import math
from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from cnnlab.inference.family import judge
from cnnlab.inference.intervals import wilson
from cnnlab.inference.simulation.drawing import Reader
from cnnlab.inference.simulation.judging import Judge, Read, judged, outcome
from cnnlab.inference.simulation.planting import Scenario
from cnnlab.spec.curve import finals
from cnnlab.spec.verdict import Interval

RATIO, POINTS = "ratio", "points"
"""The two 95 % intervals that are printed of an effect."""


@dataclass(frozen=True, kw_only=True)
class Rates:
    """How often each outcome came: a verdict's word, `refuted` and `qualified` split by their reason.

    Attributes:
        counts: by outcome. repeats: how many claims were judged.
        covered: by task and kind of interval, how often the 95 % interval held the truth.
        errors: by task, each estimate's distance from the truth in standard errors over members, before calibration;
            t intervals alone.
    """

    counts: dict[str, int]
    repeats: int
    covered: dict[tuple[str, str], int] = field(default_factory=dict)
    errors: dict[str, tuple[float, ...]] = field(default_factory=dict)

    def count(self, outcome: str) -> int:
        """How many simulations had that outcome; `qualified` counts all its reasons."""
        return sum(count for name, count in self.counts.items() if outcome in (name, name.split(" by ")[0]))

    def rate(self, outcome: str) -> float:
        """Give the share of simulations with that outcome."""
        return self.count(outcome) / self.repeats

    def interval(self, outcome: str, level: float = 0.95) -> Interval:
        """Give Wilson's interval of that share."""
        return wilson(self.count(outcome), self.repeats, level)


@lru_cache(maxsize=64)
def simulate(scenario: Scenario, *, repeats: int, seed: int, reader: Reader = finals, judging: Judge = judge) -> Rates:
    """Plant, draw, read and judge, `repeats` times. `reader` and `judging` may be faulty, to see the fault found."""
    random = np.random.default_rng(seed)
    words: Counter[str] = Counter()
    covered: Counter[tuple[str, str]] = Counter()
    errors: dict[str, list[float]] = {task.task: [] for task in scenario.tasks}
    for _ in range(repeats):
        verdict, reads = judged(scenario, random, reader, judging)
        words[outcome(verdict)] += 1
        for one in reads:
            covered[one.task.task, RATIO] += _holds(one.effect.interval95, one.task.effect)
            assert one.effect.points95 is not None
            covered[one.task.task, POINTS] += _holds(one.effect.points95, one.task.points)
            if one.effect.interval95.kind == "paired t":
                errors[one.task.task].append(_in_errors(one))
    return Rates(
        counts=dict(words),
        repeats=repeats,
        covered=dict(covered),
        errors={task: tuple(found) for task, found in errors.items()},
    )


def _holds(interval: Interval, truth: float) -> bool:
    return interval.low <= truth <= interval.high


def _in_errors(one: Read) -> float:
    return (one.effect.estimate - one.task.effect) * math.sqrt(one.effect.n) / one.effect.sd
