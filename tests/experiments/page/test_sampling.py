"""What the sampling view looks up is what the windows read, one by one."""

import itertools

import pytest

from experiments.page.view import Context
from experiments.page.views import sampling
from experiments.page.views.sampling import (
    DEPTHS,
    KERNELS,
    LONGEST,
    MODES,
    NO_FIT,
    PADDINGS,
    SIDES,
    STRIDES,
    distinct,
    entry,
    keys,
    notes,
    table,
)

TABLE = table()


def looked_up(place: int) -> tuple[list[int], list[int]] | int:
    """An entry of the table, as the script reads it."""
    found = TABLE["entries"][place]
    if isinstance(found, int):
        return found
    return [int(count) for count in TABLE["lines"][found[0]].split()], found[1:]


def counted(mode: str, side: int, kernel: int, stride: int, shape: list[int]) -> list[int]:
    """Counts by walking every window of every layer, without geometry; `shape` is low, length, low, length, ..."""
    lows, lengths = shape[::2], [side, *shape[1::2]]
    fine = lengths if mode == "convolution" else lengths[::-1]
    steps = lows if mode == "convolution" else lows[::-1]
    counts = [1] * fine[-1]
    for low, length in zip(reversed(steps), reversed(fine[:-1]), strict=True):
        below = [0] * length
        for unit, tap in itertools.product(range(len(counts)), range(kernel)):
            pixel = unit * stride - low + tap
            if 0 <= pixel < length:
                below[pixel] += counts[unit]
        counts = below
    return counts


def test_every_setting_is_what_the_windows_read() -> None:
    shown = 0
    for place, (mode, side, kernel, stride, padding, depth) in enumerate(keys()):
        found = looked_up(place)
        assert found == (entry(mode, side, kernel, stride, padding, depth))
        if not isinstance(found, int):
            counts, shape = found
            assert counts == counted(mode, side, kernel, stride, shape), (mode, side, kernel, stride, padding, depth)
            assert max(side, *shape[1::2]) <= LONGEST
            shown += 1
    assert shown > 8000
    assert len(TABLE["entries"]) == len(MODES) * len(DEPTHS) * len(SIDES) * len(KERNELS) * len(STRIDES) * len(PADDINGS)


def test_a_planted_count_is_found() -> None:
    place = keys().index(("convolution", 8, 3, 2, "SAME", 1))
    counts, shape = looked_up(place)  # type: ignore[misc]
    assert counts == [1, 1, 2, 1, 2, 1, 2, 1]  # by hand: windows at 0, 2, 4, 6
    assert counted("convolution", 8, 3, 2, [shape[0] + 1, shape[1]]) != counts


def test_a_kernel_that_does_not_fit_is_told() -> None:
    assert entry("convolution", 2, 7, 1, "0", 1) == NO_FIT


def test_the_notes_table_is_right_in_three_rows() -> None:
    rows = notes()
    assert [row["true"] for row in rows] == [(1, 11.1), (3, 36.0), (5, 51.0), (7, 60.5), (110, 96.5)]
    assert [row["right"] for row in rows] == [(True, True), (True, True), (True, True), (False, True), (False, False)]


def test_the_notes_table_agrees_with_brute_force() -> None:
    for row in notes():
        line = counted("convolution", row["padded"], 3, 1, [0, row["padded"] - 2])
        assert line.count(3) == row["true"][0]


@pytest.mark.parametrize(("line", "expected"), [([1, 2], [(1, 1), (2, 2), (4, 1)]), ([0, 3], [(0, 3), (9, 1)])])
def test_distinct_counts_of_the_plane(line: list[int], expected: list[tuple[int, int]]) -> None:
    assert distinct(line) == expected


def test_the_finding_is_made_from_the_counts() -> None:
    assert "1, 2 or 4 times" in sampling.make(Context()).finding
