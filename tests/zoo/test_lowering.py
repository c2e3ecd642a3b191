"""What a spec becomes: layer names, sizes, widths, named nets, and the refusals."""

import subprocess
import sys

import pytest

from cnnlab.geometry.cost import cost
from cnnlab.geometry.sizes import sizes
from cnnlab.spec.invalid import InvalidError
from cnnlab.spec.net import DOWNS, Classic, ConvNet, Net
from cnnlab.spec.network import Activation, Conv, GroupPad, Network, Norm, Pad
from cnnlab.zoo.lowering import names, network, variants
from cnnlab.zoo.widths import widths


def layers(net: Net, side: int = 12) -> list[str]:
    return [node.name for node in network(net, side, 1, 10).nodes]


def kinds(graph: Network, kind: type) -> list[str]:
    return [node.name for node in graph.nodes if isinstance(node, kind)]


def test_names_of_the_default_net_and_of_a_crowded_one():
    assert layers(ConvNet(depth=3, pools=(2,))) == [
        "image",
        "conv1",
        "act1",
        "conv2",
        "act2",
        "pool_after2",
        "conv3",
        "act3",
        "gap",
        "logits",
    ]
    crowded = ConvNet(
        depth=2,
        pools=(0, 1),
        down="conv_strided_conv",
        norm="batch",
        block="residual",
        head="flatten",
        pointwise="per_stage",
        connectivity="separable",
        padding="reflect",
    )
    assert layers(crowded) == [
        "image",
        "down0_pad",
        "down0",
        "down0_norm",
        "down0_act",
        "conv1_pad",
        "conv1",
        "norm1",
        "add1",
        "act1",
        "point1",
        "point1_norm",
        "point1_act",
        "down1_pad",
        "down1",
        "down1_norm",
        "down1_act",
        "conv2_pad",
        "conv2",
        "conv2_mix",
        "norm2",
        "add2",
        "act2",
        "point2",
        "point2_norm",
        "point2_act",
        "flatten",
        "logits",
    ]


@pytest.mark.parametrize("down", DOWNS)
def test_a_convolution_keeps_its_name_and_kernel_wherever_the_pools_stand(down: str):
    here, there = (network(ConvNet(pools=pools, down=down), 24, 1, 10) for pools in ((1, 2), (4, 6)))
    for place in range(1, 7):
        first, second = here[f"conv{place}"], there[f"conv{place}"]
        assert isinstance(first, Conv)
        assert isinstance(second, Conv)
        assert (first.kernel, first.filters, first.groups) == (second.kernel, second.filters, second.groups)


@pytest.mark.parametrize(
    ("down", "after_7"),
    [
        ("max", 3),
        ("average", 3),
        ("blur", 3),
        ("space_to_depth", 3),
        ("strided_conv", 4),
        ("conv_strided_conv", 4),
        ("none", 7),
    ],
)
def test_odd_maps_drop_their_last_row_but_under_a_same_strided_convolution(down: str, after_7: int):
    graph = network(ConvNet(depth=2, pools=(1,), down=down), 7, 1, 10)
    assert sizes(graph, (7, 7))[graph.features] == (after_7, after_7)


def test_two_strides_multiply_where_a_strided_convolution_down_samples():
    graph = network(ConvNet(depth=2, pools=(2,), down="strided_conv", stride=2, stem_stride=1, down_size=3), 12, 1, 10)
    strides = [node.stride for node in graph.nodes if isinstance(node, Conv)]
    assert strides == [(1, 1), (6, 6)]


def test_width_schedules():
    def of(schedule: str, pools: tuple[int, ...] = (0, 1, 3)) -> tuple[int, ...]:
        return widths(ConvNet(depth=4, width=4, pools=pools, width_schedule=schedule))

    assert of("constant") == (4, 4, 4, 4)
    assert of("double_per_stage") == (4, 8, 8, 16)
    assert of("double_per_conv") == (4, 8, 16, 32)
    assert of("linear") == (4, 8, 12, 16)
    assert of("inverted") == (16, 8, 8, 4)
    assert of("inverted", pools=(4,)) == (4, 4, 4, 4)
    assert widths(ConvNet(depth=2, widths=(3, 5), pools=())) == (3, 5)


