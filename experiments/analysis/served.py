"""Whether sweeps have what own claims ask of them: told in one line, before anything trains."""

import functools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cnnlab.inference.rules.contract import Rule
from cnnlab.inference.rules.directional import Directional
from cnnlab.rooms import ExtraError
from cnnlab.spec.invalid import InvalidError, require, require_choice
from experiments.analysis import compositions, metrics
from experiments.analysis.convergence import primary
from experiments.claims.base import Claim, Contrast, Moderator, Trained, Variant
from experiments.claims.registry import claims, entries, source_file
from experiments.cli.errors import UsageError
from experiments.config.grid import Grid, grid
from experiments.config.schema import SCALES


def check(names: Iterable[str], words: Iterable[str] = (), cache: Path | None = None) -> None:
    """Hold own claims against their sweeps. Raises ExtraError with the claim's file, and what would be right.

    Args:
        words: of the command line: what changes a sweep counts, and what chooses among its arms does not.
        cache: where compositions are kept between commands; None composes each.
    """
    changes = tuple(word for word in words if word.startswith("sweep."))
    for name in names:
        entry = entries()[name]
        if entry.source:
            _check(claims()[name], source_file(entry), changes, cache)


def _check(claim: Claim, path: Path, changes: tuple[str, ...], cache: Path | None) -> None:
    try:
        for part, source in claim.sources.items():
            if isinstance(source, Trained):
                require_served(source, claim.rules[part], changes, cache)
    except (InvalidError, UsageError) as problem:
        raise ExtraError(path, str(problem)) from problem


def require_served(trained: Trained, rule: Rule[Any], changes: tuple[str, ...] = (), cache: Path | None = None) -> None:
    """Raise InvalidError unless the sweep, at one scale or another, has all that the evidence and its rule name."""
    sweep = trained.sweep
    grids = _grids(sweep, changes, cache)
    points = [point for one in grids for point in one.points]
    reference = {point.level for one in grids for point in one.checks}
    variants = [one for one in trained.moderators if isinstance(one, Variant)]
    contrasts = (*trained.contrasts, *(one for variant in variants for one in (variant.low, variant.high)))
    for level in _levels(contrasts):
        require_choice(f"level of {sweep}", level, _once(point.level for point in points))
    for task in (*trained.tasks, *(variant.task for variant in variants)):
        require_choice(f"task of {sweep}", task, _once(point.data for point in points))
    for level in _levels(trained.contrasts):
        if level not in reference:  # which stands beside arms of every match
            matches = _once(point.match for point in points if point.level == level)
            require_choice(f"match of {level} in {sweep}", primary(rule), matches)
    for dial in (*trained.along, *(one for one in trained.moderators if isinstance(one, Moderator))):
        tasks = [point.arm.task for point in points if point.arm.task.name == dial.task]
        there = _once(f"{dict(task.dials)[dial.dial]:g}" for task in tasks if dial.dial in dict(task.dials))
        for value in (dial.low, dial.high):
            require_choice(f"{dial.dial} of {dial.task} in {sweep}", f"{value:g}", there)
    metrics.require(trained.metric)
    if isinstance(rule, Directional) and rule.margin is not None:
        require(rule.margin == trained.margin, "rule.margin", rule.margin, f"the evidence has margin={trained.margin}")


def _levels(contrasts: Iterable[Contrast]) -> tuple[str, ...]:
    return _once(level for contrast in contrasts for level in contrast.levels)


def _once(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(words))


@functools.cache
def _grids(sweep: str, changes: tuple[str, ...], cache: Path | None) -> tuple[Grid, ...]:
    """A sweep at every scale that it has. Raises UsageError, InvalidError: it has none, or there is no such sweep."""
    found, raised = [], None
    for scale in SCALES:
        try:
            words = [f"+sweep={sweep}", f"scale={scale}", *changes, "tracker=off"]
            found.append(compositions.whole_grid(words, cache, grid))
        except (InvalidError, UsageError) as problem:
            raised = problem
    if raised is not None and not found:
        raise raised
    return tuple(found)
