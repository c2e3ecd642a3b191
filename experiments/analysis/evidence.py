"""The evidence that a sweep's results give for a claim: effects, instances, moderators, checks, caps, and its scope."""

import dataclasses
import itertools
from collections.abc import Iterable, Mapping, Sequence

from cnnlab.inference import checks as check_rules
from cnnlab.inference.checks import Check
from cnnlab.inference.effects import Sample
from cnnlab.inference.rules.contract import ModeratorContrast, TrainedEvidence, difference_p
from cnnlab.inference.rules.instances import Instance, Instances
from cnnlab.spec.arm import Arm
from cnnlab.spec.net import Classic, ConvNet
from cnnlab.spec.task import Task
from cnnlab.spec.verdict import Effect, Match
from cnnlab.zoo.widths import widths
from experiments.analysis import convergence
from experiments.analysis.contrasts import (
    ArmPair,
    ContrastSite,
    at_dial,
    both,
    caps,
    is_meant,
    is_newer,
    is_planned,
    matches,
    measured_effect,
    places,
    plain_effect,
    setting,
)
from experiments.analysis.results import ArmResults, SweepResults
from experiments.claims.base import Claim, Contrast, Moderator, Trained, Variant
from experiments.claims.registry import claims, entries


def evidence(
    name: str, trained: Trained, contrast: Contrast, view: SweepResults | None, match: Match = "none"
) -> TrainedEvidence:
    """Everything a view says about one contrast of the claim `name`; moderators are taken at its primary `match`."""
    if view is None:
        return TrainedEvidence(missing=(f"the sweep {trained.sweep} has no records",))
    found, missing = places(view, trained, contrast)
    contrasts = [moderated(name, moderator, trained, contrast, view, match) for moderator in trained.moderators]
    held = [cap for place in found for cap in caps(name, trained, place)]
    levels = [_level(view, trained, contrast, place) for place in found]
    again, wanting = convergence.looked_at_again(
        view, trained, contrast, [(place, level[0]) for place, level in zip(found, levels, strict=True)], match
    )
    return TrainedEvidence(
        effects=tuple(level[0] for level in levels),
        moderators=tuple(one for several, _ in contrasts for one in several),
        tasks=_between_tasks([level for level in levels if level[0].setting.match == match]),
        longer=again,
        checks=gates(view, contrast, found),
        caps=tuple(dict.fromkeys((*held, *(cap for _, why in contrasts for cap in why)))),
        missing=(*missing, *wanting),
    )


def instances(name: str, trained: Trained, view: SweepResults | None) -> Instances:
    """Every contrast on every task, unmatched, as an instance: in the first half of the members and in the second."""
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
        checks.extend(gates(view, contrast, found))
        held.extend(cap for place in found for cap in caps(name, trained, place))
        for place in found:
            halves = place.of(lambda cell: cell.halves()[0]), place.of(lambda cell: cell.halves()[1])
            first, fresh = (measured_effect(view, trained, contrast, half) for half in halves)
            tried.append(Instance(name=f"{contrast.name} on {place.label}", first=first, fresh=fresh))
    return Instances(
        tried=tuple(tried), checks=tuple(dict.fromkeys(checks)), caps=tuple(dict.fromkeys(held)), missing=tuple(missing)
    )


