"""The one report of a sweep: what came of it, as printed at the end of a run, written to files, and shown in W&B."""

import functools
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from cnnlab.files import write_json
from cnnlab.inference.checks import Check
from cnnlab.inference.effects import accuracy_margin
from cnnlab.records import Store
from cnnlab.report import canvas, figures
from cnnlab.spec.arm import plain
from cnnlab.spec.verdict import Effect, Verdict
from experiments.analysis import kept
from experiments.analysis.evidence import sweep_checks
from experiments.analysis.results import ArmResults, SweepResults, label, view
from experiments.analysis.verdicts import contrast_effects, judge_claims, pairwise_effects
from experiments.claims.base import Computed
from experiments.claims.registry import claims, claims_fed_by, entries
from experiments.cli.command import advised
from experiments.config.grid import Grid
from experiments.paths import sweep_folder
from experiments.reports import added
from experiments.reports import claim as claim_page
from experiments.reports import figures as sweep_figures
from experiments.reports.ratios import errors_of_better
from experiments.reports.tables import (
    arm_table,
    curve_table,
    effect_table,
    printed_arms,
    printed_contrasts,
    printed_curves,
    printed_effects,
    rich_table,
)
from experiments.training.provenance import mixture
from experiments.training.summary import Summary

if TYPE_CHECKING:
    import pandas as pd

VERDICTS = "verdicts.json"
CURVES = "Test accuracy in % at every learning rate (mean over members; *: where most members are read)"
RESTS = "What the claims rest on: errors of the second side, as a multiple of the first side's; points of the first"
WORDS = "an arm: one net, trained in one way on one task; its members: the same with other seeds"
NICE = {"model.pools": "across: max-pools stand after convolutions number (0 is the image)"}
PASSING = ("scale=", "force=", "hydra.mode=")
"""Words of a command line that say nothing about the next one."""


@dataclass(frozen=True, kw_only=True)
class SweepReport:
    """All that a sweep's records say.

    Attributes:
        plan: the sweep as it was composed. results: its arms and their records.
        pairs: each arm's effect against the reference. arms, curves, effects: the tables that are written.
        verdicts: of the claims that the sweep feeds, and of those judged by computation that belong to its question.
    """

    plan: Grid
    results: SweepResults
    arms: "pd.DataFrame"
    curves: "pd.DataFrame"
    pairs: Sequence[tuple[ArmResults, Effect]]
    effects: "pd.DataFrame"
    verdicts: Mapping[str, Verdict]

    @property
    def name(self) -> str:
        """The sweep."""
        return self.plan.settings.sweep_name

    @property
    def folder(self) -> Path:
        """Where the tables, verdicts and figures are written."""
        return sweep_folder(self.name, self.plan.settings.scale, self.plan.settings.results)

    @functools.cached_property
    def checks(self) -> tuple[Check, ...]:
        """The checks that come before every verdict."""
        return sweep_checks(self.results)

    @functools.cached_property
    def contrasts(self) -> list[tuple[str, str, Effect]]:
        """What the claims rest on: (claim, contrast, effect)."""
        return contrast_effects(self.results, claims_fed_by(self.name))


def build_report(
    plan: Grid, results: SweepResults | None = None, verdicts: Mapping[str, Verdict] | None = None
) -> SweepReport:
    """Read a sweep's records and judge what it feeds.

    Args:
        results: of the sweep, where they have been read already.
        verdicts: of all claims, where they have been judged already, with more sweeps than this one.

    Raises:
        RecordError: a record cannot be used.
    """
    now, name = view(plan) if results is None else results, plan.settings.sweep_name
    own = (*related(name), *claims_fed_by(name)) if name else ()
    if verdicts is None:
        verdicts = judge_claims(own, {name: now}, plan.settings.results, plan.settings.cache)
    pairs = pairwise_effects(now)
    return SweepReport(
        plan=plan,
        results=now,
        arms=arm_table(now),
        curves=curve_table(now),
        pairs=pairs,
        effects=effect_table(now, pairs),
        verdicts={claim: verdicts[claim] for claim in own},
    )


