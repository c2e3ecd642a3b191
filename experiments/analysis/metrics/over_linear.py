"""How much better than a linear classifier of the pixels a net is."""

import statistics

from cnnlab.spec.record import Record


def values(record: Record, condition: str) -> tuple[float, ...]:
    """Test accuracy minus that of logistic regression, a fraction.

    The subtrahend is one number for all members: the mean VALIDATION accuracy of logistic regression over the tuning
    seeds, fitted on as many images as a member. So test images stand against validation images of the same task: a
    difference between the two sets of images, such as a test set without the pool's shortcuts, is part of the value.
    """
    linear = statistics.fmean(record.tuning.linear_accuracy)
    return tuple(accuracy - linear for accuracy in record.finals[condition].test_accuracy)
