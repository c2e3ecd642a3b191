"""Dials: the settings of a task. Each has a name, a meaning and the values it takes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cnnlab.spec.invalid import require
from cnnlab.spec.ranges import Between
from cnnlab.spec.task import Task

POSITIVE = Between(0, 1000, above=True)
"""Contrasts and standard deviations."""


@dataclass(frozen=True, kw_only=True)
class Dial:
    """One setting of a task.

    Attributes:
        name: as in `data.dials.NAME`. meaning: one phrase. valid: the values it takes, in words.
        allows: whether it takes a value; what depends on the image size is left to the task.
    """

    name: str
    meaning: str
    valid: str
    allows: Callable[[float], bool]


def whole(name: str, meaning: str, least: int, most: int) -> Dial:
    """A dial for a whole number, both ends included."""
    valid = f"a whole number from {least} to {most}"
    return Dial(name=name, meaning=meaning, valid=valid, allows=lambda value: value in range(least, most + 1))


def positive(name: str, meaning: str) -> Dial:
    """A dial for a positive number."""
    return Dial(name=name, meaning=meaning, valid=f"a number {POSITIVE}", allows=POSITIVE.holds)


def one_of(name: str, meaning: str, *values: float) -> Dial:
    """A dial with a few values."""
    valid = f"one of {', '.join(f'{value:g}' for value in values)}"
    return Dial(name=name, meaning=meaning, valid=valid, allows=lambda value: value in values)


def share(name: str, meaning: str) -> Dial:
    """A dial for a fraction from 0 to 1, both included."""
    return Dial(name=name, meaning=meaning, valid="a fraction from 0 to 1", allows=lambda value: 0 <= value <= 1)


LABEL_NOISE = share("label_noise", "share of the training labels that are wrong; validation and test stay clean")
"""Every task may have this dial, none needs it."""


def settings(task: Task, dials: Sequence[Dial]) -> dict[str, float]:
    """Read a task's own dials, label noise left out.

    Raises:
        InvalidError: a dial is unknown, missing or out of range.
    """
    given, needed = dict(task.dials), sorted(dial.name for dial in dials)
    known = {dial.name: dial for dial in (*dials, LABEL_NOISE)}
    complete = set(needed) <= given.keys() <= known.keys()
    wants = f"needs exactly {', '.join(needed)}" if needed else "has no dials of its own"
    require(complete, "data.dials", ", ".join(given) or "none", f"{task.name} {wants}; {LABEL_NOISE.name} may be added")
    for name, value in given.items():
        require(known[name].allows(value), f"data.dials.{name}", f"{value:g}", f"must be {known[name].valid}")
    return {name: given[name] for name in needed}
