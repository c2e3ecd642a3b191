"""How often a planted claim gets each verdict, and how often an interval holds the truth."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from cnnlab.inference.intervals import Floats, wilson
from cnnlab.inference.simulation.by_rules import by_rules, outcome
from cnnlab.inference.simulation.planting import Scenario, draw
from cnnlab.inference.simulation.verdicts import outcomes
from cnnlab.spec.verdict import Interval


@dataclass(frozen=True, kw_only=True)
class Rates:
    """How often each outcome came: a verdict's word, `refuted` and `qualified` split by their reason."""

    counts: dict[str, int]
    repeats: int

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
def simulate(scenario: Scenario, *, repeats: int, seed: int) -> Rates:
    """Plant, draw, judge, `repeats` times, on arrays."""
    words = outcomes(scenario, draw(scenario, repeats, seed))
    return Rates(counts=dict(Counter(words.tolist())), repeats=repeats)


def disagreements(scenario: Scenario, *, repeats: int, checked: int, seed: int) -> int:
    """How many of the first `checked` replications the rule code judges otherwise than `simulate` does."""
    drawn = draw(scenario, repeats, seed)
    words = outcomes(scenario, drawn)
    return sum(outcome(by_rules(scenario, drawn, row)) != words[row] for row in range(min(checked, repeats)))


def coverage(
    interval: Callable[[Floats], Interval],
    sample: Callable[[np.random.Generator], Floats],
    *,
    truth: float,
    repeats: int,
    seed: int,
    level: float = 0.999,
) -> Interval:
    """Give Wilson's interval of how often `interval` of what `sample` draws holds the truth."""
    random = np.random.default_rng(seed)
    found = [interval(sample(random)) for _ in range(repeats)]
    return wilson(sum(one.low <= truth <= one.high for one in found), repeats, level)