def related(sweep: str) -> tuple[str, ...]:
    """Claims judged by computation that name the sweep: they are part of the same answer."""
    return tuple(
        name
        for name, claim in claims().items()
        if any(isinstance(source, Computed) and source.beside == sweep for source in claim.sources.values())
    )


def headline(plan: Grid, arms: int) -> str:
    """The first lines of a run: the question, and how much there is to do."""
    sweep = plan.settings.sweep
    if sweep is None:
        return f"One arm: {plan.points[0].arm.key}" if arms == 1 else f"{arms} arms, records in {plan.settings.runs}"
    size = f"{arms} arms, scale {plan.settings.scale}"
    return f"{sweep.question}\nheld equal: {sweep.held}\n{size}, records in {plan.settings.runs}\n{WORDS}"


def finish(plan: Grid, summary: Summary, console: Console, *, verbose: bool = False) -> SweepReport | None:
    """End a run: print what came of it, and write it if it was a sweep. Nothing is read but records.

    Args:
        verbose: print every table, too; else they are in files alone, whose folder is printed.
    """
    if claims := kept.to_compute(related(plan.settings.sweep_name), plan.settings.cache):
        console.print(f"computing {', '.join(claims)}", style="dim")
    report = build_report(plan)
    done = f"trained {summary.trained} arms, found {summary.skipped} done, {len(summary.failures)} failed"
    console.print(f"\n{done}")
    for line in remarks(report.results):
        console.print(line)
    if plan.settings.sweep is None:
        print_arms(report, console)
        return None
    if verbose:
        print_tables(report, console)
    print_found(report, console)
    picture = write_report(report)
    console.print(f"tables of arms, curves and effects, verdicts, figure: {report.folder}{os.sep}", soft_wrap=True)
    if picture:
        console.print(picture, soft_wrap=True)
    for line in following(report, verbose):
        console.print(line, soft_wrap=True)
    return report


def remarks(now: SweepResults) -> Iterator[str]:
    """What a reader should know of the records: what an added statistic lacks, and a mixture of convolutions."""
    yield from added.lines(now)
    if line := mixture(Store(now.settings.runs), [cell.point.arm.key for cell in (*now.cells, *now.checks)]):
        yield line


def print_found(report: SweepReport, console: Console) -> None:
    """Print what a sweep found, on a screen: its verdicts, checks that failed, and where it feeds no claim its effects.

    At smoke one sentence says that it only shows that everything runs: no interval, no check and no effect is printed.
    """
    if report.plan.settings.scale == "smoke":
        members = max((cell.members for cell in report.results.cells), default=0)
        console.print(f"Scale smoke only shows that everything runs: {members} members an arm decide nothing.")
        return
    if report.verdicts:
        claim_page.overview([(entries()[name], verdict) for name, verdict in report.verdicts.items()], console)
    else:
        print_effects(report, console)
    checks = report.checks
    failed = [check.line for check in checks if not check.passed]
    if checks:
        console.print(f"checks: {len(checks) - len(failed)} of {len(checks)} passed")
    for line in failed:
        console.print(f"  {line}")


def following(report: SweepReport, verbose: bool) -> Iterator[str]:
    """What to do next, a command a line."""
    words = [word for word in report.plan.words or (f"+sweep={report.name}",) if not word.startswith(PASSING)]
    scale = report.plan.settings.scale
    if scale == "smoke":
        yield f"next, for verdicts: {advised('run', *words)}"
        return
    if not verbose:
        yield f"next, every table: {advised('run', *words, f'scale={scale}', '--verbose')}"
    for name in list(report.verdicts)[:1]:
        where = [word for word in words if word.startswith("results=")]
        yield f"next, all about a claim: {advised('judge', name, *where)}"


