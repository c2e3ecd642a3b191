"""The W&B run of a whole sweep: tables, figures, counts of verdicts, and the records as an artifact."""

import functools
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnlab.files import finite
from cnnlab.inference.checks import Check
from cnnlab.records import Store
from cnnlab.spec.verdict import Effect, Verdict
from cnnlab.tracking import Artifact, Picture, Table, TrackedRun, run_id
from experiments.analysis.results import ArmResults
from experiments.claims.registry import claims, claims_fed_by
from experiments.reports.ratios import errors_of_worse
from experiments.reports.sweep import SweepReport
from experiments.tracking import arm_runs, images, page

if TYPE_CHECKING:
    import pandas as pd

MOST_MAPS = 6
"""Levels of which maps are drawn, in the order of the grid."""


def of_sweep(report: SweepReport) -> TrackedRun:
    """The summary run of a sweep at a scale: the same id whenever it ends."""
    now = report.results
    settings, name = now.settings, now.settings.sweep_name
    cells, fed = (*now.cells, *now.checks), claims_fed_by(name)
    made = [cell for cell in cells if cell.record is not None]
    words = Counter(verdict.word for verdict in report.verdicts.values())
    tables = {
        "arms": rows(report.arms),
        "curves": rows(report.curves.drop(columns="members", errors="ignore")),
        "effects": rows(report.effects),
        "contrasts": contrasts(report.contrasts),
        "checks": checks(report.checks),
        "verdicts": verdicts(report.verdicts),
    }
    return TrackedRun(
        id=run_id(f"{name}-{settings.scale}-summary"),
        name=f"{name} {settings.scale}",
        group=arm_runs.group(settings),
        job_type="sweep",
        tags=(settings.scale, *fed),
        notes=arm_runs.question(settings),
        config=arm_runs.context(settings)
        | arm_runs.made_with(Store(settings.runs), [cell.record.arm for cell in made if cell.record is not None]),
        numbers={
            "arms": len(cells),
            "arms_with_record": len(made),
            "members": sum(cell.members for cell in made),
            "diverged": sum(sum(cell.accuracies().diverged) for cell in made),
            **{f"verdicts/{word}": count for word, count in words.items()},
        },
        tables={name: table for name, table in tables.items() if table},
        pictures=figures(report),
        page=functools.partial(page.of_sweep, now, report.verdicts),
        artifact=records(run_id(f"{name}-{settings.scale}-records"), made, Store(settings.runs)),
    )


def rows(table: "pd.DataFrame") -> Table:
    """A table as a dashboard takes it: sizes as text, and nothing where a number is not finite."""
    return tuple({str(key): _cell(value) for key, value in row.items()} for row in table.to_dict("records"))


def _cell(value: Any) -> Any:
    return "x".join(map(str, value)) if isinstance(value, (list, tuple)) else finite(value)


def contrasts(found: Sequence[tuple[str, str, Effect]]) -> Table:
    """What the claims rest on, a row each task and match.

    Of accuracies `ratio` is errors of the worse side over those of the better one; `difference` is of other metrics.
    """
    return tuple(
        {
            "claim": claim,
            "contrast": contrast,
            "task": effect.setting.task,
            "match": effect.setting.match,
            "metric": effect.setting.quantity,
            "n": effect.n,
            **_size(effect),
            "interval": effect.interval95.kind,
            "call": effect.call,
            "reason": effect.reason,
        }
        for claim, contrast, effect in found
    )


def _size(effect: Effect) -> dict[str, float | None]:
    """An effect as a ratio of errors with points beside, or as a difference of another metric."""
    ratio, at, span = errors_of_worse(effect), effect.setting, effect.interval95
    found = {
        "ratio": ratio.middle if at.ratio else None,
        "ratio_low": ratio.low if at.ratio else None,
        "ratio_high": ratio.high if at.ratio else None,
        "points": effect.points,
        "difference": None if at.ratio else effect.estimate,
        "low": None if at.ratio else span.low,
        "high": None if at.ratio else span.high,
    }
    return {name: finite(value) for name, value in found.items()}


def checks(found: Sequence[Check]) -> Table:
    """The checks that come before every verdict."""
    return tuple(
        {"task": check.task, "check": check.name, "passed": check.passed, "line": check.line} for check in found
    )


def verdicts(found: Mapping[str, Verdict]) -> Table:
    """A row a claim."""
    return tuple(
        {
            "claim": name,
            "says": claims()[name].says,
            "verdict": verdict.printed,
            "sentence": verdict.sentence,
            "reason": verdict.reason,
            "number": "" if verdict.number is None else f"{verdict.number.name}: {verdict.number.printed}",
            "n": verdict.n,
        }
        for name, verdict in found.items()
    )


def figures(report: SweepReport) -> dict[str, Picture]:
    """The sweep's figure, samples of its tasks, and maps of its unmatched arms on the first of them."""
    now = report.results
    shown: dict[str, Picture] = {}
    figure = report.folder / f"{now.settings.sweep_name}.png"
    if figure.is_file():
        shown["figure/effects"] = figure
    for task in now.tasks():
        arm = next(cell.point.arm for cell in now.cells if cell.point.arm.task == task)
        shown[f"figure/samples/{now.label(task)}"] = images.of_arm(arm, now.settings.source)["image/samples"]
    first = [cell.point for cell in now.cells if cell.point.arm.task == now.tasks()[0] and cell.point.match == "none"]
    arms = {point.level: point.arm for point in first[:MOST_MAPS]}
    title = f"Which pixels are read, and which get gradient? ({first[0].arm.task.name})"
    known = any(images.followed(arm) for arm in arms.values())
    return shown | ({"figure/maps": images.Maps(title=title, arms=arms)} if known else {})


def records(name: str, cells: Sequence[ArmResults], store: Store) -> Artifact:
    """Every record behind a sweep, by arm."""
    files: dict[str, Path] = {}
    for cell in cells:
        if cell.record is not None:
            path = store.record(cell.record.arm)
            files[f"{cell.record.arm}/{path.name}"] = path
    return Artifact(name=name, kind="records", files=files)
