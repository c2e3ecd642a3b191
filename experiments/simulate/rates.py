"""What the protocol predicts of its own rules, and what the code gives: every row of `python -m experiments.simulate`.

Predictions are those of the protocol's second section about the amended rule, and nominal levels; a few of its other
figures are about a rule that was given up before any data, and no code is left that could give them.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numpy as np

from cnnlab.inference import intervals
from cnnlab.inference.family import Family
from cnnlab.inference.intervals import Floats, wilson
from cnnlab.inference.simulation import batch
from cnnlab.inference.simulation.planting import Planted, Scenario, draw
from cnnlab.inference.simulation.rates import simulate
from cnnlab.inference.simulation.tuning import LearningRates
from cnnlab.inference.simulation.verdicts import difference_ps, moderated
from cnnlab.spec.verdict import Interval
from experiments.analysis.verdicts import registered_family

SEED = 20202
DELTA = 0.01
PILOT, PESSIMISTIC = (0.014, 0.007), (0.018, 0.009)
"""SD of a member's paired difference on digits12 and fashion14."""
WHOLE, FIRST, TWO_LOOKS = ((24,), (12,)), ((12,), (8,)), ((12, 24), (8, 12))
PREDICTED_FAMILY = Family(claims=27, moderator_contrasts=40)
DIGITS = LearningRates(seed_sd=0.01, accuracy=0.93, validation_images=238)
FASHION = LearningRates(seed_sd=0.007, accuracy=0.85, validation_images=2000)
SLOW = 4
"""Bootstrap intervals are slow: one replication for every four of the others."""

Count = Callable[[int], tuple[int, int]]
"""Replications asked for -> (how often it happened, how often it was tried)."""
Relation = Literal["about", "at most", "at least"]


@dataclass(frozen=True, kw_only=True)
class PredictedRate:
    """One rate: what was predicted of it, in percent, and how to find it.

    Attributes:
        group: what it belongs to. what: one phrase.
        predicted: in percent, None where nothing was; `places` decimals of it were printed.
        relation: whether the prediction is a value or a bound.
        count: simulates.
    """

    group: str
    what: str
    count: Count
    predicted: float | None = None
    places: int = 0
    relation: Relation = "about"


@dataclass(frozen=True, kw_only=True)
class FoundRate:
    """A row with what was found: successes of trials, and whether that agrees with the prediction."""

    row: PredictedRate
    successes: int
    trials: int

    @property
    def interval(self) -> Interval:
        """Wilson's 95 % interval of the rate."""
        return wilson(self.successes, self.trials)

    @property
    def agrees(self) -> bool | None:
        """Whether the interval holds the prediction (rounded as it was printed); None where there is none."""
        if self.row.predicted is None:
            return None
        rounding = 0.5 / 10 ** (self.row.places + 2)
        predicted, found = self.row.predicted / 100, self.interval
        not_below, not_above = found.high + rounding >= predicted, found.low - rounding <= predicted
        held = {"about": not_below and not_above, "at least": not_below, "at most": not_above}
        return bool(held[self.row.relation])


def find(row: PredictedRate, repeats: int) -> FoundRate:
    """Simulate a row."""
    successes, trials = row.count(repeats)
    return FoundRate(row=row, successes=successes, trials=trials)


# Scenarios.


def planted(
    margins: float,
    sds: tuple[float, float] = PILOT,
    blocks: tuple[tuple[int, ...], tuple[int, ...]] = WHOLE,
    selection_sd: float = 0.0,
) -> Scenario:
    """One claim on digits12 and fashion14, its true effect in margins: the setting of the protocol's predictions."""
    tasks = tuple(
        Planted(task=name, effect=margins * DELTA, sd=sd, blocks=members, margin=DELTA, selection_sd=selection_sd)
        for name, sd, members in zip(("digits12", "fashion14"), sds, blocks, strict=True)
    )
    return Scenario(tasks=tasks, family=PREDICTED_FAMILY)


