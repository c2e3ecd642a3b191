"""One contrast on one task: pairing, calls, calibration, divergence, and what n members can find."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestPower

from cnnlab.inference import effects
from cnnlab.inference.effects import (
    CALIBRATION,
    FEWEST,
    Sample,
    accuracy_margin,
    effect,
    pair,
    smallest_detectable,
    with_printed_checks,
)
from cnnlab.inference.intervals import paired_t
from cnnlab.inference.wording import describe
from cnnlab.spec.invalid import InvalidError
from cnnlab.spec.verdict import Effect, Setting

Settings = Callable[..., Setting]
Samples = Callable[..., Sample]


def noisy(centre: float, n: int = 12, sd: float = 0.005, seed: int = 0) -> list[float]:
    noise = np.random.default_rng(seed).standard_normal(n)
    return list(centre + sd * (noise - noise.mean()) / noise.std(ddof=1))


@pytest.mark.parametrize(
    ("centre", "sd", "call"), [(0.02, 0.005, "pos"), (-0.02, 0.005, "neg"), (0.0, 0.01, "null"), (0.006, 0.02, "open")]
)
def test_calls(setting: Settings, sample: Samples, centre: float, sd: float, call: str) -> None:
    found = effect(sample(noisy(centre, sd=sd)), sample([0.0] * 12), setting())
    assert found.call == call
    assert found.interval95.kind == "paired t"


def test_a_sure_sign_below_the_margin_is_not_pos(setting: Settings, sample: Samples) -> None:
    found = effect(sample(noisy(0.0099, sd=0.002)), sample([0.0] * 12), setting())
    assert found.interval95.low > 0
    assert found.call == "open"
    assert "sign" in found.reason


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("diverged", [(), (3,)])
def test_swapped_arms_mirror_everything(
    setting: Settings, sample: Samples, seed: int, diverged: tuple[int, ...]
) -> None:
    centre = (-0.02, -0.01, 0.0, 0.012, 0.03)[seed % 5]
    ours, theirs = sample(noisy(centre, seed=seed), diverged=diverged), sample(noisy(0.0, seed=seed + 100))
    one, other = effect(ours, theirs, setting()), effect(theirs, ours, setting())
    mirror = {"pos": "neg", "neg": "pos", "null": "null", "open": "open"}
    assert other.call == mirror[one.call]
    assert (other.estimate, other.mean) == pytest.approx((-one.estimate, -one.mean))
    assert (other.p_greater, other.p_less) == pytest.approx((one.p_less, one.p_greater))
    assert (other.interval95.low, other.interval90.high) == pytest.approx((-one.interval95.high, -one.interval90.low))
    assert (other.diverged_better, other.diverged_worse) == (one.diverged_worse, one.diverged_better)


# Pairing: order and strangers must not matter. The check takes any pairing; the twin pairs by position.


def pairs_by_seed(pairing: Callable[[Sample, Sample], Sample]) -> bool:
    ours = Sample(seeds=(2, 0, 1), values=(0.32, 0.1, 0.21), diverged=(False, False, True))
    theirs = Sample(seeds=(0, 1, 2), values=(0.1, 0.2, 0.3), diverged=(False, False, False))
    found = pairing(ours, theirs)
    return bool(np.allclose(found.values, (0.0, 0.01, 0.02))) and found.diverged == (False, True, False)


def by_position(better: Sample, worse: Sample) -> Sample:
    """Fault: the order of the members, not their seeds."""
    values = tuple(one - other for one, other in zip(better.values, worse.values, strict=True))
    flags = tuple(one or other for one, other in zip(better.diverged, worse.diverged, strict=True))
    return Sample(seeds=better.seeds, values=values, diverged=flags)


def test_members_are_paired_by_seed() -> None:
    assert pairs_by_seed(pair)


def test_twin_pairing_by_position_is_found() -> None:
    assert not pairs_by_seed(by_position)


def test_members_without_a_partner_are_left_out_and_said_so(setting: Settings, sample: Samples) -> None:
    found = effect(sample(noisy(0.02, n=12)), sample([0.0] * 10, first_seed=2), setting())
    assert found.n == 10
    assert found.seeds == tuple(range(2, 12))
    assert found.note == "2 members without a partner left out"


@pytest.mark.parametrize("n", range(FEWEST))
def test_too_few_members_call_nothing(setting: Settings, sample: Samples, n: int) -> None:
    found = effect(sample([0.9] * n), sample([0.1] * n), setting())
    assert found.call == "open"
    assert found.reason == f"too few members: {n} pairs, at least {FEWEST} needed"
    assert (found.p_greater, found.p_less) == (1.0, 1.0)


def test_the_fewest_members_can_call(setting: Settings, sample: Samples) -> None:
    assert effect(sample(noisy(0.05, n=FEWEST)), sample([0.0] * FEWEST), setting()).call == "pos"


def test_ties_are_not_wins(setting: Settings, sample: Samples) -> None:
    found = effect(sample([0.9] * 12), sample([0.9] * 12), setting(margin=0.0))
    assert found.call not in ("pos", "neg")
    assert found.p_greater == found.p_less == 1.0
    ranked = effect(sample([0.9] * 6 + [0.95] * 6, diverged=(0,)), sample([0.9] * 12), setting())
    assert ranked.p_greater == pytest.approx(2.0**-6)  # six zeros lend no sign to the six wins


def test_equal_differences_have_the_p_of_their_signs(setting: Settings, sample: Samples) -> None:
    found = effect(sample([0.9] * 12), sample([0.8] * 12), setting())
    assert found.call == "pos"
    assert found.interval95.kind == "signed rank"
    assert found.p_greater == pytest.approx(2.0**-12)


def test_one_diverged_member_makes_the_interval_signed_rank(setting: Settings, sample: Samples) -> None:
    values = noisy(0.93)
    values[4] = 0.1
    flagged = effect(sample(values, diverged=(4,)), sample(noisy(0.9, seed=1)), setting())
    assert {flagged.interval95.kind, flagged.interval90.kind} == {"signed rank"}
    assert flagged.call == "pos"
    assert flagged.mean < 0 < flagged.estimate
    assert flagged.diverged_better == 1
    unflagged = effect(sample(values), sample(noisy(0.9, seed=1)), setting())  # the twin that ignores the flag
    assert unflagged.call == "open"


def test_divergence_is_compared_by_fisher(setting: Settings, sample: Samples) -> None:
    found = effect(sample([0.1] * 12, diverged=tuple(range(9))), sample(noisy(0.9)), setting())
    assert found.diverged_p == pytest.approx(stats.fisher_exact(np.array([[9, 3], [0, 12]])).pvalue)
    assert effect(sample(noisy(0.9)), sample(noisy(0.9, seed=1)), setting()).diverged_p == 1.0


# Calibration. The check takes any effect; the twin forgets the factor.


def is_calibrated(setting: Settings, sample: Samples, factor: float) -> bool:
    """Say whether intervals and p-values are Student's with the standard error times a factor, by scipy."""
    values = np.array(noisy(0.01))
    found = effect(sample(values), sample([0.0] * 12), setting())
    sem = factor * stats.sem(values)
    same = [
        np.allclose((span.low, span.high), stats.t.interval(span.level, 11, values.mean(), sem))
        for span in (found.interval95, found.interval90)
    ]
    p = stats.t.sf(values.mean() / sem, 11)
    return all(same) and bool(np.allclose((found.p_greater, found.p_less), (p, 1 - p)))


