"""The judge judged: effects and nulls are planted, members drawn, and the very rule code gives its verdicts.

Noise enters as it does in the suite: from seeds (one draw per member), from the choice of the learning rate (one
error per contrast, shared by all its members and so invisible to any interval over seeds), and from members that
diverge to chance. The rest of the registered family is taken to have no data, which makes Holm as strict as it gets.
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from cnnlab.inference.effects import Sample, effect
from cnnlab.inference.family import Case, Family, judge, undecided
from cnnlab.inference.intervals import Floats, wilson
from cnnlab.inference.rules.contract import ModeratorContrast, Trained, difference_p
from cnnlab.inference.rules.directional import Directional
from cnnlab.spec.record import Tried
from cnnlab.spec.verdict import Condition, Effect, Interval, Look, Setting, Verdict
from cnnlab.training.tuning import choose, extend


@dataclass(frozen=True, kw_only=True)
class Planted:
    """One task as it truly is.

    Attributes:
        task: its name. real: whether it counts as real data.
        effect: true difference, better minus worse, with each arm at its own learning rate.
        common_effect: the same at the common learning rate; None leaves that contrast out.
        sd: standard deviation of a member's paired difference.
        blocks: members after each look, such as (24,) or (12, 24).
        margin: delta. accuracy: of the worse arm. chance: what a diverged member gets.
        selection_sd: standard deviation of the contrast's error from choosing learning rates.
        divergence: chance that a member of the better arm diverges; divergence_worse: of the worse.
    """

    task: str
    effect: float
    sd: float
    blocks: tuple[int, ...]
    common_effect: float | None = None
    real: bool = True
    margin: float = 0.01
    accuracy: float = 0.9
    chance: float = 0.1
    selection_sd: float = 0.0
    divergence: float = 0.0
    divergence_worse: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """What is planted for one claim, and the family it stands in.

    `moderators` are pairs of true effects at two levels of one factor, measured like the first task.
    """

    tasks: tuple[Planted, ...]
    family: Family
    rule: Directional = field(default_factory=Directional)
    moderators: tuple[tuple[float, float], ...] = ()

    def swapped(self) -> "Scenario":
        """Exchange better and worse everywhere."""
        mirrored = tuple(
            replace(
                task,
                effect=-task.effect,
                common_effect=None if task.common_effect is None else -task.common_effect,
                accuracy=task.accuracy + task.effect,
                divergence=task.divergence_worse,
                divergence_worse=task.divergence,
            )
            for task in self.tasks
        )
        return replace(self, tasks=mirrored, moderators=tuple((-a, -b) for a, b in self.moderators))


@dataclass(frozen=True, kw_only=True)
class Rates:
    """How often each outcome came: a verdict's word, with refuted split into `reversed` and `negligible`."""

    counts: dict[str, int]
    repeats: int

    def rate(self, outcome: str) -> float:
        """Give the share of simulations with that outcome."""
        return self.counts.get(outcome, 0) / self.repeats

    def interval(self, outcome: str, level: float = 0.95) -> Interval:
        """Give Wilson's interval of that share."""
        return wilson(self.counts.get(outcome, 0), self.repeats, level)


Effector = Callable[[Sample, Sample, Setting], Effect]
Judge = Callable[[dict[str, Case], Family], dict[str, Verdict]]


def simulate(
    scenario: Scenario, *, repeats: int, seed: int, effector: Effector = effect, judging: Judge = judge
) -> Rates:
    """Plant, draw, judge, `repeats` times. `effector` and `judging` may be faulty ones, to see the fault found."""
    random = np.random.default_rng(seed)
    counts: Counter[str] = Counter()
    for _ in range(repeats):
        counts[outcome(_run(scenario, random, effector, judging))] += 1
    return Rates(counts=dict(counts), repeats=repeats)


def outcome(verdict: Verdict) -> str:
    """Give a verdict's word, with refuted split by its reason."""
    return verdict.reason.split(",")[0].split(":")[0] if verdict.word == "refuted" else verdict.word


def coverage(
    interval: Callable[[Floats], Interval],
    draw: Callable[[np.random.Generator], Floats],
    *,
    truth: float,
    repeats: int,
    seed: int,
) -> Interval:
    """Give Wilson's interval (99.9 %) of how often `interval` of drawn differences holds the truth."""
    random = np.random.default_rng(seed)
    found = [interval(draw(random)) for _ in range(repeats)]
    return wilson(sum(one.low <= truth <= one.high for one in found), repeats, 0.999)


def selection_noise(
    *, curvature: float, seed_sd: float, tuning_seeds: int, validation_images: int, repeats: int, seed: int
) -> float:
    """Give the standard deviation that tuning both arms, by the real rule, adds to a contrast of two equal arms.

    Each arm's true accuracy is .9 - curvature x (log2 of learning rate over its best)**2, its best lies anywhere
    within a factor 2 of the grid's centre, and each tried value shows seed and validation-set noise.
    """
    random = np.random.default_rng(seed)
    binomial = math.sqrt(0.9 * 0.1 / validation_images)
    noise = math.hypot(seed_sd, binomial)
    gaps = []
    for _ in range(repeats):
        pair = [_tuned_accuracy(random, curvature, noise, tuning_seeds, validation_images) for _ in range(2)]
        gaps.append(pair[0] - pair[1])
    return float(np.std(gaps, ddof=1))


