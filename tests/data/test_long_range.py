"""The long range task: where its glyphs stand, and that scoring them apart gains nothing."""

from collections import Counter
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from cnnlab.data.tasks.long_range import PLUS, LongRange

Score = Callable[[int, int], float]


@pytest.mark.parametrize("distance", [3, 4, 8, 12, 13])
def test_two_glyphs_stand_at_the_stated_distance(distance: int) -> None:
    quiet = LongRange(side=16, distance=distance, contrast=1.0, noise=1e-6)
    sample = quiet.sample(400, np.random.RandomState(5))
    places = set()
    for image, label, first, second in zip(
        sample.images[..., 0], sample.labels, sample.strata["first"], sample.strata["second"], strict=True
    ):
        windows = np.lib.stride_tricks.sliding_window_view(image, (3, 3))
        found = {
            (int(row), int(column)): sign
            for sign in (-1, 1)
            for row, column in np.argwhere(np.abs(windows - sign * PLUS).max(axis=(2, 3)) < 1e-4)
        }
        (row, left), (below, right) = sorted(found)
        assert (below - row, right - left) == (0, distance)
        assert (found[row, left], found[below, right]) == (first, second)
        assert label == (first == second)
        places.add((row, left))
    assert len(places) > 0.8 * 14 * (14 - distance) or distance < 8


def test_each_glyph_alone_is_as_often_bright_as_dark_under_either_label() -> None:
    stimulus = LongRange(side=16, distance=8, contrast=1.0, noise=0.6)
    sample = stimulus.sample(8_000, np.random.RandomState(5))
    for glyph in ("first", "second"):
        counts = Counter(zip(sample.strata[glyph].tolist(), sample.labels.tolist(), strict=True))
        assert len(counts) == 4
        assert max(counts.values()) < 2_000 + 4 * np.sqrt(8_000 * 0.25 * 0.75)


def best_accuracy(score: Score) -> float:
    """Of any threshold, in either direction, on the score of the four equally frequent pairs of signs."""
    pairs = [(one, other) for one in (-1, 1) for other in (-1, 1)]
    values = np.array([score(*pair) for pair in pairs])
    same = np.array([one == other for one, other in pairs])
    above: npt.NDArray[np.float64] = np.array([np.mean((values > cut) == same) for cut in (*values, -np.inf)])
    return float(max(above.max(), 1 - above.min()))


def assert_no_better_than_three_of_four(scores: list[Score]) -> None:
    for score in scores:
        assert best_accuracy(score) <= 0.75


def test_a_sum_of_scores_gets_no_more_than_three_of_four() -> None:
    random = np.random.default_rng(6)
    tables = random.normal(size=(500, 2, 2))
    assert_no_better_than_three_of_four(
        [lambda one, other, table=table: table[0, int(one > 0)] + table[1, int(other > 0)] for table in tables]
    )


def test_the_bound_on_sums_sees_a_product() -> None:
    with pytest.raises(AssertionError):
        assert_no_better_than_three_of_four([lambda one, other: one * other])
