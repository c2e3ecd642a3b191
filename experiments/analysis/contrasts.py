"""Where and how a claim's contrast is measured: on which task, at which match, between which arms, and its effects."""

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cnnlab.inference.effects import Sample, accuracy_margin, effect, pair, with_printed_checks
from cnnlab.spec.record import OWN, Record
from cnnlab.spec.task import Task
from cnnlab.spec.verdict import Condition, Effect, Look, Match, Setting
from experiments.analysis.metrics import conditions
from experiments.analysis.results import ArmResults, SweepResults
from experiments.claims.base import Contrast, Moderator, Trained
from experiments.claims.registry import claim_digests


@dataclass(frozen=True, kw_only=True)
class ArmPair:
    """The arms of a contrast on one task at one match; a side without arms is the number `bound`."""

    task: Task
    match: Match
    better: tuple[ArmResults, ...]
    worse: tuple[ArmResults, ...]
    bound: float = 0.0

    @property
    def cells(self) -> tuple[ArmResults, ...]:
        """Both sides' arms."""
        return (*self.better, *self.worse)

    def in_block(self, block: int) -> "ArmPair | None":
        """The same arms with the members of one block alone; None unless every arm has that block."""
        better, worse = (tuple(cell.in_block(block) for cell in side) for side in (self.better, self.worse))
        whole = all(cell.records for cell in (*better, *worse))
        return dataclasses.replace(self, better=better, worse=worse) if whole else None

    def samples(self, condition: str, metric: str) -> tuple[Sample, Sample]:
        """Each side's mean, seed by seed."""
        better, worse = ([cell.sample(condition, metric) for cell in side] for side in (self.better, self.worse))
        if not better:
            theirs = Sample.mean_of(worse)
            return Sample.constant(self.bound, theirs.seeds), theirs
        ours = Sample.mean_of(better)
        return ours, Sample.mean_of(worse) if worse else Sample.constant(self.bound, ours.seeds)


@dataclass(frozen=True, kw_only=True)
class ContrastSite:
    """One task and match on which a contrast is measured.

    Attributes:
        label: as verdicts name it, unique within a view.
        sides: on the one task it is; or, for a contrast that is followed along a dial, at its low and its high value.
    """

    label: str
    sides: tuple[ArmPair, ...]

    @property
    def match(self) -> Match:
        """What the arms were re-widthed to share."""
        return self.sides[0].match

    @property
    def cells(self) -> tuple[ArmResults, ...]:
        """All arms that take part."""
        return tuple(cell for sides in self.sides for cell in sides.cells)

    def in_block(self, block: int) -> "ContrastSite | None":
        """The same place with the members of one block alone; None unless every arm has that block."""
        sides = [one.in_block(block) for one in self.sides]
        found = tuple(one for one in sides if one is not None)
        return ContrastSite(label=self.label, sides=found) if len(found) == len(sides) else None

    def samples(self, condition: str, metric: str) -> tuple[Sample, Sample]:
        """The two samples that are compared: better and worse, or the contrast at a dial's low and high value."""
        found = [sides.samples(condition, metric) for sides in self.sides]
        if len(found) == 1:
            return found[0]
        low, high = (pair(ours, theirs) for ours, theirs in found)
        return low, high


def places(
    view: SweepResults, trained: Trained, contrast: Contrast
) -> tuple[tuple[ContrastSite, ...], tuple[str, ...]]:
    """The sites at which a contrast can be measured, and a line for each planned one that lacks a record."""
    found: list[ContrastSite] = []
    missing: list[str] = []
    wanted = list(_wanted(view, trained))
    for where, tasks in wanted:
        planned = [match for match in matches(view) if all(is_planned(view, task, contrast, match) for task in tasks)]
        bare = [task for task in tasks if (reference := view.reference(task)) is None or not reference.records]
        if bare or not planned:
            missing.append(f"{where}: {'the reference arm' if bare else ', '.join(contrast.levels)}")
            continue
        for match in planned:
            sides = [both(view, task, contrast, match) for task in tasks]
            complete = tuple(one for one in sides if one is not None)
            if len(complete) == len(tasks):
                found.append(ContrastSite(label=where, sides=complete))
            else:
                missing.append(f"{where}: {', '.join(contrast.levels)}" + ("" if match == "none" else f" at {match}"))
    if not wanted:
        named = trained.tasks or [
            f"{dial.task} with {dial.dial} {dial.low:g} and {dial.high:g}" for dial in trained.along
        ]
        missing.append(f"none of {', '.join(named)} at scale {view.settings.scale}")
    return tuple(found), tuple(missing)


def _wanted(view: SweepResults, trained: Trained) -> Iterator[tuple[str, tuple[Task, ...]]]:
    """Label and tasks of every site that the evidence asks for and that has tasks at this scale."""
    if not trained.along:
        yield from ((view.label(task), (task,)) for task in view.tasks() if is_meant(view, trained, task))
    for dial in trained.along:
        low, high = (at_dial(view, dial, value) for value in (dial.low, dial.high))
        if low is not None and high is not None:
            yield f"{dial.task}, {dial.dial} {dial.low:g} minus {dial.high:g}", (low, high)


def is_meant(view: SweepResults, trained: Trained, task: Task) -> bool:
    """Whether the evidence is about a task: it names its tasks, or means all."""
    return not trained.tasks or view.named(task) in trained.tasks


