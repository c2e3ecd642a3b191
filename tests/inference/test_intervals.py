"""Intervals and p-values against scipy, statsmodels and brute force; their coverage is simulated."""

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import special, stats
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import DescrStatsW

from cnnlab.inference import intervals
from cnnlab.inference.equivalence import is_null
from cnnlab.inference.intervals import Floats
from cnnlab.spec.invalid import InvalidError
from cnnlab.spec.verdict import Interval


def coverage(
    interval: Callable[[Floats], Interval],
    sample: Callable[[np.random.Generator], Floats],
    *,
    truth: float,
    repeats: int,
    seed: int,
    level: float = 0.999,
) -> Interval:
    """Give Wilson's interval of how often `interval` of what `sample` draws holds the truth."""
    random = np.random.default_rng(seed)
    found = [interval(sample(random)) for _ in range(repeats)]
    return intervals.wilson(sum(one.low <= truth <= one.high for one in found), repeats, level)


def drawn(n: int = 12, seed: int = 0, centre: float = 0.01) -> Floats:
    return centre + 0.02 * np.random.default_rng(seed).standard_normal(n)


def brute_force_p(differences: Floats) -> tuple[float, float]:
    """All 2**n sign patterns of the signed-rank sum, Pratt's zeros, midranks."""
    ranks = stats.rankdata(np.abs(differences)) * (differences != 0)
    seen = ranks[differences > 0].sum()
    sums = np.array([ranks @ np.array(signs) for signs in itertools.product((0, 1), repeat=len(ranks))])
    return float((sums >= seen - 1e-9).mean()), float((sums <= seen + 1e-9).mean())


@pytest.mark.parametrize("level", [0.9, 0.95, 0.97, 0.98])
def test_t_interval_is_that_of_scipy(level: float) -> None:
    differences = drawn()
    ours = intervals.paired_t(differences, level)
    theirs = stats.ttest_1samp(differences, 0).confidence_interval(level)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), rel=1e-12)


@pytest.mark.parametrize("n", [6, 12, 24])
def test_t_interval_tests_and_equivalence_are_those_of_statsmodels(n: int) -> None:
    differences = drawn(n)
    theirs = DescrStatsW(differences)
    for level in (0.9, 0.95, 0.97, 0.98):
        found = intervals.paired_t(differences, level)
        assert (found.low, found.high) == pytest.approx(theirs.tconfint_mean(alpha=1 - level), rel=1e-9)
    p = intervals.paired_t_p(differences)
    assert p.greater == pytest.approx(theirs.ttest_mean(0, alternative="larger")[1], rel=1e-9)
    assert p.less == pytest.approx(theirs.ttest_mean(0, alternative="smaller")[1], rel=1e-9)
    for margin in np.linspace(0.001, 0.06, 40):
        twice = theirs.ttost_mean(-margin, margin)[0]
        assert is_null(intervals.paired_t(differences, 0.90), float(margin)) is bool(twice < 0.05)


def test_t_p_is_that_of_scipy_in_both_directions() -> None:
    ours = intervals.paired_t_p(drawn())
    assert ours.greater == pytest.approx(stats.ttest_1samp(drawn(), 0, alternative="greater").pvalue, rel=1e-10)
    assert ours.less == pytest.approx(stats.ttest_1samp(drawn(), 0, alternative="less").pvalue, rel=1e-10)


def test_one_member_leaves_the_t_interval_unbounded() -> None:
    assert intervals.paired_t(np.array([0.3]), 0.95).low == -math.inf


@pytest.mark.parametrize("seed", range(4))
def test_signed_rank_p_is_that_of_scipy_without_ties(seed: int) -> None:
    differences = drawn(15, seed)
    theirs = stats.wilcoxon(differences, alternative="greater", method="exact").pvalue
    assert intervals.signed_rank_p(differences).greater == pytest.approx(theirs, rel=1e-10)


