"""Accuracy against learning rate, for every member of an arm: where it is extended, and where a member is read.

Every member trains at every rate of the arm. A member is read at the rate where the OTHER members' mean validation
accuracy is highest (leave-one-out), so that the noise of choosing a rate is part of its result, and no member's own
luck chooses for it. Test accuracies never choose.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from cnnlab.spec.invalid import require

FACTOR = 2.0
"""Ratio of neighbouring learning rates."""
MOST_RATES = 8


@dataclass(frozen=True, kw_only=True)
class AtRate:
    """Every member's results at one learning rate, in the order of the record's members.

    Accuracies are fractions in [0, 1]; losses are mean cross-entropies in nats. A lost (diverged) member, whose loss
    was not finite or whose validation accuracy was no better than a guess, has chance accuracies and null losses.
    """

    learning_rate: float
    validation_accuracy: tuple[float, ...]
    test_accuracy: tuple[float, ...]
    test_loss: tuple[float | None, ...]
    train_loss: tuple[float | None, ...]
    diverged: tuple[bool, ...]


@dataclass(frozen=True, kw_only=True)
class Finals:
    """Every member's results as it is read; the fields are those of `AtRate`, each member at a rate of its own."""

    learning_rate: tuple[float, ...]
    validation_accuracy: tuple[float, ...]
    test_accuracy: tuple[float, ...]
    test_loss: tuple[float | None, ...]
    train_loss: tuple[float | None, ...]
    diverged: tuple[bool, ...]


Curve = Sequence[AtRate]
"""Results by ascending learning rate."""


def first_rates(centre: float, count: int) -> tuple[float, ...]:
    """The rates every member starts with: `count` of them a factor 2 apart, `centre` in the middle (or just below).

    >>> first_rates(0.012, 3)
    (0.006, 0.012, 0.024)
    """
    below = (count - 1) // 2
    return tuple(centre * FACTOR ** (place - below) for place in range(count))


def next_rate(curve: Curve) -> float | None:
    """The further rate at which all members have to train; None where the curve is done.

    It is done when its best rate is no end of what was tried, when 8 rates were tried, when it has one rate alone (a
    recipe that fixes the rate), and where no member has learned anything at any rate.

    Raises InvalidError unless the rates ascend and have as many members each.
    """
    _require_curve(curve)
    if len(curve) == 1 or len(curve) >= MOST_RATES or at_chance(curve):
        return None
    best = best_place(curve)
    if best == 0:
        return curve[0].learning_rate / FACTOR
    if best == len(curve) - 1:
        return curve[-1].learning_rate * FACTOR
    return None


def usable(curve: Curve) -> tuple[int, ...]:
    """The places of the rates at which no member was lost; all places where members were lost at every rate."""
    whole = tuple(place for place, at in enumerate(curve) if not any(at.diverged))
    return whole or tuple(range(len(curve)))


def at_chance(curve: Curve) -> bool:
    """Whether every member was lost at every rate."""
    return all(all(at.diverged) for at in curve)


def best_place(curve: Curve) -> int:
    """The usable rate with the highest mean validation accuracy; the smaller of equal ones."""
    return _best(curve, [at.validation_accuracy for at in curve])


def reading(curve: Curve) -> tuple[int, ...]:
    """For every member, the place of the rate at which it is read: the others' best; a lone member's own best."""
    members = len(curve[0].validation_accuracy)
    if members == 1:
        return (best_place(curve),)
    found = []
    for member in range(members):
        others = [(*at.validation_accuracy[:member], *at.validation_accuracy[member + 1 :]) for at in curve]
        found.append(_best(curve, others))
    return tuple(found)


def usual_rate(curve: Curve) -> float:
    """The learning rate at which most members are read; the smallest of those with as many."""
    return curve[statistics.mode(sorted(reading(curve)))].learning_rate


def finals(curve: Curve) -> Finals:
    """Every member's results at the rate where it is read."""
    rows = [(curve[place], member) for member, place in enumerate(reading(curve))]
    return Finals(
        learning_rate=tuple(at.learning_rate for at, _ in rows),
        validation_accuracy=tuple(at.validation_accuracy[member] for at, member in rows),
        test_accuracy=tuple(at.test_accuracy[member] for at, member in rows),
        test_loss=tuple(at.test_loss[member] for at, member in rows),
        train_loss=tuple(at.train_loss[member] for at, member in rows),
        diverged=tuple(at.diverged[member] for at, member in rows),
    )


def capped(curve: Curve) -> bool:
    """Whether the arm's own best rate may lie outside: the best ends the 8 rates and clearly beats its neighbour.

    Clearly is by more than one standard error of the paired difference over members. An arm at chance is not capped.
    """
    best = best_place(curve)
    if len(curve) < MOST_RATES or best not in (0, len(curve) - 1) or at_chance(curve):
        return False
    beside = curve[1 if best == 0 else -2].validation_accuracy
    differences = [ours - theirs for ours, theirs in zip(curve[best].validation_accuracy, beside, strict=True)]
    if len(differences) < 2:
        return False
    error = statistics.stdev(differences) / math.sqrt(len(differences))
    return statistics.fmean(differences) > error


def _best(curve: Curve, validation: Sequence[Sequence[float]]) -> int:
    """The usable place whose values have the highest mean; the first of equal ones."""
    means = {place: statistics.fmean(validation[place]) for place in usable(curve)}
    return max(means, key=lambda place: (means[place], -place))


def _require_curve(curve: Curve) -> None:
    rates = [at.learning_rate for at in curve]
    require(len(curve) > 0, "rates", rates, "at least one learning rate must have been tried")
    require(all(low < high for low, high in pairwise(rates)), "rates", rates, "learning rates must ascend")
    members = {len(at.validation_accuracy) for at in curve}
    require(len(members) == 1 and 0 not in members, "rates", members, "every learning rate needs the same members")
