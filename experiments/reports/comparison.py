"""Two arms, or two results folders, side by side: what differs in config and origin, curves, and effects."""

import math
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from cnnlab.inference.effects import CALIBRATION, Sample, accuracy_margin, effect
from cnnlab.records import RecordError, Store
from cnnlab.spec.arm import plain
from cnnlab.spec.curve import usual_rate
from cnnlab.spec.record import Record
from cnnlab.spec.verdict import Effect, Setting
from experiments.analysis.lookup import FoundRecord
from experiments.analysis.metrics import measured
from experiments.cli.errors import UsageError
from experiments.reports.ratios import errors_of_better, points

SCALE = "quick"
"""Whose margins say what matters: a record does not know at which scale it was asked for."""
ORIGIN = ("processor", "convolutions", "python", "backend", "git", "packages")
"""What of a record's provenance can differ in a way that a reader wants to know."""


@dataclass(frozen=True, kw_only=True)
class ArmComparison:
    """Two arms.

    Attributes:
        config, sizes, origin: what differs, by key: both values, None where one has no such key.
        effect: of the second arm beside the first; None, with the reason in `why`, where they cannot be paired.
    """

    first: Record
    second: Record
    config: Mapping[str, tuple[Any, Any]]
    sizes: Mapping[str, tuple[Any, Any]]
    origin: Mapping[str, tuple[Any, Any]]
    effect: Effect | None
    why: str

    def data(self) -> dict[str, Any]:
        """The same for machines."""
        ratio = None if self.effect is None else errors_of_better(self.effect)
        return {
            "arms": [self.first.arm, self.second.arm],
            "config": {key: list(both) for key, both in self.config.items()},
            "sizes": {key: list(both) for key, both in self.sizes.items()},
            "origin": {key: list(both) for key, both in self.origin.items()},
            "curves": [curve(self.first), curve(self.second)],
            "errors": None if ratio is None else {"ratio": ratio.middle, "low": ratio.low, "high": ratio.high},
            "effect": None if self.effect is None else plain(self.effect),
            "why_no_effect": self.why,
        }


def of_arms(first: FoundRecord, second: FoundRecord) -> ArmComparison:
    """Compare two arms' records."""
    one, other = first.record, second.record
    found, why = _effect(one, other)
    return ArmComparison(
        first=one,
        second=other,
        config=differs(flat(one.config), flat(other.config)),
        sizes=differs(plain(one.geometry), plain(other.geometry)),
        origin=differs(_origin(first), _origin(second)),
        effect=found,
        why=why,
    )


def flat(content: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Nested mappings as one, by dotted keys."""
    found: dict[str, Any] = {}
    for key, value in content.items():
        found |= flat(value, f"{before}{key}.") if isinstance(value, Mapping) else {f"{before}{key}": value}
    return found


def differs(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Both values of every key whose values differ."""
    pairs = {key: (ours.get(key), theirs.get(key)) for key in dict.fromkeys((*ours, *theirs))}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}


def _origin(found: FoundRecord) -> dict[str, Any]:
    facts = found.provenance
    return flat({key: facts[key] for key in ORIGIN if key in facts})


def curve(record: Record) -> dict[str, Any]:
    """Mean test accuracy at every learning rate, and where most members are read."""
    return {
        "arm": record.arm,
        "learning_rate": [at.learning_rate for at in record.rates],
        "test_accuracy": [statistics.fmean(at.test_accuracy) for at in record.rates],
        "read_at": usual_rate(record.rates),
        "members": len(record.members),
    }


def _effect(first: Record, second: Record) -> tuple[Effect | None, str]:
    """The second arm's effect beside the first, paired by seed; else why there is none."""
    ours, theirs = first.config["task"], second.config["task"]
    if ours != theirs:
        return None, "they have different tasks, so their errors are of different images"
    common = set(first.members) & set(second.members)
    if not common:
        return None, "they have no member in common to pair"
    at = Setting(
        task=ours["name"],
        real=ours["real"],
        construction=ours["name"],
        margin=accuracy_margin(scale=SCALE, real=ours["real"]),
        headroom=math.inf,
    )
    sides = [_sample(record, common, measured(record, "test_accuracy")) for record in (second, first)]
    shares = [_sample(record, common, record.finals.test_accuracy) for record in (second, first)]
    lost = [all(record.finals.diverged) for record in (second, first)]
    found = effect(sides[0], sides[1], at, accuracies=(shares[0], shares[1]), at_chance=(lost[0], lost[1]))
    return found, ""


