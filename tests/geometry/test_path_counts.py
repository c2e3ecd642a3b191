"""How often strided windows read each pixel: the laws that the claims on coverage rest on."""

from collections import Counter
from math import isclose

import pytest

from cnnlab.geometry.axis import Slide
from cnnlab.geometry.coverage import coverage, interior, network_coverage, plane, read_counts, sliding
from cnnlab.spec.invalid import InvalidError
from cnnlab.spec.network import Conv, Flatten, GroupPad, Input, Network

FIBONACCI = [1, 1, 2, 3, 5, 8, 13]


def stern(count):
    """List the first numbers of Stern's diatomic sequence from a(1) on: a(2n) = a(n), a(2n + 1) = a(n) + a(n + 1)."""
    values = [0, 1]
    for place in range(2, count + 1):
        half = place // 2
        values.append(values[half] if place % 2 == 0 else values[half] + values[half + 1])
    return values[1:]


def check_stern(count_paths, depth):
    """Interior counts of `depth` layers of 3/2 repeat a row of Stern's sequence, of maximum F(depth + 2)."""
    period, margin = 2**depth, 2 ** (depth + 1)
    inner = interior(count_paths(16 * period, 3, 2, "same", depth=depth), margin)
    row = list(inner[:period])
    assert list(inner) == row * (len(inner) // period)
    start = 2**depth
    expected = stern(2 * start)[start - 1 : 2 * start - 1]
    turned = [expected[turn:] + expected[:turn] for turn in range(period)]
    assert row in turned or row[::-1] in turned
    assert (min(inner), max(inner)) == (1, FIBONACCI[depth + 1])


@pytest.mark.parametrize("depth", range(1, 6))
def test_stacked_three_over_two_follows_stern_and_fibonacci(depth):
    check_stern(coverage, depth)


def test_the_plane_of_five_strided_layers_is_uneven_by_169():
    ratios = []
    for depth in range(1, 6):
        inner = interior(coverage(2 ** (depth + 4), 3, 2, "same", depth=depth), 2 ** (depth + 1))
        counts = [count for row in plane(inner, inner) for count in row]
        ratios.append(max(counts) // min(counts))
    assert ratios == [4, 9, 25, 64, 169]


def test_the_law_is_broken_by_four_over_two():
    def other_kernel(length, kernel, stride, padding, *, depth):
        return coverage(length, kernel + 1, stride, padding, depth=depth)

    with pytest.raises(AssertionError):
        check_stern(other_kernel, 3)


def ratio(layers, length=512, margin=160):
    """Largest over smallest interior count of a stack of (kernel, stride) layers, in the plane."""
    stack, reached = [], length
    for kernel, stride in layers:
        stack.append(sliding(reached, kernel, stride, "same"))
        reached = stack[-1].length(reached)
    inner = interior(read_counts(stack, length), margin)
    return (max(inner) / min(inner)) ** 2


@pytest.mark.parametrize("layers", [[(4, 2)] * 4, [(2, 2)] * 4, [(3, 1), (2, 2)] * 4])
def test_divisible_kernels_and_pools_behind_stride_one_cover_evenly(layers):
    assert ratio(layers) == 1


@pytest.mark.parametrize(("layers", "expected"), [([(3, 1), (3, 2)] * 3, 1.72), ([(3, 1), (3, 1), (3, 2)] * 3, 1.17)])
def test_interleaved_stride_one_layers_damp_the_unevenness(layers, expected):
    assert isclose(ratio(layers), expected, abs_tol=0.005)


def test_a_strided_layer_covers_once_twice_and_four_times_never_thrice():
    counts = coverage(32, 3, 2)
    inner = plane(interior(counts, 2), interior(counts, 2))
    shares = Counter(count for row in inner for count in row)
    total = sum(shares.values())
    assert {count: share / total for count, share in shares.items()} == {1: 0.25, 2: 0.5, 4: 0.25}
    assert set(coverage(32, 1, 2)) == {0, 1}
    assert 0 in coverage(32, 3, 2, "valid")


@pytest.mark.parametrize(("padding", "first"), [((1, 1), 7), ("valid", 14)])
def test_most_pixels_are_covered_nine_times_from_a_certain_size_on(padding, first):
    def share(side):
        counts = coverage(side, 3, 1, padding)
        return sum(count == 9 for row in plane(counts, counts) for count in row) / side**2

    assert [side for side in range(3, 40) if share(side) > 0.5] == list(range(first, 40))


def test_reflection_and_circular_padding_read_the_map_again():
    def counts(beyond):
        return read_counts([Slide(low=1, high=1, beyond=beyond), sliding(8, 3, 1, "valid")], 6)

    assert counts("zeros") == (2, 3, 3, 3, 3, 2)
    assert counts("reflect") == (2, 4, 3, 3, 4, 2)
    assert counts("circular") == (3, 3, 3, 3, 3, 3)


def test_symmetric_padding_covers_the_corners_by_four_shifts():
    nodes = (
        Input(name="image", channels=4),
        GroupPad(name="pad", inputs=("image",), total=(1, 1)),
        Conv(name="conv", inputs=("pad",), filters=4, kernel=(2, 2), padding="valid"),
        Flatten(name="flat", inputs=("conv",)),
    )
    network = Network(nodes=nodes, output="flat", features="conv")
    assert network_coverage(network, (4, 4), "conv") == plane((3, 4, 4, 3), (3, 4, 4, 3))
    assert network_coverage(network, (4, 4), "flat") == network_coverage(network, (4, 4), "conv")


def test_a_stack_that_does_not_fit_and_an_unknown_padding_are_refused():
    with pytest.raises(InvalidError, match="length=6 is not valid: its map of 2 pixels is too small"):
        coverage(6, 3, 2, "valid", depth=2)
    with pytest.raises(InvalidError, match="padding=full is not valid: choose one of valid, same"):
        coverage(6, 3, 2, "full")