def gates(view: SweepResults, contrast: Contrast, found: Sequence[ContrastSite]) -> tuple[Check, ...]:
    """The checks that must have passed before these places are read: all of a sweep's, where arms are compared.

    None where a quantity stands for itself. A contrast that is followed along a dial answers for the checks on both of
    its tasks.
    """
    if not (contrast.better and contrast.worse):
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
    """The three checks on every task that has them, compared with the reference and read as every other arm."""
    found = []
    for task in view.tasks():
        reference, where = view.reference(task), view.label(task)
        if reference is None or reference.record is None:
            continue
        for name, rule, better_is_reference in (
            ("positive", check_rules.positive, True),
            ("sensitivity", check_rules.sensitivity, True),
            ("a_a", check_rules.same_twice, False),
        ):
            cell = view.check(task, name)
            if cell is None or cell.record is None:
                found.append(Check(name=name, task=where, passed=False, line=f"{name} not run on {where}"))
                continue
            better, worse = (reference, cell) if better_is_reference else (cell, reference)
            place = ContrastSite(
                label=where, sides=(ArmPair(task=task, match="none", better=(better,), worse=(worse,)),)
            )
            found.append(rule(plain_effect(place, setting(view, place))))
    return tuple(found)


Level = tuple[Effect, Sample, Sample]


def moderated(
    name: str, moderator: Moderator | Variant, trained: Trained, contrast: Contrast, view: SweepResults, match: Match
) -> tuple[tuple[ModeratorContrast, ...], tuple[str, ...]]:
    """The contrast at both values of a moderator, and the test of their difference; else why there is none.

    Args:
        name: id of the claim.
        match: the claim's primary match. Where one of the values has no arms at it, both are taken unmatched.
    """
    asked = _asked(moderator, contrast, view)
    if asked is None:
        return (), (f"needs the moderator {_described(moderator)}",)
    planned = all(is_planned(view, task, at, match) for task, at in asked)
    sides = [both(view, task, at, match if planned else "none") for task, at in asked]
    found = [ContrastSite(label=view.label(one.task), sides=(one,)) for one in sides if one is not None]
    held = [cap for place in found for cap in caps(name, trained, place)]
    if len(found) < len(asked) or any(view.reference(task) is None for task, _ in asked):
        return (), (f"needs the moderator {_described(moderator)}",)
    if held:
        return (), tuple(dict.fromkeys(held))
    low, high = (_level(view, trained, at, place) for place, (_, at) in zip(found, asked, strict=True))
    what, level_a, level_b = _names(moderator)
    contrasted = ModeratorContrast(
        moderator=what, level_a=level_a, level_b=level_b, effect_a=low[0], effect_b=high[0], p=difference_p(low, high)
    )
    return (contrasted,), ()


def _asked(
    moderator: Moderator | Variant, contrast: Contrast, view: SweepResults
) -> list[tuple[Task, Contrast]] | None:
    """Task and contrast at the low and at the high value; None where the view has no such task."""
    if isinstance(moderator, Variant):
        task = next((task for task in view.tasks() if view.named(task) == moderator.task), None)
        return None if task is None else [(task, moderator.low), (task, moderator.high)]
    tasks = [at_dial(view, moderator, value) for value in (moderator.low, moderator.high)]
    return None if None in tasks else [(task, contrast) for task in tasks if task is not None]


def _level(view: SweepResults, trained: Trained, contrast: Contrast, place: ContrastSite) -> Level:
    return measured_effect(view, trained, contrast, place), *place.samples(trained.metric)


def _between_tasks(levels: Sequence[Level]) -> tuple[ModeratorContrast, ...]:
    """Every pair of tasks, and the test that the effects on them differ."""
    return tuple(
        ModeratorContrast(
            moderator="task",
            level_a=one[0].setting.task,
            level_b=other[0].setting.task,
            effect_a=one[0],
            effect_b=other[0],
            p=difference_p(one, other),
        )
        for one, other in itertools.combinations(levels, 2)
    )


def _names(moderator: Moderator | Variant) -> tuple[str, str, str]:
    """The moderator and its two values, as a verdict names them."""
    if isinstance(moderator, Variant):
        return moderator.name, moderator.low.name, moderator.high.name
    return moderator.dial, f"{moderator.low:g}", f"{moderator.high:g}"


def _described(moderator: Moderator | Variant) -> str:
    what, low, high = _names(moderator)
    return f"{moderator.name}: {moderator.task} with {what} {low} and {high}"