def _sample(record: Record, seeds: set[int], values: tuple[float, ...]) -> Sample:
    kept = [place for place, seed in enumerate(record.members) if seed in seeds]
    return Sample(
        seeds=tuple(record.members[place] for place in kept),
        values=tuple(values[place] for place in kept),
        diverged=tuple(record.finals.diverged[place] for place in kept),
    )


def show_arms(found: ArmComparison, console: Console) -> None:
    """Print what differs, both curves, and the effect."""
    console.print(f"first:  {found.first.arm}", soft_wrap=True)
    console.print(f"second: {found.second.arm}\n", soft_wrap=True)
    for title, pairs in (("config", found.config), ("sizes", found.sizes), ("made with", found.origin)):
        if pairs:
            console.print(_differences(title, pairs))
        else:
            console.print(f"{title}: the same")
    console.print(_curves(found))
    if found.effect is None:
        console.print(f"\nno effect: {found.why}")
        return
    told = {"pos": "fewer", "neg": "more", "null": "no difference that matters", "open": "undecided"}[found.effect.call]
    why = f" ({found.effect.reason})" if found.effect.reason else ""
    numbers = filter(None, (errors_of_better(found.effect).printed, points(found.effect), f"n={found.effect.n}"))
    console.print(f"\nerrors of the second, as a multiple of the first's: {', '.join(numbers)}: {told}{why}")


def _differences(title: str, pairs: Mapping[str, tuple[Any, Any]]) -> Table:
    table = _plain_table(title, "first", "second")
    for key, both in pairs.items():
        table.add_row(key, *("" if value is None else str(value) for value in both))
    return table


def _curves(found: ArmComparison) -> Table:
    """Mean test accuracy of both at every learning rate that either has."""
    curves = [curve(found.first), curve(found.second)]
    values = [dict(zip(one["learning_rate"], one["test_accuracy"], strict=True)) for one in curves]
    table = _plain_table("test accuracy in %, by learning rate (*: where most members are read)", "first", "second")
    for rate in sorted({*values[0], *values[1]}):
        cells = [
            f"{100 * known[rate]:.1f}{'*' if one['read_at'] == rate else ''}" if rate in known else ""
            for one, known in zip(curves, values, strict=True)
        ]
        table.add_row(f"{rate:g}", *cells)
    table.add_row("members", *(str(one["members"]) for one in curves))
    return table


def _plain_table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    table.add_column("")
    for column in columns:
        table.add_column(column, justify="right")
    return table


@dataclass(frozen=True, kw_only=True)
class SharedArm:
    """An arm that both folders have.

    Attributes:
        first, second: mean test accuracy where members are read. same: whether members have the same results at every
            learning rate.
        common: members that both have. apart: standard errors between the two means, as `effects` calibrates them; of
            members with the same seeds, of their differences. None with fewer than two members.
    """

    arm: str
    first: float
    second: float
    same: bool
    common: int
    apart: float | None


@dataclass(frozen=True, kw_only=True)
class FolderComparison:
    """Two results folders.

    Attributes:
        only_first, only_second: arms that one of them has. unread: arms of which a record cannot be read, and why.
    """

    first: Path
    second: Path
    shared: tuple[SharedArm, ...]
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]
    unread: Mapping[str, str]

    def data(self) -> dict[str, Any]:
        """The same for machines."""
        return {
            "folders": [str(self.first), str(self.second)],
            "shared": [plain(one) for one in self.shared],
            "only_first": list(self.only_first),
            "only_second": list(self.only_second),
            "unread": dict(self.unread),
        }


