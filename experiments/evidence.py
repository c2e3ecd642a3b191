"""What a view of a sweep says about a claim's contrasts: effects on every task, moderators, checks, and caps."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from cnnlab.inference import checks as check_rules
from cnnlab.inference.checks import Check
from cnnlab.inference.effects import Sample, accuracy_margin, effect, with_printed_checks
from cnnlab.inference.rules.contract import ModeratorContrast, difference_p
from cnnlab.inference.rules.contract import Trained as TrainedEvidence
from cnnlab.spec.record import COMMON, OWN, Record
from cnnlab.spec.task import Task
from cnnlab.spec.verdict import Condition, Effect, Look, Match, Setting
from experiments.claim import Contrast, Moderator, Trained
from experiments.registry import claim_digests
from experiments.view import Cell, View

CONDITIONS: tuple[Condition, ...] = ("own", "common")


@dataclass(frozen=True, kw_only=True)
class Sides:
    """The arms of a contrast on one task at one match; `worse` is empty where a quantity stands for itself."""

    task: Task
    match: Match
    better: tuple[Cell, ...]
    worse: tuple[Cell, ...]

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Both sides' arms."""
        return (*self.better, *self.worse)

    def samples(self, condition: str, metric: str) -> tuple[Sample, Sample]:
        """Each side's mean, seed by seed; nothing is 0."""
        better = Sample.mean_of([cell.sample(condition, metric) for cell in self.better])
        if not self.worse:
            return better, Sample.constant(0.0, better.seeds)
        return better, Sample.mean_of([cell.sample(condition, metric) for cell in self.worse])


def evidence(name: str, trained: Trained, contrast: Contrast, view: View | None) -> TrainedEvidence:
    """Everything a view says about one contrast of a claim."""
    if view is None:
        return TrainedEvidence(missing=(f"sweep {trained.sweep} has no records",))
    found: list[Effect] = []
    missing: list[str] = []
    caps = [f"needs {need}" for need in trained.needs]
    for task in tasks(trained, view):
        reference = view.reference(task)
        if reference is None or not reference.records:
            missing.append(f"{label(task)}: the reference arm")
            continue
        for match in matches(view):
            sides = both(view, task, contrast, match)
            if sides is not None:
                caps.extend(_caps(name, sides.cells))
                found.extend(_effects(trained, view, reference, sides))
            elif match == "none":
                missing.append(f"{label(task)}: {', '.join((*contrast.better, *contrast.worse))}")
    moderators = []
    for moderator in trained.moderators:
        contrasted = _moderated(moderator, trained, contrast, view)
        if isinstance(contrasted, str):
            caps.append(contrasted)
        else:
            moderators.append(contrasted)
    return TrainedEvidence(
        effects=tuple(found), moderators=tuple(moderators), checks=sweep_checks(view),
        caps=tuple(dict.fromkeys(caps)), missing=tuple(missing),
    )  # fmt: skip


def tasks(trained: Trained, view: View) -> tuple[Task, ...]:
    """The view's tasks that the evidence is about: all, or those it names."""
    return tuple(task for task in view.tasks() if not trained.tasks or task.name in trained.tasks)


def matches(view: View) -> tuple[Match, ...]:
    """The matches of a view's cells; the unmatched first."""
    present = {cell.point.match for cell in view.cells}
    every: tuple[Match, ...] = ("none", "macs", "params")
    return tuple(match for match in every if match in present)


def both(view: View, task: Task, contrast: Contrast, match: Match) -> Sides | None:
    """Both sides of a contrast; None unless every arm has a record. The reference stands for itself at every match."""
    better, worse = (group(view, task, levels, match) for levels in (contrast.better, contrast.worse))
    if better is None or worse is None:
        return None
    if match != "none" and all(cell.point.match == "none" for cell in (*better, *worse)):
        return None
    return Sides(task=task, match=match, better=better, worse=worse)


def group(view: View, task: Task, levels: tuple[str, ...], match: Match) -> tuple[Cell, ...] | None:
    """The arms of a group of levels; None unless every one has a record."""
    cells = [_at(view, task, level, match) for level in levels]
    found = tuple(cell for cell in cells if cell is not None and cell.records)
    return found if len(found) == len(levels) else None


def _at(view: View, task: Task, level: str, match: Match) -> Cell | None:
    """The arm of a level; the reference, to which others are matched, needs no matched twin."""
    cell = view.cell(task, level, match)
    return view.reference(task) if cell is None and view.is_reference(level) else cell


def _effects(trained: Trained, view: View, reference: Cell, sides: Sides) -> list[Effect]:
    """The contrast on one task, at both learning rates."""
    effects = []
    for condition in CONDITIONS:
        ours, theirs = sides.samples(condition, trained.metric)
        at = setting(view, reference, sides, condition, trained)
        effects.append(with_printed_checks(effect(ours, theirs, at), ours, theirs))
    return effects


