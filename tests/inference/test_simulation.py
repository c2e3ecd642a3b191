"""The judge judged: planted curves are read and judged by the very code that reads and judges records.

The rates that the protocol asks for are kept on a claim's three real tasks; each of them has a twin with one fault, in
reading, in the effect or in the rules, that must miss the same rate.
"""

import itertools
import math
import statistics
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from cnnlab.inference import effects
from cnnlab.inference.effects import CALIBRATION, accuracy_margin
from cnnlab.inference.family import Case, Family, judge
from cnnlab.inference.intervals import wilson
from cnnlab.inference.rules import contract
from cnnlab.inference.rules.directional import Directional
from cnnlab.inference.simulation.drawing import CENTRE, Reader, draw
from cnnlab.inference.simulation.judging import Judge
from cnnlab.inference.simulation.planting import ArmCurve, Planted, Scenario
from cnnlab.inference.simulation.rates import POINTS, RATIO, Rates, simulate
from cnnlab.spec.curve import MOST_RATES, AtRate, Finals, best_place, finals, reading
from cnnlab.spec.verdict import Effect, Verdict

FAMILY = Family(claims=29, moderator_contrasts=40)
DELTA = accuracy_margin(scale="quick", real=True)
LOPSIDED = ArmCurve(low=0.05, high=0.2)


def task(name: str = "textures12", effect: float = 0.0, sd: float = 0.09, **changes: Any) -> Planted:
    return Planted(task=name, effect=effect, sd=sd, margin=DELTA, **{"error": 0.04, "test_images": 16_384, **changes})


def scenario(*margins: float, **changes: Any) -> Scenario:
    """One claim on three real tasks, its true effect in margins, on each or on all."""
    sizes = margins * 3 if len(margins) == 1 else margins
    named = zip(("digits12", "textures12", "fashion12"), sizes, (0.11, 0.09, 0.05), strict=True)
    made = tuple(task(name, size * DELTA, sd, validation_images=2380, **changes) for name, size, sd in named)
    return Scenario(tasks=made, family=FAMILY)


def rates(planted: Scenario, repeats: int = 300, seed: int = 1, **faults: Any) -> Rates:
    return simulate.__wrapped__(planted, repeats=repeats, seed=seed, **faults)


# What is drawn is what was planted.


def test_equal_arms_read_at_one_rate_have_the_spread_and_the_lead_that_were_planted() -> None:
    flat = ArmCurve(low=0.0, high=0.0, edge=9.0)
    planted = task(effect=0.2, members=200, better=flat, worse=flat, sd=0.09, spread=0.0)
    random = np.random.default_rng(0)

    def first_rate(curve: Sequence[AtRate]) -> Finals:
        return finals(curve[:1])

    pairs = [draw(planted, random, first_rate) for _ in range(10)]
    gaps = np.array([np.subtract(pair.better.sample.values, pair.worse.sample.values) for pair in pairs])
    counting = 1 / (0.04 * 16_384) / 12  # rounding errors to whole images
    assert gaps.mean() == pytest.approx(0.2, abs=4 * 0.09 / math.sqrt(2000))
    assert gaps.std() == pytest.approx(math.hypot(0.09, counting), rel=0.07)
    ours, theirs = (np.ravel([arm.sample.values for arm in arms]) for arms in _sides(pairs))
    assert np.corrcoef(ours, theirs)[0, 1] == pytest.approx(planted.of_seed, abs=0.08)


