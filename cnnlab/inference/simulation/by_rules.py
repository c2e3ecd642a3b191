"""Judge one replication of a simulation by the same rule code that judges records."""

from collections.abc import Callable

from cnnlab.inference.effects import Sample, effect
from cnnlab.inference.family import Case, Family, judge, undecided
from cnnlab.inference.intervals import Floats
from cnnlab.inference.rules.contract import ModeratorContrast, TrainedEvidence, difference_p
from cnnlab.inference.simulation.planting import Arms, Bools, Drawn, Level, Planted, PlantedContrast, Scenario
from cnnlab.spec.verdict import Condition, Effect, Look, Match, Setting, Verdict

Effector = Callable[[Sample, Sample, Setting], Effect]
Judge = Callable[[dict[str, Case], Family], dict[str, Verdict]]


def outcome(verdict: Verdict) -> str:
    """Give a verdict's word, with refuted and qualified split by their reason."""
    if verdict.word == "refuted":
        return verdict.reason.split(",")[0].split(":")[0]
    if verdict.word == "qualified":
        starts = {"match ": "match", "learning rate:": "learning rate"}
        why = next((name for start, name in starts.items() if verdict.reason.startswith(start)), "moderator")
        return f"qualified by {why}"
    return verdict.word


def by_rules(
    scenario: Scenario, drawn: Drawn, row: int, effector: Effector = effect, judging: Judge = judge
) -> Verdict:
    """Judge one replication: the first block, and where that leaves contrasts undecided, the second."""
    second: set[tuple[str, Match]] = set()
    levels = tuple(_moderator(scenario, number, pair, row, effector) for number, pair in enumerate(drawn.moderators))
    while True:
        effects = tuple(_effect(contrast, row, contrast.place in second, effector) for contrast in drawn.contrasts)
        evidence = TrainedEvidence(effects=effects, moderators=levels)
        verdict = judging({"planted": Case(rule=scenario.rule, evidence=evidence)}, scenario.family)["planted"]
        more = {(setting.task, setting.match) for setting in undecided(verdict)} - second
        if not more:
            return verdict
        second |= more


def _effect(contrast: PlantedContrast, row: int, second: bool, effector: Effector) -> Effect:
    setting = _setting(contrast.task, second, contrast.condition, contrast.match)
    members = contrast.task.blocks[-1 if second else 0]
    return effector(*_samples(contrast.arms, row, members), setting)


def _setting(task: Planted, second: bool, condition: Condition = "own", match: Match = "none") -> Setting:
    look: Look = "only" if len(task.blocks) == 1 else "second" if second else "first"
    return Setting(
        task=task.task,
        real=task.real,
        construction=task.task,
        margin=task.margin,
        headroom=1.0,
        condition=condition,
        match=match,
        look=look,
    )


def _samples(arms: Arms, row: int, members: int) -> tuple[Sample, Sample]:
    better = _sample(arms.better[row, :members], arms.lost_better[row, :members])
    return better, _sample(arms.worse[row, :members], arms.lost_worse[row, :members])


def _sample(values: Floats, lost: Bools) -> Sample:
    return Sample(seeds=tuple(range(len(values))), values=tuple(values.tolist()), diverged=tuple(lost.tolist()))


def _moderator(
    scenario: Scenario, number: int, levels: tuple[Level, Level], row: int, effector: Effector
) -> ModeratorContrast:
    """A planted moderator contrast, at the last look of the first task."""
    task = scenario.tasks[0]
    setting, members = _setting(task, second=True, match=scenario.rule.match), task.blocks[-1]
    samples = [_samples(level["own"], row, members) for level in levels]
    one, other = (effector(*pair, setting) for pair in samples)
    return ModeratorContrast(
        moderator=f"factor{number}",
        level_a="a",
        level_b="b",
        effect_a=one,
        effect_b=other,
        p=difference_p((one, *samples[0]), (other, *samples[1])),
    )
