"""What a claim can compare beyond accuracy: one file a metric, found by its path, that reads records and nothing else.

A metric's file has `values(record, condition)`: one number a member, in the order of `record.members`.
"""

import dataclasses
import importlib
import pkgutil

from cnnlab.spec.invalid import require_choice
from cnnlab.spec.record import Finals, Record


def names() -> tuple[str, ...]:
    """Every metric there is: the fields of `Finals`, then the files of this folder."""
    files = sorted(found.name for found in pkgutil.iter_modules(__path__))
    return (*(field.name for field in dataclasses.fields(Finals)), *files)


def measured(record: Record, condition: str, metric: str) -> tuple[float, ...]:
    """Every member's value of a metric at the `own` or the `common` learning rate.

    Raises Invalid for a metric that does not exist.
    """
    require_choice("metric", metric, names())
    finals = record.finals[condition]
    if metric in {field.name for field in dataclasses.fields(Finals)}:
        values: tuple[float, ...] = getattr(finals, metric)
        return values
    found: tuple[float, ...] = importlib.import_module(f"{__name__}.{metric}").values(record, condition)
    return found