def test_paddings():
    def pads(padding: str, kernel: int, **others: object) -> list[object]:
        net = ConvNet(depth=3, kernel=kernel, padding=padding, pools=(1,), down="max", **others)  # type: ignore[arg-type]
        return [node.padding for node in network(net, 16, 1, 10).nodes if isinstance(node, Conv)]

    assert pads("same", 4) == ["same"] * 3
    assert pads("valid", 3) == ["valid"] * 3
    assert pads("full", 4) == [((3, 3), (3, 3))] * 3
    assert pads("explicit", 4, explicit_padding=(0, 2)) == [((0, 2), (0, 2))] * 3
    assert pads("alternating", 4) == [((1, 2), (1, 2)), ((2, 1), (2, 1)), ((1, 2), (1, 2))]
    for padding, kernel, kind in (("reflect", 5, Pad), ("circular", 5, Pad), ("symmetric", 4, GroupPad)):
        graph = network(ConvNet(depth=3, kernel=kernel, padding=padding, pools=()), 16, 1, 10)
        assert kinds(graph, kind) == ["conv1_pad", "conv2_pad", "conv3_pad"]
        assert sizes(graph, (16, 16))[graph.features] == (16, 16)


def test_connectivity():
    def groups(connectivity: str, **others: int) -> list[tuple[int, int]]:
        net = ConvNet(depth=2, width=8, pools=(), connectivity=connectivity, **others)  # type: ignore[arg-type]
        return [(node.groups, node.filters) for node in network(net, 8, 3, 10).nodes if isinstance(node, Conv)]

    assert groups("dense") == [(1, 8), (1, 8)]
    assert groups("grouped", groups=4) == [(1, 8), (4, 8)]
    assert groups("depthwise") == [(1, 8), (8, 8)]
    assert groups("separable") == [(1, 8), (8, 8), (1, 8)]


def test_residual_identities_stand_where_shapes_agree():
    graph = network(ConvNet(depth=4, block="residual", pools=(2,), width_schedule="double_per_stage"), 8, 1, 10)
    assert kinds(graph, type(graph["add2"])) == ["add2", "add4"]
    assert graph["add4"].inputs == ("conv4", "act3")


def test_batch_norm_takes_the_bias():
    def biases(norm: str) -> set[bool]:
        graph = network(ConvNet(norm=norm, pointwise="per_conv"), 12, 1, 10)
        return {node.bias for node in graph.nodes if isinstance(node, Conv)}

    assert biases("batch") == {False}
    assert biases("layer") == biases("none") == {True}
    assert len(kinds(network(ConvNet(norm="layer"), 12, 1, 10), Norm)) == 6