@pytest.mark.parametrize("seed", range(6))
def test_signed_rank_p_is_brute_force_with_ties_and_zeros(seed: int) -> None:
    differences = np.random.default_rng(seed).integers(-3, 5, size=9) / 100
    ours = intervals.signed_rank_p(differences)
    assert (ours.greater, ours.less) == pytest.approx(brute_force_p(differences))


@pytest.mark.parametrize("n", [8, 9, 12])
def test_signed_rank_interval_holds_just_what_the_test_does_not_reject(n: int) -> None:
    differences = drawn(n, seed=n)
    found = intervals.signed_rank(differences, 0.95)
    for theta, inside in ((found.low, True), (found.high, True)):
        step = 1e-9 if theta == found.low else -1e-9
        assert (_two_sided(differences - theta - step) > 0.05) is inside
        assert (_two_sided(differences - theta + step) > 0.05) is not inside


def _two_sided(shifted: Floats) -> float:
    p = intervals.signed_rank_p(shifted)
    return 2 * min(p.greater, p.less)


def test_signed_rank_interval_is_unbounded_where_the_level_cannot_exist() -> None:
    assert intervals.signed_rank(drawn(6), 0.95).high < math.inf  # 2**-6 < .025
    assert intervals.signed_rank(drawn(6), 0.98).high == math.inf  # 2**-6 > .01
    assert intervals.signed_rank(drawn(0), 0.9).high == math.inf


def test_hodges_lehmann_is_the_median_of_all_pair_means() -> None:
    differences = drawn(7)
    means = [(differences[i] + differences[j]) / 2 for i in range(7) for j in range(i, 7)]
    assert intervals.hodges_lehmann(differences) == pytest.approx(np.median(means))


# Coverage. The check takes any interval of a [2, n] draw of paired arms; the twins must fail it.


def paired_arms(random: np.random.Generator) -> Floats:
    shared = 0.02 * random.standard_normal(6)
    return np.stack([0.01 + shared + 0.01 * random.standard_normal(6), shared + 0.01 * random.standard_normal(6)])


def covers(interval: Callable[[Floats], Interval], level: float = 0.95) -> bool:
    found = coverage(interval, paired_arms, truth=0.01, repeats=3000, seed=3)
    return found.low <= level <= found.high


def normal_quantile(arms: Floats) -> Interval:
    """Fault: infinitely many degrees of freedom."""
    differences = arms[0] - arms[1]
    half = float(special.ndtri(0.975)) * differences.std(ddof=1) / math.sqrt(len(differences))
    return Interval(low=differences.mean() - half, high=differences.mean() + half, level=0.95, kind="faulty")


def unpaired(arms: Floats) -> Interval:
    """Fault: two independent samples."""
    spread = math.sqrt(float(arms.var(axis=1, ddof=1).mean()) * 2 / arms.shape[1])
    centre, half = float(arms[0].mean() - arms[1].mean()), float(special.stdtrit(2 * arms.shape[1] - 2, 0.975)) * spread
    return Interval(low=centre - half, high=centre + half, level=0.95, kind="faulty")


def test_t_interval_covers_at_its_level() -> None:
    assert covers(lambda arms: intervals.paired_t(arms[0] - arms[1], 0.95))
    assert covers(lambda arms: intervals.paired_t(arms[0] - arms[1], 0.98), level=0.98)


@pytest.mark.parametrize("faulty", [normal_quantile, unpaired])
def test_coverage_check_finds_wrong_degrees_of_freedom_and_lost_pairing(faulty: Callable[[Floats], Interval]) -> None:
    assert not covers(faulty)


def test_signed_rank_interval_covers_at_least_its_level_also_with_heavy_tails() -> None:
    def draw(random: np.random.Generator) -> Floats:
        return 0.01 + 0.01 * random.standard_t(2, size=12)

    found = coverage(lambda d: intervals.signed_rank(d, 0.95), draw, truth=0.01, repeats=3000, seed=4)
    assert found.high >= 0.95
    assert found.low > 0.935