def print_arms(report: SweepReport, console: Console) -> None:
    """Print the arms, their curves, and what re-widthing did."""
    now = report.results
    console.print(rich_table(printed_arms(report.arms), "Arms: test accuracy in %, where members are read"))
    if len(report.curves):
        console.print(rich_table(printed_curves(report.curves), CURVES))
    for line in dict.fromkeys(
        f"match: {cell.point.arm.task.name} {cell.point.level}: {cell.point.matching}"
        for cell in now.cells
        if cell.point.matching
    ):
        console.print(line)


def print_effects(report: SweepReport, console: Console) -> None:
    """Print every arm's errors beside the reference's."""
    sweep = report.plan.settings.sweep
    if sweep is None:
        return
    title = f"Errors, as a multiple of those of {sweep.reference} (paired by seed, 95 % interval)"
    console.print(rich_table(printed_effects(report.effects, report.pairs), title))


def print_tables(report: SweepReport, console: Console) -> None:
    """Print every table of a sweep: arms, curves and, above smoke, effects, contrasts and checks."""
    print_arms(report, console)
    if report.plan.settings.scale == "smoke":
        return
    if report.verdicts:
        print_effects(report, console)
    if rests := report.contrasts:
        console.print(rich_table(printed_contrasts(rests), RESTS))
    for check in report.checks:
        console.print(f"check: {check.line}")


def write_report(report: SweepReport) -> str:
    """Write tables (CSV and parquet), verdicts (JSON), the figure and the sweep's own picture (PNG and SVG).

    Returns:
        What `figures.draw` has to say about the sweep's own picture; empty without one.
    """
    report.folder.mkdir(parents=True, exist_ok=True)
    for name, table in (("arms", report.arms), ("curves", report.curves), ("effects", report.effects)):
        table.to_csv(report.folder / f"{name}.csv", index=False, float_format="%.9g")
        table.to_parquet(report.folder / f"{name}.parquet", index=False)
    content = {name: {"says": claims()[name].says, **plain(verdict)} for name, verdict in report.verdicts.items()}
    write_json(report.folder / VERDICTS, content, sort_keys=True)
    draw_effects(report)
    return sweep_figures.draw(report.results, report.folder)


def draw_effects(report: SweepReport) -> None:
    """Write the sweep's figure, where an arm has a record."""
    found = panels(report)
    sweep = report.plan.settings.sweep
    if not found or sweep is None:
        return
    factor = NICE[sweep.factor] if sweep.factor in NICE else f"across: {sweep.factor}"
    reference = f"({sweep.reference.strip('[]')})"
    drawn = figures.sweep(found, title=sweep.question, factor=factor, reference=reference)
    for suffix in ("png", "svg"):
        canvas.save(drawn, report.folder / f"{report.name}.{suffix}")


def panels(report: SweepReport) -> list[figures.TaskPanel]:
    """What the sweep's figure shows of each task: curves over learning rates, members and ratios of errors."""
    plan, now, sweep = report.plan, report.results, report.plan.settings.sweep
    found = {id(cell): errors_of_better(effect) for cell, effect in report.pairs}
    shown = []
    for task in now.tasks():
        cells = [cell for cell in now.cells if cell.point.arm.task == task and cell.record is not None]
        if not cells or sweep is None:
            continue
        dots = tuple(
            figures.ArmDot(
                level=cell.point.level,
                match=cell.point.match,
                members=cell.accuracies().values,
                curve=() if cell.record is None else cell.record.rates,
                ratio=(found[id(cell)].middle, found[id(cell)].low, found[id(cell)].high)
                if id(cell) in found
                else None,
            )
            for cell in cells
            if not (cell.point.match != "none" and cell.point.level == sweep.reference)
        )
        margin = math.exp(accuracy_margin(scale=plan.settings.scale, real=task.real))
        dials = label(task).removeprefix(task.name).strip(" ()")
        sizes = f"{task.classes} classes, {task.train_images} training images, n={cells[0].members}"
        title = f"{task.name}{f', {dials}' if dials else ''}\n{sizes}"
        shown.append(figures.TaskPanel(title=title, margin=margin, chance=task.chance, dots=dots))
    return shown
