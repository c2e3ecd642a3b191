"""How a run ends: the table of arms, the paired effects, the verdicts it feeds, a figure, and where it all lies."""

import dataclasses
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from cnnlab.inference import intervals
from cnnlab.inference.effects import accuracy_margin
from cnnlab.report import figures
from cnnlab.spec.arm import plain
from cnnlab.spec.record import OWN
from cnnlab.spec.verdict import Effect, Verdict
from experiments import judging, pictures
from experiments.claim import Computed
from experiments.config.grid import Grid
from experiments.config.resolve import Point
from experiments.evidence import sweep_checks
from experiments.registry import claims, claims_fed_by
from experiments.session import Summary
from experiments.view import Cell, View, label, view

LEFT = ("claim", "contrast", "task", "arm", "level", "match")
NICE = {"model.pools": "max-pools stand after convolutions number (0 is the image)"}


@dataclass(frozen=True, kw_only=True)
class Written:
    """How a sweep ended: what it has of records, the tables and verdicts made of them, and where they were written.

    Attributes:
        picture: the line that `pictures.draw` has about the sweep's own picture.
    """

    view: View
    arms: pd.DataFrame
    effects: pd.DataFrame
    verdicts: dict[str, Verdict]
    folder: Path
    picture: str = ""


def headline(plan: Grid, arms: int) -> str:
    """The first lines of a run: the question, and how much there is to do."""
    sweep = plan.settings.sweep
    if sweep is None:
        return f"One arm: {plan.points[0].arm.key}"
    size = f"{arms} arms, scale {plan.settings.scale}"
    return f"[bold]{sweep.question}[/bold]\nheld equal: {sweep.held}\n{size}, records in {plan.settings.runs}"


def undecided(plan: Grid) -> tuple[Point, ...]:
    """The second block of every arm that takes part in a contrast that the first look left open."""
    cells = judging.undecided(view(plan), claims_fed_by(plan.settings.sweep_name))
    return tuple(dataclasses.replace(cell.point, block=1) for cell in cells)


def report(plan: Grid, summary: Summary, console: Console) -> Written | None:
    """Print and write everything; nothing is read but records. Returns what was written of a sweep."""
    now = view(plan)
    arms = arm_table(now)
    console.print(f"\ntrained {summary.trained} arms, found {summary.skipped} done, {len(summary.failures)} failed")
    console.print(_rich(printed_arms(arms), "Arms: test accuracy in % at each arm's own learning rate"))
    for line in dict.fromkeys(
        f"{cell.point.arm.task.name} {cell.point.level}: {cell.point.matching}" for cell in now.cells
    ):
        if not line.endswith(": "):
            console.print(f"match: {line}")
    if plan.settings.sweep is None:
        return None
    name = plan.settings.sweep_name
    pairs = judging.pairwise(now)
    effects = effect_table(now, pairs)
    found = judging.verdicts(claims_fed_by(name), {name: now}, plan.settings.results)
    exact = judging.verdicts(related(name), {}, plan.settings.results)
    console.print(_rich(printed_effects(effects), f"Paired difference from {plan.settings.sweep.reference}, points"))
    rests = judging.contrasts(now, claims_fed_by(name))
    if rests:
        console.print(_rich(printed_contrasts(rests), "What the claims rest on: paired contrasts, points"))
    for check in sweep_checks(now):
        console.print(f"check: {check.line}")
    console.print(_verdict_table({**exact, **found}))
    written = write(plan, now, arms, effects, {**exact, **found}, pairs)
    console.print(f"table, effects, verdicts and figure: {written.folder}{os.sep}")
    if written.picture:
        console.print(written.picture, markup=False)
    return written


def related(sweep: str) -> tuple[str, ...]:
    """Claims judged by computation that name the sweep: they are part of the same answer."""
    return tuple(
        name
        for name, claim in claims().items()
        if any(isinstance(source, Computed) and source.beside == sweep for source in claim.sources.values())
    )


def arm_table(now: View) -> pd.DataFrame:
    """One row an arm: factor level, members, accuracy with its interval, learning rates, and the net's exact sizes."""
    return pd.DataFrame([_arm_row(cell, now.label(cell.point.arm.task)) for cell in (*now.cells, *now.checks)])


def _arm_row(cell: Cell, task: str) -> dict[str, Any]:
    point = cell.point
    row: dict[str, Any] = {
        "task": task,
        "level": point.level,
        "match": point.match,
        "check": point.check,
        "n": cell.members,
    }
    if cell.records:
        record, sample = cell.records[0], cell.sample(OWN)
        interval = intervals.paired_t(np.asarray(sample.values), 0.95)
        row |= {
            "accuracy": sum(sample.values) / len(sample.values),
            "low": interval.low,
            "high": interval.high,
            "diverged": sum(sample.diverged),
            "learning_rate": record.finals[OWN].learning_rate,
            "capped": record.tuning.capped,
            **plain(record.geometry),
        }
    return row | {"matching": point.matching, "arm": point.arm.key}


