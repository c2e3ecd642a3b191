"""Timings of the cost claims as kept on disk: raw seconds of every round, one file a claim and device."""

from collections.abc import Mapping
from pathlib import Path

from cnnlab.inference.rules.cost import Timings
from experiments.claim import Timed


def kept(name: str, results: Path) -> Mapping[str, Timings]:
    """The timings of a claim by cell; empty where there are none."""
    return {}


def not_timed(name: str, timed: Timed) -> str:
    """Say why there are none, and how to get them."""
    if timed.needs == "gpu":
        return "needs a GPU"
    return f"not timed yet: python -m experiments.cost {name}"
