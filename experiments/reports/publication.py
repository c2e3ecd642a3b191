"""What publishing does: records made compact and looked at again, and all else made from the compact ones alone."""

import json
import os
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from cnnlab.files import FileError, read_json, write_json
from cnnlab.records import RecordError, Store, manifest, thinned
from cnnlab.records.store import DIGEST, MOST_BYTES
from cnnlab.spec.record import PROTOCOL, Record
from cnnlab.spec.verdict import Verdict
from experiments.analysis import metrics
from experiments.analysis.convergence import longer_point
from experiments.analysis.results import SweepResults, view
from experiments.analysis.selection import MADE, best_view, best_views, relocated, split, trusted_folders
from experiments.claims.registry import claims, entries
from experiments.cli.console import each
from experiments.cli.errors import UsageError
from experiments.config.grid import Grid, grid, merged
from experiments.config.resolve import Settings
from experiments.config.schema import SCALES
from experiments.paths import published, sweep_folder
from experiments.reports import claim as claim_page
from experiments.reports import literature, noise_floor, replication, specification_curve
from experiments.reports import suite as suite_report
from experiments.reports.sweep import VERDICTS, build_report, write_report
from experiments.training.provenance import mixture
from experiments.training.suite_plan import CONTROL, choose, compose, control

PRIVATE = ("host", "pid", "seconds", "started", "workers", DIGEST)
"""What provenance says of the run rather than of what made the numbers."""
SILENT = ("results=", "scale=", "cache=", "workers=", "convolutions=", "tracker", "force=", "data.raw_dir=")
"""Overrides that bear on where and how fast a sweep ran, not on what it is."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What is to be published.

    Attributes:
        results: the folder that has it. scale: of all of it.
        overrides: of every sweep. sweeps: each composed with them.
        control: arms of CONTROL beside those of the sweeps, by key.
        force: whether records that are published already give way.
    """

    results: Path
    scale: str
    overrides: tuple[str, ...]
    sweeps: Mapping[str, Grid]
    control: tuple[str, ...]
    force: bool


def chosen(only: Sequence[str], overrides: Sequence[str], console: Console) -> Choice:
    """The sweeps that are meant.

    Raises:
        UsageError: a sweep that is named lacks records, or no sweep has all; one line.
        RecordError: a record cannot be used.
    """
    names, with_control = choose(only)
    if not names:
        raise UsageError(f"only={CONTROL} alone is no sweep: it is published with those that use it")
    every = choose(())[0] if with_control and only else names
    grids = compose(each(every, "composing", "sweeps", console), overrides, _require_records)
    settings = next(iter(grids.values())).settings
    sweeps = {name: grids[name] for name in names}
    lacking = {name: lack for name, one in sweeps.items() if (lack := _lacking(one))}
    if not sweeps or (lacking and only) or len(lacking) == len(sweeps):
        raise UsageError(_incomplete(lacking, settings.scale, settings.results))
    for name, lack in lacking.items():
        console.print(f"left out: {name}: {lack}")
    store = Store(settings.runs)
    beside = [point.arm.key for point in (control(grids.values()) if with_control else ())]
    return Choice(
        results=settings.results,
        scale=settings.scale,
        overrides=tuple(overrides),
        sweeps={name: one for name, one in sweeps.items() if name not in lacking},
        control=tuple(arm for arm in beside if store.has(arm)),
        force=settings.force,
    )


def _require_records(settings: Settings) -> None:
    """Raise UsageError unless there is a folder of records."""
    if not os.access(settings.runs, os.R_OK | os.X_OK):
        raise UsageError(f"results={settings.results} has no records: run a sweep first, or name another folder")


def _lacking(one: Grid) -> str:
    """Which records a sweep lacks; empty if it has all of them."""
    now = view(one)
    arms = [cell.point.arm.key for cell in (*now.cells, *now.checks)]
    bare = [cell.point.arm.key for cell in (*now.cells, *now.checks) if cell.record is None]
    return f"{len(bare)} of {len(arms)} arms have no record, such as {bare[0]}" if bare else ""


def _incomplete(lacking: Mapping[str, str], scale: str, results: Path) -> str:
    what = "; ".join(f"{name}: {lack}" for name, lack in list(lacking.items())[:3])
    more = f"; and {len(lacking) - 3} more sweeps" if len(lacking) > 3 else ""
    run = f"python -m experiments.suite scale={scale}"
    return f"not complete at scale {scale} in {results}: {what or 'no sweep'}{more}; {run} goes on from there"