def real(margins: float, tuning_seeds: int = 2) -> Scenario:
    """The same as the suite runs it: two looks, both learning rates, tuned by the rule, members that diverge."""
    clean = planted(margins, blocks=TWO_LOOKS)
    tasks = tuple(
        replace(task, common_effect=task.effect, tuning=replace(rates, tuning_seeds=tuning_seeds))
        for task, rates in zip(clean.tasks, (DIGITS, FASHION), strict=True)
    )
    return replace(clean, tasks=tasks, family=registered_family())


def matched() -> Scenario:
    """A true effect of two margins at either match."""
    return replace(real(2), matched=real(2).tasks)


def with_moderators(scenario: Scenario, count: int, margins: float = 0.0) -> Scenario:
    """Moderators whose levels do not differ: each has this effect at both."""
    return replace(scenario, moderators=((margins * DELTA, margins * DELTA),) * count)


def scenarios() -> tuple[Scenario, ...]:
    """One of each kind, for holding the arrays against the rule code."""
    return (
        planted(0),
        planted(1),
        planted(1.5, PESSIMISTIC),
        planted(-1.5),
        planted(2, selection_sd=0.003),
        planted(2, blocks=FIRST),
        real(0),
        real(1),
        real(2),
        matched(),
        with_moderators(real(0), 4),
    )


# Counts.


def verdicts(scenario: Scenario, *words: str) -> Count:
    """How often a scenario ends in one of these outcomes."""

    def count(repeats: int) -> tuple[int, int]:
        found = simulate(scenario, repeats=repeats, seed=SEED)
        return sum(found.count(word) for word in words), repeats

    return count


def by_moderator(scenario: Scenario, conditions: tuple[Literal["own", "common"], ...]) -> Count:
    """How often a moderator would qualify, read at these learning rates."""

    def count(repeats: int) -> tuple[int, int]:
        return int(moderated(scenario, draw(scenario, repeats, SEED), conditions).sum()), repeats

    return count


def uncorrected(moderators: int) -> Count:
    """How often any of so many moderators whose levels do not differ has p < .05."""

    def count(repeats: int) -> tuple[int, int]:
        scenario = with_moderators(planted(0), moderators)
        return int((difference_ps(scenario, draw(scenario, repeats, SEED)) < 0.05).any(axis=0).sum()), repeats

    return count


def normal(repeats: int, n: int, *, mean: float = 0.0, sd: float, selection_sd: float = 0.0) -> Floats:
    """Paired differences [repeats, n], with an error that all members of a replication share."""
    random = np.random.default_rng([SEED, n])
    shared = selection_sd * random.standard_normal((repeats, 1))
    drawn: Floats = mean + shared + sd * random.standard_normal((repeats, n))
    return drawn


def excludes_zero(n: int, *, sd: float, selection_sd: float) -> Count:
    """How often the 95 % interval of a true zero excludes zero, with an error from choosing learning rates."""

    def count(repeats: int) -> tuple[int, int]:
        found = batch.students(normal(repeats, n, sd=sd, selection_sd=selection_sd), 0.95)
        return int(((found.low > 0) | (found.high < 0)).sum()), repeats

    return count


def equivalent(tasks: int, *, n: int, sd: float) -> Count:
    """How often the 90 % interval of a true zero lies inside the margin on every one of so many tasks."""

    def count(repeats: int) -> tuple[int, int]:
        found = batch.students(normal(repeats * tasks, n, sd=sd), 0.90)
        inside = (found.low > -DELTA) & (found.high < DELTA)
        return int(inside.reshape(repeats, tasks).all(axis=1).sum()), repeats

    return count


def outside(n: int, *, sd: float) -> Count:
    """How often R-EQ v2 refutes where the true difference is rho itself."""

    def count(repeats: int) -> tuple[int, int]:
        found = batch.students(normal(repeats, n, mean=DELTA, sd=sd), 0.95)
        return int(((found.low > DELTA) | (found.high < -DELTA)).sum()), repeats

    return count


def task_as_moderator(n: int) -> Count:
    """How often effects of 2.0 and 1.0 points on two tasks (two margins on either) differ at .05."""

    def count(repeats: int) -> tuple[int, int]:
        one, other = normal(repeats, n, mean=0.02, sd=0.016), normal(repeats, n + 1, mean=0.01, sd=0.007)[:, :n]
        found = batch.students(one - other, 0.95)
        return int(((found.low > 0) | (found.high < 0)).sum()), repeats

    return count


