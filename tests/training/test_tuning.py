"""The learning-rate rule on hand-made grids."""

import math

import pytest

from cnnlab.spec.invalid import InvalidError
from cnnlab.spec.record import Tried
from cnnlab.training.tuning import LARGEST_GRID, TunedRate, choose, extend, standard_error

IMAGES = 10_000


def grid(*means: float, spread: float = 0.001, start: float = 0.01, diverged: tuple[int, ...] = ()) -> list[Tried]:
    """One row per mean, a factor 2 apart, with two seeds `spread` either side."""
    return [
        Tried(
            learning_rate=start * 2**place,
            validation_accuracy=(mean - spread, mean + spread),
            diverged=(place in diverged, False),
        )
        for place, mean in enumerate(means)
    ]


@pytest.mark.parametrize(
    ("means", "diverged", "following"),
    [
        ((0.5, 0.8, 0.7, 0.6), (), None),
        ((0.5, 0.6, 0.7, 0.8), (), 0.16),
        ((0.8, 0.7, 0.6, 0.5), (), 0.005),
        ((0.5, 0.6, 0.7, 0.8), (3,), None),
        ((0.8, 0.7, 0.6, 0.1), (3,), 0.005),
        ((0.1, 0.1, 0.1, 0.1), (0, 1, 2, 3), 0.005),
        ((0.5, 0.8, 0.8, 0.6), (), None),
        ((0.5, 0.6, 0.8, 0.8), (), None),
    ],
)
def test_the_grid_grows_until_the_best_is_interior(
    means: tuple[float, ...], diverged: tuple[int, ...], following: float | None
) -> None:
    assert extend(grid(*means, diverged=diverged)) == (None if following is None else pytest.approx(following))


def test_the_grid_stops_at_eight() -> None:
    assert extend(grid(*(0.1 * k for k in range(1, 8)))) is not None
    assert extend(grid(*(0.1 * k for k in range(1, LARGEST_GRID + 1)))) is None


def test_growing_to_the_end_always_ends() -> None:
    tried = grid(0.4, 0.5, 0.6, 0.7)
    while (rate := extend(tried)) is not None:
        tried = [
            *tried,
            Tried(learning_rate=rate, validation_accuracy=(0.7 + rate / 10, 0.7 + rate / 10), diverged=(False,) * 2),
        ]
    assert len(tried) == LARGEST_GRID
    assert choose(tried, IMAGES).capped


# The smallest value within one standard error. The check takes any rule; the twin takes the best.


def prefers_small_values_that_are_as_good(taken: float) -> bool:
    return taken == pytest.approx(0.02)


def test_the_smallest_value_within_one_error_is_taken() -> None:
    tried = grid(0.70, 0.798, 0.80, 0.6, spread=0.003)
    assert standard_error(tried, IMAGES) > 0.002
    assert prefers_small_values_that_are_as_good(choose(tried, IMAGES).learning_rate)
    best = max(tried, key=lambda row: sum(row.validation_accuracy)).learning_rate
    assert not prefers_small_values_that_are_as_good(best)
    sharper = grid(0.70, 0.77, 0.80, 0.6, spread=0.003)
    assert choose(sharper, IMAGES) == TunedRate(learning_rate=0.04, capped=False)


def test_capped_only_if_the_end_wins_by_more_than_an_error() -> None:
    assert choose(grid(0.5, 0.6, 0.7, 0.8), IMAGES).capped
    assert choose(grid(0.8, 0.7, 0.6, 0.5), IMAGES).capped
    assert not choose(grid(0.5, 0.6, 0.799, 0.8, spread=0.01), IMAGES).capped
    assert not choose(grid(0.5, 0.8, 0.7, 0.6), IMAGES).capped
    assert not choose(grid(0.8), IMAGES).capped
    assert not choose(grid(0.1, 0.1, 0.1, diverged=(0, 1, 2), spread=0.0), IMAGES).capped


def test_standard_error_is_pooled_and_of_the_mean() -> None:
    tried = grid(0.5, 0.6, spread=0.01)
    assert standard_error(tried, 10**9) == pytest.approx(math.sqrt((2 * 0.01**2) / 2))


def test_standard_error_leaves_out_diverged_values_and_has_a_binomial_floor() -> None:
    calm = grid(0.5, 0.6, 0.1, spread=0.01)
    calm[2] = Tried(learning_rate=0.04, validation_accuracy=(0.1, 0.6), diverged=(True, False))
    assert standard_error(calm, 10**9) == pytest.approx(0.01)
    assert standard_error(grid(0.5, 0.6, spread=0.0), 100) == pytest.approx(math.sqrt(0.6 * 0.4 / 200))
    lone = [Tried(learning_rate=0.1, validation_accuracy=(0.9,), diverged=(False,))]
    assert standard_error(lone, 100) == pytest.approx(0.03)


def test_impossible_grids_are_refused() -> None:
    with pytest.raises(InvalidError, match="ascend"):
        extend(grid(0.5, 0.6)[::-1])
    with pytest.raises(InvalidError, match="at least one"):
        choose([], IMAGES)
    uneven = [*grid(0.5), Tried(learning_rate=1.0, validation_accuracy=(0.5,), diverged=(False,))]
    with pytest.raises(InvalidError, match="same number of seeds"):
        choose(uneven, IMAGES)
