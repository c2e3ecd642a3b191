"""Curves: where they are extended, where members are read, and that neither luck nor the test set chooses."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnnlab.spec.curve import (
    AtRate,
    at_chance,
    best_place,
    capped,
    finals,
    first_rates,
    next_rate,
    reading,
    usable,
    usual_rate,
)
from cnnlab.spec.invalid import InvalidError

CHANCE = 0.1
Rows = list[list[float]]


def curve(validation: Rows, lost: set[tuple[int, int]] = frozenset(), test: Rows | None = None) -> tuple[AtRate, ...]:  # type: ignore[assignment]
    """A curve from accuracies by rate and member; `lost` names (rate, member) pairs."""
    found = []
    for place, row in enumerate(validation):
        gone = tuple((place, member) in lost for member in range(len(row)))
        values = tuple(CHANCE if bad else value for bad, value in zip(gone, row, strict=True))
        tested = values if test is None else tuple(test[place])
        found.append(
            AtRate(
                learning_rate=0.01 * 2.0**place,
                validation_accuracy=values,
                test_accuracy=tested,
                test_loss=tuple(None if bad else 1.0 for bad in gone),
                train_loss=tuple(None if bad else 1.0 for bad in gone),
                diverged=gone,
            )
        )
    return tuple(found)


def slow_reading(validation: Rows, whole: list[int]) -> list[int]:
    """The oracle: every member in turn, with NumPy."""
    table = np.array(validation)
    found = []
    for member in range(table.shape[1]):
        others = np.delete(table, member, axis=1) if table.shape[1] > 1 else table
        means = [math.fsum(others[place]) / others.shape[1] for place in whole]
        found.append(whole[int(np.argmax(means))])
    return found


ACCURACIES = st.integers(20, 100).map(lambda count: count / 100)
TABLES = st.tuples(st.integers(1, 6), st.integers(1, 5)).flatmap(
    lambda shape: st.lists(
        st.lists(ACCURACIES, min_size=shape[1], max_size=shape[1]), min_size=shape[0], max_size=shape[0]
    )
)


@given(TABLES, st.data())
def test_reading_is_what_the_oracle_says(table: Rows, data: st.DataObject) -> None:
    places = list(itertools.product(range(len(table)), range(len(table[0]))))
    lost = set(data.draw(st.lists(st.sampled_from(places), max_size=3)))
    made = curve(table, lost)
    whole = [
        place for place in range(len(table)) if not any((place, member) in lost for member in range(len(table[0])))
    ]
    shown = [list(at.validation_accuracy) for at in made]
    assert list(reading(made)) == slow_reading(shown, whole or list(range(len(table))))
    assert list(usable(made)) == (whole or list(range(len(table))))


def test_no_member_chooses_for_itself_and_no_test_accuracy_chooses_at_all() -> None:
    table = [[0.5, 0.5, 0.99], [0.6, 0.6, 0.1]]
    assert reading(curve(table)) == (0, 0, 1)
    flipped = [[0.1, 0.2, 0.3], [0.9, 0.9, 0.9]]
    assert reading(curve(table, test=flipped)) == reading(curve(table))
    assert finals(curve(table, test=flipped)).test_accuracy == (0.1, 0.2, 0.9)


def test_twin_a_reading_by_everybody_or_by_test_accuracies_would_differ() -> None:
    table = [[0.5, 0.5, 0.99], [0.6, 0.6, 0.1]]
    assert reading(curve(table)) != (best_place(curve(table)),) * 3
    leaking = curve([[0.1, 0.2, 0.3], [0.9, 0.9, 0.9]])
    assert reading(leaking) != reading(curve(table))


def test_first_rates_stand_around_the_centre() -> None:
    assert first_rates(0.012, 3) == (0.006, 0.012, 0.024)
    assert first_rates(0.012, 1) == (0.012,)
    assert first_rates(0.012, 4) == (0.006, 0.012, 0.024, 0.048)


@pytest.mark.parametrize(
    ("table", "lost", "expected"),
    [
        ([[0.5], [0.9], [0.5]], set(), None),
        ([[0.9], [0.5], [0.5]], set(), 0.005),
        ([[0.5], [0.6], [0.9]], set(), 0.08),
        ([[0.9], [0.9], [0.9]], set(), 0.005),
        ([[0.5], [0.9], [0.99]], {(2, 0)}, None),
        ([[0.5], [0.9], [0.99]], {(1, 0), (2, 0)}, 0.005),
        ([[0.5], [0.5], [0.5]], {(0, 0), (1, 0), (2, 0)}, None),
        ([[0.9]], set(), None),
        ([[0.1 * place] for place in range(1, 9)], set(), None),
    ],
    ids=["interior", "low end", "high end", "ties", "lost above", "only the lowest", "chance", "fixed", "eight"],
)
def test_a_curve_goes_on_until_its_best_is_no_end(
    table: Rows, lost: set[tuple[int, int]], expected: float | None
) -> None:
    assert next_rate(curve(table, lost)) == (None if expected is None else pytest.approx(expected))


def test_where_members_are_lost_at_every_rate_all_rates_count() -> None:
    made = curve([[0.5, 0.9], [0.7, 0.9]], {(0, 0), (1, 1)})
    assert usable(made) == (0, 1)
    assert not at_chance(made)
    assert finals(made).learning_rate == (0.01, 0.02)
    assert finals(made).diverged == (True, True)


def test_only_a_clear_best_at_the_end_of_eight_rates_is_capped() -> None:
    rising = [[0.1 * place, 0.1 * place + 0.01] for place in range(1, 9)]
    assert capped(curve(rising))
    assert not capped(curve(rising[:7]))
    unclear = [*rising[:7], [0.75, 0.70]]
    assert not capped(curve(unclear))
    everywhere = {(place, member) for place in range(8) for member in range(2)}
    assert not capped(curve(rising, everywhere))


def test_a_curve_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidError, match="at least one"):
        next_rate(())
    one, other = curve([[0.5], [0.6]])
    with pytest.raises(InvalidError, match="ascend"):
        next_rate((other, one))
    with pytest.raises(InvalidError, match="same members"):
        next_rate((one, *curve([[0.1, 0.2], [0.5, 0.6]])[1:]))


def test_the_usual_rate_is_where_most_members_are_read_and_the_smaller_of_two() -> None:
    assert usual_rate(curve([[0.5, 0.5, 0.99], [0.6, 0.6, 0.1]])) == 0.01
    assert usual_rate(curve([[0.5, 0.9], [0.7, 0.9]], {(0, 0), (1, 1)})) == 0.01