def one_diverged(n: int) -> Count:
    """How often the signed-rank interval supports a true three points where one of n members diverged."""

    def count(repeats: int) -> tuple[int, int]:
        differences = normal(repeats, n, mean=0.03, sd=0.016)
        differences[:, 0] -= 0.8
        return int((batch.signed_ranks(differences, 0.95).low > 0).sum()), repeats

    return count


def same_twice(n: int, sd: float) -> Count:
    """How often the A/A check passes: two equal arms, Null."""
    return equivalent(1, n=n, sd=sd)


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
    """Differences of members that all trained."""
    drawn: Floats = 0.01 + 0.014 * random.standard_normal(n)
    return drawn


def some_diverged(random: np.random.Generator, n: int = 12) -> Floats:
    """Differences where one member in twenty of either side fell to chance."""
    lost = random.random((2, n)) < 0.05
    drawn: Floats = gaussian(random, n) + 0.8 * (lost[1].astype(float) - lost[0])
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


def rows() -> tuple[PredictedRate, ...]:
    """Every row, in the order it is printed."""
    return (*_rule(), *_parts(), *_real(), *_coverage())


def _rule() -> list[PredictedRate]:
    """The amended R-DIR in the protocol's own setting."""
    cases: tuple[tuple[str, Scenario, str, float, int], ...] = (
        ("true 0", planted(0), "negligible", 92, 0),
        ("true 1/2 margin", planted(0.5), "negligible", 39, 0),
        ("true 1 margin", planted(1), "supported", 21, 0),
        ("true 1.5 margins", planted(1.5), "supported", 92, 0),
        ("true 2 margins", planted(2), "supported", 99.9, 1),
        ("true -1.5 margins", planted(-1.5), "reversed", 92, 0),
        ("SDs 1.8/.9, true 0", planted(0, PESSIMISTIC), "negligible", 65, 0),
        ("SDs 1.8/.9, true 1.5 margins", planted(1.5, PESSIMISTIC), "supported", 64, 0),
        ("SDs 1.8/.9, true 2 margins", planted(2, PESSIMISTIC), "supported", 96, 0),
        ("learning-rate error .3, true 0", planted(0, selection_sd=0.003), "negligible", 72, 0),
        ("learning-rate error .3, true 1.5 margins", planted(1.5, selection_sd=0.003), "supported", 78, 0),
        ("learning-rate error .3, true 2 margins", planted(2, selection_sd=0.003), "supported", 98, 0),
        ("first look only (n 12/8), true 0", planted(0, blocks=FIRST), "negligible", 48, 0),
        ("first look only, true 2 margins", planted(2, blocks=FIRST), "supported", 75, 0),
        ("first look only, true 3 margins", planted(3, blocks=FIRST), "supported", 99.5, 1),
    )
    group = "R-DIR v2: digits12 n 24, SD 1.4; fashion14 n 12, SD .7; margin 1 point; Holm over 27"
    found = [
        PredictedRate(
            group=group, what=f"{truth}: {word}", predicted=predicted, places=places, count=verdicts(scenario, word)
        )
        for truth, scenario, word, predicted, places in cases
    ]
    never = verdicts(planted(0), "supported", "reversed")
    return [
        *found,
        PredictedRate(group=group, what="true 0: supported or reversed", predicted=0.0, places=1, count=never),
    ]