def _tuned_accuracy(
    random: np.random.Generator, curvature: float, noise: float, tuning_seeds: int, validation_images: int
) -> float:
    """Give the true accuracy of one arm at the learning rate that the rule takes."""
    best = random.uniform(-1.0, 1.0)

    def true(rate: float) -> float:
        return max(0.1, 0.9 - curvature * (math.log2(rate) - best) ** 2)

    def attempt(rate: float) -> Tried:
        shown = np.clip(true(rate) + noise * random.standard_normal(tuning_seeds), 0.0, 1.0)
        return Tried(learning_rate=rate, validation_accuracy=tuple(shown.tolist()), diverged=(False,) * tuning_seeds)

    tried = [attempt(2.0**step) for step in (-2, -1, 0, 1)]
    while (further := extend(tried)) is not None:
        tried = sorted([*tried, attempt(further)], key=lambda row: row.learning_rate)
    return true(choose(tried, validation_images).learning_rate)


def _run(scenario: Scenario, random: np.random.Generator, effector: Effector, judging: Judge) -> Verdict:
    """Judge the first block; where that leaves contrasts undecided, let them have their second."""
    arms = {
        (task.task, condition): _draw(task, truth, random)
        for task in scenario.tasks
        for condition, truth in _conditions(task)
    }
    levels = tuple(
        tuple(_draw(replace(scenario.tasks[0], effect=truth), truth, random) for truth in pair)
        for pair in scenario.moderators
    )
    second: set[str] = set()
    while True:
        effects = tuple(
            _effect_at(task, condition, arms[task.task, condition], task.task in second, effector)
            for task in scenario.tasks
            for condition, _ in _conditions(task)
        )
        evidence = Trained(effects=effects, moderators=_contrasts(scenario.tasks[0], levels, effector))
        verdict = judging({"planted": Case(rule=scenario.rule, evidence=evidence)}, scenario.family)["planted"]
        more = {setting.task for setting in undecided(verdict)} - second
        if not more:
            return verdict
        second |= more


def _conditions(task: Planted) -> tuple[tuple[Condition, float], ...]:
    own: tuple[Condition, float] = ("own", task.effect)
    return (own,) if task.common_effect is None else (own, ("common", task.common_effect))


def _draw(task: Planted, truth: float, random: np.random.Generator) -> tuple[Sample, Sample]:
    """Both arms of one contrast, all blocks: the worse arm's noise is shared, as paired members share theirs."""
    members = task.blocks[-1]
    shared = task.accuracy + task.sd * random.standard_normal(members)
    gap = truth + task.selection_sd * random.standard_normal() + task.sd * random.standard_normal(members)
    better = _arm(shared + gap, task.divergence, task.chance, random)
    return better, _arm(shared, task.divergence_worse, task.chance, random)


def _arm(values: Floats, divergence: float, chance: float, random: np.random.Generator) -> Sample:
    diverged = random.random(len(values)) < divergence
    return Sample(
        seeds=tuple(range(len(values))),
        values=tuple(np.where(diverged, chance, values).tolist()),
        diverged=tuple(diverged.tolist()),
    )


def _effect_at(
    task: Planted, condition: Condition, arms: tuple[Sample, Sample], second: bool, effector: Effector
) -> Effect:
    look: Look = "only" if len(task.blocks) == 1 else "second" if second else "first"
    members = task.blocks[-1] if second else task.blocks[0]
    setting = Setting(
        task=task.task,
        real=task.real,
        construction=task.task,
        margin=task.margin,
        headroom=1.0,
        condition=condition,
        look=look,
    )
    return effector(_first(arms[0], members), _first(arms[1], members), setting)


def _first(sample: Sample, members: int) -> Sample:
    return Sample(seeds=sample.seeds[:members], values=sample.values[:members], diverged=sample.diverged[:members])


def _contrasts(
    task: Planted, levels: Sequence[Sequence[tuple[Sample, Sample]]], effector: Effector
) -> tuple[ModeratorContrast, ...]:
    """Give the planted moderator contrasts, at the last look of the first task."""
    found = []
    for number, (one, other) in enumerate(levels):
        effects = tuple(_effect_at(task, "own", arms, len(task.blocks) > 1, effector) for arms in (one, other))
        found.append(
            ModeratorContrast(
                moderator=f"factor{number}",
                level_a="a",
                level_b="b",
                effect_a=effects[0],
                effect_b=effects[1],
                p=difference_p((effects[0], *one), (effects[1], *other)),
            )
        )
    return tuple(found)
