"""The noise floor of two copies of one arm, against statsmodels and against predictions that are known."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.power import TTestPower

from cnnlab.inference.noise import Floor, seeds_needed, smallest_denominator
from cnnlab.spec.invalid import InvalidError

IMAGES = 599


def predictions(seed: int = 0, pairs: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Which test images each copy of every pair has right [pairs, images]; hard images are hard for both."""
    random = np.random.default_rng(seed)
    ease = random.beta(8, 1, IMAGES) + 0.02 * random.standard_normal((2, pairs, 1))
    first, again = random.random((2, pairs, IMAGES)) < ease
    return first, again


def floor_of(first: np.ndarray, again: np.ndarray) -> Floor:
    """Accuracies as records keep them: single precision."""
    means = [tuple(float(np.float32(row.mean())) for row in copy) for copy in (first, again)]
    return Floor(first=means[0], again=means[1])


def test_spread_and_correlation_are_those_of_numpy_and_scipy() -> None:
    floor = Floor(first=(0.90, 0.92, 0.91, 0.95), again=(0.91, 0.91, 0.93, 0.94))
    differences = np.array([0.01, -0.01, 0.02, -0.01])
    assert floor.pair_sd == pytest.approx(differences.std(ddof=1))
    assert floor.correlation == pytest.approx(stats.pearsonr(floor.first, floor.again).statistic)
    squares = [np.var(copy, ddof=1) for copy in (floor.first, floor.again)]
    assert floor.member_sd == pytest.approx(math.sqrt(np.mean(squares)))
    assert (floor.count_apart(0.015), floor.wrong_way(0.015)) == (1, 1 / 8)
    assert math.isnan(Floor(first=(0.1, 0.1), again=(0.1, 0.2)).correlation)
    with pytest.raises(InvalidError):
        Floor(first=(0.9,), again=(0.9,))


def test_the_spread_of_error_ratios_is_that_of_the_counts() -> None:
    wrong = np.array([[24, 30, 21, 28], [26, 25, 25, 24]])
    floor = floor_of(*(np.arange(IMAGES) >= side[:, None] for side in wrong))
    ratios = np.log((wrong[0] + 0.5) / (wrong[1] + 0.5))
    assert floor.log_ratios is not None
    assert floor.log_ratios == pytest.approx(ratios)
    assert floor.ratio_sd == pytest.approx(ratios.std(ddof=1))
    unknown = tuple(math.sqrt(prime) % 1 for prime in (2, 3, 5, 7, 11, 13, 17, 19))
    assert Floor(first=unknown, again=unknown).ratio_sd is None


def covers_the_spread(degrees: Callable[[int], int]) -> bool:
    """Whether the interval of a normal sample's SD, moved to other degrees of freedom, covers 95 %."""
    random, held = np.random.default_rng(1), 0
    for _ in range(1500):
        floor = Floor(first=tuple(random.standard_normal(8).tolist()), again=(0.0,) * 8)
        span = floor.pair_sd95
        wrong = math.sqrt(degrees(8) / 7)
        held += span.low * wrong <= 1.0 <= span.high * wrong
    return abs(held / 1500 - 0.95) < 3.3 * (0.95 * 0.05 / 1500) ** 0.5


def test_the_interval_of_the_spread_covers() -> None:
    assert covers_the_spread(lambda n: n - 1)


def test_twin_with_other_degrees_of_freedom_is_found() -> None:
    assert not covers_the_spread(lambda n: n + 4)


@pytest.mark.parametrize(
    ("sd", "difference", "alpha"), [(0.024, 0.01, 0.025), (0.014, 0.01, 0.025 / 29), (0.006, 0.02, 0.025)]
)
def test_seeds_needed_are_those_of_statsmodels(sd: float, difference: float, alpha: float) -> None:
    theirs = TTestPower().solve_power(effect_size=difference / sd, alpha=alpha, power=0.8, alternative="larger")
    assert seeds_needed(sd, difference, alpha=alpha) == math.ceil(theirs)


def test_no_number_of_seeds_is_refused() -> None:
    with pytest.raises(InvalidError, match="pairs would be needed"):
        seeds_needed(1.0, 1e-6, alpha=0.025)
    with pytest.raises(InvalidError, match="positive"):
        seeds_needed(0.01, 0.0, alpha=0.025)


@pytest.mark.parametrize("images", [599, 1024, 10_000])
def test_the_size_of_the_test_set_is_read_off_single_precision_accuracies(images: int) -> None:
    counts = np.random.default_rng(2).integers(images // 2, images, size=24)
    assert smallest_denominator(tuple(float(np.float32(count / images)) for count in counts)) == images
    assert smallest_denominator(tuple(math.sqrt(prime) % 1 for prime in (2, 3, 5, 7, 11, 13, 17, 19))) is None


@pytest.mark.parametrize("seed", range(4))
def test_mcnemar_calls_at_least_as_many_pairs_as_are_promised(seed: int) -> None:
    """The bound from accuracies alone, against the test on the predictions themselves."""
    first, again = predictions(seed, pairs=60)
    floor = floor_of(first, again)
    tables = [
        [[(a & b).sum(), (a & ~b).sum()], [(~a & b).sum(), (~a & ~b).sum()]] for a, b in zip(first, again, strict=True)
    ]
    called = sum(mcnemar(table, exact=False, correction=False).pvalue < 0.05 for table in tables)
    assert floor.test_images == IMAGES
    assert floor.significant is not None
    assert 0 < floor.significant <= called
    assert floor.least_disagreement <= (first != again).mean()
