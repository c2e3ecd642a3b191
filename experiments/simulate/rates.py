"""What the protocol asks of its own rules, and what they reach: every row of `python -m experiments.simulate`.

SDs of error ratios are those of pilots: of two copies of the reference, twelve members, digits12 .11, textures12 .09,
fashion12 .05. Curves of digits12 follow a pilot, where rates of .006, .012 and .024 gave 90.7, 90.7 and 86.6 %, best at
the centre of .008. Those of the other tasks, and all of generated tasks, are guesses.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numpy as np

from cnnlab.inference import intervals
from cnnlab.inference.effects import accuracy_margin
from cnnlab.inference.intervals import Floats, wilson
from cnnlab.inference.rules.directional import Directional
from cnnlab.inference.simulation.planting import ArmCurve, Planted, Scenario
from cnnlab.inference.simulation.rates import POINTS, RATIO, Rates, simulate
from cnnlab.spec.verdict import Interval
from experiments.analysis.verdicts import registered_family

SEED = 20202
DELTA = accuracy_margin(scale="quick", real=True)
GENERATED_DELTA = accuracy_margin(scale="quick", real=False)
SLOW = 4
"""Bootstrap intervals are slow: one replication for every four of the others."""
VIEWED = 750
"""Independent answers that a seed's 238 validation digits give, each shown at ten places (pilots: 720, 720, 890)."""

Curves = Literal["like curves", "lopsided curves", "unlike curves", "a far best rate", "lost members"]
CURVES: tuple[Curves, ...] = ("like curves", "lopsided curves", "unlike curves", "a far best rate", "lost members")
Count = Callable[[int], tuple[int, int]]
"""Replications asked for -> (how often it happened, how often it was tried)."""
Relation = Literal["about", "at most", "at least"]


@dataclass(frozen=True, kw_only=True)
class AskedRate:
    """One rate: what is asked of it, in percent, and how to find it.

    Attributes:
        group: what it belongs to. what: one phrase.
        must: in percent, None where nothing is asked; `within` either side of it is good enough.
        relation: whether what is asked is a value or a bound.
        count: simulates.
    """

    group: str
    what: str
    count: Count
    must: float | None = None
    within: float = 0.0
    relation: Relation = "about"


@dataclass(frozen=True, kw_only=True)
class FoundRate:
    """A row with what was found: successes of trials, and whether that is what must be."""

    row: AskedRate
    successes: int
    trials: int

    @property
    def interval(self) -> Interval:
        """Wilson's 95 % interval of the rate."""
        return wilson(self.successes, self.trials)

    @property
    def reached(self) -> bool | None:
        """Whether the interval allows what must be; None where nothing must."""
        if self.row.must is None:
            return None
        must, within, found = self.row.must / 100, self.row.within / 100, self.interval
        not_below, not_above = found.high >= must - within, found.low <= must + within
        held = {"about": not_below and not_above, "at least": not_below, "at most": not_above}
        return bool(held[self.row.relation])


def find(row: AskedRate, repeats: int) -> FoundRate:
    """Simulate a row."""
    successes, trials = row.count(repeats)
    return FoundRate(row=row, successes=successes, trials=trials)


# Tasks.


def digits(effect: float, curves: Curves = "like curves") -> Planted:
    """Digits12 at quick."""
    task = Planted(task="digits12", effect=effect, sd=0.11, margin=DELTA, error=0.09, test_images=5990)
    task = replace(task, validation_images=VIEWED)
    return bent(task, ArmCurve(low=0.13, high=0.13, best=0.0), curves)


def textures(effect: float, curves: Curves = "like curves") -> Planted:
    """Textures12 at quick."""
    task = Planted(task="textures12", effect=effect, sd=0.09, margin=DELTA, error=0.04, test_images=16_384)
    return bent(replace(task, chance=1 / 3), ArmCurve(low=0.1, high=0.1), curves)


def fashion(effect: float, curves: Curves = "like curves") -> Planted:
    """Fashion12 at quick."""
    task = Planted(task="fashion12", effect=effect, sd=0.05, margin=DELTA, error=0.2, test_images=10_000)
    return bent(task, ArmCurve(low=0.04, high=0.04), curves)


def generated(name: str, effect: float, curves: Curves = "like curves") -> Planted:
    """A generated task: eight members."""
    task = Planted(task=name, effect=effect, sd=0.1, margin=GENERATED_DELTA, members=8, real=False, error=0.1)
    task = replace(task, chance=0.25, test_images=2048, validation_images=1024)
    return bent(task, ArmCurve(low=0.1, high=0.1), curves)


def bent(task: Planted, curve: ArmCurve, curves: Curves) -> Planted:
    """Give a task's arms their curves: alike, steep at high rates, or different from each other."""
    steep = replace(curve, low=0.5 * curve.low, high=2 * curve.high)
    pairs = {
        "like curves": (curve, curve),
        "lopsided curves": (steep, steep),
        "unlike curves": (steep, curve),
        "a far best rate": (replace(curve, best=curve.best + 2), curve),
        "lost members": (replace(curve, edge=1.75), replace(curve, edge=1.75)),
    }
    better, worse = pairs[curves]
    return replace(task, better=better, worse=worse)