def test_intervals_and_p_values_are_calibrated(setting: Settings, sample: Samples) -> None:
    assert CALIBRATION > 1
    assert is_calibrated(setting, sample, CALIBRATION)
    found = effect(sample(noisy(0.01)), sample([0.0] * 12), setting())
    assert (found.interval95.level, found.interval90.level) == (0.95, 0.90)


def test_twin_without_calibration_is_found(setting: Settings, sample: Samples, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effects, "CALIBRATION", 1.0)
    assert not is_calibrated(setting, sample, CALIBRATION)


# Ratios of errors.


def errors(sample: Samples, counts: list[int], **changes: object) -> Sample:
    return sample(-np.log(np.array(counts) + 0.5), **changes)


OURS, THEIRS = [100, 110, 95, 105, 99, 101], [150, 160, 140, 155, 149, 151]


def test_a_difference_is_the_log_of_a_ratio_of_errors_with_points_beside(setting: Settings, sample: Samples) -> None:
    at = setting(metric="test_accuracy", margin=accuracy_margin(scale="quick", real=True))
    accuracies = (sample(1 - np.array(OURS) / 1000), sample(1 - np.array(THEIRS) / 1000))
    found = effect(errors(sample, OURS), errors(sample, THEIRS), at, accuracies=accuracies)
    ratios = [(worse + 0.5) / (better + 0.5) for better, worse in zip(OURS, THEIRS, strict=True)]
    assert math.exp(found.estimate) == pytest.approx(stats.gmean(ratios))
    assert found.call == "pos"
    assert found.points == pytest.approx(np.mean(np.array(THEIRS) - OURS) / 1000)
    assert found.points95 is not None
    assert found.points95.low < found.points < found.points95.high
    assert effect(errors(sample, OURS), errors(sample, THEIRS), at).points is None


@pytest.mark.parametrize("at_chance", [(False, False), (True, False), (False, True), (True, True)])
def test_a_floor_is_open_and_one_side_at_chance_caps_the_ratio(
    setting: Settings, sample: Samples, at_chance: tuple[bool, bool]
) -> None:
    lost = [tuple(range(6)) if gone else () for gone in at_chance]
    sides = [
        errors(sample, [900] * 6 if gone else counts, diverged=flags)
        for gone, counts, flags in zip(at_chance, (OURS, THEIRS), lost, strict=True)
    ]
    found = effect(*sides, setting(margin=0.14), at_chance=at_chance)
    if all(at_chance):
        assert (found.call, found.reason) == ("open", "both at chance")
        assert (found.p_greater, found.p_less) == (1.0, 1.0)
    elif any(at_chance):
        assert found.note == f"the {'better' if at_chance[0] else 'worse'} side is at chance: the ratio is capped"
        assert describe(found).endswith("ratio capped by chance")
    else:
        assert found.note == ""


