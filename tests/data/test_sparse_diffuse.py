"""Sparse and diffuse evidence: the likelihood against brute force, and settings that are equally hard."""

from collections.abc import Callable
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pytest

from cnnlab.data import generated
from cnnlab.data.generated import log_mean_of_products
from cnnlab.data.tasks import sparse_diffuse
from cnnlab.spec.task import Task

Floats = npt.NDArray[np.float64]
Recursion = Callable[[Floats, int], Floats]


def brute_force(logs: Floats, size: int) -> Floats:
    products = [np.exp(logs[:, list(chosen)].sum(axis=1)) for chosen in combinations(range(logs.shape[1]), size)]
    return np.log(np.mean(products, axis=0))


def assert_mean_of_products(recursion: Recursion) -> None:
    """Fail unless the recursion agrees with a loop over all subsets."""
    random = np.random.default_rng(7)
    for places, size in ((1, 1), (5, 1), (6, 3), (9, 4), (7, 7)):
        logs = 3 * random.normal(size=(4, places))
        assert np.allclose(recursion(logs, size), brute_force(logs, size), atol=1e-10)


def test_the_recursion_is_the_mean_over_all_subsets() -> None:
    assert_mean_of_products(log_mean_of_products)


def test_the_subset_check_sees_pixels_drawn_with_replacement() -> None:
    def replaced(logs: Floats, size: int) -> Floats:
        return size * (generated.log_sum(logs) - np.log(logs.shape[1]))

    with pytest.raises(AssertionError):
        assert_mean_of_products(replaced)


def assert_equally_hard(tasks: list[Task]) -> None:
    """Fail unless the ideal observer is right equally often on all of them, within half a point."""
    reached = [generated.ideal_accuracy(sparse_diffuse.stimulus(task), 6_000) for task in tasks]
    assert np.ptp(reached) < 0.005 + 4 * np.sqrt(2 * 0.95 * 0.05 / 6_000)


SETTINGS = ("sparse_diffuse", "sparse_diffuse_16", "sparse_diffuse_all")


def test_the_shipped_settings_are_equally_hard(shipped: Callable[..., Task]) -> None:
    assert_equally_hard([shipped(name) for name in SETTINGS])


def test_the_hardness_check_sees_equal_energy_which_is_not_equal_hardness(shipped: Callable[..., Task]) -> None:
    energy = {"contrast": 5.2 / np.sqrt(16)}
    with pytest.raises(AssertionError):
        assert_equally_hard([shipped("sparse_diffuse"), shipped("sparse_diffuse_16", dials=energy)])


@pytest.mark.parametrize("name", SETTINGS)
def test_the_signal_is_on_as_many_pixels_as_stated(shipped: Callable[..., Task], name: str) -> None:
    task = shipped(name, dials={"noise": 1e-6})
    sample = sparse_diffuse.stimulus(task).sample(200, np.random.RandomState(8))
    lit = np.abs(sample.images).reshape(200, -1) > 0.01
    assert np.array_equal(lit.sum(axis=1), sample.labels * int(task.dial("pixels")))
    assert np.allclose(np.abs(sample.images[sample.labels == 1]).max(axis=(1, 2, 3)), task.dial("contrast"), atol=1e-4)
    bright = (sample.images.reshape(200, -1) > 0.01)[lit].mean()
    assert 0.3 < bright < 0.7
