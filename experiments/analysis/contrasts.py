"""Where and how a claim's contrast is measured: on which task, at which match, between which arms, and its effects."""

import dataclasses
import math
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cnnlab.inference.effects import Sample, accuracy_margin, effect, pair, with_printed_checks
from cnnlab.spec.curve import capped
from cnnlab.spec.record import Record
from cnnlab.spec.task import Task
from cnnlab.spec.verdict import Effect, Match, Setting
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

    def of(self, arms: Callable[[ArmResults], ArmResults]) -> "ArmPair":
        """The same contrast between arms that stand in for these, such as half of their members."""
        better, worse = (tuple(arms(cell) for cell in side) for side in (self.better, self.worse))
        return dataclasses.replace(self, better=better, worse=worse)

    @property
    def at_chance(self) -> tuple[bool, bool]:
        """Whether either side has learned nothing; a number never has."""
        better, worse = (bool(side) and all(cell.mostly_lost for cell in side) for side in (self.better, self.worse))
        return better, worse

    def samples(self, values: Callable[[ArmResults], Sample]) -> tuple[Sample, Sample]:
        """Each side's mean, seed by seed, of what `values` takes from an arm."""
        better, worse = ([values(cell) for cell in side] for side in (self.better, self.worse))
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

    def of(self, arms: Callable[[ArmResults], ArmResults]) -> "ContrastSite":
        """The same place with arms that stand in for these, such as half of their members."""
        return ContrastSite(label=self.label, sides=tuple(one.of(arms) for one in self.sides))

    @property
    def at_chance(self) -> tuple[bool, bool]:
        """Whether either of the samples is at chance throughout; both, where a contrast along a dial has a floor."""
        found = [sides.at_chance for sides in self.sides]
        if len(found) == 1:
            return found[0]
        floor = any(all(pair) for pair in found)
        return floor, floor

    def samples(self, metric: str) -> tuple[Sample, Sample]:
        """The two samples that are compared: better and worse, or the contrast at a dial's low and high value."""
        return self._compared(lambda cell: cell.sample(metric))

    def accuracies(self) -> tuple[Sample, Sample]:
        """The same of accuracies, fractions."""
        return self._compared(ArmResults.accuracies)

    def _compared(self, values: Callable[[ArmResults], Sample]) -> tuple[Sample, Sample]:
        found = [sides.samples(values) for sides in self.sides]
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
        bare = [task for task in tasks if (reference := view.reference(task)) is None or reference.record is None]
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
    found = tuple(cell for cell in cells if cell is not None and cell.record is not None)
    return found if len(found) == len(levels) else None


def _at(view: SweepResults, task: Task, level: str, match: Match) -> ArmResults | None:
    """The arm of a level. The reference stands for itself at every match, since others are matched to it."""
    cell = view.cell(task, level, match)
    return view.reference(task) if cell is None and view.is_reference(level) else cell


def measured_effect(view: SweepResults, trained: Trained, contrast: Contrast, place: ContrastSite) -> Effect:
    """The effect of a contrast at one site; its call is open where a member has no value."""
    found = plain_effect(place, setting(view, place, trained, contrast))
    found = with_printed_checks(found, *place.samples(trained.metric))
    lacks = ", ".join(lacking(trained, place))
    return dataclasses.replace(found, call="open", reason=lacks) if lacks else found


def plain_effect(place: ContrastSite, at: Setting) -> Effect:
    """The effect at a site as its members give it."""
    ours, theirs = place.samples(at.metric)
    compared = all(sides.better and sides.worse for sides in place.sides)
    accuracies = place.accuracies() if at.ratio and compared else None
    return effect(ours, theirs, at, accuracies=accuracies, at_chance=place.at_chance if at.ratio else (False, False))


def setting(
    view: SweepResults, place: ContrastSite, trained: Trained | None = None, contrast: Contrast | None = None
) -> Setting:
    """Where and how a contrast was measured: accuracies by default, else what the claim's evidence says.

    A quantity other than accuracy needs no headroom over a linear classifier to be read.
    """
    task, metric = place.sides[0].task, "test_accuracy" if trained is None else trained.metric
    margin = accuracy_margin(scale=view.settings.scale, real=task.real)
    if trained is not None and trained.margin is not None:
        margin = trained.margin
    references = [view.reference(sides.task) for sides in place.sides]
    room = min(headroom(cell.record) for cell in references if cell is not None and cell.record is not None)
    return Setting(
        task=place.label,
        real=task.real,
        construction=task.name,
        margin=margin,
        headroom=room if metric == "test_accuracy" else math.inf,
        metric=metric,
        match=place.match,
        contrast="" if contrast is None else contrast.name,
        better="" if contrast is None else contrast.better_is,
        worse="" if contrast is None else contrast.worse_is,
        measures="" if trained is None else trained.measures,
    )


def headroom(record: Record) -> float:
    """Validation accuracy of the reference, where its members are read, over logistic regression."""
    return statistics.fmean(record.finals.validation_accuracy) - statistics.fmean(record.linear_accuracy)


def caps(name: str, trained: Trained, place: ContrastSite) -> tuple[str, ...]:
    """Why a site caps the verdict: the rule is newer than the data, a rate ends its grid, or a value is missing."""
    digest = claim_digests()[name]
    found = []
    for cell in place.cells:
        record = cell.record
        if record is not None and (name not in record.claims or record.claims[name] != digest):
            found.append(f"rule changed after data (record {record.arm})")
        if record is not None and capped(record.rates):
            found.append(f"the best learning rate ends the {len(record.rates)} that were tried in {record.arm}")
    return (*found, *lacking(trained, place))


def lacking(trained: Trained, place: ContrastSite) -> tuple[str, ...]:
    """One line for each arm in which some members have no value of the metric."""
    what = trained.measures or trained.metric
    return tuple(
        f"{what} has no value for {missing} of {cell.members} members of {cell.point.arm.key}"
        for cell in place.cells
        if (missing := cell.lacking(trained.metric))
    )
