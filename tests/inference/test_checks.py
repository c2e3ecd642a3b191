"""The checks of a sweep."""

from collections.abc import Callable

import pytest

from cnnlab.inference.checks import DISTINCT, positive, same_twice, sensitivity
from cnnlab.inference.family import Case, Family, judge
from cnnlab.inference.rules.contract import TrainedEvidence
from cnnlab.inference.rules.directional import Directional
from cnnlab.spec.verdict import Effect, Interval

Shown = Callable[..., Effect]


@pytest.mark.parametrize(("call", "passed"), [("pos", True), ("neg", False), ("null", False), ("open", False)])
def test_positive_check_needs_a_pos(shown: Shown, call: str, passed: bool) -> None:
    check = positive(shown(call=call))
    assert (check.passed, check.holds_back) == (passed, not passed)
    assert ("passed" if passed else "FAILED") in check.line
    assert check.task == "digits12"


def test_sensitivity_describes_and_holds_nothing_back(shown: Shown) -> None:
    above = Interval(low=0.001, high=0.008, level=0.95, kind="paired t")
    across = Interval(low=-0.001, high=0.03, level=0.95, kind="paired t")
    assert sensitivity(shown(call="open", interval95=above)).passed
    missed = sensitivity(shown(call="open", interval95=across))
    assert (missed.passed, missed.gates, missed.holds_back) == (False, False, False)
    claim = TrainedEvidence(effects=(shown("a"), shown("b")), checks=(missed,))
    verdict = judge({"claim": Case(rule=Directional(), evidence=claim)}, Family(claims=27, moderator_contrasts=40))
    assert verdict["claim"].word == "supported"


@pytest.mark.parametrize("call", ["null", "open", "pos", "neg"])
@pytest.mark.parametrize(("p", "passed"), [(DISTINCT / 2, True), (DISTINCT / 2.01, False), (0.5, True)])
def test_the_same_arm_twice_fails_on_a_sure_difference_alone(shown: Shown, call: str, p: float, passed: bool) -> None:
    for sides in ({"p_greater": p, "p_less": 1 - p}, {"p_greater": 1 - p, "p_less": p}):
        assert same_twice(shown(call=call, **sides)).passed is passed


def test_the_noise_floor_is_printed_either_way(shown: Shown) -> None:
    check = same_twice(shown(call="open", sd=0.0123, metric="validation_accuracy"), disagreement=0.071)
    assert "SD 1.23 pp" in check.line
    assert "disagree on 7.1 %" in check.line
    assert "disagree" not in same_twice(shown()).line
    assert "SD 0.11 in the log" in same_twice(shown(sd=0.11, metric="test_accuracy")).line
