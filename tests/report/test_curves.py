"""Curves over learning rates: every member at every rate, lost ones told apart, and where members are read marked."""

import dataclasses

import pytest

from cnnlab.report import canvas, curves
from cnnlab.report.curves import ArmCurve
from cnnlab.spec.curve import AtRate, reading


def at(rate: float, *accuracies: float, lost: tuple[int, ...] = ()) -> AtRate:
    none = (None,) * len(accuracies)
    return AtRate(
        learning_rate=rate,
        validation_accuracy=accuracies,
        test_accuracy=accuracies,
        test_loss=none,
        train_loss=none,
        diverged=tuple(place in lost for place in range(len(accuracies))),
    )


PLAIN = (at(0.006, 0.7, 0.72), at(0.012, 0.8, 0.82), at(0.024, 0.1, 0.7, lost=(0,)))
SPLIT = (at(0.1, 0.9, 0.5, 0.6), at(0.2, 0.5, 0.8, 0.7))
"""Leave-one-out, members of this one are read at different rates."""


def marks(curve: tuple[AtRate, ...]) -> dict[str, list[tuple[float, float]]]:
    """What a strip has of each kind of mark: members, lost members, means where members are read."""
    _, axes = canvas.canvas("?")
    curves.strip(axes[0][0], ArmCurve(name="net", curve=curve), 0.0, 1.0)
    found: dict[str, list[tuple[float, float]]] = {}
    for line in axes[0][0].lines:
        marker = str(line.get_marker())
        filled = "filled" if line.get_markerfacecolor() == canvas.BLUE else "ring"
        key = filled if marker == "o" else marker
        found.setdefault(key, []).extend((float(x), float(y)) for x, y in line.get_xydata())
    return found


def test_every_member_stands_at_every_rate_and_lost_ones_are_crosses_at_the_foot() -> None:
    found = marks(PLAIN)
    assert sorted(y for _, y in found["."]) == pytest.approx([70, 70, 72, 80, 82])
    assert found["x"] == [(pytest.approx(max(x for x, _ in found["."])), pytest.approx(curves.FOOT))]
    assert found["filled"] == [(pytest.approx(0.0), pytest.approx(81))]
    assert "ring" not in found


def test_lost_members_do_not_move_the_axis() -> None:
    """The fault: crosses to scale, at a guess's accuracy."""
    _, axes = canvas.canvas("?")
    curves.strip(axes[0][0], ArmCurve(name="net", curve=(*PLAIN[:2], at(0.024, 0.1, 0.1, lost=(0, 1)))), 0.0, 1.0)
    assert axes[0][0].get_ylim()[0] > 65


def test_where_some_members_are_read_is_a_ring_and_where_most_are_is_filled() -> None:
    read = reading(SPLIT)
    assert len(set(read)) == 2
    most = max(set(read), key=read.count)
    found = marks(SPLIT)
    means = [100 * sum(one.test_accuracy) / 3 for one in SPLIT]
    assert [y for _, y in found["filled"]] == pytest.approx([means[most]])
    assert [y for _, y in found["ring"]] == pytest.approx([means[1 - most]])


def test_turned_around_a_curve_would_be_seen() -> None:
    """The fault: accuracies of one rate at another."""
    turned = tuple(
        dataclasses.replace(one, learning_rate=other.learning_rate)
        for one, other in zip(reversed(PLAIN), PLAIN, strict=True)
    )
    assert marks(turned) != marks(PLAIN)


def test_the_rate_where_most_are_read_stands_below_the_name() -> None:
    _, axes = canvas.canvas("?")
    curves.panel(axes[0][0], [ArmCurve(name="net", curve=PLAIN)], chance=0.1)
    assert [text.get_text() for text in axes[0][0].get_xticklabels()] == ["net\n.012"]
    assert curves.rate((at(1.5, 0.9),)) == "1.5"


@pytest.mark.parametrize(("accuracy", "drawn"), [(0.15, True), (0.7, False)])
def test_a_guess_is_drawn_where_curves_come_near_it(accuracy: float, drawn: bool) -> None:
    _, axes = canvas.canvas("?")
    one = (at(0.1, accuracy, accuracy + 0.02), at(0.2, accuracy + 0.01, accuracy + 0.2))
    curves.panel(axes[0][0], [ArmCurve(name="net", curve=one)], chance=0.1)
    assert any(line.get_linestyle() == ":" for line in axes[0][0].lines) == drawn
