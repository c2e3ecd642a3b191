"""Matching: re-widthed nets cost what the reference costs."""

import dataclasses
import itertools

import pytest

from cnnlab.geometry.cost import cost
from cnnlab.spec.invalid import InvalidError
from cnnlab.spec.net import ConvNet
from cnnlab.spec.network import Add
from cnnlab.zoo.lowering import network
from cnnlab.zoo.match import What, matched
from cnnlab.zoo.widths import widths

REFERENCE = ConvNet()
PLACEMENTS = list(itertools.combinations(range(1, 7), 2))


def deviation(net: ConvNet, reference: ConvNet, what: What, side: int) -> float:
    def of(one: ConvNet) -> int:
        value: int = getattr(cost(network(one, side, 1, 10), (side, side)), what)
        return value

    return abs(of(net) / of(reference) - 1)


def uniform(net: ConvNet, reference: ConvNet, side: int) -> ConvNet:
    """Planted fault: one width for all convolutions, as close as that comes."""
    nets = [dataclasses.replace(net, widths=(width,) * net.depth) for width in range(1, 60)]
    return min(nets, key=lambda one: deviation(one, reference, "macs", side))


@pytest.mark.parametrize("side", [12, 14])
def test_all_placements_of_two_pools_match_in_macs(side: int):
    assert len(PLACEMENTS) == 15
    found = [matched(ConvNet(pools=p), REFERENCE, "macs", side, 1, 10)[0] for p in PLACEMENTS]
    assert max(deviation(net, REFERENCE, "macs", side) for net in found) <= 0.009
    assert max(len(set(widths(net))) for net in found) == 2
    assert all(max(widths(net)) - min(widths(net)) <= 2 for net in found)


@pytest.mark.parametrize("side", [12, pytest.param(14, marks=pytest.mark.slow)])
def test_one_width_alone_would_miss(side: int):
    found = [uniform(ConvNet(pools=p), REFERENCE, side) for p in PLACEMENTS]
    assert max(deviation(net, REFERENCE, "macs", side) for net in found) > 0.03


NETS = [
    ConvNet(width_schedule="double_per_stage"),
    ConvNet(width_schedule="inverted"),
    ConvNet(width_schedule="linear", width=4),
    ConvNet(kernel=5),
    ConvNet(connectivity="separable"),
    ConvNet(connectivity="grouped", groups=2),
    ConvNet(connectivity="depthwise", width_schedule="double_per_stage"),
    ConvNet(down="conv_strided_conv"),
    ConvNet(depth=10),
    ConvNet(head="flatten", pools=()),
]


@pytest.mark.parametrize("net", NETS, ids=lambda net: f"{net.width_schedule}-{net.connectivity}-{net.label}")
@pytest.mark.parametrize("what", ["params", "macs"])
def test_other_nets_match_in_params_and_macs(net: ConvNet, what: What):
    found, said = matched(net, REFERENCE, what, 12, 1, 10)
    assert deviation(found, REFERENCE, what, 12) <= 0.03
    assert dataclasses.replace(found, widths=()) == net
    assert ("became" in said) == (found != net)


def test_the_reference_and_a_net_within_tolerance_keep_their_widths():
    assert matched(REFERENCE, REFERENCE, "macs", 12, 1, 10)[0] == REFERENCE
    # pools have no parameters, so every placement matches in params as it stands and keeps its initial weights
    moved = ConvNet(pools=(1, 2))
    found, said = matched(moved, REFERENCE, "params", 12, 1, 10)
    assert found == moved
    assert said == "widths kept: 11,930 parameters, +0.0% of the reference's 11,930"


def test_the_sentence_says_what_was_done():
    _, said = matched(ConvNet(pools=(1, 4)), REFERENCE, "macs", 12, 1, 10)
    assert said == (
        "widths [16,16,16,16,16,16] became [22,22,22,21,21,21]: "
        "563,484 multiply-accumulates, +0.6% of the reference's 560,032"
    )


def test_matching_is_deterministic_and_keeps_residual_identities_where_it_can():
    net = ConvNet(block="residual", pools=(0, 4), width=24)
    found, said = matched(net, REFERENCE, "macs", 12, 1, 10)
    assert matched(net, REFERENCE, "macs", 12, 1, 10) == (found, said)

    def identities(one: ConvNet) -> int:
        return sum(isinstance(node, Add) for node in network(one, 12, 1, 10).nodes)

    lost = identities(net) - identities(found)
    assert lost == (1 if "lost" in said else 0)
    assert identities(matched(dataclasses.replace(net, block="plain"), REFERENCE, "macs", 12, 1, 10)[0]) == 0


def test_what_cannot_match_is_refused():
    tiny = ConvNet(depth=1, width=1, pools=())
    with pytest.raises(InvalidError, match=r"no widths of .* come within 3%"):
        matched(ConvNet(depth=40, pools=()), tiny, "params", 12, 1, 10)
    with pytest.raises(InvalidError, match="choose one of params, macs"):
        matched(REFERENCE, REFERENCE, "flops", 12, 1, 10)  # type: ignore[arg-type]