def test_a_floor_that_is_not_said_to_be_one_would_be_null(setting: Settings, sample: Samples) -> None:
    """The twin: without the flags, equal chance accuracies look like equal nets."""
    floor = errors(sample, [900] * 12, diverged=tuple(range(12)))
    assert effect(floor, floor, setting(margin=0.14)).call == "null"
    assert effect(floor, floor, setting(margin=0.14), at_chance=(True, True)).call == "open"


# Null needs precision: an effect of 1.5 margins would have been found.


@pytest.mark.parametrize(("sd", "null"), [(0.010, True), (0.0125, True), (0.0142, False)])
def test_null_needs_an_effect_of_one_and_a_half_margins_to_be_findable(
    setting: Settings, sample: Samples, sd: float, null: bool
) -> None:
    found = effect(sample(noisy(0.0, sd=sd)), sample([0.0] * 12), setting())
    assert found.interval90.inside(-0.01, 0.01)  # the twin that looks at the interval alone
    assert (found.call == "null") is null
    assert (found.smallest_detectable <= 0.015) is null
    assert ("too noisy" in found.reason) is not null


def test_groups_and_bounds_are_samples(sample: Samples) -> None:
    group = Sample.mean_of([sample([0.1, 0.2, 0.3]), sample([0.4, 0.6], first_seed=1, diverged=(1,))])
    assert group.seeds == (1, 2)
    assert group.values == pytest.approx((0.3, 0.45))
    assert group.diverged == (False, True)
    assert Sample.constant(0.5, (3, 4)).values == (0.5, 0.5)
    with pytest.raises(InvalidError):
        Sample.mean_of([])


@pytest.mark.parametrize(
    ("seeds", "values", "diverged"),
    [((0, 0), (0.1, 0.2), (False, False)), ((0,), (float("nan"),), (False,)), ((0, 1), (0.1,), (False,))],
)
def test_impossible_members_are_refused(
    seeds: tuple[int, ...], values: tuple[float, ...], diverged: tuple[bool, ...]
) -> None:
    with pytest.raises(InvalidError):
        Sample(seeds=seeds, values=values, diverged=diverged)


def test_printed_checks_gate_nothing(setting: Settings, sample: Samples) -> None:
    ours, theirs = sample(noisy(0.01)), sample([0.0] * 12)
    plain = effect(ours, theirs, setting())
    assert plain.sign_flip_p is None
    full = with_printed_checks(plain, ours, theirs)
    assert full.sign_flip_p == pytest.approx(2 / 2**12, abs=0.01)
    assert full.bca95 is not None
    assert (full.call, full.interval95, full.p_greater) == (plain.call, plain.interval95, plain.p_greater)


def test_margins_are_those_of_the_protocol() -> None:
    assert accuracy_margin(scale="quick", real=True) == pytest.approx(math.log(1.15))
    assert accuracy_margin(scale="full", real=True) == pytest.approx(math.log(1.07))
    assert accuracy_margin(scale="full", real=False) == pytest.approx(math.log(1.3))
    with pytest.raises(InvalidError, match="smoke, quick, full"):
        accuracy_margin(scale="huge", real=True)


@pytest.mark.parametrize("n", [8, 12, 24])
def test_smallest_detectable_effect_is_that_of_statsmodels(n: int) -> None:
    differences = np.array(noisy(0.0, n=n, sd=0.014))
    ours = smallest_detectable(paired_t(differences, 0.95), n=n, margin=0.0)
    theirs = TTestPower().solve_power(nobs=n, alpha=0.025, power=0.8, alternative="larger")
    assert ours == pytest.approx(theirs * 0.014, rel=1e-3)


def test_smallest_detectable_effect_is_found_four_times_in_five(
    setting: Settings, sample: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the spread over members is all the noise there is, and no calibration is due."""
    monkeypatch.setattr(effects, "CALIBRATION", 1.0)
    random = np.random.default_rng(7)
    margin_free = setting(margin=0.001)
    at = effect(sample(noisy(0.0, n=12, sd=0.014)), sample([0.0] * 12), margin_free).smallest_detectable
    calls = [
        effect(sample(at + 0.014 * random.standard_normal(12)), sample([0.0] * 12), margin_free).call
        for _ in range(1500)
    ]
    assert calls.count("pos") / 1500 == pytest.approx(0.8, abs=3.3 * (0.8 * 0.2 / 1500) ** 0.5)


def test_an_effect_needs_headroom_to_count(shown: Callable[..., Effect]) -> None:
    assert shown(headroom=0.05).setting.eligible
    assert not shown(headroom=0.049).setting.eligible