def _sides(pairs: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    return [pair.better for pair in pairs], [pair.worse for pair in pairs]


def test_members_are_the_same_nets_at_every_rate_in_part() -> None:
    flat = ArmCurve(low=0.0, high=0.0, edge=9.0)
    planted = task(members=1000, better=flat, worse=flat, of_seed=0.2, of_arm=0.3)
    curve = draw(planted, np.random.default_rng(0)).better.curve
    one, other = (np.log(1 - np.array(at.test_accuracy)) for at in curve[:2])
    assert np.corrcoef(one, other)[0, 1] == pytest.approx(0.5, abs=0.1)


def test_curves_are_those_of_the_real_grid_extended_while_the_best_is_an_end() -> None:
    far = task(better=ArmCurve(best=2.0), worse=ArmCurve(best=-2.0), spread=0.0, apart=0.0, members=24)
    for _ in range(5):
        pair = draw(far, np.random.default_rng(_))
        for arm, best in ((pair.better, 2.0), (pair.worse, -2.0)):
            octaves = [math.log2(at.learning_rate / CENTRE) for at in arm.curve]
            assert octaves == pytest.approx(range(round(octaves[0]), round(octaves[0]) + len(octaves)))
            assert {-1, 0, 1} <= {round(octave) for octave in octaves}
            assert octaves[best_place(arm.curve)] == pytest.approx(best, abs=1.01)
            assert 0 < best_place(arm.curve) < len(arm.curve) - 1
            assert len(arm.curve) <= MOST_RATES


def test_members_are_lost_beyond_the_edge_and_their_rate_leaves_the_curve() -> None:
    edgy = ArmCurve(low=0.0, high=-0.01, edge=1.0, edge_width=0.05)  # it would get better beyond the edge
    planted = task(better=edgy, worse=edgy, spread=0.0, apart=0.0)
    arm = draw(planted, np.random.default_rng(0)).better
    for at in arm.curve:
        octave = math.log2(at.learning_rate / CENTRE)
        assert all(at.diverged) if octave > 1.2 else not any(at.diverged) if octave < 0.8 else True
    assert not any(arm.finals.diverged)
    chance = [accuracy for at in arm.curve for accuracy, bad in zip(at.test_accuracy, at.diverged, strict=True) if bad]
    assert set(chance) <= {planted.chance}


def test_an_arm_that_never_learns_is_at_chance_and_its_contrast_open() -> None:
    dead = ArmCurve(edge=-9.0)
    planted = task(better=dead, worse=dead)
    assert draw(planted, np.random.default_rng(0)).better.at_chance
    found = rates(Scenario(tasks=(planted, replace(planted, task="digits12")), family=FAMILY), repeats=3)
    assert found.counts == {"inconclusive": 3}


def test_whole_images_are_counted_and_ties_happen() -> None:
    few = task(test_images=50, validation_images=50)
    arm = draw(few, np.random.default_rng(0)).better
    values = [accuracy for at in arm.curve for accuracy in at.test_accuracy]
    assert all(abs(value * 50 - round(value * 50)) < 1e-9 for value in values)
    assert len(set(values)) < len(values) / 2


# Coverage. The check takes any reader; the twins read test accuracies, read everyone at one rate, or forget the factor.


def coverage(planted: Planted, repeats: int, reader: Reader = finals, kind: str = RATIO) -> tuple[float, float]:
    """Wilson's 99.9 % interval of how often the printed 95 % interval holds the truth."""
    found = rates(Scenario(tasks=(planted,), family=FAMILY), repeats, reader=reader)
    span = wilson(found.covered[planted.task, kind], repeats, 0.999)
    return span.low, span.high


def covers(planted: Planted, repeats: int = 600, reader: Reader = finals, kind: str = RATIO) -> bool:
    low, high = coverage(planted, repeats, reader, kind)
    return high >= 0.935 and low <= 0.965


def by_test(curve: Sequence[AtRate]) -> Finals:
    """Fault: every member is read where its own test accuracy is highest."""
    rows = [
        (max(curve, key=lambda at: at.test_accuracy[member]), member) for member in range(len(curve[0].test_accuracy))
    ]
    return _finals(rows)


def by_own_validation(curve: Sequence[AtRate]) -> Finals:
    """Fault: no leave-one-out, and every member's result is its validation accuracy where the mean is highest."""
    at = curve[best_place(curve)]
    found = _finals([(at, member) for member in range(len(at.test_accuracy))])
    return replace(found, test_accuracy=found.validation_accuracy)


def at_one_rate(curve: Sequence[AtRate]) -> Finals:
    """Fault: argmax without leave-one-out: a member's own luck helps to choose its rate."""
    at = curve[best_place(curve)]
    return _finals([(at, member) for member in range(len(at.test_accuracy))])


def _finals(rows: Sequence[tuple[AtRate, int]]) -> Finals:
    return Finals(
        learning_rate=tuple(at.learning_rate for at, _ in rows),
        validation_accuracy=tuple(at.validation_accuracy[member] for at, member in rows),
        test_accuracy=tuple(at.test_accuracy[member] for at, member in rows),
        test_loss=tuple(at.test_loss[member] for at, member in rows),
        train_loss=tuple(at.train_loss[member] for at, member in rows),
        diverged=tuple(at.diverged[member] for at, member in rows),
    )


UNLIKE = {"better": ArmCurve(low=0.005, high=0.005), "worse": ArmCurve(low=0.3, high=0.3)}
"""One arm is indifferent to its learning rate, so that its luckiest rate is luckier than the other arm's."""


@pytest.mark.slow
@pytest.mark.parametrize("kind", [RATIO, POINTS])
@pytest.mark.parametrize(
    "planted",
    [
        task(effect=DELTA),
        task(effect=2 * DELTA, better=LOPSIDED, worse=LOPSIDED),
        task(better=LOPSIDED),
        task(better=ArmCurve(best=2.0)),
        task(members=8, sd=0.1, error=0.1, validation_images=1024),
    ],
    ids=["alike", "lopsided", "unlike", "extended", "eight members"],
)
def test_printed_intervals_cover(planted: Planted, kind: str) -> None:
    assert covers(planted, kind=kind)


def test_twin_that_reads_the_test_set_breaks_coverage() -> None:
    uneven = task(**UNLIKE)
    assert covers(uneven)
    assert not covers(uneven, reader=by_test)


def test_twin_without_calibration_under_covers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effects, "CALIBRATION", 1.0)
    assert coverage(task(effect=DELTA), 1200)[1] < 0.935


