"""The three checks of a sweep; if one is missing or fails, no verdict of the sweep exceeds `inconclusive`."""

from dataclasses import dataclass

from cnnlab.inference.wording import amount, describe
from cnnlab.spec.verdict import Effect


@dataclass(frozen=True, kw_only=True)
class Check:
    """One check on one task: whether it passed, and the line that is printed either way."""

    name: str
    task: str
    passed: bool
    line: str


def positive(known: Effect) -> Check:
    """Check that a known large effect is called `pos`: the pipeline is alive."""
    return _check("positive", known, known.call == "pos", "a known large effect must be Pos")


def sensitivity(wider: Effect) -> Check:
    """Check that width 16 is found to beat width 8: the look's interval lies above 0, whatever the margin."""
    return _check("sensitivity", wider, wider.decision.low > 0, "width 16 over width 8 must be found")


def same_twice(again: Effect, disagreement: float | None = None) -> Check:
    """Check that the reference against itself with another init is Null, and print the noise floor.

    `disagreement` is the share of test images on which the two copies predict different classes, where it is known.
    """
    share = "" if disagreement is None else f", copies disagree on {100 * disagreement:.1f} % of test images"
    floor = f"A/A must be Null; noise floor: SD {amount(again.sd, again.setting, signed=False)}{share}"
    return _check("A/A", again, again.call == "null", floor)


def _check(name: str, effect: Effect, passed: bool, needs: str) -> Check:
    state = "passed" if passed else "FAILED"
    line = f"{name} {state} on {describe(effect)}: {needs}"
    return Check(name=name, task=effect.setting.task, passed=passed, line=line)
