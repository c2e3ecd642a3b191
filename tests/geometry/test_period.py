"""Counts on an endless image against counts on a large one, and classic nets."""

import dataclasses
import itertools
from fractions import Fraction

import pytest

from cnnlab.geometry.coverage import network_coverage
from cnnlab.geometry.period import periodic_coverage, unevenness
from cnnlab.spec.invalid import InvalidError
from cnnlab.spec.net import Classic, ConvNet
from cnnlab.spec.network import Add, Concat, Conv, Input, Network, Resize
from cnnlab.zoo.lowering import network

CHAIN = network(ConvNet(depth=4, width=4, pools=(2, 3), down="strided_conv"), 192, 1, 10)


def branched(merge, kernels=(3, 1)):
    """Two strided branches of these kernels, merged, and a strided layer on top."""
    one, two = (
        Conv(name=name, inputs=("image",), filters=4, kernel=(k, k), stride=(2, 2), padding=((k // 2,) * 2,) * 2)
        for name, k in zip(("left", "right"), kernels, strict=True)
    )
    top = Conv(name="top", inputs=("merge",), filters=4, kernel=(3, 3), stride=(2, 2))
    nodes = (Input(name="image", channels=1), one, two, merge(name="merge", inputs=("left", "right")), top)
    return Network(nodes=nodes, output="top", features="top")


def check_period(found, net, size):
    """One period, wherever it begins, must be found inside a large image."""
    counts = network_coverage(net, size, net.features)
    period, first = len(found), 2 * (size[0] // 4)
    middle = [row[first : first + period] for row in counts[first : first + period]]
    return any(
        all(
            middle[(row + down) % period][(column + right) % period] == found[row][column]
            for row, column in itertools.product(range(period), repeat=2)
        )
        for down, right in itertools.product(range(period), repeat=2)
    )


@pytest.mark.parametrize("net", [CHAIN, branched(Add), branched(Concat), branched(Add, (5, 3))])
def test_one_period_is_that_of_the_middle_of_a_large_image(net):
    assert check_period(periodic_coverage(net, (192, 192), net.features), net, (192, 192))


def test_another_stride_gives_another_period():
    wrong = dataclasses.replace(
        CHAIN,
        nodes=tuple(
            dataclasses.replace(node, kernel=(4, 4)) if isinstance(node, Conv) and node.stride == (2, 2) else node
            for node in CHAIN.nodes
        ),
    )
    assert not check_period(periodic_coverage(wrong, (192, 192), wrong.features), CHAIN, (192, 192))


def test_a_classic_net_agrees_with_an_image_wide_enough():
    net = network(Classic(name="alexnet"), 227, 3, 1000)
    found = unevenness(periodic_coverage(net, (227, 227), net.features))
    wide = network_coverage(net, (451, 451), net.features)
    middle = [count for row in wide[208:240] for count in row[208:240]]
    assert found == Fraction(max(middle), min(middle))


def test_pixels_that_nothing_reads_have_no_ratio():
    lone = Conv(name="top", inputs=("image",), filters=1, kernel=(1, 1), stride=(2, 2))
    net = Network(nodes=(Input(name="image", channels=1), lone), output="top", features="top")
    assert unevenness(periodic_coverage(net, (8, 8), "top")) is None
    assert periodic_coverage(net, (8, 8), "image") == ((1,),)


def test_what_is_no_sliding_window_is_refused():
    with pytest.raises(InvalidError, match="only sliding windows"):
        periodic_coverage(CHAIN, (192, 192), CHAIN.output)
    grown = Resize(name="top", inputs=("image",), scale=(Fraction(2), Fraction(2)), kind="nearest")
    net = Network(nodes=(Input(name="image", channels=1), grown), output="top", features="top")
    with pytest.raises(InvalidError, match="only sliding windows"):
        periodic_coverage(net, (8, 8), "top")
    with pytest.raises(InvalidError, match="node=nowhere"):
        periodic_coverage(net, (8, 8), "nowhere")
