"""How many times as many errors logistic regression makes as a net."""

import math
import statistics

from cnnlab.spec.record import Record
from experiments.analysis.metrics import test_accuracy


def values(record: Record) -> tuple[float, ...]:
    """Log of (errors of logistic regression + 1/2) over (errors of the member + 1/2): 0 is no better, higher is better.

    Errors of logistic regression are those of its mean VALIDATION accuracy over the first members' draws, so that test
    images stand against validation images of the same task.
    """
    bar = math.log(test_accuracy.errors(record, statistics.fmean(record.linear_accuracy)) + 0.5)
    return tuple(bar + value for value in test_accuracy.values(record))
