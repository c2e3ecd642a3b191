"""Sizes, parameters, multiply-accumulates and activations, by hand and against published totals."""

import pytest

from cnnlab.geometry.cost import cost
from cnnlab.geometry.measured import measured
from cnnlab.geometry.sizes import maps, sizes
from cnnlab.spec.invalid import InvalidError
from cnnlab.spec.network import (
    Add,
    Concat,
    Conv,
    Dense,
    DepthToSpace,
    Elementwise,
    Flatten,
    GlobalAveragePool,
    GroupPad,
    Input,
    Network,
    Norm,
    Pad,
    Pool,
    SpaceToDepth,
    TransposedConv,
)


def chain(*nodes, channels=3, features=None):
    """Put the nodes one after the other, behind an image."""
    placed, last = [Input(name="image", channels=channels)], "image"
    for node in nodes:
        placed.append(type(node)(**{**vars(node), "inputs": (last,)}))
        last = node.name
    return Network(nodes=tuple(placed), output=last, features=features or last)


def six_convs(pools):
    """Six 3x3 convolutions of 32 filters with a 2x2 max-pool behind those numbered in `pools`."""
    nodes = []
    for place in range(1, 7):
        nodes.append(Conv(name=f"conv{place}", filters=32, kernel=(3, 3)))
        if place in pools:
            nodes.append(Pool(name=f"pool{place}", kind="max", kernel=(2, 2), stride=(2, 2)))
    return chain(*nodes, channels=1)


def check_pool_position(price):
    """Parameters do not depend on where two pools stand; MACs (millions) and conv activations (thousands) do."""
    params = set()
    for pools, macs, elements in (
        ((1, 2), 3.84, 37.6),
        ((2, 4), 11.97, 65.9),
        ((3, 5), 18.7, 89.4),
        ((5, 6), 30.9, 131.7),
    ):
        priced = price(six_convs(pools), (28, 28))
        params.add(priced.params)
        assert priced.macs / 1e6 == pytest.approx(macs, rel=3e-3)
        convs = [node.activation_elements for name, node in priced.nodes.items() if name.startswith("conv")]
        assert sum(convs) / 1e3 == pytest.approx(elements, rel=3e-3)
    assert len(params) == 1


def test_pool_position_changes_macs_and_activations_but_not_parameters():
    check_pool_position(cost)


def test_a_cost_that_forgets_the_pools_is_noticed():
    def forgetful(network, size):
        return cost(chain(*(node for node in network.nodes[1:] if isinstance(node, Conv)), channels=1), size)

    with pytest.raises(AssertionError):
        check_pool_position(forgetful)


def test_tiny_vgg_has_its_published_19920_parameters():
    convs = [Conv(name=f"conv{n}", filters=10, kernel=(3, 3), padding="valid") for n in range(4)]
    pools = [Pool(name=f"pool{n}", kind="max", kernel=(2, 2), stride=(2, 2)) for n in range(2)]
    network = chain(*convs[:2], pools[0], *convs[2:], pools[1], Flatten(name="flat"), Dense(name="out", units=10))
    found = sizes(network, (64, 64))
    assert [found[node.name] for node in network.nodes] == [
        (64, 64),
        (62, 62),
        (60, 60),
        (30, 30),
        (28, 28),
        (26, 26),
        (13, 13),
        (1, 1),
        (1, 1),
    ]
    assert cost(network, (64, 64)).params == 19_920


def test_every_kind_of_layer_is_priced_by_hand():
    network = chain(
        Conv(name="conv", filters=8, kernel=(3, 5), stride=(2, 1), dilation=(1, 2), groups=1),
        Norm(name="norm", kind="batch", scale=True),
        Norm(name="shift", kind="batch", scale=False),
        Conv(name="grouped", filters=4, kernel=(3, 3), groups=4, bias=False),
        TransposedConv(name="up", filters=5, kernel=(4, 4), stride=(2, 2)),
        Elementwise(name="dropout", kind="dropout"),
        GlobalAveragePool(name="mean"),
        Dense(name="out", units=10),
    )
    priced = cost(network, (9, 10)).nodes
    assert sizes(network, (9, 10))["conv"] == (5, 10)
    assert sizes(network, (9, 10))["up"] == (10, 20)
    rows = {name: (node.params, node.macs, node.activation_elements) for name, node in priced.items()}
    assert rows == {
        "image": (0, 0, 0),
        "conv": (3 * 5 * 3 * 8 + 8, 3 * 5 * 3 * 8 * 50, 400),
        "norm": (16, 0, 400),
        "shift": (8, 0, 400),
        "grouped": (3 * 3 * 2 * 4, 3 * 3 * 2 * 4 * 50, 200),
        "up": (4 * 4 * 4 * 5 + 5, 4 * 4 * 4 * 5 * 50, 1000),
        "dropout": (0, 0, 1000),
        "mean": (0, 0, 5),
        "out": (5 * 10 + 10, 50, 10),
    }
    assert priced["up"].activation_bytes == 4000
    total = cost(network, (9, 10))
    assert total.activation_bytes == 4 * sum(row[2] for row in rows.values())