def three(margins: float | Sequence[float], curves: Curves = "like curves", lasting: float | None = None) -> Scenario:
    """One claim on three real tasks, as the suite runs it; its true effect in margins, on all tasks or on each."""
    sizes = (margins,) * 3 if isinstance(margins, (int, float)) else tuple(margins)
    made = [build(size * DELTA, curves) for build, size in zip((digits, textures, fashion), sizes, strict=True)]
    made[0] = replace(made[0], lasting=lasting)
    return Scenario(tasks=tuple(made), family=registered_family())


def mechanism(margins: float, curves: Curves = "like curves") -> Scenario:
    """One mechanism claim on two generated tasks."""
    made = tuple(generated(name, margins * GENERATED_DELTA, curves) for name in ("vernier", "phase"))
    return Scenario(tasks=made, family=registered_family(), rule=Directional(mechanism=True))


def matched(margins: float) -> Scenario:
    """The same true effect at either match."""
    return replace(three(margins), matched=three(margins).tasks)


def moderated(margins: float) -> Scenario:
    """One moderator whose levels do not differ."""
    return replace(three(margins), moderators=((margins * DELTA,) * 2,))


# Counts.


def verdicts(scenario: Scenario, *words: str) -> Count:
    """How often a scenario ends in one of these outcomes."""

    def count(repeats: int) -> tuple[int, int]:
        found = simulate(scenario, repeats=repeats, seed=SEED)
        return sum(found.count(word) for word in words), repeats

    return count


def held(scenario: Scenario, task: str, kind: str) -> Count:
    """How often a printed 95 % interval holds the truth."""

    def count(repeats: int) -> tuple[int, int]:
        found: Rates = simulate(scenario, repeats=repeats, seed=SEED)
        return found.covered[task, kind], repeats

    return count


def alone(task: Planted) -> Scenario:
    """A claim on one task: what its intervals hold."""
    return Scenario(tasks=(task,), family=registered_family())


