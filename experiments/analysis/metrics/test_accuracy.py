"""Test accuracy as it is compared: by the errors that are made."""

import math

from cnnlab.spec.record import Record


def values(record: Record) -> tuple[float, ...]:
    """-log(errors + 1/2) over the test images: a difference is the log of a ratio of errors, and higher is better."""
    return tuple(-math.log(errors(record, accuracy) + 0.5) for accuracy in record.finals.test_accuracy)


def errors(record: Record, accuracy: float) -> float:
    """How many test images are wrong at an accuracy."""
    return (1 - accuracy) * record.test_images
