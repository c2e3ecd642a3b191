"""Rounds in which all contenders take turns in fresh processes, and whole sweeps: what each gives, by round."""

import contextlib
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np

from experiments.bench.child import ContenderError, ContenderProcesses, rate
from experiments.bench.contender import Machine, Setup, contender
from experiments.bench.workloads import SEEDS, Workload, variants

RATE = "samples_models_per_second"
ENGINE, WATCHED, MODULE, LOOP, LIMIT = "engine", "engine_watched", "engine_module", "nnx_loop", "matrix_product"
PARTS = ("speed", "sweep")
SWEEP_ROUNDS = 3  # at most: each takes minutes
PAUSE_SECONDS = 0.05  # between turns: threads that wait for more work spin for a moment
GPU_TURN_STEPS = 288  # where a workload's own would be over in milliseconds: whole epochs of W1, W2 and W3
LOSS_TOLERANCE = 1e-3  # relative, of the first losses to the engine's: TF32 makes 6e-5, float32 1e-5
Key = tuple[str, str, str]  # workload; contender, and after a slash its set-up where there are several; metric


def entrants(names: Sequence[str], machine: Machine) -> dict[str, tuple[str, Setup]]:
    """Every set-up of the contenders, by `name` or, where there are several, `name/processes x threads`."""
    found = {}
    for name in names:
        for setup in (setups := contender(name).setups(machine)):
            label = name if len(setups) == 1 else f"{name}/{setup.processes}x{setup.threads}"
            found[label] = name, setup
    return found


class Racer(ContenderProcesses):
    """One set-up of a contender in a round: its processes, their rates by turn, and the first losses of member 0."""

    def __init__(self, name: str, setup: Setup, workload: Workload, machine: Machine, cache: Path) -> None:
        super().__init__(name, setup, workload, machine, cache, size=1)
        usual = GPU_TURN_STEPS if machine.kind == "gpu" else workload.turn_steps
        self.contender, self.rates, self.losses = contender(name), list[float](), np.zeros(0)
        self.steps = self.contender.slow_steps or usual

    def prepare(self, warm_up: int) -> None:
        """Compile, and take the steps of the warm-up. Raises ContenderError, as every method."""
        self.ask("prepare")
        if not self.contender.slow_steps:
            self.train(warm_up)

    def turn(self) -> None:
        """Take one turn; a slow contender has but one a round."""
        if not (self.contender.slow_steps and self.rates):
            self.rates.append(self.train(self.steps))

    def train(self, steps: int) -> float:
        """Train in all processes. Returns images a second."""
        timings = self.ask("turn", steps)
        if not self.losses.size:
            self.losses = np.asarray(timings[0].losses[0], np.float64)
        return rate(timings)


