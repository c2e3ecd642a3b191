"""Whether a net knows more of the pixels that it reads more often, on the task `phase`, where one pixel decides."""

import functools
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnnlab.data.arrays import Source, Split
from cnnlab.data.tasks import phase
from cnnlab.probes.final.input_energy import Floats, predicted
from cnnlab.probes.trained import TrainedMember
from cnnlab.spec.task import Task

Ints = NDArray[np.int64]


def probe(member: TrainedMember) -> dict[str, float]:
    """`most_minus_fewest`: test accuracy where the bright pixel has most paths to the last map minus where fewest.

    On the whole test set. Of pixels whose count the border leaves alone. Empty on every other task, and where no label
    has pixels of different counts.
    """
    if member.task.name != "phase":
        return {}
    test, row, column = bright(member.task)
    counts, inner = predicted(member.network, member.size)
    kept = inner[row, column]
    right = member.predict(test.images) == test.labels
    found = most_minus_fewest(right[kept], counts[row, column][kept], test.labels[kept])
    return {} if found is None else {"most_minus_fewest": found}


def most_minus_fewest(right: NDArray[np.bool_], counts: Floats, labels: NDArray[np.int32]) -> float | None:
    """Accuracy at the highest count minus that at the lowest, within each label; the mean over labels.

    Within a label, because counts follow the parity of a pixel's place as labels do: a net that prefers a label would
    seem to prefer its pixels. None where no label has two counts.

    Args: of each image: whether the answer was right, how often its pixel is read, and its label.
    """
    gaps = []
    for label in np.unique(labels):
        own, known = counts[labels == label], right[labels == label]
        if np.ptp(own) > 0:
            gaps.append(known[own == own.max()].mean() - known[own == own.min()].mean())
    return float(np.mean(gaps)) if gaps else None


@functools.lru_cache(maxsize=2)
def bright(task: Task) -> tuple[Split, Ints, Ints]:
    """The test set, and row and column of the bright pixel of every image."""
    nowhere = Source(cache_dir=Path())  # a generated task reads no file
    facts = phase.strata(task, nowhere)
    return phase.load(task, nowhere).test, facts["row"], facts["column"]