def too_good(reader: Reader) -> float:
    """How many of its standard errors the indifferent arm's mean lead lies above its truth, over 400 replications."""
    arms = {"better": ArmCurve(low=0.0, high=0.0), "worse": ArmCurve(low=0.5, high=0.5)}
    planted = task(sd=0.15, members=8, validation_images=20_000, spread=0.0, apart=0.0, **arms)
    errors = rates(Scenario(tasks=(planted,), family=FAMILY), 400, reader=reader).errors[planted.task]
    return statistics.fmean(errors) / (statistics.stdev(errors) / 400**0.5)


def test_leave_one_out_favours_no_arm() -> None:
    assert abs(too_good(finals)) < 4


def test_twin_without_leave_one_out_favours_the_arm_that_has_more_rates_to_choose_from() -> None:
    assert too_good(at_one_rate) > 8


def test_members_who_choose_for_themselves_are_too_good() -> None:
    """Selected on what is reported: the mean of each arm is too high; leave-one-out is not."""
    indifferent = ArmCurve(low=0.0, high=0.0)
    planted = task(better=indifferent, worse=indifferent, validation_images=238, sd=0.11)
    random = np.random.default_rng(5)
    lucky, fair = [], []
    for _ in range(150):
        curve = draw(planted, random).better.curve
        lucky.append(statistics.fmean(by_own_validation(curve).test_accuracy) - 0.96)
        fair.append(statistics.fmean(_left_out(curve)) - 0.96)
    error = statistics.stdev(fair) / math.sqrt(len(fair))
    assert abs(statistics.fmean(fair)) < 4 * error
    assert statistics.fmean(lucky) > 4 * error


def _left_out(curve: Sequence[AtRate]) -> list[float]:
    """Validation accuracies of members where the others chose: no member's luck chooses for it."""
    return [curve[place].validation_accuracy[member] for member, place in enumerate(reading(curve))]


