"""Whether a contrast depends on something: the same contrast at two values of a task's dial, or between other arms."""

from cnnlab.inference.effects import Sample, effect
from cnnlab.inference.rules.contract import ModeratorContrast, difference_p
from cnnlab.spec.record import OWN
from cnnlab.spec.task import Task
from cnnlab.spec.verdict import Effect, Match
from experiments.analysis.contrasts import ContrastSite, at_dial, both, is_planned
from experiments.analysis.reading import caps, setting
from experiments.analysis.results import SweepResults
from experiments.claims.base import Contrast, Moderator, Trained, Variant

Level = tuple[Effect, Sample, Sample]


def moderated(
    name: str, moderator: Moderator | Variant, trained: Trained, contrast: Contrast, view: SweepResults, match: Match
) -> tuple[tuple[ModeratorContrast, ...], tuple[str, ...]]:
    """The contrast at both values of a moderator, and whether they differ; else why that cannot be said.

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
    low, high = (_level(view, trained, place) for place in found)
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


def _level(view: SweepResults, trained: Trained, place: ContrastSite) -> Level:
    ours, theirs = place.samples(OWN, trained.metric)
    return effect(ours, theirs, setting(view, place, "own", trained)), ours, theirs


def _names(moderator: Moderator | Variant) -> tuple[str, str, str]:
    """The moderator and its two values, as a verdict names them."""
    if isinstance(moderator, Variant):
        return moderator.name, moderator.low.name, moderator.high.name
    return moderator.dial, f"{moderator.low:g}", f"{moderator.high:g}"


def _described(moderator: Moderator | Variant) -> str:
    what, low, high = _names(moderator)
    return f"{moderator.name}: {moderator.task} with {what} {low} and {high}"
