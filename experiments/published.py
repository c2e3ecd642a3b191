"""What comes with the suite: results/published, a results folder like any other but for its compact records."""

import dataclasses
import json
import os
from collections.abc import Sequence
from pathlib import Path

from experiments.config.grid import Grid
from experiments.plan import merged

MADE = "made.json"
"""Beside the tables of a published sweep: with which overrides it ran, and on what."""


def root() -> Path:
    """The folder: `CNNLAB_PUBLISHED`, else results/published of this checkout."""
    if os.environ.get("CNNLAB_PUBLISHED"):
        return Path(os.environ["CNNLAB_PUBLISHED"])
    return Path(__file__).parents[1] / "results" / "published"


def folders(results: Path) -> tuple[Path, ...]:
    """Where records are looked for: a user's own results, then those that are published."""
    return tuple({folder.resolve(): folder for folder in (results, root())}.values())


def sweep_folder(sweep: str, scale: str, results: Path | None = None) -> Path:
    """Where a sweep's tables lie, in the published folder unless told otherwise."""
    return (root() if results is None else results) / "sweeps" / sweep / scale


def words(folder: Path, sweep: str, scale: str, overrides: Sequence[str] = ()) -> list[str] | None:
    """The command line that composes a sweep as it lies in a results folder; None if nothing of it can be there.

    A published sweep is composed as it was run: the suite may have cut it to what the time allowed. What is in
    `overrides` comes on top.
    """
    line = [f"+sweep={sweep}", *overrides, f"scale={scale}"]
    if folder.resolve() != root().resolve():
        return line if (folder / "runs").is_dir() else None
    made = sweep_folder(sweep, scale) / MADE
    return merged(json.loads(made.read_text())["overrides"], line) if made.is_file() else None


def lying_in(plan: Grid, folder: Path) -> Grid:
    """The same grid with its records and tables in another results folder."""
    return dataclasses.replace(plan, settings=dataclasses.replace(plan.settings, results=folder))
