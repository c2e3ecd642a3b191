"""What a command loads before it has looked at its command line: nothing that only a report or a tracker needs."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LATE = (
    "jax",
    "matplotlib",
    "pandas",
    "scipy.special",
    "scipy.stats",
    "sklearn",
    "sympy",
    "tensorflow_datasets",
    "wandb",
)
"""Libraries that take a tenth of a second or more each, and that composing and checking a command line need not."""


def loaded(code: str) -> list[str]:
    """Which of the late libraries a program has loaded when it ends."""
    asks = f"import sys; print(*(name for name in {LATE} if name in sys.modules))"
    command = [sys.executable, "-c", f"{code}; {asks}"]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout.split()


def test_run_starts_without_libraries_that_it_needs_later() -> None:
    assert loaded("import experiments.run") == []


@pytest.mark.parametrize("name", ["pandas", "scipy.stats"])
def test_a_library_that_is_loaded_too_early_is_noticed(name: str) -> None:
    """The twin."""
    assert name in loaded(f"import {name}, experiments.run")
