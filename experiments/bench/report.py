"""From measured values to what is written and read: medians over rounds, one JSON document, one table, one figure."""

import datetime
import importlib.metadata
import importlib.util
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich import box
from rich.table import Table

from cnnlab.files import write_json
from cnnlab.report.canvas import BLACK, BLUE, GREEN, ORANGE, canvas, save
from experiments.bench.contender import Machine, contender
from experiments.bench.measuring import ENGINE, LIMIT, LOOP, MODULE, RATE, WATCHED, Benchmark, Key
from experiments.bench.workloads import WORKLOADS
from experiments.timing.timings import device_name, folder, slug
from experiments.training.provenance import git_state, versions

LOW, HIGH = 10, 90  # percentiles of the rounds beside the median
ENGINE_RATIO, LOOP_TIME = "engine_ratio", "loop_time"  # engine / contender, loop / engine on its module, in one round
COLUMNS = (
    ("images x models / s", RATE, "{:,.0f}", 1),
    ("engine / this", ENGINE_RATIO, "{:.2f}", 1),
    ("time / loop's", LOOP_TIME, "{:.2f}", 1),
    ("statistics", "statistics_cost", "{:+.0%}", 1),
    ("compile s", "compile_seconds", "{:.1f}", 1),
    ("peak MB", "peak_memory_bytes", "{:,.0f}", 1e6),
    ("device MB", "device_memory_bytes", "{:,.0f}", 1e6),
    ("loss apart", "loss_difference", "{:.0e}", 1),
    ("cold s", "sweep_seconds_cold", "{:.1f}", 1),
    ("compiling", "sweep_compile_share_cold", "{:.1%}", 1),
    ("warm s", "sweep_seconds_warm", "{:.1f}", 1),
    ("compiling", "sweep_compile_share_warm", "{:.1%}", 1),
    ("accuracy", "accuracy", "{:.3f}", 1),
)
"""Heads of the table, metrics, how they are written and in which unit; a column without a value is left out."""
CAPTION = f"""\
Medians of n rounds [{LOW}-{HIGH} %]; ratios within a round; peak memory of one process; whole sweeps with an empty
(cold) and a full compile cache (warm), and the share of compiling."""


class MetricSummary(NamedTuple):
    """A metric of one contender on one workload: median over rounds, two percentiles, and every round's value."""

    median: float
    low: float
    high: float
    n: int
    rounds: Mapping[int, float]


Rounds = dict[Key, dict[int, float]]
Summaries = dict[Key, MetricSummary]


def summarize(measured: Rounds) -> Summaries:
    """Summaries of what was measured, of contenders in their best set-up, and of ratios within a round."""
    values, made = dict(measured), {}
    _add_best_setups(values)
    _add_ratios(values)
    for key, rounds in values.items():
        low, middle, high = (float(value) for value in np.percentile(list(rounds.values()), (LOW, 50, HIGH)))
        made[key] = MetricSummary(middle, low, high, len(rounds), rounds)
    return made


def _add_best_setups(values: Rounds) -> None:
    """Give every contender with several set-ups the values of the one with the best median, under its bare name."""
    rates = {key[:2]: float(np.median(list(rounds.values()))) for key, rounds in values.items() if key[2] == RATE}
    ascending = sorted((key for key in rates if "/" in key[1]), key=lambda key: rates[key])
    best = {(workload, label.partition("/")[0]): label for workload, label in ascending}
    for (workload, name), label in best.items():
        own = {key: rounds for key, rounds in values.items() if key[:2] == (workload, label)}
        values |= {(workload, name, metric): rounds for (_, _, metric), rounds in own.items()}


def _add_ratios(values: Rounds) -> None:
    """The engine over each contender, the loop over its module, in rounds that both raced in; what statistics cost."""
    rated = [key[:2] for key in values if key[2] == RATE]
    pairs = [(*key, ENGINE, ENGINE_RATIO) for key in rated if key[1] != ENGINE]
    for workload, name, base, metric in [*pairs, *((*key, LOOP, LOOP_TIME) for key in rated if key[1] == MODULE)]:
        rates, there = values[workload, name, RATE], values.get((workload, base, RATE), {})
        if ratios := {number: there[number] / rates[number] for number in rates if number in there}:
            values[workload, name, metric] = ratios
            if name == WATCHED:
                values[workload, name, "statistics_cost"] = {number: each - 1 for number, each in ratios.items()}


