"""The checks of a sweep; if one that gates is missing or fails, no verdict of the sweep exceeds `inconclusive`."""

from dataclasses import dataclass

from cnnlab.inference.wording import amount, measured
from cnnlab.spec.verdict import Effect

DISTINCT = 0.005
"""Two-sided p below which two copies of one arm are too far apart to be copies."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """One check on one task: whether it passed, and the line that is printed either way.

    `gates` is False for a check that only describes: its failing holds no claim back.
    """

    name: str
    task: str
    passed: bool
    line: str
    gates: bool = True

    @property
    def holds_back(self) -> bool:
        """Whether claims may not be read because of it."""
        return self.gates and not self.passed


def positive(known: Effect) -> Check:
    """Check that a known large effect is called `pos`: the pipeline is alive."""
    return _check("positive", known, known.call == "pos", "a known large effect must be Pos")


def sensitivity(wider: Effect) -> Check:
    """Say whether width 16 is found to beat width 8: the 95 % interval lies above 0. It never gates."""
    return _check("sensitivity", wider, wider.interval95.low > 0, "is width 16 told from width 8", gates=False)


def same_twice(again: Effect, disagreement: float | None = None) -> Check:
    """Check that the reference does not differ from itself with another init, and print the noise floor.

    It fails only if the two-sided p is below `DISTINCT`: how precise a contrast is, each contrast says of itself.
    `disagreement` is the share of test images on which the two copies predict different classes, where it is known.
    """
    p = min(1.0, 2 * min(again.p_greater, again.p_less))
    share = "" if disagreement is None else f", copies disagree on {100 * disagreement:.1f} % of test images"
    spread = f"{again.sd:.2g} in the log" if again.setting.ratio else amount(again.sd, again.setting, signed=False)
    floor = f"two copies must not differ (p {p:.2g}); noise floor: SD {spread}{share}"
    return _check("A/A", again, p >= DISTINCT, floor)


def _check(name: str, effect: Effect, passed: bool, needs: str, *, gates: bool = True) -> Check:
    state = "passed" if passed else "FAILED" if gates else "no"
    line = f"{name} {state} on {effect.setting.task}: {measured(effect)}; {needs}"
    return Check(name=name, task=effect.setting.task, passed=passed, line=line, gates=gates)
