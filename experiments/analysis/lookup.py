"""One record, found by what a person knows of it: any part of its arm's name, or the words that train it."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnnlab.records import Store
from cnnlab.spec.record import Record
from experiments.cli.command import advised
from experiments.cli.errors import UsageError
from experiments.config.grid import grid

MOST = 8
"""Arms that a message names."""


@dataclass(frozen=True, kw_only=True)
class FoundRecord:
    """A record and the store that holds it."""

    store: Store
    record: Record

    @property
    def provenance(self) -> dict[str, Any]:
        """When, where and with what it was made."""
        return dict(self.store.provenance(self.record.arm))


def by_name(part: str, folders: Sequence[Path]) -> FoundRecord:
    """The record whose arm is so named or has this in its name, in the first results folder that has any such.

    Raises:
        UsageError: there is none, or there are several; names those there are.
        RecordError: it cannot be used.
    """
    there: dict[str, Store] = {}
    for folder in folders:
        store = Store(folder / "runs")
        for arm in store.arms():
            there.setdefault(arm, store)
    found = [arm for arm in there if part == arm] or [arm for arm in there if part in arm]
    if len(found) > 1:
        raise UsageError(f"{part} is part of {len(found)} arms' names: {_some(found)}; give more of it")
    if not found:
        places = " or ".join(str(folder / "runs") for folder in folders)
        near = difflib.get_close_matches(part, list(there), n=3, cutoff=0.5)
        say = f"choose a part of {_some(near or list(there))}" if there else "none has a record: train one first"
        raise UsageError(f"{part} is in no arm's name in {places}: {say}")
    return FoundRecord(store=there[found[0]], record=there[found[0]].read(found[0]))


def by_words(words: Sequence[str], folders: Sequence[Path]) -> FoundRecord:
    """The record of the one arm that these words would train.

    Raises:
        UsageError: they name several arms, or the arm has no record; as `grid` otherwise.
        RecordError: it cannot be used.
    """
    points = grid(["tracker=off", *words]).points
    if len(points) > 1:
        raise UsageError(f"{' '.join(words)} names {len(points)} arms: give one value a key, or a part of its name")
    arm = points[0].arm.key
    for folder in folders:
        store = Store(folder / "runs")
        if store.has(arm):
            return FoundRecord(store=store, record=store.read(arm))
    raise UsageError(f"{arm} has no record: train it first, {advised('run', *words)}")


def by_any(words: Sequence[str], folders: Sequence[Path]) -> FoundRecord:
    """By one part of a name, or by words; errors as `by_name` and `by_words`."""
    if len(words) == 1 and "=" not in words[0]:
        return by_name(words[0], folders)
    if bare := [word for word in words if "=" not in word]:
        raise UsageError(f"{bare[0]} is not valid beside others: give a part of one arm's name, or key=value words")
    return by_words(words, folders)


def _some(arms: Sequence[str]) -> str:
    more = f" and {len(arms) - MOST} more" if len(arms) > MOST else ""
    return f"{', '.join(arms[:MOST])}{more}"