def test_without_a_size_only_what_needs_it_is_unknown():
    network = chain(Conv(name="conv", filters=8, kernel=(3, 3)), Flatten(name="flat"), Dense(name="out", units=10))
    assert sizes(network, None) == {"image": None, "conv": None, "flat": (1, 1), "out": (1, 1)}
    priced = cost(network, None)
    assert (priced.nodes["conv"].params, priced.nodes["conv"].macs) == (224, None)
    assert priced.nodes["out"].params is None
    with pytest.raises(InvalidError, match="input_size=None is not valid: the parameters of layer out"):
        _ = priced.params
    averaged = chain(
        Conv(name="conv", filters=8, kernel=(3, 3)), GlobalAveragePool(name="mean"), Dense(name="out", units=2)
    )
    assert cost(averaged, None).params == 224 + 18
    with pytest.raises(InvalidError, match="the multiply-accumulates of layer conv need an image size"):
        _ = cost(averaged, None).macs


def test_a_map_that_would_vanish_is_refused_with_layer_and_sizes():
    pools = [Pool(name=f"pool{n}", kind="max", kernel=(2, 2), stride=(2, 2)) for n in range(4)]
    with pytest.raises(InvalidError, match=r"network\.pool3=0x1 is not valid: the 1x3 map it reads is too small"):
        sizes(chain(*pools), (8, 24))
    assert sizes(chain(*pools), (16, 24))["pool3"] == (1, 1)


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        (
            [SpaceToDepth(name="squeeze", block=2)],
            "network.squeeze=7x7 is not valid: height and width must be multiples of 2",
        ),
        ([Pad(name="mirror", padding=((7, 0), (0, 0)), mode="reflect")], "network.mirror=7x7"),
        ([DepthToSpace(name="spread", block=2)], "network.spread=3 channels is not valid: must be a multiple of 4"),
        (
            [Conv(name="conv", filters=8, kernel=(1, 1), groups=2)],
            "network.conv.groups=2 is not valid: must divide both 3",
        ),
        ([Dense(name="out", units=2)], "network.out=7x7 is not valid: a dense layer reads one vector"),
    ],
)
def test_layers_that_do_not_fit_are_refused_by_name(nodes, message):
    with pytest.raises(InvalidError, match=message):
        sizes(chain(*nodes), (7, 7))


def fork(*branches, merge):
    placed = [type(node)(**{**vars(node), "inputs": ("image",)}) for node in branches]
    last = merge(name="merge", inputs=tuple(node.name for node in branches))
    return Network(nodes=(Input(name="image", channels=3), *placed, last), output="merge", features="merge")


def test_merges_want_one_size_and_add_or_compare_channels():
    a, b = Conv(name="a", filters=4, kernel=(3, 3)), Conv(name="b", filters=6, kernel=(3, 3))
    assert cost(fork(a, b, merge=Concat), (5, 5)).nodes["merge"].activation_elements == 250
    with pytest.raises(InvalidError, match=r"network\.merge=4 and 6 channels"):
        sizes(fork(a, b, merge=Add), (5, 5))
    small = Conv(name="b", filters=4, kernel=(3, 3), padding="valid")
    with pytest.raises(InvalidError, match=r"network\.merge=3x3 and 5x5 is not valid: all maps that a merge reads"):
        sizes(fork(a, small, merge=Add), (5, 5))
    with pytest.raises(InvalidError, match=r"network\.merge.inputs=1 is not valid: two or more"):
        sizes(fork(a, merge=Add), (5, 5))


def test_symmetric_padding_keeps_the_size_of_an_even_kernel():
    network = chain(GroupPad(name="pad", total=(3, 1)), Conv(name="conv", filters=4, kernel=(4, 2), padding="valid"))
    assert sizes(network, (9, 9)) == {"image": (9, 9), "pad": (12, 10), "conv": (9, 9)}


def test_space_to_depth_moves_pixels_into_channels():
    network = chain(SpaceToDepth(name="squeeze", block=2), Conv(name="conv", filters=4, kernel=(1, 1)))
    priced = cost(network, (6, 8)).nodes
    assert (priced["squeeze"].activation_elements, priced["conv"].params) == (3 * 48, 12 * 4 + 4)


def test_depth_to_space_moves_channels_into_pixels_and_undoes_space_to_depth():
    network = chain(
        SpaceToDepth(name="squeeze", block=2),
        DepthToSpace(name="back", block=2),
        Conv(name="wide", filters=18, kernel=(1, 1)),
        DepthToSpace(name="spread", block=3),
        Conv(name="conv", filters=4, kernel=(1, 1)),
    )
    found = maps(network, (6, 8))
    assert (found["back"].size, found["back"].channels) == ((6, 8), 3)
    assert (found["spread"].size, found["spread"].channels) == ((18, 24), 2)
    priced = cost(network, (6, 8)).nodes
    assert (priced["spread"].params, priced["spread"].macs, priced["conv"].params) == (0, 0, 2 * 4 + 4)
    assert maps(network, None)["spread"].channels == 2


def test_the_properties_of_an_arm_are_those_of_its_last_map():
    network = chain(
        Conv(name="conv", filters=8, kernel=(3, 3)),
        Pool(name="pool", kind="max", kernel=(2, 2), stride=(2, 2)),
        GlobalAveragePool(name="mean"),
        Dense(name="out", units=10),
        features="pool",
        channels=1,
    )
    found = measured(network, (12, 12))
    assert (found.params, found.macs) == (80 + 90, 72 * 144 + 80)
    assert (found.receptive_field, found.output_size) == ((4, 4), (6, 6))
    assert found.activation_elements == 8 * 144 + 8 * 36 + 8 + 10
