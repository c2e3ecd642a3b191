"""Learning-rate factors and the moments that are recorded."""

import numpy as np
import pytest

from cnnlab.spec.recipe import SCHEDULES
from cnnlab.training.schedule import factors, log_spaced_steps


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("steps", [1, 2, 3, 10, 480])
def test_factors_are_positive_and_peak_at_one_at_most(name: str, steps: int) -> None:
    values = factors(name, steps)
    assert values.shape == (steps,)
    assert (values > 0).all()
    assert values.max() <= 1


def test_one_cycle_rises_over_three_tenths_and_falls_to_almost_nothing() -> None:
    values = factors("one_cycle", 100)
    assert values.argmax() == 29
    assert values[29] == 1
    assert (np.diff(values[:30]) > 0).all()
    assert (np.diff(values[29:]) < 0).all()
    assert values[-1] < 0.01


def test_recorded_steps_are_log_spaced_with_both_ends() -> None:
    assert log_spaced_steps(480) == (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 479)
    assert log_spaced_steps(1) == (0,)
