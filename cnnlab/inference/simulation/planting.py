"""The scenarios of a simulation: tasks with a true effect, noise from seeds and tuning, and members that diverge."""

import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from cnnlab.inference.family import Family
from cnnlab.inference.intervals import Floats
from cnnlab.inference.rules.directional import Directional
from cnnlab.inference.simulation.tuning import LearningRates, choices, divergences, losses
from cnnlab.spec.verdict import Condition, Match

Bools = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Planted:
    """The true effect and the noise of one task.

    Attributes:
        task: its name. real: whether it counts as real data.
        effect: true difference, better minus worse, with each arm at its best learning rate.
        common_effect: the same at the common learning rate; None leaves that contrast out.
        sd: standard deviation of a member's paired difference. correlation: of the two members of a pair.
        blocks: members after each look, such as (24,) or (12, 24).
        margin: delta. accuracy: of the worse arm. chance: what a diverged member gets.
        selection_sd: standard deviation of the contrast's error from choosing learning rates, where no `tuning` says.
        divergence: chance that a member of the better arm diverges; divergence_worse: of the worse.
        tuning: draws both arms' learning rates by the real rule; what it costs in accuracy, and the members that
            diverge at the chosen rate, come on top. None where every arm stands at its best.
    """

    task: str
    effect: float
    sd: float
    blocks: tuple[int, ...]
    common_effect: float | None = None
    real: bool = True
    correlation: float = 0.2
    margin: float = 0.01
    accuracy: float = 0.9
    chance: float = 0.1
    selection_sd: float = 0.0
    divergence: float = 0.0
    divergence_worse: float = 0.0
    tuning: LearningRates | None = None

    def swapped(self) -> "Planted":
        """Exchange better and worse."""
        return replace(
            self,
            effect=-self.effect,
            common_effect=None if self.common_effect is None else -self.common_effect,
            accuracy=self.accuracy + self.effect,
            divergence=self.divergence_worse,
            divergence_worse=self.divergence,
        )


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """What is planted for one claim, and the family it stands in.

    The rest of the registered family is taken to have no data, which makes Holm as strict as it gets.

    Attributes:
        tasks: measured at the rule's own match. matched: the same tasks, or some of them, at another match.
        moderators: pairs of true effects at two levels of one factor, measured like the first task.
    """

    tasks: tuple[Planted, ...]
    family: Family
    rule: Directional = field(default_factory=Directional)
    matched: tuple[Planted, ...] = ()
    moderators: tuple[tuple[float, float], ...] = ()

    @property
    def other_match(self) -> Match:
        """The match that is not the rule's own."""
        return "macs" if self.rule.match == "none" else "none"

    def swapped(self) -> "Scenario":
        """Exchange better and worse everywhere."""
        return replace(
            self,
            tasks=tuple(task.swapped() for task in self.tasks),
            matched=tuple(task.swapped() for task in self.matched),
            moderators=tuple((-one, -other) for one, other in self.moderators),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Arms:
    """Both arms of one contrast: accuracies and who diverged [replications, members]."""

    better: Floats
    worse: Floats
    lost_better: Bools
    lost_worse: Bools

    @property
    def differences(self) -> Floats:
        """Better minus worse, by seed [replications, members]."""
        return self.better - self.worse

    @property
    def lost(self) -> Bools:
        """Where either member of a pair diverged."""
        return self.lost_better | self.lost_worse


@dataclass(frozen=True, kw_only=True, eq=False)
class PlantedContrast:
    """One contrast of the planted claim, in every replication."""

    task: Planted
    condition: Condition
    match: Match
    arms: Arms

    @property
    def place(self) -> tuple[str, Match]:
        """What gets its second block together: both learning rates of one task at one match."""
        return self.task.task, self.match


Level = dict[Condition, Arms]
"""A contrast at one level of a moderator, at each learning-rate condition that was planted."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Drawn:
    """All draws of a scenario: the contrasts, and two levels of each moderator."""

    contrasts: tuple[PlantedContrast, ...]
    moderators: tuple[tuple[Level, Level], ...]


def draw(scenario: Scenario, repeats: int, seed: int) -> Drawn:
    """Draw all members of all blocks, `repeats` times over."""
    random = np.random.default_rng(seed)
    contrasts = []
    for match, tasks in ((scenario.rule.match, scenario.tasks), (scenario.other_match, scenario.matched)):
        for task in tasks:
            for condition, arms in _task_arms(task, repeats, random).items():
                contrasts.append(PlantedContrast(task=task, condition=condition, match=match, arms=arms))
    levels = tuple(
        (_level(scenario.tasks[0], one, repeats, random), _level(scenario.tasks[0], other, repeats, random))
        for one, other in scenario.moderators
    )
    return Drawn(contrasts=tuple(contrasts), moderators=levels)


def _level(task: Planted, truth: float, repeats: int, random: np.random.Generator) -> Level:
    """One level of a moderator: the task with this effect, at both learning rates where the task has both."""
    return _task_arms(
        replace(task, effect=truth, common_effect=None if task.common_effect is None else truth), repeats, random
    )


def _task_arms(task: Planted, repeats: int, random: np.random.Generator) -> Level:
    """Both arms at each arm's own and, where there is one, at the common learning rate; drawn independently."""
    none = np.zeros(repeats)
    own = common = (none, none, none, none)
    if task.tuning is not None:
        order, pool = random.permutation(repeats), choices(task.tuning, repeats)
        own = _costs(task.tuning, pool.better[order], pool.worse[order])
        common = _costs(task.tuning, pool.common[order], pool.common[order])
    arms: Level = {"own": _arms(task, task.effect, own, repeats, random)}
    if task.common_effect is not None:
        arms["common"] = _arms(task, task.common_effect, common, repeats, random)
    return arms


Costs = tuple[Floats, Floats, Floats, Floats]
"""Accuracy lost by better and worse, and their members' chance of diverging; one number a replication."""


def _costs(rates: LearningRates, better: Floats, worse: Floats) -> Costs:
    return losses(rates, better), losses(rates, worse), divergences(rates, better), divergences(rates, worse)


def _arms(task: Planted, truth: float, costs: Costs, repeats: int, random: np.random.Generator) -> Arms:
    """Members of both arms: noise of the seed that both share, and noise of each."""
    shape = (repeats, task.blocks[-1])
    member_sd = task.sd / math.sqrt(2 * (1 - task.correlation))
    shared = math.sqrt(task.correlation) * member_sd * random.standard_normal(shape)
    noise = [math.sqrt(1 - task.correlation) * member_sd * random.standard_normal(shape) for _ in range(2)]
    error = task.selection_sd * random.standard_normal((repeats, 1))
    better = task.accuracy + truth + error - costs[0][:, None] + shared + noise[0]
    worse = task.accuracy - costs[1][:, None] + shared + noise[1]
    lost_better = random.random(shape) < _either(task.divergence, costs[2])[:, None]
    lost_worse = random.random(shape) < _either(task.divergence_worse, costs[3])[:, None]
    return Arms(
        better=np.where(lost_better, task.chance, better),
        worse=np.where(lost_worse, task.chance, worse),
        lost_better=lost_better,
        lost_worse=lost_worse,
    )


def _either(always: float, rates: Floats) -> Floats:
    return 1 - (1 - always) * (1 - rates)