def document(benchmark: Benchmark, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Everything as plain data: `facts` of the run, the cells (one a metric), ratios to the engine, and gates."""
    cells, ratios = [], dict[str, dict[str, float]]()
    for (workload, name, metric), summary in summarize(benchmark.values).items():
        cells.append({"workload": workload, "contender": name, "metric": metric, **summary._asdict()})
        if metric == ENGINE_RATIO:
            ratios.setdefault(workload, {})[f"vs_{name}"] = summary.median
    return {**facts, "cells": cells, "ratios": ratios, "gates": benchmark.gates, "failures": benchmark.failures}


def run_facts(machine: Machine) -> dict[str, Any]:
    """The device (how many cores, if it is a CPU), time, git commit, and the versions of what competes."""
    cores = f"{machine.cores} {'core' if machine.cores == 1 else 'cores'}"
    installed = {"python": platform.python_version(), **versions()}
    installed |= {name: importlib.metadata.version(name) for name in ("torch",) if importlib.util.find_spec(name)}
    device, now = device_name(machine.kind).replace("1 thread", cores), datetime.datetime.now(datetime.UTC)
    return {"device": device, "versions": installed, "started": now.isoformat(timespec="seconds"), "git": git_state()}


def write(benchmark: Benchmark, facts: Mapping[str, Any], name: str) -> Path:
    """Put document and figure in place of earlier ones of that name; returns the document's path."""
    place, summaries = folder() / "bench" / slug(facts["device"]), summarize(benchmark.values)
    (place / f"{name}.png").unlink(missing_ok=True)
    if any(key[2] == RATE for key in summaries):
        # drawn under another name first, so that a figure is whole or not there
        draw(summaries, facts["device"], place / f".{name}-{os.getpid()}.png").replace(place / f"{name}.png")
    return write_json(place / f"{name}.json", document(benchmark, facts))


def describe(label: str) -> str:
    """A contender in words, with its processes x threads where it has several set-ups."""
    name, _, setup = label.partition("/")
    return f"{contender(name).description}{setup and f', {setup}'}"


def labels(workload: str, summaries: Summaries) -> list[str]:
    """Contenders on a workload, every set-up by itself, the fastest first."""
    rates = dict.fromkeys((key[1] for key in summaries if key[0] == workload), 0.0)
    rates |= {key[1]: one.median for key, one in summaries.items() if key[0] == workload and key[2] == RATE}
    apart = [name for name in rates if not any(other.startswith(f"{name}/") for other in rates)]
    return sorted(apart, key=lambda name: -rates[name])


def table(summaries: Summaries) -> Table:
    """Every contender on every workload."""
    shown = [column for column in COLUMNS if any(key[2] == column[1] and summaries[key].high for key in summaries)]
    made = Table("contender", *(column[0] for column in shown), box=box.SIMPLE_HEAD, caption=CAPTION)
    for workload in dict.fromkeys(key[0] for key in summaries):
        one = WORKLOADS[workload]
        made.add_section()
        made.add_row(f"{workload}: {one.description}, {one.train_flop / 1e6:.1f} MFLOP an image", style="bold")
        for label in labels(workload, summaries):
            texts = [_text(summaries, (workload, label, metric), *how) for _, metric, *how in shown]
            made.add_row(describe(label), *texts)
    return made


def _text(summaries: Summaries, key: Key, template: Any, unit: Any) -> str:
    if key not in summaries:
        return ""
    one = summaries[key]
    middle, low, high = (template.format(value / unit) for value in one[:3])
    return f"{middle} [{low}-{high}] n={one.n}" if key[2] in (RATE, ENGINE_RATIO, LOOP_TIME) else middle


def draw(summaries: Summaries, device: str, path: Path) -> Path:
    """Draw one panel a workload: every contender's speed with its interval; returns the path."""
    speeds = {key: one for key, one in summaries.items() if key[2] == RATE and key[1] != WATCHED}
    orders = {name: labels(name, speeds)[::-1] for name in dict.fromkeys(key[0] for key in speeds)}
    height, title = sum(0.7 + 0.42 * len(order) for order in orders.values()), f"Images x models / s on {device}"
    figure, axes = canvas(title, width=11, height=0.5 + height, rows=len(orders))
    colours = {ENGINE: BLUE, LIMIT: GREEN}
    for (workload, order), panel in zip(orders.items(), axes[:, 0], strict=True):
        for place, label in enumerate(order):
            one = speeds[workload, label, RATE]
            panel.barh(place, one.median, color=colours[label] if label in colours else ORANGE, height=0.6)
            panel.hlines(place, one.low, one.high, color=BLACK, linewidth=2)
            end = (max(one.median, one.high), place)
            panel.annotate(f"{one.median:,.0f}", end, (5, 0), textcoords="offset points", va="center", fontsize=9)
        panel.set_yticks(range(len(order)), [describe(label) for label in order], fontsize=9)
        panel.set_title(f"{workload}: {WORKLOADS[workload].description}", fontsize=10, loc="left")
        panel.margins(x=0.12)
        panel.grid(visible=False, axis="y")
    axes[-1, 0].set_xlabel(f"images x models trained in a second; black: {LOW}-{HIGH} % of rounds")
    return save(figure, path)