def what_differs(cell: Cell, reference: Cell) -> dict[str, Any]:
    """What differs between two arms' nets besides the factor, computed: sizes as ratios, fields and maps."""
    ours, theirs = cell.records[0].geometry, reference.records[0].geometry
    return {
        "params_ratio": ours.params / theirs.params,
        "macs_ratio": ours.macs / theirs.macs,
        "receptive_field": _pair(ours.receptive_field),
        "receptive_field_reference": _pair(theirs.receptive_field),
        "output_size": _pair(ours.output_size),
        "output_size_reference": _pair(theirs.output_size),
    }


def effect_table(now: View, pairs: Sequence[tuple[Cell, Effect]]) -> pd.DataFrame:
    """One row an arm and learning-rate condition: its paired difference from the reference, and what else differs."""
    rows = []
    for cell, effect in pairs:
        reference = now.reference(cell.point.arm.task)
        differs = {} if reference is None else what_differs(cell, reference)
        at = effect.setting
        rows.append(
            {
                "task": at.task,
                "level": cell.point.level,
                "match": at.match,
                "condition": at.condition,
                "difference": effect.estimate,
                "low": effect.interval95.low,
                "high": effect.interval95.high,
                "interval": effect.interval95.kind,
                "n": effect.n,
                "sd": effect.sd,
                "call": effect.call,
                "reason": effect.reason,
                "diverged": effect.diverged_better,
                "diverged_reference": effect.diverged_worse,
                "diverged_p": effect.diverged_p,
                "smallest_detectable": effect.smallest_detectable,
                "headroom": at.headroom,
                "margin": at.margin,
                **differs,
            }
        )
    return pd.DataFrame(rows)


def printed_arms(table: pd.DataFrame) -> pd.DataFrame:
    """The arms as a person reads them."""
    shown = pd.DataFrame({"task": table["task"]})
    shown["arm"] = [_arm_name({str(key): value for key, value in row.items()}) for row in table.to_dict("records")]
    shown["n"] = table["n"]
    if "accuracy" not in table:
        return shown
    spans = zip(table["accuracy"], table["low"], table["high"], strict=True)
    shown["accuracy"] = [_span(*values, signed=False) for values in spans]
    pairs = zip(table["diverged"], table["n"], strict=True)
    shown["diverged"] = ["" if lost != lost else f"{int(lost)}/{members}" for lost, members in pairs]
    shown["lr"] = [f"{value:g}" if value == value else "" for value in table["learning_rate"]]
    shown["params"] = [_whole(value) for value in table["params"]]
    shown["MACs"] = [_whole(value) for value in table["macs"]]
    shown["field"] = [_pair(value) for value in table["receptive_field"]]
    shown["map"] = [_pair(value) for value in table["output_size"]]
    return shown


def printed_effects(table: pd.DataFrame) -> pd.DataFrame:
    """The effects as a person reads them: own-best and common learning rate side by side."""
    if table.empty:
        return table
    texts = [f"{_span(row['difference'], row['low'], row['high'])} {row['call']}" for row in table.to_dict("records")]
    table = table.assign(
        text=texts,
        params=[f"x{value:.2f}" for value in table["params_ratio"]],
        MACs=[f"x{value:.2f}" for value in table["macs_ratio"]],
        field=_changes(table, "receptive_field"),
        map=_changes(table, "output_size"),
    )
    return _by_condition(table, ["task", "level", "match", "params", "MACs", "field", "map"])


def _changes(table: pd.DataFrame, column: str) -> list[str]:
    """What a column is, and what it is for the reference where that differs."""
    pairs = zip(table[column], table[f"{column}_reference"], strict=True)
    return [ours if ours == theirs else f"{ours}, not {theirs}" for ours, theirs in pairs]


def printed_contrasts(rows: Sequence[tuple[str, str, Effect]]) -> pd.DataFrame:
    """The contrasts that claims rest on, as a person reads them."""
    table = pd.DataFrame(
        {
            "claim": claim,
            "contrast": contrast,
            "task": effect.setting.task,
            "match": effect.setting.match,
            "condition": effect.setting.condition,
            "n": effect.n,
            "text": f"{_estimate(effect)} {effect.call}",
        }
        for claim, contrast, effect in rows
    )
    return _by_condition(table, ["claim", "contrast", "task", "match", "n"])