# The rates that the protocol asks for.


def test_true_zeros_are_negligible_and_nothing_else() -> None:
    found = rates(scenario(0))
    assert found.interval("negligible", 0.99).low >= 0.9
    for outcome, most in (("supported", 0.005), ("reversed", 0.005), ("qualified", 0.02)):
        assert found.interval(outcome, 0.99).low <= most


@pytest.mark.slow
@pytest.mark.parametrize(("margins", "least"), [(1.5, 0.9), (2.0, 0.98)])
@pytest.mark.parametrize("outcome", ["supported", "reversed"])
def test_effects_are_found(margins: float, least: float, outcome: str) -> None:
    planted = scenario(margins) if outcome == "supported" else scenario(margins).swapped()
    found = rates(planted)
    assert found.interval(outcome, 0.99).high >= least
    assert found.rate(outcome) > least - 0.03
    assert found.count("negligible") == 0


def calls_any_sign(cases: dict[str, Case], family: Family) -> dict[str, Verdict]:
    """Fault: the sign of the point estimate is the call, and its p is 0."""
    case = cases["planted"]
    called = tuple(_signed(one) for one in case.evidence.effects)
    return judge({"planted": replace(case, evidence=replace(case.evidence, effects=called, tasks=()))}, family)


def _signed(found: Effect) -> Effect:
    call = "pos" if found.estimate > 0 else "neg"
    return replace(found, call=call, p_greater=float(call == "neg"), p_less=float(call == "pos"))  # type: ignore[arg-type]


def is_safe(judging: Judge) -> bool:
    """No sign that more than .5 % are supported or reversed where nothing is."""
    found = rates(scenario(0), 150, judging=judging)
    return all(found.interval(outcome, 0.99).low <= 0.005 for outcome in ("supported", "reversed"))


def test_twin_that_calls_the_sign_is_found() -> None:
    assert is_safe(judge)
    assert not is_safe(calls_any_sign)


def without_holm(cases: dict[str, Case], family: Family) -> dict[str, Verdict]:
    """Fault: no claim pays for the family, and calls alone decide."""
    case, free = cases["planted"], contract.Decisions(greater=1.0, less=1.0, moderators=0.0, registered=1)
    return {"planted": case.rule.conclude(replace(case.evidence, tasks=()), free)}


def falsely_supported_families(judging: Judge) -> float:
    """Lower bound of how often one of 29 claims without any effect is supported: six noisy tasks, hardly a margin."""
    tasks = tuple(replace(task(name), margin=1e-6) for name in "abcdef")
    kept = rates(Scenario(tasks=tasks, family=FAMILY), 300, judging=judging).interval("supported", 0.99).low
    return 1 - (1 - kept) ** FAMILY.claims


@pytest.mark.slow
def test_a_family_of_nulls_is_rarely_supported() -> None:
    assert falsely_supported_families(judge) <= 0.025


@pytest.mark.slow
def test_twin_without_holm_supports_too_many() -> None:
    assert falsely_supported_families(without_holm) > 0.025


# Qualified, truly and falsely.


@pytest.mark.slow
@pytest.mark.parametrize("margins", [0.5, 1.0, 2.0])
def test_tasks_that_do_not_differ_rarely_qualify(margins: float) -> None:
    assert rates(scenario(margins)).interval("qualified", 0.99).low <= 0.02


def test_tasks_that_differ_qualify() -> None:
    assert rates(scenario(2, -2, 0), 100).rate("qualified by task") > 0.95


def without_significance(cases: dict[str, Case], family: Family) -> dict[str, Verdict]:
    """Fault: calls that differ qualify, whether or not the effects surely do."""
    case = cases["planted"]
    sure = tuple(replace(pair, p=0.0) for pair in case.evidence.tasks)
    return judge({"planted": replace(case, evidence=replace(case.evidence, tasks=sure))}, family)


def test_twin_that_compares_calls_qualifies_too_often() -> None:
    assert rates(scenario(1.0), judging=without_significance).interval("qualified by task", 0.99).low > 0.02


