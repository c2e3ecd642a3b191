"""How soon a net gets nine tenths of the accuracy of logistic regression."""

import math
import statistics
from collections.abc import Sequence

from cnnlab.spec.record import Record

SHARE = 0.9
"""Of the accuracy of logistic regression."""
SERIES = "accuracy/validation"


def values(record: Record) -> tuple[float, ...]:
    """-log10 of the training images seen until validation accuracy first is `SHARE` of logistic regression's.

    A higher value is faster; 0.3 is twice as fast. Validation accuracy is known after every epoch of a watched arm, and
    taken to change evenly between; before the first step it is that of a guess. NaN for a member that never got there,
    and for one that nobody watched.
    """
    goal = SHARE * statistics.fmean(record.linear_accuracy)
    chance = 1 / record.config["task"]["classes"]
    return tuple(
        _log_speed(history["images_seen"], history[SERIES], chance, goal) if SERIES in history else math.nan
        for history in record.histories
    )


def _log_speed(seen: Sequence[int], accuracy: Sequence[float], chance: float, goal: float) -> float:
    """Negative log10 of the images at which the line through these points first reaches the goal."""
    before, low = 0, chance
    for images, high in zip(seen, accuracy, strict=True):
        if high >= goal:
            part = (goal - low) / (high - low) if high > low else 1.0
            reached = before + max(part, 0.0) * (images - before)
            return -math.log10(max(reached, 1.0))
        before, low = images, high
    return math.nan
