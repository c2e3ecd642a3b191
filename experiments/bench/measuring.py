"""Rounds in which all contenders take turns in fresh processes, and whole sweeps: what each gives, by round."""

import contextlib
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, median, stdev
from typing import Any

import numpy as np

from experiments.bench.child import ContenderError, ContenderProcesses, rate
from experiments.bench.contender import Machine, Setup, contender
from experiments.bench.workloads import SEEDS, Workload, variants

RATE = "samples_models_per_second"
ENGINE, WATCHED, LIMIT = "engine", "engine_watched", "matrix_product"
PARTS = ("speed", "sweep")
SWEEP_ROUNDS = 3
"""Rounds of whole sweeps at most: each takes minutes."""
PAUSE_SECONDS = 0.05
"""Between turns: threads that wait for more work spin for a moment, and the next contender must not feel it."""
GPU_TURN_STEPS = 288
"""Steps of a turn on a GPU, where a workload's own would be over in milliseconds: whole epochs of W1, W2 and W3."""
LOSS_TOLERANCE = 1e-3
"""Most by which losses of the warm-up may differ from the engine's, relative. Float32 in another order makes 1e-5,
TF32 6e-5; tests hold every contender to 1e-5 of a plain reference."""

Key = tuple[str, str, str]
"""Workload; contender, and after a slash its set-up where there are several; metric."""
Rounds = dict[Key, dict[int, float]]
"""Measured values by round. All are finite: what fails gives none."""


@dataclass
class BenchResults:
    """What has been measured so far.

    Attributes:
        log: takes a line for every speed and time. gates: whether each passes, by `workload contender: gate`.
        failures: workload, contender and reason.
    """

    log: Callable[[str], None]
    values: Rounds = field(default_factory=dict)
    gates: dict[str, bool] = field(default_factory=dict)
    failures: list[dict[str, str]] = field(default_factory=list)

    def add(self, workload: str, label: str, number: int, values: Mapping[str, float]) -> None:
        """Add one round's values of a contender by metric."""
        for metric, value in values.items():
            self.values.setdefault((workload, label, metric), {})[number] = float(value)
            if metric == RATE or "seconds" in metric:
                self.log(f"  round {number + 1}  {workload:4} {label:18} {metric.replace('_', ' ')} {value:,.1f}")

    def add_gates(self, workload: str, label: str, passed: Mapping[str, bool]) -> None:
        """Add gates of a contender. One that was closed in an earlier round stays so."""
        for gate, fine in passed.items():
            name = f"{workload} {label}: {gate}"
            self.gates[name] = fine and (name not in self.gates or self.gates[name])

    @property
    def closed_gates(self) -> list[str]:
        """Names of the gates that do not pass."""
        return [name for name, fine in self.gates.items() if not fine]

    @contextlib.contextmanager
    def dropping_out(self, workload: str, label: str, running: dict[str, Any]) -> Iterator[None]:
        """Note the failure of a contender inside, and take it out of those that are running."""
        try:
            yield
        except ContenderError as error:
            self.failures.append({"workload": workload, "contender": label, "reason": str(error)})
            del running[label]


@dataclass(frozen=True, kw_only=True)
class BenchSettings:
    """What is measured, and how much.

    Attributes:
        names: of contenders. parts: of `PARTS`. rounds: of fresh processes. turns: of each contender in a round.
        warm_up: steps before the first turn, whose losses are compared with the engine's.
        cache: folder of compiled programs; empty at the start.
    """

    workloads: Sequence[Workload]
    names: Sequence[str]
    parts: Sequence[str]
    machine: Machine
    rounds: int
    turns: int
    warm_up: int
    cache: Path


def entrants(names: Sequence[str], machine: Machine) -> dict[str, tuple[str, Setup]]:
    """Every set-up of the contenders, by `name` or, where there are several, `name/processes x threads`."""
    found = {}
    for name in names:
        setups = contender(name).setups(machine)
        for setup in setups:
            label = name if len(setups) == 1 else f"{name}/{setup.processes}x{setup.threads}"
            found[label] = name, setup
    return found


def measure(settings: BenchSettings, results: BenchResults) -> Iterator[None]:
    """Everything that is asked for; goes on whenever something was added to the results.

    Rounds are outermost, so that a run cut short has something of everything.
    """
    for number in range(settings.rounds):
        for workload in settings.workloads if "speed" in settings.parts else ():
            speed_round(workload, settings, number, results)
            yield
    for number in range(min(settings.rounds, SWEEP_ROUNDS)):
        for workload in settings.workloads if "sweep" in settings.parts else ():
            yield from sweep_round(workload, settings, number, results)


