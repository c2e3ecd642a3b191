"""What a view of a sweep says about a claim's contrasts: effects, instances, moderators, checks, and caps."""

import dataclasses
from collections.abc import Sequence

from cnnlab.inference import checks as check_rules
from cnnlab.inference.checks import Check
from cnnlab.inference.effects import effect
from cnnlab.inference.rules.contract import TrainedEvidence as TrainedEvidence
from cnnlab.inference.rules.instances import Instance, Instances
from cnnlab.spec.record import COMMON
from cnnlab.spec.verdict import Effect, Match
from experiments.analysis.contrasts import ArmPair, ContrastSite, places
from experiments.analysis.moderation import moderated
from experiments.analysis.reading import ACCURACY, caps, effects, setting
from experiments.analysis.results import SweepResults, label
from experiments.claims.base import Contrast, Trained

__all__ = ["evidence", "instances", "label", "sweep_checks"]


def evidence(
    name: str, trained: Trained, contrast: Contrast, view: SweepResults | None, match: Match = "none"
) -> TrainedEvidence:
    """Everything a view says about one contrast of the claim `name`; moderators are taken at its primary `match`."""
    if view is None:
        return TrainedEvidence(missing=(f"the sweep {trained.sweep} has no records",))
    found, missing = places(view, trained, contrast)
    contrasts = [moderated(name, moderator, trained, contrast, view, match) for moderator in trained.moderators]
    held = [cap for place in found for cap in caps(name, trained, place)]
    return TrainedEvidence(
        effects=tuple(_named(effect, contrast) for place in found for effect in effects(view, trained, place)),
        moderators=tuple(one for several, _ in contrasts for one in several),
        checks=gates(view, trained, contrast, found),
        caps=_once(trained, *held, *(cap for _, why in contrasts for cap in why)),
        missing=missing,
    )


def _named(effect: Effect, contrast: Contrast) -> Effect:
    """The effect, saying which contrast it is."""
    return dataclasses.replace(effect, setting=dataclasses.replace(effect.setting, contrast=contrast.name))


def instances(name: str, trained: Trained, view: SweepResults | None) -> Instances:
    """Every contrast on every task, unmatched, as an instance: its first block, and the second as a fresh one."""
    if view is None:
        return Instances(missing=(f"the sweep {trained.sweep} has no records",))
    tried: list[Instance] = []
    missing: list[str] = []
    held: list[str] = []
    checks: list[Check] = []
    for contrast in trained.contrasts:
        everywhere, lacks = places(view, trained, contrast)
        found = tuple(place for place in everywhere if place.match == "none")
        missing.extend(lacks)
        checks.extend(gates(view, trained, contrast, found))
        held.extend(cap for place in found for cap in caps(name, trained, place))
        for place in found:
            first, fresh = (_of_block(view, trained, place, block) for block in (0, 1))
            if first is None:
                missing.append(f"{place.label}: the first block of {', '.join(contrast.levels)}")
            else:
                tried.append(Instance(name=f"{contrast.name} on {place.label}", first=first, fresh=fresh))
    return Instances(
        tried=tuple(tried), checks=tuple(dict.fromkeys(checks)), caps=_once(trained, *held), missing=tuple(missing)
    )


def _of_block(view: SweepResults, trained: Trained, place: ContrastSite, block: int) -> Effect | None:
    """The effect in the members of one block, at the arms' own learning rates; None unless every arm has that block."""
    narrowed = place.in_block(block)
    return None if narrowed is None else effects(view, trained, narrowed)[0]


def _once(trained: Trained, *held: str) -> tuple[str, ...]:
    """All caps, what the claim still needs among them; each once."""
    return tuple(dict.fromkeys((*(f"needs {need}" for need in trained.needs), *held)))


def gates(view: SweepResults, trained: Trained, contrast: Contrast, found: Sequence[ContrastSite]) -> tuple[Check, ...]:
    """The checks that must have passed before these places are read.

    All of a sweep's where accuracies of arms are compared. None where a quantity stands for itself, or is no accuracy:
    that width 16 is told from width 8 says nothing of a gradient at initialisation or of a share of weights. A contrast
    that is followed along a dial answers for the checks on both of its tasks.
    """
    compares = bool(contrast.better and contrast.worse) and trained.metric.endswith(ACCURACY)
    if not compares:
        return ()
    checks = sweep_checks(view)
    return tuple(
        dict.fromkeys(
            dataclasses.replace(check, task=place.label)
            for place in found
            for sides in place.sides
            for check in checks
            if check.task == view.label(sides.task)
        )
    )


def sweep_checks(view: SweepResults) -> tuple[Check, ...]:
    """The three checks on every task that has them, compared with the reference at the common learning rate."""
    found = []
    for task in view.tasks():
        reference, where = view.reference(task), view.label(task)
        if reference is None or not reference.records:
            continue
        for name, rule, better_is_reference in (
            ("positive", check_rules.positive, True),
            ("sensitivity", check_rules.sensitivity, True),
            ("a_a", check_rules.same_twice, False),
        ):
            cell = view.check(task, name)
            if cell is None or not cell.records:
                found.append(Check(name=name, task=where, passed=False, line=f"{name} not run on {where}"))
                continue
            better, worse = (reference, cell) if better_is_reference else (cell, reference)
            place = ContrastSite(
                label=where, sides=(ArmPair(task=task, match="none", better=(better,), worse=(worse,)),)
            )
            at = setting(view, place, "common")
            found.append(rule(effect(better.sample(COMMON), worse.sample(COMMON), at)))
    return tuple(found)
