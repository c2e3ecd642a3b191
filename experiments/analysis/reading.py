"""How a place is read: its setting, its effects at each learning rate, and why they may not be believed."""

import dataclasses
import math
from collections.abc import Sequence

from cnnlab.inference.effects import accuracy_margin, effect, with_printed_checks
from cnnlab.spec.record import OWN, Record
from cnnlab.spec.verdict import Condition, Effect, Look, Setting
from experiments.analysis.contrasts import ContrastSite
from experiments.analysis.metrics import conditions
from experiments.analysis.results import ArmResults, SweepResults
from experiments.claims.base import Trained
from experiments.claims.registry import claim_digests

ACCURACY = "accuracy"
"""What the names of accuracies end in."""


def effects(view: SweepResults, trained: Trained, place: ContrastSite) -> tuple[Effect, ...]:
    """The contrast at one place, at every learning rate its metric has; open where a member has no value."""
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
    """Why a place can carry no verdict: a rule younger than the data, a learning rate at the grid's end, no value."""
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
    """Arms in which the metric is missing for some members, one line each; they are never dropped in silence."""
    return tuple(
        f"{trained.metric} has no value for {missing} of {cell.members} members of {cell.point.arm.key}"
        for cell in place.cells
        if (missing := max(cell.lacking(condition, trained.metric) for condition in conditions(trained.metric)))
    )
