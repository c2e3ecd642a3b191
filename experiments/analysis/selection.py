"""Which records are judged: the highest complete scale, a user's own results before the published ones."""

import dataclasses
import functools
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from cnnlab.files import FileError, read_json
from cnnlab.records import Store, manifest
from cnnlab.records.manifest import ManifestError
from cnnlab.records.store import MOST_BYTES
from experiments.analysis import compositions
from experiments.analysis.results import SweepResults, view
from experiments.claims.registry import claims
from experiments.cli.errors import UsageError
from experiments.config.grid import Grid, first_point, grid, merged
from experiments.config.schema import SCALES
from experiments.paths import VARIABLE, published, result_folders, sweep_folder

MADE = "made.json"
"""Beside the tables of a published sweep: with which overrides it ran, and on what."""


def trusted_folders(results: Path) -> tuple[Path, ...]:
    """Where records are looked for: a user's own results, then those that are published.

    Raises ManifestError where the published evidence is not what was published.
    """
    _check_published(published())
    return result_folders(results)


@functools.cache
def _check_published(folder: Path) -> None:
    """Hold published evidence against its manifest, once a process."""
    if os.environ.get(VARIABLE) and not folder.is_dir():
        raise UsageError(f"{VARIABLE}={os.environ[VARIABLE]} is not valid: there is no such folder")
    manifest.check(folder)


def fed_by(names: Iterable[str]) -> tuple[str, ...]:
    """The sweeps that claims rest on, in alphabetical order."""
    return tuple(sorted({trained.sweep for name in names for trained in claims()[name].trained}))


def best_views(
    sweeps: Iterable[str], overrides: Sequence[str], results: Path, cache: Path | None = None
) -> dict[str, SweepResults]:
    """The best view of every sweep that has one, from a user's own results or as published.

    Args:
        cache: where compositions are kept between commands; None composes each.
    """
    folders = trusted_folders(results)  # also where no sweep is asked for: timings are evidence, too
    found = {sweep: best_view(sweep, overrides, folders, cache) for sweep in sweeps}
    return {sweep: best for sweep, best in found.items() if best is not None}


def best_view(
    sweep: str, overrides: Sequence[str], folders: Sequence[Path], cache: Path | None = None
) -> SweepResults | None:
    """The view at the highest scale whose every arm has a record in one of the folders, the first such folder.

    None where no scale is complete. Records of two folders are never mixed.
    """
    asked, others = split(overrides)
    for scale in asked or SCALES:
        for folder in folders:
            found = complete_view(composing_words(folder, sweep, scale, others), folder, cache)
            if found is not None:
                return found
    return None


def complete_view(words: list[str] | None, folder: Path, cache: Path | None = None) -> SweepResults | None:
    """The view that a command line composes, of the records in a results folder; None unless every arm has one."""
    store = Store(folder / "runs")
    if words is None or not any(store.arms()):
        return None
    first = compositions.first(words, cache, first_point)
    if first is not None and not store.has(first.arm.key):
        return None
    found = view(relocated(compositions.whole_grid(words, cache, grid), folder))
    return found if all(cell.record is not None for cell in (*found.cells, *found.checks)) else None


def split(overrides: Sequence[str]) -> tuple[list[str], list[str]]:
    """The scales that a command line asks for, and everything else that bears on arms."""
    scales = [word.removeprefix("scale=") for word in overrides if word.startswith("scale=")]
    return scales, [word for word in overrides if not word.startswith(("scale=", "results="))]


def fullest_view(
    sweep: str, overrides: Sequence[str], folders: Sequence[Path], cache: Path | None = None
) -> SweepResults | None:
    """The view at the scale, and from the folder, with most records of its arms; None where no arm has one."""
    asked, others = split(overrides)
    found: list[tuple[float, SweepResults]] = []
    for scale in asked or SCALES:
        for folder in folders:
            words = composing_words(folder, sweep, scale, others)
            if words is not None:
                now = view(relocated(compositions.whole_grid(words, cache, grid), folder))
                found.append((sum(cell.record is not None for cell in now.cells) / len(now.cells), now))
                if found[-1][0] == 1:
                    return now
    share, fullest = max(found, key=lambda pair: pair[0], default=(0.0, None))
    return fullest if share else None


def fullest_views(
    names: Sequence[str], overrides: Sequence[str], results: Path, cache: Path | None = None
) -> dict[str, SweepResults]:
    """The fullest view of every sweep that these claims rest on, where there is one."""
    folders = trusted_folders(results)
    found = {sweep: fullest_view(sweep, overrides, folders, cache) for sweep in fed_by(names)}
    return {sweep: fullest for sweep, fullest in found.items() if fullest is not None}


def sources(views: Mapping[str, SweepResults]) -> list[str]:
    """Where the records that were judged lie, a line for each folder and scale."""
    places: dict[tuple[Path, str], list[str]] = {}
    for sweep, one in views.items():
        places.setdefault((one.settings.runs, one.settings.scale), []).append(sweep)
    return [f"records: {runs}, scale {scale}: {', '.join(sweeps)}" for (runs, scale), sweeps in places.items()]


def composing_words(folder: Path, sweep: str, scale: str, overrides: Sequence[str] = ()) -> list[str] | None:
    """The command line that composes a sweep as it lies in a results folder; None if nothing of it can be there.

    A published sweep is composed as it was run. What is in `overrides` comes on top.
    """
    line = [f"+sweep={sweep}", *overrides, f"scale={scale}"]
    if folder.resolve() != published().resolve():
        return line if (folder / "runs").is_dir() else None
    made = sweep_folder(sweep, scale, folder) / MADE
    try:
        content = read_json(made, MOST_BYTES)
    except FileNotFoundError:
        return None
    except FileError as problem:
        raise ManifestError(made, str(problem)) from None
    words = content["overrides"] if isinstance(content, dict) and "overrides" in content else None
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise ManifestError(made, "must be an object with overrides: a list of words")
    return merged(words, line)


def relocated(plan: Grid, folder: Path) -> Grid:
    """The same grid with its records and tables in another results folder."""
    return dataclasses.replace(plan, settings=dataclasses.replace(plan.settings, results=folder))
