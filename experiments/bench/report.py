"""What people read: a table a workload, the gates, and one figure."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cnnlab.report.canvas import BLACK, BLUE, ORANGE, canvas, save
from experiments.bench.cells import COMPARED, FLOP, TARGETS, Cell, Ratios
from experiments.bench.contract import contender
from experiments.bench.limit import SAYS as LIMIT_SAYS
from experiments.bench.measuring import ENGINE, LIMIT, RATE, WATCHED, Failure
from experiments.bench.workloads import WORKLOADS

Key = tuple[str, str, str]
SHOWN = {
    "sweep_seconds_cold": "{:.1f} s",
    "sweep_seconds_warm": "{:.1f} s",
    "sweep_compile_share_cold": "{:.1%}",
    "sweep_compile_share_warm": "{:.1%}",
    "accuracy": "{:.3f}",
    "accuracy_difference": "{:+.4f}",
    "accuracy_difference_standard_error": "{:.4f}",
    "statistics_cost": "{:+.1%}",
    "growth_with_seeds": "{:.2f}",
    "growth_with_variants": "{:.2f}",
    "growth_with_depth": "{:.2f}",
}
"""Metrics of the second table, and how they are written."""


def show(found: Sequence[Cell], ratios: Ratios, gates: Mapping[str, Mapping[str, bool]], console: Console) -> None:
    """Print every table."""
    by_key = {(cell.workload, cell.contender, cell.metric): cell for cell in found}
    for name in ratios:
        console.print(_speeds(name, by_key))
    if ratios:
        console.print(_targets(ratios, by_key))
    others = [cell for cell in found if cell.metric in SHOWN]
    if others:
        console.print(_others(others))
    for name, passed in gates.items():
        failed = [gate for gate, fine in passed.items() if not fine]
        said = f"[bold]FAILED: {', '.join(failed)}[/bold]" if failed else f"all {len(passed)} pass"
        console.print(f"gates of the compiled step, {name}: {said}")


def labels(name: str, by_key: Mapping[Key, Cell]) -> list[str]:
    """Contenders with a speed on a workload, every set-up by itself, the fastest first."""
    rates = {who: cell.median for (place, who, metric), cell in by_key.items() if (place, metric) == (name, RATE)}
    apart = [who for who in rates if not any(other.startswith(f"{who}/") for other in rates)]
    return sorted(apart, key=lambda who: -rates[who])


def says(label: str) -> str:
    """A contender in words, with its set-up where it has several."""
    name, _, setup = label.partition("/")
    if not setup:
        return str(contender(name).SAYS)
    processes, _, threads = setup.partition("x")
    apart, each = "process" if processes == "1" else "processes", "thread" if threads == "1" else "threads"
    return f"{contender(name).SAYS}, {processes} {apart} of {threads} {each}"


def _speeds(name: str, by_key: Mapping[Key, Cell]) -> Table:
    workload = WORKLOADS[name]
    table = Table(
        "contender",
        "images x models / s",
        "10-90 %",
        "engine is",
        "of limit",
        "compile s",
        "peak MB",
        "loss apart",
        title=f"{name}: {workload.says}, {workload.train_flop / 1e6:.1f} MFLOP an image, batch {workload.batch}; "
        f"medians of {max(cell.n for cell in by_key.values())} rounds",
        box=box.SIMPLE_HEAD,
        title_justify="left",
    )
    for label in labels(name, by_key):
        cell = by_key[name, label, RATE]
        ratio = by_key[name, ENGINE, f"vs_{label}"] if (name, ENGINE, f"vs_{label}") in by_key else None
        table.add_row(
            escape(says(label)),
            f"{cell.median:,.0f}",
            f"{cell.low:,.0f} - {cell.high:,.0f}",
            "" if ratio is None else f"x {ratio.median:.2f}",
            *(
                template.format(by_key[name, label, metric].median / unit) if (name, label, metric) in by_key else ""
                for metric, template, unit in (
                    ("fraction_of_limit", "{:.2f}", 1),
                    ("compile_seconds", "{:.1f}", 1),
                    ("peak_memory_bytes", "{:,.0f}", 1e6),
                    ("loss_difference", "{:.0e}", 1),
                )
            ),
        )
    if (name, LIMIT, FLOP) in by_key:
        cell = by_key[name, LIMIT, FLOP]
        bounds = [value / workload.train_flop for value in (cell.median, cell.low, cell.high)]
        table.add_row(f"{LIMIT_SAYS} (matrix products)", f"{bounds[0]:,.0f}", f"{bounds[1]:,.0f} - {bounds[2]:,.0f}")
    return table


def _targets(ratios: Ratios, by_key: Mapping[Key, Cell]) -> Table:
    """Measured ratios beside what they must reach on two CPU cores."""
    table = Table(
        "ratio of medians",
        *ratios,
        box=box.SIMPLE_HEAD,
        title=escape("The engine over each contender [10-90 % of rounds]; (must / goal) are for two CPU cores"),
        title_justify="left",
    )
    for ratio in (*(f"vs_{name}" for name in COMPARED), "fraction_of_limit"):
        row = []
        for name, values in ratios.items():
            value = values[ratio]
            if value is None:
                row.append("not measured")
                continue
            key = (name, ENGINE, ratio)
            spread = f" [{by_key[key].low:.2f}-{by_key[key].high:.2f}]" if key in by_key else ""
            target = TARGETS[name][ratio] if name in TARGETS and ratio in TARGETS[name] else None
            row.append(f"{value:.2f}{spread}" + (f" ({target[0]:g} / {target[1]:g})" if target else ""))
        table.add_row(ratio.replace("_", " "), *map(escape, row))
    return table


def _others(found: Sequence[Cell]) -> Table:
    table = Table("workload", "contender", "metric", "median", "10-90 %", "n", box=box.SIMPLE_HEAD)
    for cell in found:
        middle, low, high = (SHOWN[cell.metric].format(value) for value in (cell.median, cell.low, cell.high))
        metric = cell.metric.replace("_", " ")
        table.add_row(cell.workload, cell.contender, metric, middle, f"{low} - {high}", str(cell.n))
    return table


def failures(found: Sequence[Failure], console: Console) -> None:
    """Print one line for each thing that gave no value."""
    for failure in found:
        console.print(escape(f"FAILED {failure.workload} {failure.contender}: {failure.why}"))


def draw(found: Sequence[Cell], device: str, path: Path) -> Path:
    """Draw one panel a workload: every contender's speed with its spread, and the limit as a line; returns the path."""
    by_key = {(cell.workload, cell.contender, cell.metric): cell for cell in found}
    names = list(dict.fromkeys(cell.workload for cell in found if cell.metric == RATE))
    most = max(len(labels(name, by_key)) for name in names)
    figure, axes = canvas(
        f"Images x models trained in a second on {device}",
        width=11,
        height=1.0 + 0.42 * most * len(names),
        rows=len(names),
    )
    for name, panel in zip(names, axes[:, 0], strict=True):
        order = [label for label in labels(name, by_key) if label != WATCHED][::-1]
        for place, label in enumerate(order):
            cell = by_key[name, label, RATE]
            colour = BLUE if label == ENGINE else ORANGE
            panel.barh(place, cell.median, color=colour, height=0.6)
            panel.hlines(place, cell.low, cell.high, color=BLACK, linewidth=2)
            panel.annotate(
                f"{cell.median:,.0f}",
                (max(cell.median, cell.high), place),
                xytext=(5, 0),
                textcoords="offset points",
                va="center",
                fontsize=9,
            )
        panel.set_yticks(range(len(order)), [says(label) for label in order], fontsize=9)
        panel.set_title(f"{name}: {WORKLOADS[name].says}", fontsize=10, loc="left")
        panel.margins(x=0.12)
        if (name, LIMIT, FLOP) in by_key:
            bound = by_key[name, LIMIT, FLOP].median / WORKLOADS[name].train_flop
            panel.axvline(bound, color=BLACK, linestyle="--", linewidth=1.2)
            panel.annotate(
                "matrix products alone",
                (bound, 0),
                xytext=(-4, -2),
                textcoords="offset points",
                ha="right",
                fontsize=8,
                rotation=90,
                va="bottom",
            )
        panel.grid(visible=False, axis="y")
    axes[-1, 0].set_xlabel("images x models a second; black: 10-90 % of rounds")
    return save(figure, path)