def covered(
    interval: Callable[[Floats], Interval | None],
    sample: Callable[[np.random.Generator], Floats],
    truth: float,
    slow: int = 1,
) -> Count:
    """How often an interval of what is drawn holds the truth."""

    def count(repeats: int) -> tuple[int, int]:
        random, tries = np.random.default_rng(SEED), max(1, repeats // slow)
        found = [interval(sample(random)) for _ in range(tries)]
        return sum(one is not None and one.low <= truth <= one.high for one in found), tries

    return count


def gaussian(random: np.random.Generator, n: int = 12) -> Floats:
    """Differences of members that all trained, at a rate that nobody chose."""
    drawn: Floats = 0.1 + 0.11 * random.standard_normal(n)
    return drawn


def some_diverged(random: np.random.Generator, n: int = 12) -> Floats:
    """Differences where one member in twenty of either side fell to chance."""
    lost = random.random((2, n)) < 0.05
    drawn: Floats = gaussian(random, n) + 3.0 * (lost[1].astype(float) - lost[0])
    return drawn


def shares(random: np.random.Generator) -> Floats:
    """How many of 40 architectures have a property that 85 % of all have."""
    return np.array([random.binomial(40, 0.85)], float)


def rounds(random: np.random.Generator, slowing: float = 0.0) -> Floats:
    """Seconds of 31 interleaved rounds of two ways, true ratio 1.2, on a machine that slows down by a share [2, 31]."""
    drift = 1 + slowing * np.arange(31) / 30
    drawn: Floats = np.array([[1.2], [1.0]]) * drift * random.lognormal(0, 0.03, (2, 31))
    return drawn


# The table.


@functools.cache
def rows() -> tuple[AskedRate, ...]:
    """Every row, in the order it is printed."""
    return (*_real(), *_bent(), *_qualified(), *_mechanism(), *_coverage(), *_plain())


def _power(row: Callable[..., AskedRate], made: Callable[[float], Scenario]) -> list[AskedRate]:
    """What is asked of every kind of claim."""
    return [
        row(
            what="true 0: falsely supported or reversed",
            must=0.5,
            relation="at most",
            count=verdicts(made(0), "supported", "reversed"),
        ),
        row(what="true 0: falsely qualified", must=2, relation="at most", count=verdicts(made(0), "qualified")),
        row(what="true 0: negligible", must=90, relation="at least", count=verdicts(made(0), "negligible")),
        row(
            what="true 1.5 margins: supported (power)",
            must=90,
            relation="at least",
            count=verdicts(made(1.5), "supported"),
        ),
        row(
            what="true 2 margins: supported (power)", must=98, relation="at least", count=verdicts(made(2), "supported")
        ),
    ]


def _real() -> list[AskedRate]:
    """A claim on three real tasks."""
    group = "Three real tasks, 12 members, Holm over the registered family"
    row = partial(AskedRate, group=group)
    half, one, wrong = three(0.5), three(1), three(1.5)
    return [
        *_power(row, three),
        row(what="true 1/2 margin: negligible", count=verdicts(half, "negligible")),
        row(what="true 1/2 margin: supported", must=0.5, relation="at most", count=verdicts(half, "supported")),
        row(what="true 1 margin: supported", count=verdicts(one, "supported")),
        row(
            what="true 1.5 margins: falsely refuted",
            must=0.5,
            relation="at most",
            count=verdicts(wrong, "reversed", "negligible"),
        ),
        row(what="true -1.5 margins: reversed", must=90, relation="at least", count=verdicts(three(-1.5), "reversed")),
    ]


def _bent() -> list[AskedRate]:
    """The same where the arms' curves are less kind."""
    found = []
    for curves in CURVES[1:]:
        row = partial(AskedRate, group=f"Three real tasks, {curves}")
        found += _power(row, partial(three, curves=curves))
    return found


def _qualified() -> list[AskedRate]:
    """Qualified where nothing depends on anything, and where something does."""
    row = partial(AskedRate, group="Qualified, three real tasks")
    rarely = partial(row, must=2, relation="at most")
    return [
        *(
            rarely(
                what=f"true {size:g} margins on every task: falsely by task",
                count=verdicts(three(size), "qualified by task"),
            )
            for size in (0.5, 1, 1.5, 2)
        ),
        row(what="true 2, 0 and 0 margins: by task", count=verdicts(three((2, 0, 0)), "qualified by task")),
        row(what="true 2, -2 and 0 margins: by task", count=verdicts(three((2, -2, 0)), "qualified by task")),
        rarely(
            what="true 2 margins at either match: falsely by match", count=verdicts(matched(2), "qualified by match")
        ),
        *(
            rarely(
                what=f"true {size:g} margins, a moderator whose levels do not differ: falsely by it",
                count=verdicts(moderated(size), "qualified by moderator"),
            )
            for size in (0, 1, 2)
        ),
        *(
            rarely(
                what=f"true {size:g} margins, {100 * left:g} % left after three times the training: falsely by steps",
                count=verdicts(three(size, lasting=left), "qualified by steps"),
            )
            for size, left in ((1.5, 1.0), (1.5, 0.8), (2, 0.75))
        ),
        row(
            what="true 2 margins, none left after three times the training: by steps",
            count=verdicts(three(2, lasting=0.0), "qualified by steps"),
        ),
        row(
            what="true 2 margins, reversed by three times the training: by steps",
            count=verdicts(three(2, lasting=-0.5), "qualified by steps"),
        ),
    ]


def _mechanism() -> list[AskedRate]:
    """A mechanism claim on generated tasks."""
    return _power(partial(AskedRate, group="A mechanism on two generated tasks, 8 members"), mechanism)


def _coverage() -> list[AskedRate]:
    """Both printed intervals of an effect, on every task and for every kind of curve."""
    row = partial(AskedRate, group="Coverage of printed 95 % intervals of effects", must=95, within=1.5)
    shown = []
    for build in (digits, textures, fashion, partial(generated, "phase")):
        for curves in CURVES:
            task = build(DELTA, curves)
            name = "generated" if not task.real else task.task
            shown.append(row(what=f"{name}, {curves}: ratio", count=held(alone(task), task.task, RATIO)))
        like = build(DELTA)
        shown.append(row(what=f"{name}, {CURVES[0]}: points", count=held(alone(like), like.task, POINTS)))
    return shown


def _plain() -> list[AskedRate]:
    """Intervals that no learning rate comes into."""
    row = partial(AskedRate, group="Coverage of other intervals")
    least = partial(row, must=95, relation="at least")

    def ratio(seconds: Floats) -> Interval:
        return intervals.ratio_of_medians(seconds[0].tolist(), seconds[1].tolist())

    def share(having: Floats) -> Interval:
        return intervals.wilson(int(having[0]), 40)

    return [
        *(
            row(
                what=f"paired t without calibration, rates given, n 12, {100 * level:g} %",
                must=100 * level,
                within=1.5,
                count=covered(partial(intervals.paired_t, level=level), gaussian, 0.1),
            )
            for level in (0.90, 0.95)
        ),
        least(
            what="signed rank, n 12, 95 %, one member in twenty is lost at every rate",
            count=covered(partial(intervals.signed_rank, level=0.95), some_diverged, 0.1),
        ),
        row(what="Wilson, 34 of 40 expected, 95 %", must=95, within=1.5, count=covered(share, shares, 0.85)),
        least(what="bootstrap ratio of medians, 31 rounds, 95 %", count=covered(ratio, rounds, 1.2, SLOW)),
        least(
            what="the same on a machine that slows down by half",
            count=covered(ratio, partial(rounds, slowing=0.5), 1.2, SLOW),
        ),
        row(
            what="BCa of the mean (printed beside, decides nothing), rates given, n 12, 95 %",
            count=covered(intervals.bca, gaussian, 0.1, SLOW),
        ),
    ]
