"""Rounds in which all contenders take turns in fresh processes, and what each round gives: plain samples."""

import contextlib
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from experiments.bench import limit
from experiments.bench.contract import Machine, Setup, Values, cache, contender
from experiments.bench.team import ContenderError, Team, limit_team, rate, team
from experiments.bench.workloads import Workload

RATE = "samples_models_per_second"
LIMIT = "limit"
ENGINE, WATCHED = "engine", "engine_watched"
PAUSE_SECONDS = 0.05
"""Between turns: threads that wait for more work spin for a moment, and the next contender must not feel it."""
GATES = "gates"
GATED = {ENGINE: "", "engine_xla": " by XLA"}
"""Contenders whose compiled step must pass the gates, and what is put behind a gate's name."""
GPU_TURN_STEPS = 288
"""Steps of a turn on a GPU, where a workload's own would be over in milliseconds: whole epochs of W1, W2 and W3."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One measured value.

    Attributes:
        workload: its name. contender: its name, and after a slash its set-up where there are several.
        metric: what was measured. round: in which round. value: NaN never; what failed is a `Failure`.
    """

    workload: str
    contender: str
    metric: str
    round: int
    value: float


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Something that gave no value, and why."""

    workload: str
    contender: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Gated:
    """Which gates the engine's compiled step passes."""

    workload: str
    passed: Mapping[str, bool]


Found = Sample | Failure | Gated


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How much is measured.

    Attributes:
        rounds: of fresh processes. turns: of each contender in a round.
        warm_up: steps before the first turn, whose losses are compared with the engine's.
        compiled: folder of the compile cache; empty at the start.
        once: contenders that race in the first round alone.
    """

    machine: Machine
    rounds: int
    turns: int
    warm_up: int
    compiled: Path
    once: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Rival:
    """One set-up of one contender in a round."""

    name: str
    label: str
    setup: Setup


def rivals(names: Sequence[str], machine: Machine) -> tuple[Rival, ...]:
    """Every set-up of the contenders, labelled `name` or, where there are several, `name/set-up`."""
    found = []
    for name in names:
        setups = contender(name).setups(machine)
        labels = [name if len(setups) == 1 else f"{name}/{setup.name}" for setup in setups]
        found += [Rival(name=name, label=label, setup=one) for label, one in zip(labels, setups, strict=True)]
    return tuple(found)


def steady(workload: Workload, names: Sequence[str], plan: Plan, number: int) -> Iterator[Found]:
    """One round on one workload: all contenders and the limit, in turns whose order is shuffled."""
    order = random.Random(f"{workload.name}/{number}")
    with contextlib.ExitStack() as stack:
        present = rivals(names, plan.machine)
        start = {
            one.label: stack.enter_context(team(one.name, one.setup, workload, plan.machine, cache(plan.compiled)))
            for one in present
        }
        (bound,) = limit.setups(plan.machine)
        start[LIMIT] = stack.enter_context(limit_team(bound, plan.machine))
        competition = _Round(workload, plan, number, {one.label: one for one in present}, start)
        yield from competition.prepare()
        for turn in range(plan.turns):
            for label in order.sample(list(competition.teams), len(competition.teams)):
                time.sleep(PAUSE_SECONDS)
                yield from competition.turn(label, turn)
        yield from competition.close()


class _Round:
    """The teams of one round and what they have shown so far; a team that fails leaves the round, and is named."""

    def __init__(
        self, workload: Workload, plan: Plan, number: int, rivals: Mapping[str, Rival], teams: dict[str, Team]
    ) -> None:
        self.workload, self.plan, self.number, self.rivals, self.teams = workload, plan, number, rivals, teams
        self.rates: dict[tuple[str, str], list[float]] = {}
        self.losses: dict[str, Values] = {}
        self.gauges: tuple[str, ...] = ()

    def prepare(self) -> Iterator[Found]:
        """Compile and warm up, one team after the other."""
        for label in list(self.teams):
            with self._leaving(label) as gone:
                first = self.teams[label].ask("prepare")[0]
                if label == LIMIT:
                    self.gauges = first
                elif not self.rivals[label].setup.turns:
                    self._kept(label, self.teams[label].ask("turn", self.plan.warm_up))
            yield from gone

    def turn(self, label: str, turn: int) -> Iterator[Found]:
        """One timing of a team, if it has one left."""
        with self._leaving(label) as gone:
            if label == LIMIT:
                for gauge in self.gauges:
                    self.rates.setdefault((label, gauge), []).append(rate(self.teams[label].ask("gauge", gauge)))
            else:
                setup = self.rivals[label].setup
                if not setup.turns or turn < setup.turns:
                    usual = GPU_TURN_STEPS if self.plan.machine.kind == "gpu" else self.workload.turn_steps
                    turns = self.teams[label].ask("turn", setup.steps or usual)
                    self._kept(label, turns)
                    self.rates.setdefault((label, RATE), []).append(rate(turns))
        yield from gone

    def close(self) -> Iterator[Found]:
        """The round's values."""
        for (label, metric), values in self.rates.items():
            yield self._sample(label, metric, median(values))
        for label in [name for name in self.teams if name != LIMIT]:
            with self._leaving(label) as gone:
                asked = self.teams[label]
                yield self._sample(label, "compile_seconds", max(asked.ask("compiled")))
                memories = asked.ask("memory")
                for metric in memories[0]:
                    yield self._sample(label, metric, max(float(memory[metric]) for memory in memories))
                if label in GATED and self.number == 0:
                    passed = {f"{gate}{GATED[label]}": fine for gate, fine in asked.ask(GATES)[0].items()}
                    yield Gated(workload=self.workload.name, passed=passed)
            yield from gone
        yield from self._differences()

    def _differences(self) -> Iterator[Found]:
        """How far the losses of the first steps are from the engine's, relative, at most."""
        if ENGINE not in self.losses:
            return
        for label, losses in self.losses.items():
            count = min(losses.size, self.losses[ENGINE].size)
            apart = np.abs(losses[:count] / self.losses[ENGINE][:count] - 1)
            if label != ENGINE:
                yield self._sample(label, "loss_difference", float(apart.max()))

    def _kept(self, label: str, turns: Sequence[Any]) -> None:
        """Keep the first losses of the first member, which all contenders train."""
        self.losses.setdefault(label, np.asarray(turns[0].losses[0], np.float64))

    def _sample(self, label: str, metric: str, value: float) -> Sample:
        return Sample(workload=self.workload.name, contender=label, metric=metric, round=self.number, value=value)

    @contextlib.contextmanager
    def _leaving(self, label: str) -> Iterator[list[Failure]]:
        """Turn a team's failure into its leaving."""
        gone: list[Failure] = []
        try:
            yield gone
        except ContenderError as problem:
            del self.teams[label]
            self.rates = {key: values for key, values in self.rates.items() if key[0] != label}
            gone.append(Failure(workload=self.workload.name, contender=label, why=problem.reason))
