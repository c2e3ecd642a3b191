"""Which convolutions train a results folder: XLA's or our own (`cnnlab.zoo.native`), one kind for all its records.

Their last digits differ, so that records of the two are never mixed. Whoever trains in a folder first settles the kind
for all who come after, of whatever machine, in a file that only one of them can make and that no run takes away.
"""

import contextlib
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from cnnlab.records import Store
from cnnlab.spec.invalid import Invalid, require
from cnnlab.training.workers import accelerator
from cnnlab.zoo import native
from experiments.config.resolve import AUTO, NATIVE, XLA, Settings
from experiments.provenance import kind

MARK = ".convolutions"
"""File among the records that names their kind."""
FOR_A_CPU = "these are for a CPU, and here arms train on a GPU"


def begun(store: Store) -> str:
    """The kind that a folder was begun with; empty if nobody has trained. Raises Invalid if its file says neither."""
    path = store.root / MARK
    try:
        said = path.read_text().strip()
    except (FileNotFoundError, NotADirectoryError):
        first = next(store.names(), None)
        return "" if first is None else kind(store.provenance(*first))
    require(said in (XLA, NATIVE), "convolutions", said, f"{path} must say {XLA} or {NATIVE}")
    return said


def check(settings: Settings) -> None:
    """Raise Invalid if convolutions are asked for by name, and the folder was begun with others."""
    _wanted(settings)


def require_here(settings: Settings, gpus: int | None = None) -> None:
    """Look, before anything is trained, whether our own convolutions can be had where they must be.

    Args:
        gpus: that jobs of a launcher have; None where this machine trains.

    Raises:
        Invalid: they cannot, and are asked for or the folder was begun with them; or as `check`.
    """
    if _wanted(settings) != NATIVE:
        return
    if gpus is not None:
        problem = "these are for a CPU, and hydra.launcher.gpus asks for GPUs" if gpus else ""
    else:
        problem = _missing()
    if problem:
        raise _cannot_be_had(settings, problem)


def settle(settings: Settings, compiled: Path, console: Console) -> Path | None:
    """Settle the convolutions of whoever is about to train: as the folder was begun, or as asked for, or the quicker.

    Args:
        compiled: folder where the library of our own is kept. console: is told what is taken, and why not our own.

    Returns:
        The library of our own convolutions; None for XLA's.

    Raises:
        Invalid: what is asked for, or what the folder was begun with, cannot be had here.
    """
    wanted = _wanted(settings)
    library, problem = (None, "") if wanted == XLA else _library(compiled)
    if problem and wanted == NATIVE:
        raise _cannot_be_had(settings, problem)
    if problem and problem != FOR_A_CPU:
        console.print(f"{problem}: convolutions are XLA's, which take up to twice as long", markup=False)
    chosen = NATIVE if library else XLA
    if _mark(Store(settings.runs), chosen) != chosen:
        return settle(settings, compiled, console)  # another process was the first
    console.print(f"convolutions: {chosen}", markup=False)
    return library


def require_alike(made: Mapping[tuple[str, int], Mapping[str, Any]], settings: Settings) -> None:
    """Raise Invalid unless records, by name with their provenance, are of the kind that their folder was begun with."""
    first = begun(Store(settings.runs))
    for (arm, block), facts in made.items():
        why = f"{settings.runs / arm / str(block)} was made with {kind(facts)}, beside others that were not"
        require(kind(facts) == first, "convolutions", first, why)


def _wanted(settings: Settings) -> str:
    """The kind that is asked for or the folder was begun with; empty where both are open. Raises as `check`."""
    asked, first = settings.convolutions, begun(Store(settings.runs))
    if asked == AUTO:
        return first
    why = f"{settings.runs} was begun with {first}, and the two are never mixed: choose another results="
    require(first in ("", asked), "convolutions", asked, why)
    return asked


def _cannot_be_had(settings: Settings, problem: str) -> Invalid:
    """Our own convolutions cannot be had, and what helps."""
    begun_with_them = begun(Store(settings.runs)) == NATIVE
    what = f"{settings.runs} was begun with them: choose another results=" if begun_with_them else "choose xla"
    return Invalid("convolutions", NATIVE, f"{problem}; {what}")


def _missing() -> str:
    """Why this machine has no use or no compiler for our own convolutions, as far as can be said without trying."""
    if accelerator() != "cpu":
        return FOR_A_CPU
    try:
        native.compiler()
    except native.NoLibrary as problem:
        return str(problem)
    return ""


def _library(compiled: Path) -> tuple[Path | None, str]:
    """The library of our own convolutions, or why there is none."""
    if problem := _missing():
        return None, problem
    try:
        return native.build(compiled), ""
    except native.NoLibrary as problem:
        return None, str(problem)


def _mark(store: Store, chosen: str) -> str:
    """Name a folder's kind, unless somebody has; returns what it then is."""
    store.root.mkdir(parents=True, exist_ok=True)
    draft = store.root / f"{MARK}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    try:
        draft.write_text(f"{chosen}\n")
        with contextlib.suppress(FileExistsError):
            os.link(draft, store.root / MARK)
    finally:
        draft.unlink(missing_ok=True)
    return begun(store)
