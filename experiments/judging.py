"""The judge's desk: cells of a view become effects, checks and evidence; rules and family turn them into verdicts."""

import dataclasses
import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cnnlab.inference import checks as check_rules
from cnnlab.inference.checks import Check
from cnnlab.inference.effects import Sample, accuracy_margin, effect, with_printed_checks
from cnnlab.inference.family import Case, Family, judge
from cnnlab.inference.family import undecided as undecided_settings
from cnnlab.inference.rules.all_of import AllOf, Senses
from cnnlab.inference.rules.contract import ModeratorContrast, Rule, difference_p
from cnnlab.inference.rules.contract import Trained as TrainedEvidence
from cnnlab.inference.rules.given import Given
from cnnlab.spec.record import COMMON, OWN, Record
from cnnlab.spec.task import Task
from cnnlab.spec.verdict import Condition, Effect, Look, Match, Setting, Verdict, Word
from experiments.claim import Awaited, Claim, Computed, Contrast, Moderator, Source, Timed, Trained, Untestable
from experiments.registry import claim_digests, claims, register
from experiments.timings import kept, not_timed
from experiments.view import Cell, View

CONDITIONS: tuple[Condition, ...] = ("own", "common")
MODERATOR_CONTRASTS = 40
"""Moderator contrasts registered over all claims (claims.md names their moderators; two levels a contrast)."""


def family() -> Family:
    """The registered family: every claim with a trained half counts, whatever has run."""
    return Family(claims=sum(entry.trained for entry in register().values()), moderator_contrasts=MODERATOR_CONTRASTS)


def verdicts(names: Iterable[str], views: Mapping[str, View], results: Path) -> dict[str, Verdict]:
    """Judge claims by id, from computation, from views of the sweeps they need, and from timings in `results`."""
    written = claims()
    return judge({name: case(name, written[name], views, results) for name in names}, family())


def case(name: str, claim: Claim, views: Mapping[str, View], results: Path) -> Case:
    """A claim's rule and evidence; of a claim of several parts, each part's."""
    if not isinstance(claim.rule, (AllOf, Senses)):
        return _part(name, claim.sources[""], claim.rule, views, results)
    parts = {part: _part(name, claim.sources[part], rule, views, results) for part, rule in claim.rule.parts}
    rule = dataclasses.replace(claim.rule, parts=tuple((part, found.rule) for part, found in parts.items()))
    return Case(rule=rule, evidence={part: found.evidence for part, found in parts.items()})


def _part(name: str, source: Source, rule: Rule[Any], views: Mapping[str, View], results: Path) -> Case:
    """Rule and evidence of one part; what has nothing to read is given its verdict."""
    match source:
        case Computed():
            return Case(rule=rule, evidence=source.compute())
        case Timed():
            return _each(rule, kept(name, results)) or _given("untested", not_timed(name, source))
        case Trained():
            return _trained(name, source, rule, views)
        case Awaited():
            return _given("untested", source.what)
        case Untestable():
            return _given("untestable", source.why)


def _trained(name: str, trained: Trained, rule: Rule[Any], views: Mapping[str, View]) -> Case:
    """At smoke scale no trained claim is judged: too few members, and not every arm."""
    view = views[trained.sweep] if trained.sweep in views else None
    if view is not None and view.settings.scale == "smoke":
        members = max((cell.members for cell in view.cells), default=0)
        return _given("inconclusive", f"scale smoke only shows that everything runs ({members} members an arm)")
    found = _each(rule, {contrast.name: evidence(name, trained, contrast, view) for contrast in trained.contrasts})
    assert found is not None, "trained evidence has at least one contrast"
    return found


def _each(rule: Rule[Any], cells: Mapping[str, Any]) -> Case | None:
    """One rule for several cells of evidence, all of which must pass; None without any."""
    if len(cells) < 2:
        return next((Case(rule=rule, evidence=only) for only in cells.values()), None)
    return Case(rule=AllOf(parts=tuple((cell, rule) for cell in cells)), evidence=cells)


def _given(word: Word, reason: str) -> Case:
    return Case(rule=Given(verdict=Verdict(word=word, reason=reason)), evidence=None)


def evidence(name: str, trained: Trained, contrast: Contrast, view: View | None) -> TrainedEvidence:
    """Everything a view says about one contrast of a claim."""
    if view is None:
        return TrainedEvidence(missing=(f"sweep {trained.sweep} has no records",))
    found: list[Effect] = []
    missing: list[str] = []
    caps = [f"needs {need}" for need in trained.needs]
    for task in view.tasks():
        reference = view.reference(task)
        if reference is None or not reference.records:
            missing.append(f"{label(task)}: the reference arm")
            continue
        for match in matches(view):
            sides = [group(view, task, levels, match) for levels in (contrast.better, contrast.worse)]
            better, worse = sides
            if better is None or worse is None:
                if match == "none":
                    missing.append(f"{label(task)}: pools {', '.join((*contrast.better, *contrast.worse))}")
                continue
            caps.extend(_caps(name, (*better, *worse)))
            found.extend(_effects(task, view, reference, better, worse, match, trained.metric))
    moderators = []
    for moderator in trained.moderators:
        levels = [
            moderator_level(view, moderator, value, trained, contrast) for value in (moderator.low, moderator.high)
        ]
        low, high = levels
        if low is None or high is None:
            absent = moderator.low if low is None else moderator.high
            caps.append(f"needs the moderator {moderator.name}: {moderator.task} with {moderator.dial} {absent:g}")
            continue
        moderators.append(
            ModeratorContrast(
                moderator=moderator.dial, level_a=f"{moderator.low:g}", level_b=f"{moderator.high:g}",
                effect_a=low[0], effect_b=high[0], p=difference_p(low, high),
            )
        )  # fmt: skip
    return TrainedEvidence(
        effects=tuple(found), moderators=tuple(moderators), checks=sweep_checks(view),
        caps=tuple(dict.fromkeys(caps)), missing=tuple(missing),
    )  # fmt: skip


