"""How many times as many errors a guess makes as a net."""

import math

from cnnlab.spec.record import Record
from experiments.analysis.metrics import test_accuracy


def values(record: Record) -> tuple[float, ...]:
    """Log of (errors of a guess + 1/2) over (errors of the member + 1/2): 0 for a diverged member, higher is better."""
    bar = math.log(test_accuracy.errors(record, 1 / record.config["task"]["classes"]) + 0.5)
    return tuple(bar + value for value in test_accuracy.values(record))
