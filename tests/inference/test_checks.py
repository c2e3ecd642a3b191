"""The three checks of a sweep."""

from collections.abc import Callable

import pytest

from cnnlab.inference.checks import positive, same_twice, sensitivity
from cnnlab.spec.verdict import Effect, Interval

Shown = Callable[..., Effect]


@pytest.mark.parametrize(("call", "passed"), [("pos", True), ("neg", False), ("null", False), ("open", False)])
def test_positive_check_needs_a_pos(shown: Shown, call: str, passed: bool) -> None:
    check = positive(shown(call=call))
    assert check.passed is passed
    assert ("passed" if passed else "FAILED") in check.line
    assert check.task == "digits12"


def test_sensitivity_needs_an_interval_above_zero_whatever_the_margin(shown: Shown) -> None:
    above = Interval(low=0.001, high=0.008, level=0.95, kind="paired t")
    across = Interval(low=-0.001, high=0.03, level=0.95, kind="paired t")
    assert sensitivity(shown(call="open", decision=above)).passed
    assert not sensitivity(shown(call="open", decision=across)).passed


@pytest.mark.parametrize(("call", "passed"), [("null", True), ("open", False), ("pos", False), ("neg", False)])
def test_the_same_arm_twice_must_be_null_and_prints_the_noise_floor(shown: Shown, call: str, passed: bool) -> None:
    check = same_twice(shown(call=call, sd=0.0123), disagreement=0.071)
    assert check.passed is passed
    assert "SD 1.23 pp" in check.line
    assert "disagree on 7.1 %" in check.line
    assert "disagree" not in same_twice(shown(call=call)).line
