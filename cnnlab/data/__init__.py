"""Tasks as arrays: a fixed test set, and a pool from which a seed draws training and validation images.

A task is found by its name: a module of that name in `cnnlab.data.tasks`, a user's own pictures by their digest
(`cnnlab.data.own`), else a TFDS dataset of that name. Each offers `check(task, source)` and `load(task, source)`; a
module also its `DIALS` and, where there is something to tell test images apart by, `strata(task, source)`; where
something is worth keeping, `keep(task, source)`. Adding a task is adding one file.
"""

from types import ModuleType

import numpy as np
import numpy.typing as npt

from cnnlab.data import tfds
from cnnlab.data.arrays import Dataset, MissingDataError, Redrawn, Source, Split, require_dataset, verified
from cnnlab.data.drawing import draw, epoch_orders
from cnnlab.data.own import content
from cnnlab.data.registry import ROOM, family
from cnnlab.rooms import ExtraError
from cnnlab.spec.invalid import InvalidError
from cnnlab.spec.task import Task

__all__ = [
    "Dataset",
    "MissingDataError",
    "Redrawn",
    "Source",
    "Split",
    "check",
    "draw",
    "epoch_orders",
    "keep",
    "load",
    "strata",
]


def _family(task: Task) -> ModuleType:
    return family(task.name) or (content if content.serves(task.name) else tfds)


def check(task: Task, source: Source) -> None:
    """Raise unless `load` can succeed; prepares and writes nothing.

    Within seconds, unless a dataset is prepared and not yet decoded: that is done once. An added task is loaded.

    Raises:
        MissingDataError: the data is not prepared, not in `source.raw_dir`, and there is no network.
        InvalidError: the name is unknown, the task asks for what its data has not, or a file is wrong.
    """
    if task.name not in ROOM.added():
        _family(task).check(task, source)
        return
    try:
        _family(task).check(task, source)
        load(task, source)
    except InvalidError:
        raise
    except (Exception, SystemExit) as problem:  # code of the user's
        raise ExtraError(
            f"task {task.name}", f"{type(problem).__name__}: {' '.join(str(problem).split())}"
        ) from problem


def load(task: Task, source: Source) -> Dataset:
    """Return the task's arrays, verified against the task; the same whenever and wherever it is called.

    The first call for a TFDS dataset prepares it in `source.cache_dir`. Raises as `check` does.
    """
    dataset: Dataset = _family(task).load(task, source)
    if task.name in ROOM.added():  # the suite's own verify what they return
        require_dataset(dataset, task.name)
        return verified(dataset, task, imbalance=tfds.IMBALANCE, alike=False)
    return dataset


def keep(task: Task, source: Source) -> None:
    """Write to the cache what is there to be prepared or decoded once, so that workers find it. Raises as `load`."""
    found = _family(task)
    if hasattr(found, "keep"):
        found.keep(task, source)


def strata(task: Task, source: Source) -> dict[str, npt.NDArray[np.int64]]:
    """What is known of every test image beside its label, such as a distance in pixels; empty for most real tasks.

    Returns:
        By name, one value for each image of `load(task, source).test`, in its order. Raises as `check` does.
    """
    found = _family(task)
    if not hasattr(found, "strata"):
        return {}
    check(task, source)
    facts: dict[str, npt.NDArray[np.int64]] = found.strata(task, source)
    return facts
