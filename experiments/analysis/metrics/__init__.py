"""What a claim can compare beyond accuracy: one file a metric, found by its path, that reads records and nothing else.

A metric's file has `values(record, condition)`: one number a member, in the order of `record.members`, NaN for a member
that has none. Where the metric exists at the arms' own learning rates alone, the file says `CONDITIONS = (OWN,)`; where
it reads gradient statistics of a record's histories, `STATISTICS = ("activation_grad_norm",)`: published records keep
those and no others.

Every probe of the trained members is a metric, too: `probe:` and its path, such as
`probe:linear_probe/pool_after4/drop`. Probes are taken at the own rate alone, and a diverged member has none.
"""

import dataclasses
import importlib
import math
import pkgutil
from types import ModuleType

from cnnlab.spec.invalid import require_choice
from cnnlab.spec.record import COMMON, OWN, Finals, Record
from cnnlab.spec.verdict import Condition

PROBE = "probe:"
FIELDS = tuple(field.name for field in dataclasses.fields(Finals))


def names() -> tuple[str, ...]:
    """Every metric there is but for probes: the fields of `Finals`, then the files of this folder."""
    return (*FIELDS, *sorted(found.name for found in pkgutil.iter_modules(__path__)))


def conditions(metric: str) -> tuple[Condition, ...]:
    """The learning rates at which a metric exists: the arms' own, and for most the common one.

    Raises InvalidError for a metric that does not exist.
    """
    if metric.startswith(PROBE):
        return (OWN,)
    require_choice("metric", metric, names())
    if metric not in FIELDS and "CONDITIONS" in vars(_file(metric)):
        own: tuple[Condition, ...] = _file(metric).CONDITIONS
        return own
    return OWN, COMMON


def statistics() -> tuple[str, ...]:
    """The statistics in a record's histories that some metric reads, each once."""
    files = [vars(_file(name)) for name in names() if name not in FIELDS]
    return tuple(sorted({one for file in files if "STATISTICS" in file for one in file["STATISTICS"]}))


def measured(record: Record, condition: str, metric: str) -> tuple[float, ...]:
    """Every member's value of a metric at the `own` or the `common` learning rate; NaN for a member that has none.

    Raises InvalidError for a metric that does not exist, or not at that learning rate.
    """
    require_choice("condition", condition, conditions(metric))
    if metric.startswith(PROBE):
        return _probed(record, metric.removeprefix(PROBE))
    if metric in FIELDS:
        values: tuple[float, ...] = getattr(record.finals[condition], metric)
        return values
    found: tuple[float, ...] = _file(metric).values(record, condition)
    return found


def _probed(record: Record, path: str) -> tuple[float, ...]:
    """A probe of every member. Raises InvalidError where members have probes, but none of them this one."""
    known = sorted({name for member in record.probes for name in member})
    if known:
        require_choice(f"probe of {record.arm}", path, known)
    return tuple(member[path] if path in member else math.nan for member in record.probes)


def _file(metric: str) -> ModuleType:
    return importlib.import_module(f"{__name__}.{metric}")