def scope(claim: Claim, views: Mapping[str, SweepResults]) -> str | None:
    """The scope of a claim's trained evidence; None where no arm of it has a record."""
    cells = _read_arms(claim, views)
    return scope_line(cells) if cells else None


def newer(name: str, views: Mapping[str, SweepResults]) -> str:
    """How many of the records that an own claim reads are older than its rule; empty for none, and for the 57."""
    if not entries()[name].source:
        return ""  # theirs is capped (`contrasts.caps`)
    every = {cell.record.arm: cell.record for cell in _read_arms(claims()[name], views) if cell.record is not None}
    old = sum(is_newer(name, record) for record in every.values())
    return f"the claim's rule is newer than {old} of the {len(every)} records it was judged from" if old else ""


def _read_arms(claim: Claim, views: Mapping[str, SweepResults]) -> list[ArmResults]:
    """Every arm with a record that a claim's evidence reads."""
    return [
        cell
        for trained in claim.trained
        if trained.sweep in views
        for cell in _scope_arms(trained, views[trained.sweep])
    ]


def _scope_arms(trained: Trained, view: SweepResults) -> Iterable[ArmResults]:
    """Every arm with a record that one part of the evidence reads, those of its moderators included."""
    dials = [*trained.along, *(one for one in trained.moderators if isinstance(one, Moderator))]
    followed = {at_dial(view, dial, value) for dial in dials for value in (dial.low, dial.high)}
    contrasts: list[Contrast] = list(trained.contrasts)
    for one in trained.moderators:
        if not isinstance(one, Moderator):
            contrasts += [one.low, one.high]
    for task in view.tasks():
        if task not in followed and (trained.along or not is_meant(view, trained, task)):
            continue
        for contrast in contrasts:
            for match in matches(view):
                sides = both(view, task, contrast, match)
                if sides is not None:
                    yield from sides.cells


def scope_line(cells: Sequence[ArmResults]) -> str:
    """Largest image, depth and width, norms, optimisers, most training, members and tasks of these arms."""
    arms = [cell.point.arm for cell in cells]
    side = max(arm.task.side for arm in arms)
    members = sorted({cell.members for cell in cells})
    images = max(arm.task.train_images for arm in arms)
    span = f"{members[0]}" if len(members) == 1 else f"{members[0]} to {members[-1]}"
    tasks = ", ".join(sorted({arm.task.name for arm in arms}))
    return (
        f"images of at most {side}x{side} px; {_nets(arms)}; {_listed(arm.recipe.optimizer for arm in arms)}, at most "
        f"{max(arm.recipe.epochs for arm in arms)} epochs of {images:,} images; {span} members an arm; {tasks}; "
        "one fixed test set each"
    )


def _nets(arms: Sequence[Arm]) -> str:
    """Depth, width and norm of the parametric nets; others by name."""
    convnets = [arm.net for arm in arms if isinstance(arm.net, ConvNet)]
    others = [arm.net for arm in arms if not isinstance(arm.net, ConvNet)]
    names = sorted({net.name if isinstance(net, Classic) else net.label for net in others})
    if not convnets:
        return ", ".join(names)
    norms = _listed("no" if net.norm == "none" else net.norm for net in convnets)
    blocks = sorted({net.block for net in convnets})
    depth, width = max(net.depth for net in convnets), max(max(widths(net)) for net in convnets)
    said = [
        f"at most {depth} convolutions of {width} channels",
        f"{norms} normalisation",
        *([] if blocks == ["plain"] else [f"{' and '.join(blocks)} nets"]),
    ]
    return "; ".join([*said, *names])


def _listed(values: Iterable[str]) -> str:
    """Distinct names joined by "and", as they are usually written: Adam, SGD."""
    nice = {"adam": "Adam", "sgd": "SGD"}
    found = sorted(set(values))
    return " and ".join(nice[value] if value in nice else value for value in found)