def lasting(margins: float, left: float) -> Scenario:
    """The effect on digits is looked at again after three times the training, when so much of it is left."""
    planted = scenario(margins)
    return replace(planted, tasks=(replace(planted.tasks[0], lasting=left), *planted.tasks[1:]))


@pytest.mark.slow
@pytest.mark.parametrize(("margins", "left"), [(1.5, 1.0), (1.5, 0.8), (2.0, 0.75)])
def test_effects_that_shrink_a_little_are_rarely_qualified(margins: float, left: float) -> None:
    assert rates(lasting(margins, left)).interval("qualified", 0.99).low <= 0.02


@pytest.mark.parametrize(("left", "least"), [(0.0, 0.4), (-0.5, 0.9)])
def test_effects_that_fade_are_qualified(left: float, least: float) -> None:
    assert rates(lasting(2, left), 150).rate("qualified by steps") > least


def test_twin_that_asks_the_estimate_alone_qualifies_too_often(monkeypatch: pytest.MonkeyPatch) -> None:
    def inside(self: contract.Longer, effect: Effect) -> bool:
        """Fault: the estimate falls inside the margin, whatever its interval says."""
        sign = 1 if effect.call == "pos" else -1
        return sign * self.effect.estimate < self.effect.setting.margin

    monkeypatch.setattr(contract.Longer, "fades", inside)
    assert rates(lasting(1.5, 0.8)).interval("qualified by steps", 0.99).low > 0.02


@pytest.mark.slow
@pytest.mark.parametrize("margins", [0.0, 1.0, 2.0])
def test_moderators_rarely_qualify_where_levels_do_not_differ(margins: float) -> None:
    planted = replace(scenario(margins), moderators=((margins * DELTA,) * 2,))
    assert rates(planted, 200).interval("qualified", 0.99).low <= 0.02


def test_a_real_moderator_and_a_real_match_are_found() -> None:
    planted = replace(scenario(0), moderators=((3 * DELTA, 0.0),))
    assert rates(planted, 100).rate("qualified by moderator") > 0.8
    other = replace(scenario(2), matched=scenario(-2).tasks)
    found = rates(other, 100)
    assert found.rate("qualified by match") > 0.9
    assert found.count("qualified") == found.count("qualified by match")


# Mirrors and repeatability.


@pytest.mark.slow
def test_swapped_scenarios_are_mirrored_in_distribution() -> None:
    planted = replace(scenario(1.2, better=LOPSIDED), rule=Directional())
    one, other = rates(planted, 300, seed=3), rates(planted.swapped(), 300, seed=4)
    assert abs(one.rate("supported") - other.rate("reversed")) < 4.7 * (0.25 / 300) ** 0.5
    assert one.count("reversed") == other.count("supported") == 0


def test_same_seed_same_counts_and_other_seed_other_counts() -> None:
    one, again, other = (rates(scenario(1), 60, seed=seed) for seed in (1, 1, 2))
    assert one == again
    assert one != other


def test_three_real_tasks_make_three_pairs() -> None:
    seen = []

    def watching(cases: dict[str, Case], family: Family) -> dict[str, Verdict]:
        seen.append([(pair.level_a, pair.level_b) for pair in cases["planted"].evidence.tasks])
        return judge(cases, family)

    rates(scenario(0), 1, judging=watching)
    assert seen == [list(itertools.combinations(("digits12", "textures12", "fashion12"), 2))]


@pytest.mark.slow
def test_the_factor_is_what_the_planted_curves_ask_for() -> None:
    """The 95 % point of the errors, in those of Student, over the tasks as planted: the factor lies between."""
    found = rates(scenario(1), 400)
    asked = [float(np.quantile(np.abs(errors), 0.95) / stats.t.ppf(0.975, 11)) for errors in found.errors.values()]
    assert min(asked) < CALIBRATION < max(asked) + 0.15
    assert min(asked) > 1
