"""Were nets stopped too early? Contrasts that decide on a real task are measured again after three times the training.

Half of the members of both sides train so long, at the learning rate where most of the arm's members are read. A call
that does not outlast this holds "within N steps" only.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from cnnlab.inference.rules.contract import Longer, Rule
from cnnlab.inference.rules.directional import Directional
from cnnlab.inference.rules.equivalence import Equivalence
from cnnlab.inference.rules.instances import Always, Exists
from cnnlab.inference.rules.within import Within
from cnnlab.records import Store
from cnnlab.spec.arm import Arm
from cnnlab.spec.curve import usual_rate
from cnnlab.spec.verdict import Effect, Match
from experiments.analysis.contrasts import ContrastSite, measured_effect, places
from experiments.analysis.results import ArmResults, SweepResults
from experiments.claims.base import Claim, Contrast, Trained
from experiments.claims.registry import claims, claims_fed_by
from experiments.config.resolve import Point

TIMES = 3
TASK = "digits12"
"""The task on which contrasts are looked at again."""
LONG = 96
"""Epochs from which a training counts as long already."""

Found = Sequence[tuple[ContrastSite, Effect]]


def longer_points(view: SweepResults) -> tuple[Point, ...]:
    """The arms that still have to train three times as long, each once; none at scale smoke, which decides nothing."""
    if view.settings.scale == "smoke":
        return ()
    wanted: dict[str, Point] = {}
    for name in claims_fed_by(view.settings.sweep_name):
        for trained, match in _trained(claims()[name]):
            if trained.sweep != view.settings.sweep_name:
                continue
            for contrast in trained.contrasts:
                sites = [place for place in places(view, trained, contrast)[0] if place.match == match]
                found = [(place, measured_effect(view, trained, contrast, place)) for place in sites]
                for place in decisive(found):
                    wanted |= {point.arm.key: point for point in map(longer_point, place.cells)}
    store = Store(view.settings.runs)
    return tuple(point for key, point in wanted.items() if not store.has(key))


def looked_at_again(
    view: SweepResults, trained: Trained, contrast: Contrast, found: Found, match: Match
) -> tuple[tuple[Longer, ...], tuple[str, ...]]:
    """The decisive effects at a match after three times the training, and a line for each that lacks a record."""
    again: list[Longer] = []
    wanting: list[str] = []
    for place in decisive([(place, effect) for place, effect in found if place.match == match]):
        longer = place.of(lambda cell: longer_cell(view, cell))
        if any(cell.record is None for cell in longer.cells):
            wanting.append(f"{place.label}: {TIMES} times the training of {', '.join(contrast.levels)}")
        else:
            effect = measured_effect(view, trained, contrast, longer)
            again.append(Longer(effect=effect, steps=max(steps(cell.point.arm) for cell in place.cells)))
    return tuple(again), tuple(wanting)


def decisive(found: Found) -> Iterator[ContrastSite]:
    """The sites whose call is Pos or Neg and that are to be looked at again."""
    for place, effect in found:
        arms = [cell.point.arm for cell in place.cells]
        brief = all(arm.task.name == TASK and arm.recipe.epochs < LONG for arm in arms)
        if brief and effect.setting.ratio and effect.call in ("pos", "neg"):
            yield place


def longer_point(cell: ArmResults) -> Point:
    """The same arm for three times as long, at the rate where most members are read; the first half of the members."""
    if cell.record is None:
        raise ValueError(f"{cell.point.arm.key} has no record")
    rate = usual_rate(cell.record.rates)
    recipe = cell.point.arm.recipe
    longer = dataclasses.replace(recipe, epochs=TIMES * recipe.epochs, learning_rate=rate, rates=1, watched=False)
    half = cell.record.members[: (len(cell.record.members) + 1) // 2]
    return dataclasses.replace(cell.point, arm=dataclasses.replace(cell.point.arm, recipe=longer), seeds=half)


def longer_cell(view: SweepResults, cell: ArmResults) -> ArmResults:
    """The arm after three times the training; without a record where it has not been trained so long."""
    point, store = longer_point(cell), Store(view.settings.runs)
    return ArmResults(point=point, record=store.read(point.arm.key) if store.has(point.arm.key) else None)


def steps(arm: Arm) -> int:
    """Training steps of an arm's member."""
    return arm.recipe.epochs * -(-arm.task.train_images // arm.recipe.batch_size)


def primary(rule: Rule[Any]) -> Match:
    """The match whose effects a rule reads."""
    return rule.match if isinstance(rule, (Directional, Equivalence, Within)) else "none"


def _trained(claim: Claim) -> Iterable[tuple[Trained, Match]]:
    """The parts of a claim's evidence that are judged by contrast, with the match that their rule reads."""
    for part, source in claim.sources.items():
        if isinstance(source, Trained) and not isinstance(claim.rules[part], (Exists, Always)):
            yield source, primary(claim.rules[part])