class Racer:
    """One set-up of a contender in a round: its processes, and what they have shown so far.

    Attributes:
        rates: images a second, by turn. losses: the first ones of the first member, which all contenders train.
    """

    def __init__(self, name: str, setup: Setup, workload: Workload, settings: BenchSettings) -> None:
        usual = GPU_TURN_STEPS if settings.machine.kind == "gpu" else workload.turn_steps
        self.slow_steps, self.warm_up = contender(name).slow_steps, settings.warm_up
        self.steps, self.rates, self.losses = self.slow_steps or usual, list[float](), np.zeros(0)
        self.processes = ContenderProcesses(name, setup, workload, settings.machine, settings.cache)

    def prepare(self) -> None:
        """Compile and warm up. Raises ContenderError, as every method."""
        self.processes.ask("prepare")
        if not self.slow_steps:
            self.train(self.warm_up)

    def turn(self) -> None:
        """Take one turn; a slow contender has but one a round."""
        if not (self.slow_steps and self.rates):
            self.rates.append(self.train(self.steps))

    def train(self, steps: int) -> float:
        """Train in all processes. Returns images a second."""
        timings = self.processes.ask("turn", steps)
        if not self.losses.size:
            self.losses = np.asarray(timings[0].losses[0], np.float64)
        return rate(timings)

    def costs(self) -> dict[str, float]:
        """Compile seconds and peak memory of the process that has most."""
        each = self.processes.ask("costs")
        return {metric: max(own[metric] for own in each) for metric in each[0]}


def speed_round(workload: Workload, settings: BenchSettings, number: int, results: BenchResults) -> None:
    """One round on one workload: all contenders in turns, in shuffled order. One that fails drops out, and is named."""
    order, where, racers = random.Random(f"{workload.name}/{number}"), workload.name, dict[str, Racer]()
    names = [name for name in settings.names if number == 0 or not contender(name).slow_steps]
    with contextlib.ExitStack() as stack:
        for label, (name, setup) in entrants(names, settings.machine).items():
            racers[label] = Racer(name, setup, workload, settings)
            stack.callback(racers[label].processes.close)
        for label, racer in list(racers.items()):
            with results.dropping_out(where, label, racers):
                racer.prepare()
        for _ in range(settings.turns):
            for label in order.sample(list(racers), len(racers)):
                time.sleep(PAUSE_SECONDS)
                with results.dropping_out(where, label, racers):
                    racers[label].turn()
        for label, racer in list(racers.items()):
            results.add(where, label, number, {RATE: median(racer.rates)})
            with results.dropping_out(where, label, racers):
                results.add(where, label, number, racer.costs())
                if contender(label.partition("/")[0]).gated and number == 0:
                    results.add_gates(where, label, racer.processes.ask("gates")[0])
    for label, racer in racers.items() if ENGINE in racers else ():
        ours = racers[ENGINE].losses[: racer.losses.size]
        if label != ENGINE and racer.losses.size:
            difference = float(np.abs(racer.losses[: ours.size] / ours - 1).max())
            results.add(where, label, number, {"loss_difference": difference})
            results.add_gates(where, label, {"same_losses": difference <= LOSS_TOLERANCE})


def sweep_round(workload: Workload, settings: BenchSettings, number: int, results: BenchResults) -> Iterator[None]:
    """One sweep of each contender with an empty compile cache, and then one with what the first left there.

    Seconds are from the start of the processes to the last accuracy; all seeds of a variant stay in one process.
    """
    accuracies = dict[str, list[float]]()
    running = entrants([name for name in settings.names if contender(name).sweeps], settings.machine)
    for state in ("cold", "warm"):
        for label, (name, setup) in list(running.items()):
            cache = settings.cache / f"{workload.name}-{number}-{label.replace('/', '-')}"
            jobs, begin = [(each, range(SEEDS), setup.together) for each in variants(workload)], time.monotonic()
            with results.dropping_out(workload.name, label, running):
                started = ContenderProcesses(name, setup, workload, settings.machine, cache, size=setup.processes)
                with contextlib.closing(started):
                    trained = started.share("sweep", jobs)
                    seconds = time.monotonic() - begin
                share = sum(compiling for compiling, _ in trained) / (seconds * setup.processes)
                values = {f"sweep_seconds_{state}": seconds, f"sweep_compile_share_{state}": share}
                results.add(workload.name, label, number, values)
                accuracies[label] = [accuracy for _, own in trained for accuracy in own]
            yield
    for label, own in accuracies.items():
        values = {"accuracy": fmean(own)}
        if label != ENGINE and ENGINE in accuracies:
            apart = [theirs - ours for theirs, ours in zip(own, accuracies[ENGINE], strict=True)]
            values["accuracy_difference"] = fmean(apart)
            values["accuracy_difference_standard_error"] = stdev(apart) / len(apart) ** 0.5
        results.add(workload.name, label, number, values)
    yield
