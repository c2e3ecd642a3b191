"""What is tracked: a run with its tables, pictures and files, and the runs of one arm."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnlab.spec.invalid import require_choice
from cnnlab.spec.record import Record
from cnnlab.tracking.members import each

UNITS = ("arm", "seed")
"""What a run is: an arm, its members summed up; or each member, for a dashboard that groups them itself."""

LONGEST_ID = 128
"""W&B refuses longer run ids."""

Table = tuple[Mapping[str, Any], ...]
"""Rows of a table; all have the keys of the first."""

Pixels = NDArray[np.uint8]
"""[height, width, 3]."""

Picture = Path | Callable[[], Pixels]
"""The file of an image, or what draws it: called only if the run is really tracked."""


Page = Callable[[], str | None]
"""Makes one HTML file that needs no other; None where it cannot be made. Called only if the run is really tracked."""


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """Files that are kept together: a name, what kind of thing they are, and the files by their path within it."""

    name: str
    kind: str
    files: Mapping[str, Path]


@dataclass(frozen=True, kw_only=True)
class TrackedRun:
    """One run as W&B shows it.

    Attributes:
        id: stable, see `run_id`: the same id lands in the same run, whenever and wherever it is logged.
        name: what a person reads. group: runs shown as one, such as a sweep. job_type: what kind of run it is.
        config: plain values that say what was run.
        record: the arm whose series and summary are shown; None for a run of tables alone.
        numbers: further entries of the summary.
        tables: by name, such as the verdicts that a sweep feeds. pictures: by name.
        artifact: what is kept beside the run. page: shown, and kept as an artifact of its own.
    """

    id: str
    name: str
    group: str
    job_type: str
    tags: tuple[str, ...] = ()
    notes: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    record: Record | None = None
    numbers: Mapping[str, float] = field(default_factory=dict)
    tables: Mapping[str, Table] = field(default_factory=dict)
    pictures: Mapping[str, Picture] = field(default_factory=dict)
    artifact: Artifact | None = None
    page: Page | None = None


def arm_runs(
    record: Record,
    *,
    unit: str,
    name: str,
    group: str,
    tags: tuple[str, ...] = (),
    notes: str = "",
    config: Mapping[str, Any] | None = None,
    pictures: Mapping[str, Picture] | None = None,
) -> tuple[TrackedRun, ...]:
    """The runs of an arm: one, or one a member.

    Args:
        unit: `arm` or `seed`. Of several runs the first alone has the pictures.
        config: what stands beside the record's own config (net, recipe, task), protocol and members,
            such as the sweep, the scale and the levels of its factors. The record's own keys win.

    Raises:
        InvalidError: another unit.
    """
    require_choice("tracker.unit", unit, UNITS)
    own = {"protocol": record.protocol, "arm": record.arm}
    known = {**(config or {}), **record.config, **own}
    if unit == "arm":
        return (
            TrackedRun(
                id=run_id(record.arm),
                name=name,
                group=group,
                job_type=unit,
                tags=tags,
                notes=notes,
                record=record,
                config={**known, "members": list(record.members)},
                pictures=pictures or {},
            ),
        )
    return tuple(
        TrackedRun(
            id=run_id(f"{record.arm}-s{one.members[0]}"),
            name=f"{name} seed {one.members[0]}",
            group=group,
            job_type=unit,
            tags=tags,
            notes=notes,
            record=one,
            config={**known, "seed": one.members[0]},
            pictures=(pictures or {}) if place == 0 else {},
        )
        for place, one in enumerate(each(record))
    )


def run_id(name: str) -> str:
    """A name as a W&B run id: other characters than letters, digits, dot, dash and underscore become underscores.

    A long name keeps its end, where an arm's hash and a member's seed stand.

    >>> run_id("digits12-convnet/2:4-0123456789-s2000")
    'digits12-convnet_2_4-0123456789-s2000'
    """
    return re.sub(r"[^A-Za-z0-9._-]", "_", name)[-LONGEST_ID:]