def moderator_level(
    view: View, moderator: Moderator, value: float, trained: Trained, contrast: Contrast
) -> tuple[Effect, Sample, Sample] | None:
    """The contrast on the task whose dial has this value: effect, better and worse; None without records."""
    for task in view.tasks():
        if task.name != moderator.task or task.dial(moderator.dial) != value:
            continue
        reference = view.reference(task)
        better, worse = (group(view, task, levels, "none") for levels in (contrast.better, contrast.worse))
        if reference is None or not reference.records or better is None or worse is None:
            return None
        ours, theirs = (Sample.mean_of([cell.sample(OWN, trained.metric) for cell in side]) for side in (better, worse))
        at = setting(task, view, reference, (*better, *worse), "own", "none", trained.metric)
        return effect(ours, theirs, at), ours, theirs
    return None


def matches(view: View) -> tuple[Match, ...]:
    """The matches of a view's cells; the unmatched first."""
    present = {cell.point.match for cell in view.cells}
    every: tuple[Match, ...] = ("none", "macs", "params")
    return tuple(match for match in every if match in present)


def group(view: View, task: Task, levels: tuple[str, ...], match: Match) -> tuple[Cell, ...] | None:
    """The arms of a group of levels; None unless every one has a record."""
    cells = [view.cell(task, level, match) for level in levels]
    found = tuple(cell for cell in cells if cell is not None and cell.records)
    return found if len(found) == len(levels) else None


def _effects(
    task: Task, view: View, reference: Cell, better: Sequence[Cell], worse: Sequence[Cell], match: Match, metric: str
) -> list[Effect]:
    """The contrast on one task, at both learning rates."""
    effects = []
    for condition in CONDITIONS:
        ours = Sample.mean_of([cell.sample(condition, metric) for cell in better])
        theirs = Sample.mean_of([cell.sample(condition, metric) for cell in worse])
        at = setting(task, view, reference, (*better, *worse), condition, match, metric)
        effects.append(with_printed_checks(effect(ours, theirs, at), ours, theirs))
    return effects


def setting(
    task: Task, view: View, reference: Cell, cells: Sequence[Cell], condition: Condition, match: Match, metric: str
) -> Setting:
    """Where and how a contrast of these cells was measured."""
    return Setting(
        task=label(task), real=task.real, construction=task.name,
        margin=accuracy_margin(scale=view.settings.scale, real=task.real), headroom=headroom(reference.records[0]),
        metric=metric, condition=condition, match=match, look=look(cells),
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
            at = setting(task, view, reference, (better, worse), "common", "none", "test_accuracy")
            found.append(rule(effect(better.sample(COMMON), worse.sample(COMMON), at)))
    return tuple(found)


def pairwise(view: View) -> list[tuple[Cell, Effect]]:
    """Every arm against the unmatched reference of its task, at both learning rates: for the table and the figure."""
    rows: list[tuple[Cell, Effect]] = []
    for cell in view.cells:
        reference = view.reference(cell.point.arm.task)
        if reference is None or not reference.records or not cell.records or cell.point.arm == reference.point.arm:
            continue
        for condition in CONDITIONS:
            match: Any = cell.point.match
            at = setting(cell.point.arm.task, view, reference, (cell, reference), condition, match, "test_accuracy")
            rows.append((cell, effect(cell.sample(condition), reference.sample(condition), at)))
    return rows


def contrasts(view: View, names: Sequence[str]) -> list[tuple[str, str, Effect]]:
    """Every contrast that the named claims rest on: (claim, contrast, effect)."""
    written = claims()
    rows: list[tuple[str, str, Effect]] = []
    for name in names:
        for trained in written[name].trained:
            for contrast in trained.contrasts if trained.sweep == view.settings.sweep_name else ():
                found = evidence(name, trained, contrast, view)
                rows.extend((name, contrast.name, effect) for effect in found.effects)
    return rows


def undecided(view: View, names: Sequence[str]) -> tuple[Cell, ...]:
    """The cells whose second block should run: those of contrasts the first look left open, and of an open A/A.

    A claim that is held back for another reason than noise asks for nothing.
    """
    sweep = view.settings.sweep_name
    written, found = claims(), verdicts(names, {sweep: view}, view.settings.results)
    wanted: list[Cell] = []
    for name in names:
        settings = undecided_settings(found[name])
        rests = [one for trained in written[name].trained if trained.sweep == sweep for one in trained.contrasts]
        for task, contrast in itertools.product(view.tasks(), rests):
            for match in {at.match for at in settings if at.task == label(task)}:
                for levels in (contrast.better, contrast.worse):
                    wanted.extend(group(view, task, levels, match) or ())
    for task in view.tasks():
        if any(check.task == label(task) and check.name == "A/A" and not check.passed for check in sweep_checks(view)):
            wanted.extend(cell for cell in (view.reference(task), view.check(task, "a_a")) if cell is not None)
    once = {cell.point.arm.key: cell for cell in wanted if len(cell.records) == 1 and len(cell.point.blocks) > 1}
    return tuple(once.values())