def at_dial(view: SweepResults, dial: Moderator, value: float) -> Task | None:
    """The view's first task of a name whose dial stands at a value."""
    return next((t for t in view.tasks() if t.name == dial.task and (dial.dial, value) in t.dials), None)


def matches(view: SweepResults) -> tuple[Match, ...]:
    """The matches of a view's cells; the unmatched first."""
    present = {cell.point.match for cell in view.cells}
    every: tuple[Match, ...] = ("none", "macs", "params")
    return tuple(match for match in every if match in present)


def is_planned(view: SweepResults, task: Task, contrast: Contrast, match: Match) -> bool:
    """Whether the sweep has every arm of a contrast and, at a match, at least one re-widthed arm."""
    cells = [_at(view, task, level, match) for level in contrast.levels]
    matched = match == "none" or any(cell is not None and cell.point.match == match for cell in cells)
    return matched and all(cell is not None for cell in cells)


def both(view: SweepResults, task: Task, contrast: Contrast, match: Match) -> ArmPair | None:
    """Both sides of a contrast; None unless every arm has a record. The reference stands for itself at every match."""
    better, worse = (group(view, task, levels, match) for levels in (contrast.better, contrast.worse))
    if better is None or worse is None or not is_planned(view, task, contrast, match):
        return None
    return ArmPair(task=task, match=match, better=better, worse=worse, bound=contrast.bound)


def group(view: SweepResults, task: Task, levels: tuple[str, ...], match: Match) -> tuple[ArmResults, ...] | None:
    """The arms of a group of levels; None unless every one has a record."""
    cells = [_at(view, task, level, match) for level in levels]
    found = tuple(cell for cell in cells if cell is not None and cell.records)
    return found if len(found) == len(levels) else None


def _at(view: SweepResults, task: Task, level: str, match: Match) -> ArmResults | None:
    """The arm of a level. The reference stands for itself at every match, since others are matched to it."""
    cell = view.cell(task, level, match)
    return view.reference(task) if cell is None and view.is_reference(level) else cell


ACCURACY = "accuracy"
"""What the names of accuracies end in."""


def effects(view: SweepResults, trained: Trained, place: ContrastSite) -> tuple[Effect, ...]:
    """The effect of a contrast at one site, at each learning rate; its call is open where a member has no value."""
    found = []
    lacks = ", ".join(lacking(trained, place))
    for condition in conditions(trained.metric):
        ours, theirs = place.samples(condition, trained.metric)
        at = setting(view, place, condition, trained)
        read = with_printed_checks(effect(ours, theirs, at), ours, theirs)
        found.append(dataclasses.replace(read, call="open", reason=lacks) if lacks else read)
    return tuple(found)


def setting(view: SweepResults, place: ContrastSite, condition: Condition, trained: Trained | None = None) -> Setting:
    """Where and how a contrast was measured: accuracies by default, else what the claim's evidence says.

    A quantity other than accuracy needs no headroom over a linear classifier to be read.
    """
    task, metric = place.sides[0].task, "test_accuracy" if trained is None else trained.metric
    margin = accuracy_margin(scale=view.settings.scale, real=task.real)
    if trained is not None and trained.margin is not None:
        margin = trained.margin
    references = [view.reference(sides.task) for sides in place.sides]
    room = min(headroom(cell.records[0]) for cell in references if cell is not None)
    return Setting(
        task=place.label,
        real=task.real,
        construction=task.name,
        margin=margin,
        headroom=room if metric.endswith(ACCURACY) else math.inf,
        metric=metric,
        condition=condition,
        match=place.match,
        look=look(place.cells),
    )


def look(cells: Sequence[ArmResults]) -> Look:
    """Which look the cells' blocks make: the second only where every arm has both blocks."""
    planned = min(len(cell.point.blocks) for cell in cells)
    if planned == 1:
        return "only"
    return "second" if all(len(cell.records) == 2 for cell in cells) else "first"


def headroom(record: Record) -> float:
    """Validation accuracy of the tuned reference over logistic regression, on the tuning seeds."""
    chosen = [tried for tried in record.tuning.tried if tried.learning_rate == record.tuning.chosen]
    accuracy = chosen[0].validation_accuracy if chosen else record.finals[OWN].validation_accuracy
    linear = record.tuning.linear_accuracy
    return sum(accuracy) / len(accuracy) - sum(linear) / len(linear)


def caps(name: str, trained: Trained, place: ContrastSite) -> tuple[str, ...]:
    """Why a site caps the verdict: the rule is newer than the data, a rate ends its grid, or a value is missing."""
    digest = claim_digests()[name]
    found = []
    for cell in place.cells:
        for record in cell.records:
            if name not in record.claims or record.claims[name] != digest:
                found.append(f"rule changed after data (record {record.arm})")
            if record.tuning.capped:
                found.append(f"learning rate capped at the grid's end in {record.arm}")
    return (*found, *lacking(trained, place))


def lacking(trained: Trained, place: ContrastSite) -> tuple[str, ...]:
    """One line for each arm in which some members have no value of the metric."""
    return tuple(
        f"{trained.metric} has no value for {missing} of {cell.members} members of {cell.point.arm.key}"
        for cell in place.cells
        if (missing := max(cell.lacking(condition, trained.metric) for condition in conditions(trained.metric)))
    )
