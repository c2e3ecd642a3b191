"""From samples to what is printed: medians with their spread, ratios of medians, and the targets beside them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from experiments.bench.measuring import ENGINE, LIMIT, RATE, WATCHED, Sample
from experiments.bench.workloads import WORKLOADS

LOW, HIGH = 10, 90
"""Percentiles of the rounds beside the median; with few rounds they are close to the least and the greatest."""
FLOP = "flop_per_second"
COMPARED = ("torch_eager", "torch_compile", "nnx_loop", "naive_scan")
"""Contenders that a ratio is always named for, null where there is none."""
TARGETS: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "W1": {
        "vs_torch_eager": (1.5, 2.5),
        "vs_nnx_loop": (3, 5),
        "vs_naive_scan": (8, 8),
        "fraction_of_limit": (0.4, 0.6),
    },
    "W2": {
        "vs_torch_eager": (0.9, 1.2),
        "vs_nnx_loop": (1.5, 2),
        "vs_naive_scan": (8, 8),
        "fraction_of_limit": (0.45, 0.65),
    },
    "W3": {
        "vs_torch_eager": (0.8, 1),
        "vs_nnx_loop": (1.3, 1.5),
        "vs_naive_scan": (8, 8),
        "fraction_of_limit": (0.65, 0.85),
    },
}
"""What a ratio must reach on two CPU cores, and what it is wished to."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A metric of one contender on one workload over all rounds: median, two percentiles, and the number of rounds."""

    workload: str
    contender: str
    metric: str
    median: float
    low: float
    high: float
    n: int


Ratios = dict[str, dict[str, float | None]]


def cells(samples: Iterable[Sample]) -> tuple[Cell, ...]:
    """Cells in the order in which their first samples came, then those that compare contenders round by round."""
    found = list(samples)
    found += limits(found)
    found += best(found)
    found += compared(found)
    groups: dict[tuple[str, str, str], list[float]] = {}
    for sample in found:
        groups.setdefault((sample.workload, sample.contender, sample.metric), []).append(sample.value)
    return tuple(_cell(key, values) for key, values in groups.items())


def limits(samples: Sequence[Sample]) -> list[Sample]:
    """The limit's rate of matrix products: the better of the libraries, round by round."""
    each: dict[tuple[str, int], float] = {}
    for sample in samples:
        if sample.contender == LIMIT and sample.metric.startswith(f"{FLOP}/"):
            key = (sample.workload, sample.round)
            each[key] = max(sample.value, each[key]) if key in each else sample.value
    return [
        Sample(workload=workload, contender=LIMIT, metric=FLOP, round=number, value=value)
        for (workload, number), value in each.items()
    ]


def best(samples: Sequence[Sample]) -> list[Sample]:
    """Samples of every contender with several set-ups under its bare name: those of the set-up with the best median."""
    rates: dict[tuple[str, str], list[float]] = {}
    for sample in samples:
        if sample.metric == RATE and "/" in sample.contender:
            rates.setdefault((sample.workload, sample.contender), []).append(sample.value)
    chosen: dict[tuple[str, str], str] = {}
    for (workload, label), values in rates.items():
        key = (workload, label.partition("/")[0])
        if key not in chosen or np.median(values) > np.median(rates[workload, chosen[key]]):
            chosen[key] = label
    return [
        Sample(workload=one.workload, contender=name, metric=one.metric, round=one.round, value=one.value)
        for (workload, name), label in chosen.items()
        for one in samples
        if (one.workload, one.contender) == (workload, label)
    ]


def compared(samples: Sequence[Sample]) -> list[Sample]:
    """What holds contenders against each other within a round: ratios, fractions of the limit, cost of statistics."""
    by_round: dict[tuple[str, int], dict[tuple[str, str], float]] = {}
    for one in samples:
        by_round.setdefault((one.workload, one.round), {})[one.contender, one.metric] = one.value
    made = []
    for (workload, number), values in by_round.items():
        rates = {name: value for (name, metric), value in values.items() if metric == RATE}
        found: dict[tuple[str, str], float] = {}
        if (LIMIT, FLOP) in values:
            flop = WORKLOADS[workload].train_flop
            found |= {(name, "fraction_of_limit"): rate * flop / values[LIMIT, FLOP] for name, rate in rates.items()}
        if ENGINE in rates:
            others = {name: rate for name, rate in rates.items() if name not in (ENGINE, WATCHED)}
            found |= {(ENGINE, f"vs_{name}"): rates[ENGINE] / rate for name, rate in others.items()}
        if {ENGINE, WATCHED} <= set(rates):
            found[ENGINE, "statistics_cost"] = rates[ENGINE] / rates[WATCHED] - 1
        made += [
            Sample(workload=workload, contender=name, metric=metric, round=number, value=value)
            for (name, metric), value in found.items()
        ]
    return made


def ratios(found: Sequence[Cell]) -> Ratios:
    """Ratios of medians, engine over contender, and the engine's share of the matrix-product rate; null if unknown.

    Of a contender that raced in fewer rounds than the engine, it is the median of those rounds' ratios.
    """
    raced = {(cell.workload, cell.contender): cell.n for cell in found if cell.metric == RATE}
    in_rounds = {(cell.workload, cell.metric): cell.median for cell in found if cell.contender == ENGINE}
    rates = {(cell.workload, cell.contender): cell.median for cell in found if cell.metric == RATE}
    products = {cell.workload: cell.median for cell in found if (cell.contender, cell.metric) == (LIMIT, FLOP)}
    made: Ratios = {}
    for workload in dict.fromkeys(name for name, contender in rates if contender == ENGINE):
        ours = rates[workload, ENGINE]
        present = [name for place, name in rates if place == workload and name not in (ENGINE, WATCHED)]
        whole = [name for name in present if "/" not in name]
        alike = [name for name in whole if raced[workload, name] == raced[workload, ENGINE]]
        made[workload] = {f"vs_{name}": None for name in COMPARED}
        made[workload] |= {
            f"vs_{name}": in_rounds[workload, f"vs_{name}"] if (workload, f"vs_{name}") in in_rounds else None
            for name in whole
        }
        made[workload] |= {f"vs_{name}": ours / rates[workload, name] for name in alike}
        known = workload in products
        made[workload]["fraction_of_limit"] = (
            ours * WORKLOADS[workload].train_flop / products[workload] if known else None
        )
    return made


def _cell(key: tuple[str, str, str], values: Sequence[float]) -> Cell:
    low, middle, high = (float(value) for value in np.percentile(values, (LOW, 50, HIGH)))
    workload, contender, metric = key
    return Cell(workload=workload, contender=contender, metric=metric, median=middle, low=low, high=high, n=len(values))