def _parts() -> list[PredictedRate]:
    """Single statements of the protocol."""
    row = partial(PredictedRate, group="Parts of the rules, alone")
    return [
        row(what="R-EQ v2 refutes at a true difference of rho", predicted=2.5, places=1, count=outside(12, sd=0.014)),
        row(what="Null on one task, SD 1.6 margins, n 10", predicted=22, count=equivalent(1, n=10, sd=0.016)),
        row(what="Null on two such tasks", predicted=4.5, places=1, count=equivalent(2, n=10, sd=0.016)),
        row(
            what="learning-rate error .3, SD 1.5 (not stated): 95 % interval of 0 excludes 0, n 24",
            predicted=14,
            count=excludes_zero(24, sd=0.015, selection_sd=0.003),
        ),
        row(what="1 of 10 members diverged: signed ranks find a true +3 points", predicted=95, count=one_diverged(10)),
        row(what="the same, 1 of 12", count=one_diverged(12)),
        row(
            what="20 moderators whose levels do not differ, uncorrected: any p < .05",
            predicted=64,
            count=uncorrected(20),
        ),
        row(
            what="'task' as moderator, 2.0 against 1.0 points, n 10: p < .05", predicted=43, count=task_as_moderator(10)
        ),
        row(what="the same, n 24", predicted=77, count=task_as_moderator(24)),
        row(what="A/A check passes, SD 1.4 margins, n 12", count=same_twice(12, 0.014)),
        row(what="A/A check passes, SD 1.4 margins, n 24", count=same_twice(24, 0.014)),
    ]


def _real() -> list[PredictedRate]:
    """As the suite runs: tuning and divergence inside."""
    registered = registered_family()
    row = partial(
        PredictedRate,
        group=f"R-DIR v2 as run: two looks, tuned by the rule (2 seeds), divergence, Holm over {registered.claims}",
    )
    bound = partial(row, predicted=2.5, places=1, relation="at most")
    null = real(0)
    one = with_moderators(null, 1)
    return [
        bound(what="true 0: falsely supported", count=verdicts(null, "supported")),
        bound(what="true 0: falsely reversed", count=verdicts(null, "reversed")),
        bound(what="true 1.5 margins: falsely refuted", count=verdicts(real(1.5), "reversed", "negligible")),
        row(what="true 0: falsely qualified by learning rate", count=verdicts(null, "qualified by learning rate")),
        row(what="the same with 8 tuning seeds", count=verdicts(real(0, 8), "qualified by learning rate")),
        row(
            what="true 2 margins at either match: falsely qualified by match",
            count=verdicts(matched(), "qualified by match"),
        ),
        row(what="true 0, one moderator: falsely qualified by it", count=by_moderator(one, ("own",))),
        row(
            what="the same, were it asked for at the common learning rate too",
            count=by_moderator(one, ("own", "common")),
        ),
        row(what="true 0: negligible", count=verdicts(null, "negligible")),
        *(
            row(what=f"true {margins}: supported (power)", count=verdicts(real(size), "supported"))
            for margins, size in (("1 margin", 1), ("1.5 margins", 1.5), ("2 margins", 2))
        ),
    ]


def _coverage() -> list[PredictedRate]:
    """Every interval the suite prints or decides by."""
    row = partial(PredictedRate, group="Coverage of intervals")

    def ratio(seconds: Floats) -> Interval:
        return intervals.ratio_of_medians(seconds[0].tolist(), seconds[1].tolist())

    def share(having: Floats) -> Interval:
        return intervals.wilson(int(having[0]), 40)

    students = [
        row(
            what=f"paired t, n 12, {100 * level:g} %",
            predicted=100 * level,
            count=covered(partial(intervals.paired_t, level=level), gaussian, 0.01),
        )
        for level in (0.90, 0.95, 0.98)
    ]
    ranks = partial(intervals.signed_rank, level=0.95)
    return [
        *students,
        row(
            what="signed rank, n 12, 95 %, one member in twenty diverges",
            predicted=95,
            relation="at least",
            count=covered(ranks, some_diverged, 0.01),
        ),
        row(what="Wilson, 34 of 40 expected, 95 %", predicted=95, count=covered(share, shares, 0.85)),
        row(
            what="bootstrap ratio of medians, 31 rounds, 95 %",
            predicted=95,
            relation="at least",
            count=covered(ratio, rounds, 1.2, SLOW),
        ),
        row(
            what="the same on a machine that slows down by half",
            predicted=95,
            relation="at least",
            count=covered(ratio, partial(rounds, slowing=0.5), 1.2, SLOW),
        ),
        *(
            row(
                what=f"BCa of the mean (printed beside, decides nothing), n {n}, 95 %",
                predicted=95,
                count=covered(intervals.bca, partial(gaussian, n=n), 0.01, SLOW),
            )
            for n in (12, 24)
        ),
    ]
