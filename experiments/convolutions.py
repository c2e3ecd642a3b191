"""Which convolutions train a results folder: XLA's or our own (`cnnlab.zoo.native`), one kind for all its records.

Their last digits differ, so that records of the two are never mixed. Whoever trains in a folder first settles the kind
for all who come after, of whatever machine, in a file that only one of them can make.
"""

import contextlib
import time
from pathlib import Path

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
    """The kind that has made the records of a folder; empty where there are none."""
    first = next(store.names(), None)
    return "" if first is None else settled(store) or kind(store.provenance(*first))


def settled(store: Store) -> str:
    """The kind that was settled for a folder; empty where nothing was, or nothing that can be read."""
    for _ in range(10):
        try:
            said = (store.root / MARK).read_text().strip()
        except OSError:
            return ""
        if said:
            return said if said in (XLA, NATIVE) else ""
        time.sleep(0.05)  # it is being written
    return ""


def check(settings: Settings, gpus: int | None = None) -> None:
    """Look, before anything is trained, whether convolutions that are asked for by name can be had.

    Args:
        gpus: that jobs of a launcher have; None where this machine trains.

    Raises:
        Invalid: they cannot, or the folder was begun with others.
    """
    asked, store = settings.convolutions, Store(settings.runs)
    if asked == AUTO:
        return
    _require_begun_with(asked, store)
    if asked == NATIVE and gpus is not None:
        why = "these are for a CPU, and hydra.launcher.gpus asks for GPUs; choose xla"
        require(not gpus, "convolutions", asked, why)
    elif asked == NATIVE and (problem := missing()):
        raise Invalid("convolutions", asked, f"{problem}; choose xla")


def missing() -> str:
    """Why this machine has no use or no compiler for our own convolutions, as far as can be said without trying."""
    if accelerator() != "cpu":
        return FOR_A_CPU
    try:
        native.compiler()
    except native.NoLibrary as problem:
        return str(problem)
    return ""


def settle(settings: Settings, compiled: Path, console: Console) -> Path | None:
    """Settle the convolutions of whoever is about to train: as the folder was begun, or as asked for, or the quicker.

    Args:
        compiled: folder where the library of our own is kept. console: is told where that cannot be made.

    Returns:
        The library of our own convolutions; None for XLA's.

    Raises:
        Invalid: what is asked for, or what the folder was begun with, cannot be had here.
    """
    store, asked = Store(settings.runs), settings.convolutions
    if asked != AUTO:
        _require_begun_with(asked, store)
    wanted = (begun(store) or settled(store)) if asked == AUTO else asked
    library, problem = (None, "") if wanted == XLA else _library(compiled)
    if problem and wanted == NATIVE:
        what = "choose xla" if asked == NATIVE else f"{store.root} was begun with them: choose another results="
        raise Invalid("convolutions", NATIVE, f"{problem}; {what}")
    if problem and problem != FOR_A_CPU:
        console.print(f"{problem}: convolutions are XLA's, which take up to twice as long", markup=False)
    chosen = NATIVE if library else XLA
    if _marked(store, chosen, anew=asked != AUTO) != chosen:
        return settle(settings, compiled, console)  # another process was the first
    console.print(f"convolutions: {chosen}", markup=False)
    return library


def _require_begun_with(asked: str, store: Store) -> None:
    made = begun(store)
    why = f"{store.root} has records made with {made}, and the two are never mixed: choose another results="
    require(made in ("", asked), "convolutions", asked, why)


def _library(compiled: Path) -> tuple[Path | None, str]:
    """The library of our own convolutions, or why there is none."""
    if accelerator() != "cpu":
        return None, FOR_A_CPU
    try:
        return native.build(compiled), ""
    except native.NoLibrary as problem:
        return None, str(problem)


def _marked(store: Store, chosen: str, *, anew: bool) -> str:
    """Name a folder's kind, unless somebody has; returns what it then is. `anew` replaces what no record bears out."""
    path = store.root / MARK
    path.parent.mkdir(parents=True, exist_ok=True)
    existed, there = path.exists(), settled(store)
    if there == chosen or (there and not anew):
        return there
    if existed:
        path.unlink(missing_ok=True)
    with contextlib.suppress(FileExistsError), path.open("x") as file:
        file.write(f"{chosen}\n")
    return settled(store) or chosen