@dataclass
class Benchmark:
    """What is asked for, and what has been measured so far.

    Attributes:
        names: of contenders. parts: of `PARTS`. rounds: of fresh processes. turns: of each contender in a round.
        warm_up: steps before the first turn. cache: folder of compiled programs. log: takes a line for every speed.
        values: by round; what fails gives none. gates: whether each passes, by `workload contender: gate`.
    """

    workloads: Sequence[Workload]
    names: Sequence[str]
    parts: Sequence[str]
    machine: Machine
    rounds: int
    turns: int
    warm_up: int
    cache: Path
    log: Callable[[str], None]
    values: dict[Key, dict[int, float]] = field(default_factory=dict)
    gates: dict[str, bool] = field(default_factory=dict)
    failures: list[dict[str, str]] = field(default_factory=list)

    def measure(self) -> Iterator[None]:
        """Measure everything, rounds outermost; goes on whenever something was added."""
        for number in range(self.rounds):
            for workload in self.workloads if "speed" in self.parts else ():
                self.speed_round(workload, number)
                yield
        for number in range(min(self.rounds, SWEEP_ROUNDS)):
            for workload in self.workloads if "sweep" in self.parts else ():
                yield from self.sweep_round(workload, number)

    def speed_round(self, workload: Workload, number: int) -> None:
        """One round on one workload: all contenders in turns, in shuffled order. One that fails drops out."""
        order, racers = random.Random(f"{workload.name}/{number}"), dict[str, Racer]()
        names = [name for name in self.names if number == 0 or not contender(name).slow_steps]
        with contextlib.ExitStack() as stack:
            for label, (name, setup) in entrants(names, self.machine).items():
                racers[label] = Racer(name, setup, workload, self.machine, self.cache)
                stack.callback(racers[label].close)
            for label in list(racers):
                with self.dropping_out(workload, label, racers):
                    racers[label].prepare(self.warm_up)
            for _ in range(self.turns):
                for label in order.sample(list(racers), len(racers)):
                    time.sleep(PAUSE_SECONDS)
                    with self.dropping_out(workload, label, racers):
                        racers[label].turn()
            for label, racer in list(racers.items()):
                self.add(workload, label, number, {RATE: median(racer.rates)})
                with self.dropping_out(workload, label, racers):
                    costs = racer.ask("costs")
                    self.add(workload, label, number, {name: max(own[name] for own in costs) for name in costs[0]})
                    if racer.contender.gated and number == 0:
                        self.add_gates(workload, label, racer.ask("gates")[0])
        self.compare_losses(workload, number, {label: racer.losses for label, racer in racers.items()})

    def compare_losses(self, workload: Workload, number: int, losses: Mapping[str, Any]) -> None:
        """Add how far every contender's first losses are from the engine's, relative, at most."""
        for label, own in losses.items() if ENGINE in losses else ():
            count = min(own.size, losses[ENGINE].size)
            if label != ENGINE and count:
                difference = float(np.abs(own[:count] / losses[ENGINE][:count] - 1).max())
                self.add(workload, label, number, {"loss_difference": difference})
                self.add_gates(workload, label, {"same_losses": difference <= LOSS_TOLERANCE})

    def sweep_round(self, workload: Workload, number: int) -> Iterator[None]:
        """One sweep of each contender with an empty compile cache, and then one with what the first left there.

        Seconds are from the start of the processes to the last accuracy; all seeds of a variant stay in one process.
        """
        running = entrants([name for name in self.names if contender(name).sweeps], self.machine)
        for state in ("cold", "warm"):
            for label, (name, setup) in list(running.items()):
                cache = self.cache / f"{workload.name}-{number}-{label.replace('/', '-')}"
                jobs, begin = [(each, range(SEEDS), setup.together) for each in variants(workload)], time.monotonic()
                with self.dropping_out(workload, label, running):
                    workers = ContenderProcesses(name, setup, workload, self.machine, cache, size=setup.processes)
                    with contextlib.closing(workers):
                        trained = workers.ask("sweep", jobs=jobs)
                        seconds = time.monotonic() - begin
                    share = sum(compiling for compiling, _ in trained) / (seconds * setup.processes)
                    accuracy = fmean(each for _, own in trained for each in own)
                    values = {f"sweep_seconds_{state}": seconds, f"sweep_compile_share_{state}": share}
                    self.add(workload, label, number, {**values, "accuracy": accuracy})
                yield

    def add(self, workload: Workload, label: str, number: int, values: Mapping[str, float]) -> None:
        """Add one round's values of a contender by metric."""
        for metric, value in values.items():
            self.values.setdefault((workload.name, label, metric), {})[number] = float(value)
            if metric == RATE or "seconds" in metric:
                self.log(f"  round {number + 1}  {workload.name:4} {label:18} {metric.replace('_', ' ')} {value:,.1f}")

    def add_gates(self, workload: Workload, label: str, passed: Mapping[str, bool]) -> None:
        """Add gates of a contender. One that was closed in an earlier round stays so."""
        for gate, fine in passed.items():
            name = f"{workload.name} {label}: {gate}"
            self.gates[name] = fine and (name not in self.gates or self.gates[name])

    @contextlib.contextmanager
    def dropping_out(self, workload: Workload, label: str, running: dict[str, Any]) -> Iterator[None]:
        """Note the failure of a contender inside, and take it out of those that are running."""
        try:
            yield
        except ContenderError as error:
            self.failures.append({"workload": workload.name, "contender": label, "reason": str(error)})
            del running[label]
