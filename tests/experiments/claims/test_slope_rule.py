"""R-SLOPE: words, gates, and how often it is wrong."""

import numpy as np
import pytest
from scipy import stats

from cnnlab.inference.family import Case, Family, judge
from experiments.claims.strides.st2_coverage_uneven import Slope, Slopes


def concluded(values, above=0.25, **changes):
    evidence = Slopes(values=tuple(values), what="slope", **changes)
    found = judge({"claim": Case(rule=Slope(above=above), evidence=evidence)}, Family(claims=1, moderator_contrasts=0))
    return found["claim"]


@pytest.mark.parametrize(
    ("centre", "word"), [(1.0, "supported"), (0.0, "refuted"), (0.25, "inconclusive"), (-1.0, "refuted")]
)
def test_the_interval_lies_above_below_or_across_the_bar(centre, word):
    assert concluded(centre + 0.1 * np.linspace(-1, 1, 12)).word == word


def test_the_interval_is_that_of_scipy():
    values = np.random.default_rng(0).normal(1, 0.3, 20)
    number = concluded(values).number
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (number.low, number.high) == pytest.approx((expected.low, expected.high), rel=1e-10)


def test_without_nets_with_too_few_or_held_back_there_is_no_word():
    assert concluded(()).word == "untested"
    assert concluded([1.0, 1.1, 0.9]).word == "inconclusive"
    assert concluded([1.0] * 5 + [1.1], caps=("smoke scale",)).reason == "smoke scale"


def test_a_true_slope_at_the_bar_is_seldom_called():
    draw = np.random.default_rng(1)
    words = [concluded(draw.normal(0.25, 0.2, 12)).word for _ in range(400)]
    assert sum(word != "inconclusive" for word in words) < 0.09 * len(words)


def test_an_inconclusive_slope_says_what_it_could_have_found():
    found = concluded((-0.2, 0.3, -0.1, 0.2, 0.1, -0.1), above=0.0)
    assert found.word == "inconclusive"
    assert "found with power .8" in found.reason
