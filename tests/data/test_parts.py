"""The parts task: who stands where, and a likelihood that agrees with brute force."""

from collections.abc import Callable
from itertools import permutations

import numpy as np
import numpy.typing as npt
import pytest

from cnnlab.data.generated import StimulusSample
from cnnlab.data.tasks import parts
from cnnlab.data.tasks.parts import CLASSES, COPIES, PAIRS, PARTS, Parts

Floats = npt.NDArray[np.float64]


def quiet(together: bool, n: int = 400) -> StimulusSample:
    stimulus = Parts(side=12, together=together, contrast=1.0, noise=1e-6)
    return stimulus.sample(n, np.random.RandomState(10))


def occupied(sample: StimulusSample) -> Floats:
    """Sign of every part at every place, (n, places, parts): -1, 0 or 1."""
    return np.rint(sample.images.reshape(len(sample.labels), -1, PARTS))


def assert_found_together(sample: StimulusSample) -> None:
    """Fail unless the label's parts share all their places and signs, and no other two parts share any."""
    signs = occupied(sample)
    assert np.all(np.abs(signs).sum(axis=1) == COPIES)
    for image, label in zip(signs, sample.labels, strict=True):
        shared = np.abs(image).T @ np.abs(image) - COPIES * np.eye(PARTS)
        one, other = PAIRS[label]
        assert np.array_equal(image[:, one], image[:, other])
        shared[[one, other], [other, one]] -= COPIES
        assert not shared.any()


def assert_never_at_one_place(sample: StimulusSample) -> None:
    """Fail unless no two parts share a place, and the label's parts occur twice as often as the others."""
    signs = occupied(sample)
    assert np.abs(signs).sum(axis=2).max() == 1
    for counts, label in zip(np.abs(signs).sum(axis=1), sample.labels, strict=True):
        expected = np.full(PARTS, COPIES)
        expected[list(PAIRS[label])] = 2 * COPIES
        assert np.array_equal(counts, expected)


def test_the_labels_parts_are_found_together_and_no_others() -> None:
    assert_found_together(quiet(together=True))


def test_under_the_control_no_two_parts_share_a_place() -> None:
    assert_never_at_one_place(quiet(together=False))


def test_each_check_sees_the_other_setting() -> None:
    with pytest.raises(AssertionError):
        assert_found_together(quiet(together=False))
    with pytest.raises(AssertionError):
        assert_never_at_one_place(quiet(together=True))


def test_the_pairs_use_every_part_once() -> None:
    assert sorted(part for pair in PAIRS for part in pair) == list(range(PARTS))
    assert len(PAIRS) == CLASSES


@pytest.mark.parametrize("together", [True, False])
def test_parts_are_bright_as_often_as_dark_in_every_class(together: bool) -> None:
    sample = quiet(together, 2_000)
    signs = occupied(sample)
    for label in range(CLASSES):
        chosen = signs[sample.labels == label]
        bright, dark = (chosen == 1).sum(axis=(0, 1)), (chosen == -1).sum(axis=(0, 1))
        assert np.all(np.abs(bright - dark) < 4 * np.sqrt(bright + dark))


def assert_log_apart(function: Callable[[Floats, Floats], Floats]) -> None:
    """Fail unless the function agrees with a loop over all disjoint choices of places."""
    random = np.random.default_rng(4)
    one, other = random.normal(size=(2, 3, 2 * COPIES + 1))
    total = np.zeros(3)
    for order in permutations(range(2 * COPIES + 1), 2 * COPIES):
        here, there = order[:COPIES], order[COPIES:]
        if list(here) == sorted(here) and list(there) == sorted(there):
            total += np.exp(one[:, here].sum(axis=1) + other[:, there].sum(axis=1))
    assert np.allclose(function(one, other), np.log(total))


def test_the_likelihood_of_parts_apart_agrees_with_brute_force() -> None:
    assert_log_apart(parts._log_apart)


def test_the_brute_force_check_sees_parts_that_may_share_a_place() -> None:
    def independent(one: Floats, other: Floats) -> Floats:
        places = one.shape[1]
        number = np.log(np.prod(np.arange(places, places - COPIES, -1)) / 24)
        return sum(parts.generated.log_mean_of_products(part, COPIES) + number for part in (one, other))

    with pytest.raises(AssertionError):
        assert_log_apart(independent)
