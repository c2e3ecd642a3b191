"""Hand-made effects and samples for the inference tests."""

from collections.abc import Callable
from typing import Any

import pytest

from cnnlab.inference.effects import Sample
from cnnlab.spec.verdict import Effect, Interval, Setting

SETTING_FIELDS = set(Setting.__dataclass_fields__)


@pytest.fixture
def setting() -> Callable[..., Setting]:
    def build(task: str = "digits12", **changes: Any) -> Setting:
        given = {
            "task": task,
            "real": True,
            "construction": task,
            "margin": 0.01,
            "headroom": 0.2,
            "metric": "gradient_decay",
        }
        return Setting(**{**given, **changes})

    return build


@pytest.fixture
def sample() -> Callable[..., Sample]:
    def build(values: Any, first_seed: int = 0, diverged: tuple[int, ...] = ()) -> Sample:
        values = tuple(float(value) for value in values)
        flags = tuple(index in diverged for index in range(len(values)))
        return Sample(seeds=tuple(range(first_seed, first_seed + len(values))), values=values, diverged=flags)

    return build


@pytest.fixture
def shown(setting: Callable[..., Setting]) -> Callable[..., Effect]:
    """Build an effect with a given call: its intervals and p-values are what such a call looks like."""
    centres = {"pos": 0.03, "neg": -0.03, "null": 0.0, "open": 0.008}
    half = {"pos": 0.01, "neg": 0.01, "null": 0.004, "open": 0.02}

    def build(task: str = "digits12", call: str = "pos", **changes: Any) -> Effect:
        at = setting(task, **{key: value for key, value in changes.items() if key in SETTING_FIELDS})
        own = {key: value for key, value in changes.items() if key not in SETTING_FIELDS}
        centre, width = centres[call], half[call]
        span = {
            name: Interval(low=centre - width, high=centre + width, level=level, kind="paired t")
            for name, level in (("interval95", 0.95), ("interval90", 0.9))
        }
        given = {
            "setting": at,
            "seeds": tuple(range(12)),
            "note": "",
            "mean": centre,
            "sd": 0.01,
            "estimate": centre,
            "p_greater": 1e-6 if call == "pos" else 0.5,
            "p_less": 1e-6 if call == "neg" else 0.5,
            "call": call,
            "reason": "",
            "diverged_better": 0,
            "diverged_worse": 0,
            "diverged_p": 1.0,
            "smallest_detectable": 0.012,
        }
        return Effect(**{**given, **span, **own})

    return build
