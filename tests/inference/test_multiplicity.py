"""Holm over a registered family, and partial conjunction; each with its faulty twin."""

import gc
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from cnnlab.inference.multiplicity import ONE_SIDED, holm_threshold, partial_conjunction
from cnnlab.spec.invalid import InvalidError

Decide = Callable[[Sequence[float], int], tuple[bool, ...]]


@pytest.fixture(autouse=True)
def heap_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """`multipletests` collects garbage at every call, which is slow beside JAX's many objects."""
    monkeypatch.setattr(gc, "collect", lambda *_: 0)


def holm(p_values: Sequence[float], *, registered: int, level: float) -> tuple[bool, ...]:
    threshold = holm_threshold(p_values, registered=registered, level=level)
    return tuple(p <= threshold for p in p_values)


def registered(p_values: Sequence[float], size: int) -> tuple[bool, ...]:
    return holm(p_values, registered=size, level=ONE_SIDED)


def over_those_that_ran(p_values: Sequence[float], size: int) -> tuple[bool, ...]:
    """Fault: the family is as large as what happened to run."""
    return holm(p_values, registered=len(p_values), level=ONE_SIDED)


def counts_absent_members(decide: Decide) -> bool:
    """Say whether leaving claims out decides the others just as giving them p = 1 would, by statsmodels."""
    random = np.random.default_rng(0)
    for _ in range(20):
        p = random.uniform(0, 1, 9) ** 4 / 20
        oracle = multipletests(np.append(p, np.ones(18)), alpha=ONE_SIDED, method="holm")[0][:9]
        if tuple(oracle) != decide(tuple(p), 27):
            return False
    return True


def test_holm_counts_the_registered_family() -> None:
    assert counts_absent_members(registered)


def test_twin_holm_over_those_that_ran_is_found() -> None:
    assert not counts_absent_members(over_those_that_ran)


def test_holm_of_a_whole_family_is_that_of_statsmodels() -> None:
    p = (0.001, 0.02, 0.0009, 0.3, 0.011)
    assert holm(p, registered=5, level=0.05) == tuple(multipletests(p, alpha=0.05, method="holm")[0])
    assert holm((), registered=5, level=0.05) == ()


def test_holm_refuses_more_claims_than_were_registered() -> None:
    with pytest.raises(InvalidError, match="registered=2"):
        holm((0.1, 0.2, 0.3), registered=2, level=0.05)


def test_partial_conjunction_needs_two_tasks() -> None:
    assert partial_conjunction([]) == partial_conjunction([1e-9]) == 1.0
    assert partial_conjunction([0.3, 1e-9]) == 0.3
    assert partial_conjunction([0.01, 0.02, 0.9]) == pytest.approx(0.04)
    assert partial_conjunction([0.8, 0.9, 0.9]) == 1.0


def test_partial_conjunction_keeps_its_level_when_one_task_truly_has_the_effect() -> None:
    random = np.random.default_rng(2)
    nulls = random.uniform(size=(20_000, 3))
    rate = np.mean([partial_conjunction([0.0, *row]) <= 0.05 for row in nulls.tolist()])
    naive = np.mean([sorted([0.0, *row])[1] <= 0.05 for row in nulls.tolist()])
    assert rate <= 0.05 + 3 * (0.05 / 20_000) ** 0.5
    assert naive > 0.1  # the twin that forgets the factor K - 1
