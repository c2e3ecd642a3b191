"""What a user has added to the suite: looked at before anything trains, and told of where records lack it."""

import importlib
import json

from cnnlab.rooms import Room, extras
from cnnlab.spec.record import Record
from experiments.analysis.results import SweepResults
from experiments.claims.registry import claim_digests

HOMES = {
    "statistics": "cnnlab.gradients.measuring",
    "probes": "cnnlab.probes.measuring",
    "metrics": "experiments.analysis.metrics",
    "figures": "experiments.reports.figures",
}
"""Where the rooms are that a run comes to only after it has trained. They bring JAX: imported where there is need."""
LARGE = 100_000
"""Bytes of a record that one statistic may take unsaid."""


def check() -> None:
    """Import all that was added. Raises ExtraError for what cannot be used."""
    for folder, home in HOMES.items():
        if extras(folder):
            room: Room = importlib.import_module(home).ROOM
            room.check()
    claim_digests()


def lines(now: SweepResults) -> list[str]:
    """A line for every added statistic that watched records lack, and for every one that makes them large."""
    if not extras("statistics"):
        return []
    room: Room = importlib.import_module(HOMES["statistics"]).ROOM
    cells = (*now.cells, *now.checks)
    watched = {cell.record.arm: cell.record for cell in cells if cell.record is not None and _statistics(cell.record)}
    told = []
    for name in room.added():
        sizes = [_statistics(record).get(name, 0) for record in watched.values()]
        if lack := sizes.count(0):
            told.append(
                f"statistic {name}: {lack} of {len(sizes)} watched records have none: they are older, or it does not "
                "apply to their nets; force=true trains them anew"
            )
        if max(sizes, default=0) > LARGE:
            told.append(f"statistic {name}: takes up to {max(sizes) / 1000:.0f} kB of a record")
    return told


def _statistics(record: Record) -> dict[str, int]:
    """The bytes of each statistic in a record's histories; none where the arm was not watched."""
    found: dict[str, int] = {}
    for history in record.histories:
        for path, values in history.get("stats", {}).items():
            name = path.partition("/")[0]
            if name != path:  # the others say at how many images the statistics were taken
                found[name] = found.get(name, 0) + len(json.dumps(values))
    return found