def publish(choice: Choice, console: Console) -> tuple[dict[str, Verdict], dict[str, SweepResults]]:
    """Write all of it, but arms that are published already of another run, unless forced.

    Returns the verdicts, and the published views that they rest on, by sweep.

    What other sweeps were published with stays as it is: trained again on another kind of processor, an arm has other
    last digits, and in time other members.

    Raises:
        RecordError: a record that is to be published, or was before, cannot be used. Nothing is written.
        UsageError: a sweep is published at a higher scale already. Nothing is written.
    """
    root, source = published(), Store(choice.results / "runs")
    records = {arm: compact(source.read(arm)) for arm in wanted(choice, source)}
    target = Store(root / "runs")
    others = standing(records, target)
    kept = set() if choice.force else others
    _refuse_lower(choice)
    for arm in others - kept:
        shutil.rmtree(target.root / arm)
    for arm, record in records.items():
        if arm not in kept:
            target.publish(record, _maker(source.provenance(arm)))
    for sweep in choice.sweeps:
        write_made(sweep, choice)
    summary = Path("suite") / choice.scale / "summary.json"
    if (choice.results / summary).is_file():
        (root / summary).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(choice.results / summary, root / summary)
    manifest.write(root)  # the evidence is whole, and what follows is judged from it
    found, views = write_pages(choice, console)
    for sweep in choice.sweeps:
        write_replication(sweep, views[sweep], choice.results, choice.overrides, console)
    for line in differing(choice, found):
        console.print(line)
    if kept:
        console.print(f"{len(kept)} arms are published of another run and stay; force=true replaces them")
    if line := mixture(target, target.arms()):
        console.print(line)
    size = sum(path.stat().st_size for path in target.root.rglob("*") if path.is_file())
    console.print(f"{len(records)} records, {size / 1e6:.1f} MB of records in all: {root}")
    return found, views


def standing(records: Mapping[str, Record], target: Store) -> set[str]:
    """Arms of which another run's records are published.

    Raises:
        RecordError: a published record that would be judged beside these cannot be used.
    """
    found = set[str]()
    for arm in target.arms():
        try:
            there = target.read(arm)
        except RecordError:
            if arm not in records:
                raise
            continue  # it gives way
        if arm in records and _evidence(there) != _evidence(records[arm]):
            found.add(arm)
    return found


def _evidence(record: Record) -> tuple[object, ...]:
    """What two trainings of an arm differ in, and two compact forms of one do not."""
    return record.members, record.rates, record.linear_accuracy


def _refuse_lower(choice: Choice) -> None:
    """Raise UsageError where what is published already would come before what is to be published."""
    higher = SCALES[: SCALES.index(choice.scale)] if choice.scale in SCALES else ()
    for sweep in choice.sweeps:
        for scale in higher:
            place = sweep_folder(sweep, scale, published())
            if (place / MADE).is_file():
                raise UsageError(
                    f"{sweep} is published at scale {scale}, which is judged before {choice.scale}: {place}"
                )


def wanted(choice: Choice, source: Store) -> list[str]:
    """Every arm of which a record is to be published, once: also what was trained longer, to look at it again."""
    found: list[str] = []
    for one in choice.sweeps.values():
        now = view(relocated(one, choice.results))
        cells = [cell for cell in (*now.cells, *now.checks) if cell.record is not None]
        found += [cell.point.arm.key for cell in cells]
        found += [longer_point(cell).arm.key for cell in cells]
    return [arm for arm in dict.fromkeys((*found, *choice.control)) if source.has(arm)]


def compact(record: Record) -> Record:
    """A record thinned to what is read of it. Digests are kept of claims that training decides: half of its bytes.

    Raises:
        RuntimeError: a metric reads more of histories than is kept: its file lacks it in `STATISTICS`.
    """
    less = thinned(record, metrics.statistics())
    for metric in set(metrics.names()) - set(metrics.FIELDS):
        if shown(record, metric) != shown(less, metric):
            raise RuntimeError(f"{metric} reads what a compact record lacks: name it in its file's STATISTICS")
    trained = {name for name, claim in claims().items() if claim.trained}
    return replace(less, claims={name: digest for name, digest in less.claims.items() if name in trained})


def shown(record: Record, metric: str) -> tuple[str, ...]:
    """A metric's values as text, in which NaN equals NaN; empty where the record lacks what the metric reads."""
    try:
        return tuple(map(repr, metrics.measured(record, metric)))
    except KeyError:
        return ()


def write_made(sweep: str, choice: Choice) -> None:
    """Say beside a sweep's tables with which overrides it ran, and what made how many of its arms."""
    target, one = Store(published() / "runs"), choice.sweeps[sweep]
    arms = {point.arm.key for point in (*one.points, *one.checks)}
    made = Counter(json.dumps(target.provenance(arm), sort_keys=True) for arm in arms)
    content = {
        "overrides": [word for word in choice.overrides if not word.startswith(SILENT)],
        "protocol": PROTOCOL,
        "made by": [{**json.loads(maker), "arms": count} for maker, count in sorted(made.items())],
    }
    path = sweep_folder(sweep, choice.scale, published()) / MADE
    write_json(path, content, sort_keys=True)


