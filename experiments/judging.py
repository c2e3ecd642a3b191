"""The judge's desk: cells of a view become effects, checks and evidence; rules and family turn them into verdicts."""

from collections.abc import Mapping, Sequence
from typing import Any

from cnnlab.inference import checks as check_rules
from cnnlab.inference.checks import Check
from cnnlab.inference.effects import Sample, accuracy_margin, effect, with_printed_checks
from cnnlab.inference.family import Case, Family, judge
from cnnlab.inference.rules.all_of import AllOf
from cnnlab.inference.rules.contract import Trained as TrainedEvidence
from cnnlab.spec.record import COMMON, OWN, Record
from cnnlab.spec.task import Task
from cnnlab.spec.verdict import Condition, Effect, Look, Match, Setting, Verdict
from experiments.claim import Claim, Computed, Contrast, Trained
from experiments.registry import claim_digests, claims, register
from experiments.view import Cell, View

CONDITIONS: tuple[Condition, ...] = ("own", "common")
MODERATOR_CONTRASTS = 40
"""Moderator contrasts registered over all claims (claims.md names their moderators; two levels a contrast)."""


def family() -> Family:
    """The registered family: every claim with a trained half counts, whatever has run."""
    return Family(claims=sum(entry.trained for entry in register().values()), moderator_contrasts=MODERATOR_CONTRASTS)


def verdicts(names: Sequence[str], views: Mapping[str, View]) -> dict[str, Verdict]:
    """Judge claims by id, from computation and from the views of the sweeps they need."""
    written = claims()
    cases = {name: case(name, written[name], views) for name in names if name in written}
    return judge(cases, family())


def case(name: str, claim: Claim, views: Mapping[str, View]) -> Case:
    """A claim's rule and evidence; several contrasts become a rule that all of them must pass."""
    if isinstance(claim.evidence, Computed):
        return Case(rule=claim.rule, evidence=claim.evidence.compute())
    view = views.get(claim.evidence.sweep)
    parts = {contrast.name: evidence(name, claim.evidence, contrast, view) for contrast in claim.evidence.contrasts}
    if len(parts) == 1:
        return Case(rule=claim.rule, evidence=next(iter(parts.values())))
    return Case(rule=AllOf(parts=tuple((part, claim.rule) for part in parts)), evidence=parts)


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
    return TrainedEvidence(
        effects=tuple(found), checks=sweep_checks(view), caps=tuple(dict.fromkeys(caps)), missing=tuple(missing)
    )


def matches(view: View) -> tuple[Match, ...]:
    """The matches of a view's cells; the unmatched first."""
    present = {cell.point.match for cell in view.cells}
    every: tuple[Match, ...] = ("none", "macs", "params")
    return tuple(match for match in every if match in present)


def group(view: View, task: Task, levels: tuple[str, ...], match: Match) -> tuple[Cell, ...] | None:
    """The arms of a group of levels; None unless every one has a record. The reference stands unmatched in any match."""
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
            sides = (reference, cell) if better_is_reference else (cell, reference)
            at = setting(task, view, reference, sides, "common", "none", "test_accuracy")
            found.append(rule(effect(*(side.sample(COMMON) for side in sides), at)))
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