def _by_condition(table: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Texts at own-best and at the common learning rate side by side."""
    shown = table.pivot_table(index=keys, columns="condition", values="text", aggfunc="first", sort=False)
    names = {"own": "at own-best learning rate", "common": "at common learning rate"}
    return shown.rename(columns=names).reindex(columns=list(names.values())).astype(object).fillna("").reset_index()


def _estimate(effect: Effect) -> str:
    """An effect with its interval: accuracies in points, any other metric by its name, as it is."""
    middle, span, metric = effect.estimate, effect.interval95, effect.setting.metric
    if metric.endswith("accuracy"):
        return _span(middle, span.low, span.high)
    return f"{metric} {middle:+.3g} \\[{span.low:+.3g}, {span.high:+.3g}]"


def _arm_name(row: dict[str, Any]) -> str:
    if row["check"] != "none":
        return f"check: {row['check']}"
    return str(row["level"]) + ("" if row["match"] == "none" else f" same {row['match']}")


def _span(middle: float, low: float, high: float, *, signed: bool = True) -> str:
    sign = "+" if signed else ""
    if middle != middle:
        return ""
    if abs(low) == float("inf") or low != low:
        return f"{100 * middle:{sign}.1f}"
    return f"{100 * middle:{sign}.1f} \\[{100 * low:{sign}.1f}, {100 * high:{sign}.1f}]"


def _whole(value: float) -> str:
    return f"{int(value):,}" if value == value else ""


def _pair(value: Any) -> str:
    return "x".join(str(item) for item in value) if isinstance(value, (list, tuple)) else ""


def _rich(table: pd.DataFrame, title: str) -> Table:
    shown = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for column in table.columns:
        shown.add_column(str(column), justify="left" if column in LEFT else "right")
    for row in table.itertuples(index=False):
        shown.add_row(*(str(value) for value in row))
    return shown


def _verdict_table(found: dict[str, Verdict]) -> Table:
    shown = Table(title="Verdicts", title_justify="left", header_style="bold", box=None, pad_edge=False)
    for column in ("claim", "verdict", "reason"):
        shown.add_column(column, overflow="fold")
    for name, verdict in found.items():
        shown.add_row(name, verdict.printed, verdict.reason.replace("[", "\\["))
    return shown


def write(
    plan: Grid,
    now: View,
    arms: pd.DataFrame,
    effects: pd.DataFrame,
    found: dict[str, Verdict],
    pairs: Sequence[tuple[Cell, Effect]],
) -> Written:
    """Write tables (CSV and parquet), verdicts (JSON), the figure and the sweep's own picture (PNG and SVG)."""
    folder = plan.settings.results / "sweeps" / plan.settings.sweep_name / plan.settings.scale
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in (("arms", arms), ("effects", effects)):
        table.to_csv(folder / f"{name}.csv", index=False)
        table.to_parquet(folder / f"{name}.parquet", index=False)
    content = {name: {"says": claims()[name].says, **plain(verdict)} for name, verdict in found.items()}
    (folder / "verdicts.json").write_text(json.dumps(finite(content), indent=1, sort_keys=True) + "\n")
    picture = draw(plan, now, pairs, folder)
    return Written(view=now, arms=arms, effects=effects, verdicts=found, folder=folder, picture=picture)


def finite(value: Any) -> Any:
    """JSON has no infinity: an unbounded end of an interval is null."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and (value != value or abs(value) == float("inf")) else value


def draw(plan: Grid, now: View, pairs: Sequence[tuple[Cell, Effect]], folder: Path) -> str:
    """Draw the figure that every sweep has, and beside it the sweep's own picture; returns a line about the latter."""
    draw_effects(plan, now, pairs, folder)
    return pictures.draw(now, folder)


def draw_effects(plan: Grid, now: View, pairs: Sequence[tuple[Cell, Effect]], folder: Path) -> None:
    """The sweep's figure: members above, paired differences below, a column for each task."""
    sweep = plan.settings.sweep
    own = {id(cell): effect for cell, effect in pairs if effect.setting.condition == "own"}
    panels = []
    for task in now.tasks():
        cells = [cell for cell in now.cells if cell.point.arm.task == task and cell.records]
        if not cells or sweep is None:
            continue
        dots = tuple(
            figures.Dot(
                level=cell.point.level,
                match=cell.point.match,
                members=cell.sample(OWN).values,
                effect=own[id(cell)] if id(cell) in own else None,
            )
            for cell in cells
            if not (cell.point.match != "none" and cell.point.level == sweep.reference)
        )
        margin = accuracy_margin(scale=plan.settings.scale, real=task.real)
        dials = label(task).removeprefix(task.name).strip(" ()")
        sizes = f"{task.classes} classes, {task.train_images} training images, n={cells[0].members}"
        title = f"{task.name}: {sizes}" + (f"\n{dials}" if dials else "")
        panels.append(figures.Panel(title=title, margin=margin, chance=task.chance, dots=dots))
    if panels and sweep is not None:
        factor = NICE[sweep.factor] if sweep.factor in NICE else sweep.factor
        for suffix in ("png", "svg"):
            reference = sweep.reference.strip("[]")
            path = folder / f"{plan.settings.sweep_name}.{suffix}"
            figures.sweep(panels, title=sweep.question, factor=factor, reference=f"({reference})", path=path)