def replicated(only: Sequence[str], overrides: Sequence[str], console: Console) -> None:
    """Hold published sweeps against their finished replications in a results folder, as `publish` does.

    Raises:
        UsageError: there is no finished replication, or its sweep is not published at the scale.
    """
    names, _ = choose(only)
    settings = grid([f"+sweep={names[0]}", *overrides]).settings
    place = settings.results / replication.NAME
    ended = [one for one in names if (sweep_folder(one, settings.scale, place) / f"{replication.NAME}.json").is_file()]
    if not ended:
        raise UsageError(f"{place} has no finished replication at scale {settings.scale}: run experiments.replicate")
    for sweep in ended:
        first = best_view(sweep, (*split(overrides)[1], f"scale={settings.scale}"), trusted_folders(published()))
        if first is None:
            raise UsageError(f"+sweep={sweep} is not published at scale {settings.scale}: publish it first")
        write_replication(sweep, first, settings.results, overrides, console)


def write_replication(
    sweep: str, first: SweepResults, results: Path, overrides: Sequence[str], console: Console
) -> None:
    """Hold a published sweep against its replication, where all of that was trained; its records stay where they are.

    Args:
        first: the published sweep. What the replication was held against when it ended may have been another run.
        results: has the replication. overrides: of the sweep.
    """
    place = results / replication.NAME
    path = sweep_folder(sweep, first.settings.scale, place) / f"{replication.NAME}.json"
    try:
        seed = int(read_json(path, MOST_BYTES)["first_seed"])
    except FileNotFoundError:
        return
    except (FileError, OSError, KeyError, TypeError, ValueError):
        console.print(f"left out: the replication of {sweep}: {path} says no first_seed; run experiments.replicate")
        return
    one = grid(merged((f"+sweep={sweep}", *overrides), (f"scale.first_seed={seed}",)))
    again = relocated(one, place)
    if lack := _lacking(again):
        console.print(f"left out: the replication of {sweep}: {lack}")
        return
    compared = replication.compare(first, view(again))
    replication.write(compared, sweep_folder(sweep, first.settings.scale, published()))
    console.print(f"{sweep} with other seeds: {compared.line}")


def _maker(provenance: Mapping[str, object]) -> dict[str, object]:
    """Device, versions and commit of a record."""
    return {key: value for key, value in provenance.items() if key not in PRIVATE}


def write_pages(choice: Choice, console: Console) -> tuple[dict[str, Verdict], dict[str, SweepResults]]:
    """Judge every claim from the published folder alone; write verdicts, tables, figures and pages into it."""
    root = published()
    every = sorted({path.parent.parent.name for path in root.glob(f"sweeps/*/*/{MADE}")})
    views = best_views(every, (), root)
    found = suite_report.verdicts(views, root, console)
    suite_report.write_verdicts(found, root / "claims")
    claim_page.draw_figures([entries()[name] for name in found], root)
    for sweep, one in choice.sweeps.items():
        report = build_report(relocated(one, root), views[sweep], found)
        console.print(suite_report.line(report, write_report(report)))
    for made in root.glob(f"sweeps/*/*/{MADE}"):
        drop(made.parent)
    quiet = Console(quiet=True)
    noise_floor.page(root / "runs", root / "claims", quiet, as_json=False)
    specification_curve.page(specification_curve.HEADLINES, views, root / "claims", quiet, as_json=False)
    literature.page(views, root / "claims", quiet, as_json=False)
    return found, views


def drop(folder: Path) -> None:
    """Delete what lies in a published sweep twice, of this run or of an earlier one.

    SVG files: pages show PNG, and a curve of every member is megabytes as SVG. Parquet: the CSV beside it has the same
    numbers in half the bytes. The sweep's own `verdicts.json`: all verdicts lie together in `claims/`.
    """
    for path in (*folder.glob("*.svg"), *folder.glob("*.parquet"), folder / VERDICTS):
        path.unlink(missing_ok=True)


def differing(choice: Choice, found: Mapping[str, Verdict]) -> list[str]:
    """A line for each claim whose verdict is not the one that the run left beside its tables."""
    lines = []
    for sweep in choice.sweeps:
        left = sweep_folder(sweep, choice.scale, choice.results) / VERDICTS
        try:
            then = {claim: (was["word"], was["reason"]) for claim, was in read_json(left, MOST_BYTES).items()}
        except FileNotFoundError:
            continue
        except (FileError, OSError, AttributeError, KeyError, TypeError) as problem:  # all is published by now
            lines.append(f"{left} cannot be compared with what is published: {problem}")
            continue
        for claim, (word, reason) in then.items():
            if claim in found and (word, reason) != (found[claim].word, found[claim].reason):
                lines.append(f"{claim}: {found[claim].word}, where {left} has {word}: {found[claim].reason}")
    return list(dict.fromkeys(lines))
