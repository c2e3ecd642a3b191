"""Whole sweeps, from the first process started to the last accuracy, and how their time grows with what is asked."""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean, median, stdev

import numpy as np

from experiments.bench.child import Trained
from experiments.bench.contract import Machine, cache
from experiments.bench.measuring import ENGINE, Failure, Found, Plan, Rival, Sample, rivals
from experiments.bench.team import ContenderError, rate, team
from experiments.bench.workloads import SEEDS, Workload, deep, variants, workload

SWEEPERS = (ENGINE, "nnx_loop", "torch_eager")
"""Contenders that train whole sweeps; the others compile for minutes a variant, or are no way to train one."""
SEEDS_GROWN, VARIANTS_GROWN, DEPTHS_GROWN = (2, 4, 8, 16), (2, 4, 8), (2, 4, 6, 10)
GROWN = "W1"
"""Workload by which growth with seeds and variants is measured."""

Job = tuple[Workload, tuple[int, ...]]
"""A variant and the seeds to train of it."""


def sweeps(base: Workload, names: Sequence[str], plan: Plan, number: int) -> Iterator[Found]:
    """One sweep of each contender with an empty compile cache, and then one with what the first left there."""
    present = rivals([name for name in names if name in SWEEPERS], plan.machine)
    jobs = [(variant, tuple(range(SEEDS))) for variant in variants(base)]
    accuracies: dict[str, list[float]] = {}
    for state in ("cold", "warm"):
        for rival in present:
            folder = plan.compiled / f"{base.name}-{number}-{rival.label.replace('/', '-')}"
            try:
                seconds, trained = sweep(rival, jobs, plan.machine, folder)
            except ContenderError as problem:
                yield Failure(workload=base.name, contender=rival.label, why=problem.reason)
                continue
            shares = sum(one.compile_seconds for one in trained) / (seconds * rival.setup.processes)
            values = {f"sweep_seconds_{state}": seconds, f"sweep_compile_share_{state}": shares}
            accuracies[rival.label] = [value for one in trained for value in one.accuracies]
            for metric, value in values.items():
                yield Sample(workload=base.name, contender=rival.label, metric=metric, round=number, value=value)
    yield from _parity(base, accuracies, number)


def sweep(rival: Rival, jobs: Sequence[Job], machine: Machine, compiled: Path) -> tuple[float, list[Trained]]:
    """Seconds of a sweep of (variant, seeds), and what came of each; all seeds of a variant stay in one process.

    Raises ContenderError if a process fails.
    """
    begin = time.monotonic()
    with team(rival.name, rival.setup, jobs[0][0], machine, cache(compiled)) as workers:
        trained = workers.share("sweep", [(variant, seeds, rival.setup.together) for variant, seeds in jobs])
        return time.monotonic() - begin, trained


def _parity(base: Workload, accuracies: Mapping[str, Sequence[float]], number: int) -> Iterator[Found]:
    """Mean accuracy of every contender, and its distance from the engine's in standard errors of paired members."""
    for label, values in accuracies.items():
        found = {"accuracy": fmean(values)}
        if label != ENGINE and ENGINE in accuracies:
            apart = [own - ours for own, ours in zip(values, accuracies[ENGINE], strict=True)]
            error = stdev(apart) / math.sqrt(len(apart))
            found["accuracy_difference"] = fmean(apart)
            found["accuracy_difference_standard_error"] = error
        for metric, value in found.items():
            yield Sample(workload=base.name, contender=label, metric=metric, round=number, value=value)


def growth(plan: Plan, number: int) -> Iterator[Found]:
    """Exponents of the engine's time in the number of seeds, of variants and of layers: 0 is free, 1 is linear.

    Starting the processes is not counted; compiling is, but for seeds, which share what is compiled once.
    """
    base = workload(GROWN)
    (rival,) = rivals([ENGINE], plan.machine)

    def folder(name: str) -> dict[str, str]:
        return cache(plan.compiled / f"{name}-{number}")

    times: dict[str, dict[int, float]] = {"seeds": {}, "variants": {}, "depth": {}}
    try:
        for count in SEEDS_GROWN:
            seeds = [(base, (seed,)) for seed in range(count)]
            times["seeds"][count] = _working(rival, seeds, plan.machine, folder("seeds"), warm=[(base, (0,))])
        for count in VARIANTS_GROWN:
            some = [(variant, (0,)) for variant in variants(base)[:count]]
            times["variants"][count] = _working(rival, some, plan.machine, folder(f"variants{count}"), warm=[])
        for depth in DEPTHS_GROWN:
            times["depth"][depth] = _seconds_an_image(rival, deep(depth), plan, folder("depth"))
    except ContenderError as problem:
        yield Failure(workload=GROWN, contender=ENGINE, why=problem.reason)
        return
    for what, found in times.items():
        metric = f"growth_with_{what}"
        yield Sample(workload=GROWN, contender=ENGINE, metric=metric, round=number, value=slope(found))


def _working(
    rival: Rival, jobs: Sequence[Job], machine: Machine, compiled: Mapping[str, str], warm: Sequence[Job]
) -> float:
    """Seconds that processes take for jobs; each process does the jobs of `warm` first, which are not counted."""
    with team(rival.name, rival.setup, jobs[0][0], machine, compiled) as workers:
        workers.ask("ready")
        for variant, seeds in warm:
            workers.ask("sweep", variant, seeds, rival.setup.together)
        begin = time.monotonic()
        workers.share("sweep", [(variant, seeds, rival.setup.together) for variant, seeds in jobs])
        return time.monotonic() - begin


def _seconds_an_image(rival: Rival, net: Workload, plan: Plan, compiled: Mapping[str, str]) -> float:
    """Seconds a member takes for one image, as the median of the plan's turns."""
    with team(rival.name, rival.setup, net, plan.machine, compiled) as workers:
        workers.ask("prepare")
        workers.ask("turn", plan.warm_up)
        return 1 / median(rate(workers.ask("turn", net.turn_steps)) for _ in range(plan.turns))


def slope(times: Mapping[int, float]) -> float:
    """Exponent b of the least-squares power law time = a * count^b."""
    logs = np.log(np.array([list(times), list(times.values())], float))
    return float(np.polyfit(logs[0], logs[1], 1)[0])
