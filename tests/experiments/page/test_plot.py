"""Paths are short, and a reader of SVG finds every point where it was put."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.page.plot import Point, cross, dots, line, number, tenth

PLACES = st.lists(st.tuples(st.integers(-9999, 9999), st.integers(-9999, 9999)), min_size=1, max_size=9)


def read(path: str) -> list[Point]:
    """Every place that a path of M, l, m and h names, in turn."""
    found: list[Point] = []
    x, y = 0.0, 0.0
    for letter, text in re.findall(r"([Mlmh])([^Mlmh]*)", path):
        values = [float(value) for value in re.findall(r"-?\d+(?:\.\d+)?", text)]
        if letter == "h":
            assert values == [0]
            continue
        for across, down in zip(values[::2], values[1::2], strict=True):
            x, y = (across, down) if letter == "M" else (x + across, y + down)
            found.append((x, y))
    return found


@given(PLACES)
def test_every_point_is_where_it_was_put(tenths: list[tuple[int, int]]) -> None:
    points = [(x / 10, y / 10) for x, y in tenths]
    for made in (line(points), dots(points)):
        for (x, y), (across, down) in zip(read(made), points, strict=True):
            assert (x, y) == pytest.approx((across, down), abs=1e-6)


def test_roundings_do_not_add_up() -> None:
    points = [(0.04 * place, 0.0) for place in range(1000)]
    assert read(line(points))[-1] == pytest.approx((40.0, 0.0), abs=0.051)


def test_a_line_is_short() -> None:
    assert line([(58.0, 178.3), (108.6, 174.3), (138.2, 175.8)]) == "M58 178.3l50.6-4 29.6 1.5"
    assert line([(1, 2)]) == "M1 2"
    assert line([]) == ""
    assert dots([(1, 2), (3.5, -4)]) == "M1 2h0M3.5-4h0"


def test_a_cross_has_its_middle_where_it_was_put() -> None:
    corners = read(cross([(10, 20)]))
    assert corners == [(6, 16), (14, 24), (14, 16), (6, 24)]


@pytest.mark.parametrize(("tenths", "text"), [(0, "0"), (-5, "-0.5"), (125, "12.5"), (-30, "-3")])
def test_numbers_have_no_needless_digit(tenths: int, text: str) -> None:
    assert number(tenths) == text


def test_a_whole_number_has_no_point() -> None:
    assert [str(tenth(value)) for value in (8.0, 7.96, 7.94)] == ["8", "8", "7.9"]
