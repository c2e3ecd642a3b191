"""What is tracked, and by whom: a run, the tracker's interface, and the choice of one."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from cnnlab.spec.invalid import require_choice
from cnnlab.spec.record import Record

MODES = ("off", "offline", "online")

LONGEST_ID = 128
"""W&B refuses longer run ids."""

Table = tuple[Mapping[str, Any], ...]
"""Rows of a table; all have the keys of the first."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run as W&B shows it.

    Attributes:
        id: stable, see `run_id`: the same id lands in the same run, whenever and wherever it is logged.
        name: what a person reads. group: runs shown as one, such as a sweep. job_type: what kind of run it is.
        config: plain values that say what was run.
        record: the arm's block whose series and summary are shown; None for a run of tables alone.
        tables: by name, such as the verdicts that a sweep feeds.
    """

    id: str
    name: str
    group: str
    job_type: str
    tags: tuple[str, ...] = ()
    notes: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    record: Record | None = None
    tables: Mapping[str, Table] = field(default_factory=dict)


class Tracker(Protocol):
    """Where runs are mirrored. No method ever raises because of what is behind it."""

    def log(self, run: Run) -> None:
        """Mirror one finished run."""

    def close(self) -> None:
        """End whatever the tracker started; it may be called twice."""


class Off:
    """Tracks nothing, and never imports W&B."""

    def log(self, run: Run) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def tracker(mode: str, directory: Path, project: str = "cnnlab") -> Tracker:
    """The tracker of a mode. Nothing is imported, written or sent before the first run is logged.

    Args:
        mode: `off`; `offline` writes below `directory`, to look at with `wandb leet` or send with `wandb sync` later;
            `online` also sends, and needs a network and a key.
        directory: where W&B keeps its files, in a folder `wandb`; made when needed.
        project: W&B project of all runs.

    Raises:
        Invalid: another mode.
    """
    require_choice("tracker.mode", mode, MODES)
    if mode == "off":
        return Off()
    from cnnlab.tracking.mirror import Mirror

    return Mirror(mode="online" if mode == "online" else "offline", directory=directory, project=project)


def arm_run(
    record: Record, *, name: str, group: str, tags: tuple[str, ...] = (), notes: str = "",
    config: Mapping[str, Any] | None = None,
) -> Run:  # fmt: skip
    """The run of one block of an arm.

    Args:
        config: what stands beside the record's own config (net, recipe, task), protocol, block and members,
            such as the sweep, the scale and the levels of its factors. The record's own keys win.
    """
    own = {"protocol": record.protocol, "arm": record.arm, "block": record.block, "members": list(record.members)}
    return Run(
        id=run_id(f"{record.arm}-b{record.block}"), name=name, group=group, job_type="arm", tags=tags, notes=notes,
        config={**(config or {}), **record.config, **own}, record=record,
    )  # fmt: skip


def run_id(name: str) -> str:
    """A name as a W&B run id: other characters than letters, digits, dot, dash and underscore become underscores.

    A long name keeps its end, where an arm's hash and block stand.

    >>> run_id("digits12-convnet/2:4-0123456789-b0")
    'digits12-convnet_2_4-0123456789-b0'
    """
    return re.sub(r"[^A-Za-z0-9._-]", "_", name)[-LONGEST_ID:]