def test_one_diverged_member_blinds_t_and_not_signed_ranks() -> None:
    random = np.random.default_rng(5)
    ranks, students = 0, []
    for _ in range(500):
        differences = 0.03 + 0.016 * random.standard_normal(12)
        differences[0] -= 0.8
        ranks += intervals.signed_rank(differences, 0.95).low > 0
        found = intervals.paired_t(differences, 0.95)
        students.append((found.high - found.low) / 2)
    assert ranks / 500 > 0.85
    assert np.mean(students) > 0.14


def test_ten_members_of_which_one_diverged_cannot_exclude_zero_at_95() -> None:
    """The best case, nine wins and the largest rank lost, has p = .042 in one direction: 90 % is within reach."""
    best = np.array([-0.8, *np.linspace(0.02, 0.04, 9)])
    assert intervals.signed_rank_p(best).greater == pytest.approx(0.042, abs=5e-4)
    assert intervals.signed_rank(best, 0.95).low < 0 < intervals.signed_rank(best, 0.90).low


# Shares, resampling, ratios.


@pytest.mark.parametrize(("successes", "trials"), [(15, 15), (0, 7), (12, 15), (39, 40), (22, 22)])
def test_wilson_is_that_of_statsmodels(successes: int, trials: int) -> None:
    low, high = proportion_confint(successes, trials, alpha=0.05, method="wilson")
    ours = intervals.wilson(successes, trials)
    assert (ours.low, ours.high) == pytest.approx((low, high), abs=1e-12)


def test_wilson_of_fifteen_of_fifteen_cannot_reach_nearly_all() -> None:
    assert intervals.wilson(15, 15).low == pytest.approx(0.796, abs=5e-4)
    assert intervals.wilson(22, 22).low >= 0.85
    assert intervals.wilson(39, 40).low >= 0.85
    with pytest.raises(InvalidError):
        intervals.wilson(3, 2)


def test_sign_flip_counts_every_pattern_of_few_members() -> None:
    differences = drawn(8, seed=2)
    signs = np.array(list(itertools.product((-1, 1), repeat=8)))
    means = np.abs((signs * differences).mean(axis=1))
    expected = (means >= abs(differences.mean()) - 1e-12).mean()
    assert intervals.sign_flip_p(differences) == pytest.approx(expected)
    assert intervals.sign_flip_p(np.array([0.01, 0.02, 0.03, 0.04, 0.05])) == pytest.approx(0.0625)


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("members", [2, 5, 8, 12])
def test_sign_flip_is_the_librarys_permutation_test(members: int, tied: bool) -> None:
    random = np.random.default_rng(members)
    values = 0.1 * random.integers(-1, 4, size=members) if tied else random.normal(0.5, 1.0, size=members)
    told = stats.permutation_test((values,), np.mean, permutation_type="samples")
    assert intervals.sign_flip_p(values) == told.pvalue


def test_sign_flip_of_a_mean_of_zero_is_one_whatever_rounding_leaves_of_it() -> None:
    assert intervals.sign_flip_p(np.array([0.1, -0.1, -0.1, 0.2, -0.2, -0.1, 0.1, 0.1])) == 1


def test_bca_leans_with_skew_and_has_nothing_to_say_about_equal_differences() -> None:
    skewed = np.random.default_rng(0).exponential(0.01, size=30)
    found = intervals.bca(skewed)
    assert found is not None
    assert found.high - skewed.mean() > skewed.mean() - found.low
    assert intervals.bca(skewed) == found
    assert intervals.bca(np.full(8, 0.01)) is None


def test_ratio_of_medians_covers_a_planted_ratio_under_shared_drift() -> None:
    held = 0
    for seed in range(60):
        random = np.random.default_rng(seed)
        drift = 1 + np.arange(40) / 20
        cheap = drift * random.lognormal(0, 0.02, 40)
        found = intervals.ratio_of_medians(tuple(1.2 * drift * random.lognormal(0, 0.02, 40)), tuple(cheap))
        held += found.low <= 1.2 <= found.high
        assert found.high - found.low < 0.2  # drift of a factor 3 would give +-.5 without rounds
    assert held >= 50
    with pytest.raises(InvalidError):
        intervals.ratio_of_medians((1.0, 2.0), (1.0,))
