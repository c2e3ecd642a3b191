"""Choosing learning rates inside a simulation: noisy tuning by the real rule, and members that diverge."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from cnnlab.inference.intervals import Floats
from cnnlab.spec.record import Tried
from cnnlab.training.tuning import choose, extend

SEED = 20201
GRID = (-2, -1, 0, 1)
"""The starting grid in octaves (factors of 2) from its centre, which is the common learning rate."""


@dataclass(frozen=True, kw_only=True)
class LearningRates:
    """How a net's accuracy depends on its learning rate, and what tuning gets to see of it.

    The defaults are of the size that the 20 tuned arms of one pilot sweep showed (Adam): parabolas through their grids
    lose 1.3 points an octave on digits12 (mean of 13 arms; median 1.5) and .2 on vernier (median of 7); 2, 10 and 25 %
    of the members diverged at the best value, one and two octaves above it.

    Attributes:
        curvature: accuracy lost one octave from the best learning rate; it grows with the square of the octaves.
        spread: the best lies anywhere within so many octaves of the grid's centre, for both arms alike.
        edge, edge_width: octaves above the best at which half of the members diverge, and how fast that rises (the
            scale of a logistic curve).
        seed_sd: standard deviation of a member's accuracy. accuracy: at the best learning rate. chance: of a guess.
        tuning_seeds, validation_images: what each tried value is measured with.
    """

    curvature: float = 0.01
    spread: float = 1.0
    edge: float = 2.0
    edge_width: float = 0.45
    seed_sd: float = 0.01
    accuracy: float = 0.93
    chance: float = 0.1
    tuning_seeds: int = 2
    validation_images: int = 238

    def loss(self, octaves: float) -> float:
        """Accuracy lost so many octaves from the best."""
        return min(self.accuracy - self.chance, self.curvature * octaves**2)

    def divergence(self, octaves: float) -> float:
        """Chance that a member diverges so many octaves above the best."""
        return 1 / (1 + math.exp((self.edge - octaves) / self.edge_width))


@dataclass(frozen=True, kw_only=True, eq=False)
class Choices:
    """Chosen learning rates [replications], in octaves from the best: of each arm, and of the grid's centre."""

    better: Floats
    worse: Floats
    common: Floats


@lru_cache(maxsize=16)
def choices(rates: LearningRates, repeats: int) -> Choices:
    """Tune two arms whose curves are equal, each with noise of its own, by the rule that tunes every arm.

    Always the same draws: a pool that every scenario shuffles, since tuning is the slow part of a simulation.
    """
    random = np.random.default_rng([SEED, repeats])
    best = random.uniform(-rates.spread, rates.spread, size=repeats)
    chosen = np.array([[_chosen(rates, float(at), random) for _ in range(2)] for at in best])
    return Choices(better=chosen[:, 0] - best, worse=chosen[:, 1] - best, common=-best)


def losses(rates: LearningRates, octaves: Floats) -> Floats:
    """Accuracy lost at each of these distances from the best."""
    return np.array([rates.loss(float(value)) for value in octaves])


def divergences(rates: LearningRates, octaves: Floats) -> Floats:
    """Chance that a member diverges at each of these distances."""
    return np.array([rates.divergence(float(value)) for value in octaves])


def _chosen(rates: LearningRates, best: float, random: np.random.Generator) -> float:
    """Octave of the learning rate that the rule takes for one arm."""
    noise = math.hypot(rates.seed_sd, math.sqrt(rates.accuracy * (1 - rates.accuracy) / rates.validation_images))

    def attempt(octave: float) -> Tried:
        lost = random.random(rates.tuning_seeds) < rates.divergence(octave - best)
        true = rates.accuracy - rates.loss(octave - best)
        shown = np.clip(true + noise * random.standard_normal(rates.tuning_seeds), 0.0, 1.0)
        accuracy: Sequence[float] = np.where(lost, rates.chance, shown).tolist()
        return Tried(learning_rate=2.0**octave, validation_accuracy=tuple(accuracy), diverged=tuple(lost.tolist()))

    tried = [attempt(octave) for octave in GRID]
    while (further := extend(tried)) is not None:
        tried = sorted([*tried, attempt(math.log2(further))], key=lambda row: row.learning_rate)
    return math.log2(choose(tried, rates.validation_images).learning_rate)