def of_folders(first: Path, second: Path) -> FolderComparison:
    """Compare every arm of two results folders. Raises UsageError where they have none in common that can be read."""
    one, other = Store(first / "runs"), Store(second / "runs")
    ours, theirs = tuple(one.arms()), tuple(other.arms())
    common = [arm for arm in ours if arm in set(theirs)]
    if not common:
        counts = f"{first} has {len(ours)} arms, {second} {len(theirs)}"
        raise UsageError(f"{counts}, none in common: compare two arms by their names instead")
    shared, unread = list[SharedArm](), dict[str, str]()
    for arm in common:
        try:
            shared.append(_shared(arm, one, other))
        except RecordError as problem:
            unread[arm] = str(problem)
    if not shared:
        raise UsageError(
            f"none of the {len(unread)} arms that both have can be read, the first since {unread[common[0]]}"
        )
    return FolderComparison(
        first=first,
        second=second,
        shared=tuple(shared),
        only_first=tuple(arm for arm in ours if arm not in set(theirs)),
        only_second=tuple(arm for arm in theirs if arm not in set(ours)),
        unread=unread,
    )


def _shared(arm: str, one: Store, other: Store) -> SharedArm:
    ours, theirs = one.read(arm), other.read(arm)
    means = [statistics.fmean(record.finals.test_accuracy) for record in (ours, theirs)]
    return SharedArm(
        arm=arm,
        first=means[0],
        second=means[1],
        same=(ours.members, ours.rates) == (theirs.members, theirs.rates),
        common=len(set(ours.members) & set(theirs.members)),
        apart=_apart(ours, theirs),
    )


def _apart(ours: Record, theirs: Record) -> float | None:
    """Distance of the second mean from the first in standard errors; 0 where nothing differs."""
    common = sorted(set(ours.members) & set(theirs.members))
    if common:
        values = [dict(zip(record.members, record.finals.test_accuracy, strict=True)) for record in (ours, theirs)]
        gaps = [values[1][seed] - values[0][seed] for seed in common]
        spread = [gaps]
    else:
        spread = [list(record.finals.test_accuracy) for record in (ours, theirs)]
        gaps = [statistics.fmean(spread[1]) - statistics.fmean(spread[0])]
    if any(len(some) < 2 for some in spread):
        return None
    error = CALIBRATION * math.sqrt(sum(statistics.variance(some) / len(some) for some in spread))
    distance = statistics.fmean(gaps)
    return 0.0 if distance == 0 else distance / error if error else math.copysign(math.inf, distance)


def show_folders(found: FolderComparison, console: Console) -> None:
    """Print a row a shared arm, then which arms only one folder has."""
    console.print(f"first:  {found.first}", soft_wrap=True)
    console.print(f"second: {found.second}\n", soft_wrap=True)
    table = Table(header_style="bold", box=None, pad_edge=False)
    table.add_column("arm")
    for column in ("first, %", "second, %", "points", "standard errors", "common members", "results"):
        table.add_column(column, justify="right", no_wrap=True)
    for one in found.shared:
        apart = "" if one.apart is None else f"{one.apart:+.1f}" if math.isfinite(one.apart) else "no spread"
        gap = f"{100 * (one.second - one.first):+.1f}"
        same = "the same" if one.same else "differ"
        shares = (f"{100 * one.first:.1f}", f"{100 * one.second:.1f}")
        table.add_row(one.arm, *shares, gap, apart, str(one.common), same)
    console.print(table)
    for line in _counts(found):
        console.print(line, soft_wrap=True)


def _counts(found: FolderComparison) -> Iterator[str]:
    same = sum(one.same for one in found.shared)
    far = sum(one.apart is not None and abs(one.apart) > 2 for one in found.shared)
    yield f"\n{len(found.shared)} arms in both: {same} with the same results, {far} more than 2 standard errors apart"
    for where, arms in ((found.first, found.only_first), (found.second, found.only_second)):
        if arms:
            yield f"only in {where}: {len(arms)} arms"
    for arm, why in found.unread.items():
        yield f"not read: {arm}: {why}"
