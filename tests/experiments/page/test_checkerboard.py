"""Overlap counts of the page against a walk over every kernel, and the rule of divisibility."""

import base64
import io
import itertools

import numpy as np
import pytest
from PIL import Image

from experiments.page.picture import grey
from experiments.page.view import Context
from experiments.page.views import checkerboard
from experiments.page.views.checkerboard import DEPTHS, KERNELS, STRIDES, board, line, read_unevenly, told


def painted(kernel: int, stride: int, depth: int) -> list[int]:
    """Counts of a long line, by painting kernel after kernel."""
    counts = [1] * 60
    for _ in range(depth):
        below = [0] * ((len(counts) - 1) * stride + kernel)
        for place, count in enumerate(counts):
            for tap in range(kernel):
                below[place * stride + tap] += count
        counts = below
    return counts


@pytest.mark.parametrize("depth", DEPTHS)
def test_counts_are_those_of_a_long_line_away_from_its_border(depth: int) -> None:
    for kernel, stride in itertools.product(KERNELS, STRIDES):
        found, long = line(kernel, stride, depth), painted(kernel, stride, depth)
        period = stride**depth
        start = len(long) // 2 // period * period
        assert list(found) == long[start : start + len(found)], (kernel, stride, depth)


def test_counts_are_even_exactly_where_the_stride_divides_the_kernel() -> None:
    for kernel, stride in itertools.product(KERNELS, STRIDES):
        assert (board(kernel, stride, 1)["dispersion"] == 0) is (kernel % stride == 0), (kernel, stride)


def test_kernel_3_on_stride_2_by_hand() -> None:
    found = board(3, 2, 1)
    assert set(found["counts"]) == {1, 2}
    # the plane's counts are 1, 2, 2 and 4: mean 9/4, variance 25/4 - 81/16
    assert found["dispersion"] == pytest.approx(np.sqrt(25 / 4 - 81 / 16) / (9 / 4), abs=5e-5)


def test_strided_nets_read_unevenly_and_pooled_ones_do_not(context: Context) -> None:
    pooled, strided, _ = read_unevenly(context.networks)
    assert pooled["dispersion"] == 0
    assert strided["dispersion"] > 0.1
    assert strided["ratio"] > 1


def test_a_picture_is_the_map(tmp_path: object) -> None:
    values = np.array([[0.0, 1.0], [2.0, 4.0]])
    file = base64.b64decode(grey(values, 0, 4).split(",")[1])
    assert np.asarray(Image.open(io.BytesIO(file))).tolist() == [[0, 64], [128, 255]]
    clipped = base64.b64decode(grey(values, 1, 2).split(",")[1])
    assert np.asarray(Image.open(io.BytesIO(clipped))).tolist() == [[0, 0], [255, 255]]


def test_a_share_has_no_minus_before_a_zero() -> None:
    assert told((-0.0001, -0.2, 0.5)) == "0.00 [-0.20, 0.50]"


def test_without_decoders_the_counts_stand_alone() -> None:
    content = checkerboard.make(Context(fast=True))
    assert content.static["arms"] == []
    assert "4 times and others 1 time" in content.finding


@pytest.mark.slow
def test_untrained_decoders_stand_on_the_page() -> None:
    content = checkerboard.make(Context(apart={"checkerboard": checkerboard.untrained(())}))
    arms = {arm["name"]: arm for arm in content.static["arms"]}
    assert len(arms) == 9
    assert arms["sub-pixel, ICNR"]["maps"][0] == pytest.approx(0, abs=0.01)
    assert arms["transposed 4"]["maps"][1] > 0.1
    assert all(row["off"] <= 3 for row in content.static["painted"])