def _moderated(moderator: Moderator, trained: Trained, contrast: Contrast, view: View) -> ModeratorContrast | str:
    """The contrast at both values of a moderator, and whether they differ; a string where a value has no records."""
    found = [_moderator_level(view, moderator, value, trained, contrast) for value in (moderator.low, moderator.high)]
    low, high = found
    if low is None or high is None:
        absent = moderator.low if low is None else moderator.high
        return f"needs the moderator {moderator.name}: {moderator.task} with {moderator.dial} {absent:g}"
    return ModeratorContrast(
        moderator=moderator.dial, level_a=f"{moderator.low:g}", level_b=f"{moderator.high:g}",
        effect_a=low[0], effect_b=high[0], p=difference_p(low, high),
    )  # fmt: skip


def _moderator_level(
    view: View, moderator: Moderator, value: float, trained: Trained, contrast: Contrast
) -> tuple[Effect, Sample, Sample] | None:
    """The contrast on the task whose dial has this value: effect, better and worse; None without records."""
    for task in view.tasks():
        if task.name != moderator.task or task.dial(moderator.dial) != value:
            continue
        reference, sides = view.reference(task), both(view, task, contrast, "none")
        if reference is None or not reference.records or sides is None:
            return None
        ours, theirs = sides.samples(OWN, trained.metric)
        return effect(ours, theirs, setting(view, reference, sides, "own", trained)), ours, theirs
    return None


def setting(view: View, reference: Cell, sides: Sides, condition: Condition, trained: Trained | None = None) -> Setting:
    """Where and how a contrast was measured: accuracies by default, else what the claim's evidence says.

    A quantity other than accuracy needs no headroom over a linear classifier to be read.
    """
    task, metric = sides.task, "test_accuracy" if trained is None else trained.metric
    margin = accuracy_margin(scale=view.settings.scale, real=task.real)
    if trained is not None and trained.margin is not None:
        margin = trained.margin
    return Setting(
        task=label(task), real=task.real, construction=task.name, margin=margin,
        headroom=headroom(reference.records[0]) if metric.endswith("accuracy") else math.inf,
        metric=metric, condition=condition, match=sides.match, look=look(sides.cells),
    )  # fmt: skip


def look(cells: Sequence[Cell]) -> Look:
    """Which look the cells' blocks make: the second only where every arm has both blocks."""
    planned = min(len(cell.point.blocks) for cell in cells)
    if planned == 1:
        return "only"
    return "second" if all(len(cell.records) == 2 for cell in cells) else "first"


def label(task: Task) -> str:
    """A task's name with its dials."""
    dials = ", ".join(f"{name} {value:g}" for name, value in task.dials)
    return f"{task.name} ({dials})" if dials else task.name


def headroom(record: Record) -> float:
    """Validation accuracy of the tuned reference over logistic regression, on the tuning seeds."""
    chosen = [tried for tried in record.tuning.tried if tried.learning_rate == record.tuning.chosen]
    accuracy = chosen[0].validation_accuracy if chosen else record.finals[OWN].validation_accuracy
    linear = record.tuning.linear_accuracy
    return sum(accuracy) / len(accuracy) - sum(linear) / len(linear)


def _caps(name: str, cells: Sequence[Cell]) -> list[str]:
    """Why these cells can carry no verdict: a rule younger than the data, a learning rate at the grid's end."""
    digest = claim_digests()[name]
    found = []
    for cell in cells:
        for record in cell.records:
            if name not in record.claims or record.claims[name] != digest:
                found.append(f"rule changed after data (record {record.arm})")
            if record.tuning.capped:
                found.append(f"learning rate capped at the grid's end in {record.arm}")
    return found


def sweep_checks(view: View) -> tuple[Check, ...]:
    """The three checks on every task that has them, compared with the reference at the common learning rate."""
    found = []
    for task in view.tasks():
        reference = view.reference(task)
        if reference is None or not reference.records:
            continue
        for name, rule, better_is_reference in (
            ("positive", check_rules.positive, True),
            ("sensitivity", check_rules.sensitivity, True),
            ("a_a", check_rules.same_twice, False),
        ):
            cell = view.check(task, name)
            if cell is None or not cell.records:
                found.append(Check(name=name, task=label(task), passed=False, line=f"{name} not run on {label(task)}"))
                continue
            better, worse = (reference, cell) if better_is_reference else (cell, reference)
            sides = Sides(task=task, match="none", better=(better,), worse=(worse,))
            at = setting(view, reference, sides, "common")
            found.append(rule(effect(better.sample(COMMON), worse.sample(COMMON), at)))
    return tuple(found)
