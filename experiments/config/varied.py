"""What a list of values, or a sweep's file, may vary: keys of arms, one by one, and not without end."""

import itertools
import re
from collections.abc import Iterable, Mapping
from typing import Any

from hydra.core.override_parser.types import Glob, Override

from experiments.cli.errors import UsageError

SECTIONS = ("model", "data", "train", "match", "arm")
"""By which one arm differs from another. All else is the same for a whole command: it is read once, before any job."""
MOST = 2000
"""Jobs of a command; the largest sweep of the suite has some 300."""


def check_file(params: Mapping[Any, Any]) -> None:
    """Raise UsageError for what a sweep's file varies, `hydra.sweeper.params`, unless all are keys of arms."""
    for key in map(str, params):
        _require_of_arms(key, f"hydra.sweeper.params.{key}")


def check_lists(overrides: Iterable[Override]) -> None:
    """Raise UsageError for lists of values of other keys, without end, or in another order every time."""
    counts: dict[str, int] = {}
    for one in overrides:
        line, value = str(one.input_line), one.value()
        if not one.is_sweep_override():
            counts[one.key_or_group] = 1
            continue
        _require_of_arms(one.key_or_group, line)
        if not one.is_discrete_sweep() or isinstance(value, Glob) or getattr(value, "shuffle", False):
            raise UsageError(f"{line} is not valid: give the values one by one, KEY=a,b, or as range(first,end)")
        try:
            counts[one.key_or_group] = sum(1 for _ in itertools.islice(one.sweep_string_iterator(), MOST + 1))
        except (ValueError, ArithmeticError) as problem:  # a range of steps of 0
            raise UsageError(f"{line} is not valid: {problem}") from problem
        jobs = 1
        for count in counts.values():
            jobs *= count
        if jobs > MOST:
            raise UsageError(f"{line} makes more than {MOST} jobs of one command: give fewer values")


def _require_of_arms(key: str, told: str) -> None:
    if re.split(r"[./@]", key.lstrip("+"))[0] not in SECTIONS:
        valid = f"a sweep varies the keys of arms ({', '.join(SECTIONS)}), never of hydra or of a whole command"
        raise UsageError(f"{told} is not valid: {valid}")
