"""Judge one drawn claim by the very code that judges records."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from cnnlab.inference.effects import Sample, effect
from cnnlab.inference.family import Case, Family, judge
from cnnlab.inference.rules.contract import Longer, ModeratorContrast, TrainedEvidence, difference_p
from cnnlab.inference.simulation.drawing import PairDrawn, Reader, draw
from cnnlab.inference.simulation.planting import Planted, Scenario
from cnnlab.spec.curve import finals
from cnnlab.spec.verdict import Effect, Match, Setting, Verdict

Judge = Callable[[dict[str, Case], Family], dict[str, Verdict]]
STEPS = 360
"""Training steps of the shorter training, a name only."""


@dataclass(frozen=True, kw_only=True)
class Read:
    """One task of a replication: what was planted, its effect, and the samples that made it."""

    task: Planted
    effect: Effect
    samples: tuple[Sample, Sample]

    @property
    def level(self) -> tuple[Effect, Sample, Sample]:
        """As `difference_p` takes it."""
        return (self.effect, *self.samples)


def outcome(verdict: Verdict) -> str:
    """Give a verdict's word, with refuted and qualified split by their reason."""
    if verdict.word == "refuted":
        return verdict.reason.split(",")[0].split(":")[0]
    if verdict.word == "qualified":
        starts = {"by task": "task", "match ": "match", "within ": "steps"}
        why = next((name for start, name in starts.items() if verdict.reason.startswith(start)), "moderator")
        return f"qualified by {why}"
    return verdict.word


def judged(
    scenario: Scenario, random: np.random.Generator, reader: Reader = finals, judging: Judge = judge
) -> tuple[Verdict, tuple[Read, ...]]:
    """Draw and judge one replication; gives the verdict and what was read at the rule's own match."""
    match = scenario.rule.match
    drawn = [(task, draw(task, random, reader)) for task in scenario.tasks]
    reads = tuple(read(task, pair, match) for task, pair in drawn)
    others = [read(task, draw(task, random, reader), scenario.other_match) for task in scenario.matched]
    again = (_longer(one, pair) for one, (_, pair) in zip(reads, drawn, strict=True))
    evidence = TrainedEvidence(
        effects=tuple(one.effect for one in (*reads, *others)),
        moderators=tuple(_moderator(scenario, number, random, reader) for number in range(len(scenario.moderators))),
        tasks=tuple(_between(one, other) for one, other in itertools.combinations(reads, 2)),
        longer=tuple(one for one in again if one is not None),
    )
    return judging({"planted": Case(rule=scenario.rule, evidence=evidence)}, scenario.family)["planted"], reads


def read(task: Planted, pair: PairDrawn, match: Match) -> Read:
    """The effect of a drawn task."""
    samples = (pair.better.sample, pair.worse.sample)
    found = effect(
        *samples,
        _setting(task, match),
        accuracies=(pair.better.accuracies, pair.worse.accuracies),
        at_chance=(pair.better.at_chance, pair.worse.at_chance),
    )
    return Read(task=task, effect=found, samples=samples)


def _setting(task: Planted, match: Match) -> Setting:
    return Setting(
        task=task.task, real=task.real, construction=task.task, margin=task.margin, headroom=1.0, match=match
    )


def _longer(one: Read, pair: PairDrawn) -> Longer | None:
    """What is looked at once more: a contrast that was called Pos or Neg."""
    if pair.longer is None or one.effect.call not in ("pos", "neg"):
        return None
    return Longer(effect=effect(*pair.longer, one.effect.setting), steps=STEPS)


def _between(one: Read, other: Read) -> ModeratorContrast:
    return _contrast("task", (one.task.task, other.task.task), one, other)


def _moderator(scenario: Scenario, number: int, random: np.random.Generator, reader: Reader) -> ModeratorContrast:
    """A planted moderator contrast: the first task with either effect."""
    first, match = scenario.tasks[0], scenario.rule.match
    levels = [replace(first, effect=truth, lasting=None) for truth in scenario.moderators[number]]
    one, other = (read(task, draw(task, random, reader), match) for task in levels)
    return _contrast(f"factor{number}", ("a", "b"), one, other)


def _contrast(name: str, levels: tuple[str, str], one: Read, other: Read) -> ModeratorContrast:
    return ModeratorContrast(
        moderator=name,
        level_a=levels[0],
        level_b=levels[1],
        effect_a=one.effect,
        effect_b=other.effect,
        p=difference_p(one.level, other.level),
    )
