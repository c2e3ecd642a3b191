"""What a claim can compare beyond accuracy: one file a metric, found by its path, that reads records and nothing else.

A metric's file has `values(record)`: one number a member, in the order of `record.members`, NaN for a member that has
none. Where it reads gradient statistics of a record's histories, it says `STATISTICS = ("activation_grad_norm",)`:
published records keep those and no others.

Every probe of the trained members is a metric, too: `probe:` and its path, such as
`probe:linear_probe/pool_after4/drop`. A diverged member has none.
"""

import dataclasses
import math

from cnnlab.rooms import Room
from cnnlab.spec.curve import Finals
from cnnlab.spec.invalid import require_choice
from cnnlab.spec.record import Record

PROBE = "probe:"
FIELDS = tuple(field.name for field in dataclasses.fields(Finals))
ROOM = Room(package=__name__, folder="metrics", needs=("values",), taken=FIELDS)


def names() -> tuple[str, ...]:
    """Every metric there is but for probes: the files, then fields of `Finals` that none replaces."""
    files = ROOM.names()
    return (*files, *(name for name in FIELDS if name not in files))


def statistics() -> tuple[str, ...]:
    """The statistics in a record's histories that some metric reads, each once."""
    files = [vars(ROOM.load(name)) for name in ROOM.names()]
    return tuple(sorted({one for file in files if "STATISTICS" in file for one in file["STATISTICS"]}))


def require(metric: str) -> None:
    """Raise InvalidError, with the choices, unless there is such a metric; of a probe's path only its name is known."""
    if metric.startswith(PROBE):
        from cnnlab.probes import measuring  # here, since it brings JAX

        require_choice("probe", metric.removeprefix(PROBE).split("/")[0], measuring.ROOM.names())
    else:
        require_choice("metric", metric, names())


def measured(record: Record, metric: str) -> tuple[float, ...]:
    """Every member's value of a metric where it is read; NaN for a member that has none.

    Raises InvalidError for a metric that does not exist.
    """
    if metric.startswith(PROBE):
        return _probed(record, metric.removeprefix(PROBE))
    require_choice("metric", metric, names())
    if metric not in ROOM.names():
        values: tuple[float | None, ...] = getattr(record.finals, metric)
        return tuple(math.nan if value is None else float(value) for value in values)
    with ROOM.telling(metric):
        found = tuple(float(value) for value in ROOM.load(metric).values(record))
        if len(found) != len(record.members):
            raise ValueError(f"values returned {len(found)} numbers for {len(record.members)} members")
    return found


def _probed(record: Record, path: str) -> tuple[float, ...]:
    """A probe of every member. Raises InvalidError where members have probes, but none of them this one."""
    known = sorted({name for member in record.probes for name in member})
    if known:
        require_choice(f"probe of {record.arm}", path, known)
    return tuple(member[path] if path in member else math.nan for member in record.probes)