REFUSED = [
    (ConvNet(padding="valid"), 12, "network.conv4=0x0 is not valid: the 2x2 map"),
    (ConvNet(pools=(1, 2, 3, 4)), 12, "network.pool_after4=0x0 is not valid: the 1x1 map"),
    (ConvNet(down="blur", pools=(1,), down_size=13), 12, "network.pool_after1"),
    (ConvNet(down="space_to_depth", pools=(1,), down_size=13), 12, "network.pool_after1"),
    (ConvNet(padding="reflect", pools=(1, 2, 3)), 8, "network.conv4_pad=1x1 is not valid: reflect padding"),
    (ConvNet(connectivity="grouped", groups=5), 12, "model.groups=5 is not valid: must divide the 16 channels"),
    (ConvNet(connectivity="depthwise", width_schedule="inverted"), 12, "model.connectivity=depthwise is not valid"),
    (ConvNet(block="residual", padding="valid", pools=(), depth=3), 12, "model.block=residual is not valid"),
    (ConvNet(init="delta_orthogonal", width_schedule="inverted"), 12, "model.init=delta_orthogonal is not valid"),
    (ConvNet(width_schedule="double_per_conv", depth=20), 12, "model.width_schedule=double_per_conv is not valid"),
    (Classic(name="lenet6"), 32, "choose one of alexnet, all_cnn, inception_v3, lenet5, mobilenet_v1"),
    (Classic(name="all_cnn"), 32, "model.variant= is not valid: choose one of a_base, a_strided"),
    (Classic(name="lenet5", variant="b"), 32, "model.variant=b is not valid"),
    (Classic(name="lenet5"), 27, "network.conv3=0x0 is not valid: the 4x4 map"),
    (Classic(name="tiny_vgg"), 15, "network.pool_after4"),
    (Classic(name="all_cnn", variant="c_all"), 8, "network.conv3=0x0 is not valid: the 2x2 map"),
    (Classic(name="vgg16"), 31, "network.pool5=0x0 is not valid: the 1x1 map"),
    (Classic(name="alexnet"), 66, "network.pool_after5=0x0 is not valid: the 2x2 map"),
    (Classic(name="alexnet", variant="one_tower"), 62, "network.pool_after5=0x0 is not valid: the 2x2 map"),
    (Classic(name="inception_v3"), 74, "network.mixed9_path1_conv2=0x0 is not valid: the 2x2 map"),
    (Classic(name="resnet50", variant="v2"), 32, "model.variant=v2 is not valid: choose one of , v1"),
    (Classic(name="resnet50", init="delta_orthogonal"), 32, "model.init=delta_orthogonal is not valid"),
]


@pytest.mark.parametrize(("net", "side", "says"), REFUSED, ids=[says[:40] for _, _, says in REFUSED])
def test_refusals_name_the_layer_the_size_and_what_is_valid(net: Net, side: int, says: str):
    with pytest.raises(InvalidError) as error:
        network(net, side, 1, 10)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


PUBLISHED = {
    ("tiny_vgg", "", 64, 3): 19_920,
    ("lenet5", "", 32, 1): 61_706,
    ("network_in_network", "", 32, 3): 966_986,
    ("all_cnn", "c_all", 32, 3): 1_369_738,
    ("all_cnn", "c_strided", 32, 3): 954_730,
}


@pytest.mark.parametrize("which", PUBLISHED, ids=lambda which: which[0] + which[1])
def test_parameters_of_the_classics_are_those_counted_elsewhere(which: tuple[str, str, int, int]):
    name, variant, side, channels = which
    graph = network(Classic(name=name, variant=variant), side, channels, 10)
    assert cost(graph, (side, side)).params == PUBLISHED[which]


def test_every_all_cnn_reads_a_6x6_map_at_32_pixels_as_the_paper_says():
    for variant in variants()["all_cnn"]:
        graph = network(Classic(name="all_cnn", variant=variant), 32, 3, 10)
        assert sizes(graph, (32, 32))[graph.features] == (6, 6), variant


def test_every_classic_adapts_and_carries_the_asked_activation_at_every_site():
    assert (
        set(names())
        == set(variants())
        == {
            "alexnet",
            "all_cnn",
            "inception_v3",
            "lenet5",
            "mobilenet_v1",
            "network_in_network",
            "resnet18",
            "resnet50",
            "tiny_vgg",
            "vgg16",
        }
    )
    for name, of in variants().items():
        for variant in of:
            graph = network(Classic(name=name, variant=variant, activation="gelu"), 80, 2, 7)
            sites = [node.kind for node in graph.nodes if isinstance(node, Activation)]
            assert graph.activation == "gelu"
            assert set(sites) == {"gelu"}
            assert graph.size == (80, 80)


def test_lowering_and_matching_run_without_jax():
    program = (
        "import sys, cnnlab.zoo.lowering, cnnlab.zoo.match; sys.exit(any(m in sys.modules for m in ('jax','flax')))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
    planted = "import sys, cnnlab.zoo.lowering, cnnlab.zoo.module; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", planted], check=False).returncode == 1
