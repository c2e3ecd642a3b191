"""The gradients of the net that runs show what geometry's formulas say: fields, strides, paddings, alignment."""

import dataclasses
import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from jax import Array

from cnnlab.geometry.graph_json import read
from cnnlab.probes import agreement as opinions
from cnnlab.probes import sight
from cnnlab.probes.agreement import agreement
from cnnlab.probes.sight import MeasuredField, measured_fields
from cnnlab.probes.skeleton import skeleton, spatial, upstream
from cnnlab.spec.invalid import InvalidError
from cnnlab.spec.net import Classic, ConvNet, Net
from cnnlab.spec.network import (
    Add,
    Blur,
    Combine,
    Concat,
    Conv,
    DepthToSpace,
    Elementwise,
    GlobalAveragePool,
    Input,
    Network,
    Node,
    Pair,
    Pool,
    Resize,
    TransposedConv,
)
from cnnlab.zoo.lowering import network, variants
from cnnlab.zoo.operations import operate

pytestmark = pytest.mark.slow


def agrees(graph: Network, size: Pair, *names: str) -> bool:
    """Whether both opinions are one on the named nodes, or on all."""
    rows = agreement(graph, size, names)
    assert rows
    return all(row.agree for row in rows)


# ---- the nets of the literature ----

SIDES = {"alexnet": 227, "inception_v3": 299, "lenet5": 28, "all_cnn": 32, "network_in_network": 32, "tiny_vgg": 64}
LARGE = 224
CLASSICS = [Classic(name=name, variant=variant) for name, of in variants().items() for variant in of]
QUICK = ("lenet5", "mobilenet_v1")
CASES_OF_CLASSICS = [case if case.label in QUICK else pytest.param(case, marks=pytest.mark.slow) for case in CLASSICS]
FIELDS = {
    "alexnet": 195,
    "alexnet-one_tower": 195,
    "vgg16": 212,
    "resnet18": 435,
    "resnet50": 427,
    "resnet50-v1": 483,
    "mobilenet_v1": 315,
    "inception_v3": 1311,
}
MERGES = {
    "resnet18": ("conv3_1_add", "conv5_2_add"),
    "resnet50": ("conv4_1_add", "conv5_3_add"),
    "inception_v3": ("mixed4",),
}


@pytest.mark.parametrize("case", CASES_OF_CLASSICS, ids=lambda case: case.label)
def test_classics_see_what_the_formula_says(case: Classic):
    side = SIDES[case.name] if case.name in SIDES else LARGE
    graph = network(case, side, 3, 10)
    rows = agreement(graph, (side, side), (graph.features, *(MERGES[case.name] if case.name in MERGES else ())))
    assert all(row.agree for row in rows)
    if case.label in FIELDS:
        extent = FIELDS[case.label]
        assert rows[-1].measured is not None
        assert (rows[-1].name, rows[-1].measured.rf) == (graph.features, (extent, extent))
        assert rows[-1].measured.stride == (32, 32)


# ---- the parametric net: every way to pad and to down-sample ----

CONVNETS: list[tuple[ConvNet, int]] = [
    (ConvNet(), 12),
    (ConvNet(depth=3, kernel=4, pools=(1, 2)), 13),
    (ConvNet(depth=3, kernel=5, stem_kernel=7, stem_stride=2, padding="valid", pools=(2,)), 40),
    (ConvNet(depth=3, padding="reflect", pools=(1,), down="blur", down_size=3), 17),
    (ConvNet(depth=3, padding="circular", pools=(2,), down="average"), 16),
    (ConvNet(depth=3, kernel=2, padding="full", pools=(1,), down="conv_strided_conv"), 15),
    (ConvNet(depth=4, padding="explicit", explicit_padding=(4, 0), pools=(2,), down="strided_conv"), 15),
    (ConvNet(depth=4, kernel=4, padding="alternating", pools=(1,)), 16),
    (ConvNet(depth=3, kernel=4, padding="symmetric", pools=(0, 1)), 16),
    (ConvNet(depth=3, pools=(1, 2), down="space_to_depth", connectivity="separable"), 19),
    (ConvNet(depth=3, stride=2, connectivity="grouped", groups=4, pools=()), 21),
    (ConvNet(depth=4, block="residual", norm="batch", pools=(2,), width_schedule="double_per_stage"), 12),
]


QUICK_CONVNETS = (0, 5, 9, 10)
"""Places in `CONVNETS`: SAME, two that pad and down-sample in their own way, and a net with a stride in every layer."""


@pytest.mark.parametrize(
    ("net", "side"),
    [
        pytest.param(*case, marks=[] if place in QUICK_CONVNETS else pytest.mark.slow)
        for place, case in enumerate(CONVNETS)
    ],
    ids=[f"{net.padding}-{net.down}" for net, _ in CONVNETS],
)
def test_every_padding_and_down_sampling_sees_what_the_formula_says(net: Net, side: int):
    graph = network(net, side, 3, 10)
    assert len(spatial(graph)) == len(agreement(graph, (side, side)))
    assert agrees(graph, (side, side))


# ---- published graphs, up-sampling, gates ----

CASES = {
    case["id"]: case
    for case in json.loads(
        (Path(__file__).parents[1] / "geometry" / "published_cases.json").read_text(encoding="utf-8")
    )["cases"]
    if "nodes" in case
}


# both maps of the misaligned case have one size on 7 pixels alone
OPEN_SIZES = {"gr01_aligned_two_branches": (32, 32), "gr03_misaligned_two_branches": (7, 7)}
OPEN_SIZES |= {"rt01_five_3x3": (33, 33), "rt04_two_branches_min_max": (33, 33)}


def published(name: str) -> tuple[Network, Pair]:
    case = CASES[name]
    graph = read({key: case[key] for key in ("nodes", "output", "input_size")})
    return graph.network, graph.input_size or OPEN_SIZES[name]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name == "nn_vgg16" else name for name in CASES]
)
def test_published_graphs_see_what_the_formula_says(name: str):
    graph, size = published(name)
    rows = agreement(graph, size, () if size[0] < LARGE else (graph.features,))
    assert all(row.agree for row in rows)
    misaligned = [row.name for row in rows if row.measured is None]
    assert misaligned == (["sum"] if "raises" in CASES[name]["expected"] else [])


def graph_of(*nodes: Node) -> Network:
    return Network(nodes=(Input(name="image", channels=1), *nodes), output=nodes[-1].name, features=nodes[-1].name)


def conv(name: str, source: str, kernel: int, stride: int = 1, padding: Any = "same") -> Conv:
    return Conv(
        name=name, inputs=(source,), filters=3, kernel=(kernel, kernel), stride=(stride, stride), padding=padding
    )


def unet(up: Node) -> Network:
    """One level of a U-Net, after a stem of stride 3, with another join than a concat at the end."""
    return graph_of(
        conv("stem", "image", 5, 3, "valid"),
        conv("down", "stem", 3),
        Pool(name="pool", inputs=("down",), kind="max", kernel=(2, 2), stride=(2, 2)),
        conv("deep", "pool", 3),
        up,
        Concat(name="join", inputs=("down", "up")),
        Combine(name="gate", inputs=("join", "join"), kind="mul"),
        conv("end", "gate", 3),
    )


TWICE = {"kernel": (2, 2), "stride": (2, 2)}
UPS: dict[str, Node] = {
    "transposed 2/2": TransposedConv(name="up", inputs=("deep",), filters=3, **TWICE),
    "transposed 4/2": TransposedConv(name="up", inputs=("deep",), filters=3, kernel=(4, 4), stride=(2, 2)),
    "transposed 3/2": TransposedConv(name="up", inputs=("deep",), filters=3, kernel=(3, 3), stride=(2, 2)),
    "nearest": Resize(name="up", inputs=("deep",), scale=(Fraction(2), Fraction(2)), kind="nearest"),
    "bilinear": Resize(name="up", inputs=("deep",), scale=(Fraction(2), Fraction(2)), kind="bilinear"),
}


@pytest.mark.parametrize(
    "kind",
    [kind if kind in ("transposed 3/2", "nearest") else pytest.param(kind, marks=pytest.mark.slow) for kind in UPS],
)
def test_upsampling_nets_see_what_the_formula_says(kind: str):
    rows = agreement(unet(UPS[kind]), (38, 44))
    assert all(row.agree for row in rows)
    # three taps painted two apart have no middle pixel over the skip's
    assert (rows[-1].name, rows[-1].measured is None) == (
        ("join", True) if kind == "transposed 3/2" else ("end", False)
    )


def test_a_sub_pixel_layer_sees_what_the_formula_says():
    wide = Conv(name="wide", inputs=("deep",), filters=12, kernel=(3, 3))
    up = DepthToSpace(name="up", inputs=("wide",), block=2)
    nodes = unet(UPS["nearest"]).nodes[1:]
    place = [node.name for node in nodes].index("up")
    rows = agreement(graph_of(*nodes[:place], wide, up, *nodes[place + 1 :]), (38, 44))
    assert all(row.agree for row in rows)
    assert {"up", "end"} <= {row.name for row in rows}


def test_rational_strides_and_gaps_see_what_the_formula_says():
    third = Resize(name="third", inputs=("image",), scale=(Fraction(3, 2), Fraction(2, 3)), kind="bilinear")
    gaps = TransposedConv(name="gaps", inputs=("third",), filters=1, kernel=(1, 2), stride=(2, 3), padding="valid")
    graph = graph_of(third, gaps, conv("end", "gaps", 3, 2), GlobalAveragePool(name="mean", inputs=("end",)))
    rows = agreement(graph, (12, 12))
    assert [row.name for row in rows] == ["image", "third", "gaps", "end"]
    assert all(row.agree for row in rows)
    assert rows[2].measured is not None
    assert rows[2].measured.stride == (Fraction(1, 3), Fraction(1, 2))


def measured_field(graph: Network, size: Pair, name: str) -> MeasuredField:
    return measured_fields(graph, size, (name,))[name]


def test_by_hand():
    graph = graph_of(
        conv("a", "image", 3, 2, ((1, 1), (0, 2))), Blur(name="b", inputs=("a",), kernel=(3, 3), stride=(2, 2))
    )
    # `same` on the 10 x 10 map of a: nothing at the top, one pixel at the bottom; 3 + (3 - 1) * 2 pixels
    assert measured_field(graph, (20, 20), "b") == MeasuredField(rf=(7, 7), stride=(4, 4), padding=(1, 0))
    # on 9 x 9: one pixel on either side, of stride 2
    assert measured_field(graph, (18, 18), "b") == MeasuredField(rf=(7, 7), stride=(4, 4), padding=(3, 2))


# ---- what the instrument is made of ----


def test_the_skeleton_has_the_sizes_of_the_net_one_channel_and_positive_weights():
    graph = network(CONVNETS[8][0], 16, 3, 10)
    bare = skeleton(graph, (16, 16))
    net = bare.net()
    _, thin = jax.eval_shape(net, jnp.ones((1, 16, 16, 1)))
    for name in spatial(graph):
        assert thin[name].shape[3] == 1
    assert {node.name for node in graph.nodes} <= set(thin)
    assert all((layer.kernel[...] > 0).all() for layer in net.layers.values())


def test_measuring_leaves_jax_as_it_was_and_takes_neither_head_nor_unknown_layer():
    graph = network(ConvNet(depth=1, pools=()), 8, 1, 10)
    before = jnp.ones(2).dtype
    assert measured_field(graph, (8, 8), "conv1").rf == (3, 3)
    assert jnp.ones(2).dtype == before == jnp.float32
    for name in ("gap", "logits", "conv9"):
        with pytest.raises(InvalidError, match=f"node={name} is not valid: choose one of image, conv1, act1"):
            measured_field(graph, (8, 8), name)
    assert [node.name for node in upstream(graph, "conv1").nodes] == ["image", "conv1"]
    wide = network(ConvNet(depth=6, stride=7, kernel=7, pools=()), 64, 1, 10)
    with pytest.raises(InvalidError, match="too wide to measure"):
        measured_field(wide, (64, 64), "conv6")


def test_a_window_that_meets_the_border_enlarges_the_image(monkeypatch: pytest.MonkeyPatch):
    graph = network(ConvNet(depth=3, pools=(1,)), 12, 1, 10)
    short = lambda network, size, axis: (2, 8, 1)  # noqa: E731
    monkeypatch.setattr(sight, "_plan", short)
    assert agrees(graph, (12, 12))
    monkeypatch.setattr(sight, "ENLARGEMENTS", 0)
    assert not agrees(graph, (12, 12))


# ---- planted faults in the net that runs: the formula no longer describes it ----

Operate = Callable[..., Array]


def stride_of_three(node: Node, weights: Any, *inputs: Array) -> Array:
    """A convolution of stride 2 that moves by 3."""
    if isinstance(node, Conv) and node.stride == (2, 2):
        node = dataclasses.replace(node, stride=(3, 3))
    return operate(node, weights, *inputs)


def shifted(node: Node, weights: Any, *inputs: Array) -> Array:
    """A convolution padded one pixel more at the left, one less at the right."""
    if node.name == "conv2" and isinstance(node, Conv):
        node = dataclasses.replace(node, padding=((1, 1), (2, 0)))
    return operate(node, weights, *inputs)


def wide_pool(node: Node, weights: Any, *inputs: Array) -> Array:
    """A pool of three pixels under the name of one of two."""
    if isinstance(node, Pool):
        node = dataclasses.replace(node, kernel=(3, 3), padding="same")
    return operate(node, weights, *inputs)


def blind_tap(node: Node, weights: Any, *inputs: Array) -> Array:
    """A convolution that forgets its last column."""
    if node.name == "conv2" and isinstance(node, Conv):
        return operate(dataclasses.replace(node, padding=((1, 1), (1, 0))), _Narrow(weights), *inputs)
    return operate(node, weights, *inputs)


class _Narrow:
    """A kernel without its last column."""

    def __init__(self, weights: Any) -> None:
        self.kernel, self.bias = weights.kernel[...][:, :-1], None


def late_skip(node: Node, weights: Any, *inputs: Array) -> Array:
    """An identity that arrives a pixel to the right: still inside the window of the convolution beside it."""
    if isinstance(node, Add):
        inputs = (inputs[0], jnp.roll(inputs[1], 1, axis=2))
    return operate(node, weights, *inputs)


@pytest.mark.parametrize("fault", [stride_of_three, shifted, wide_pool, blind_tap, late_skip])
def test_a_net_that_runs_otherwise_than_its_graph_says_is_noticed(fault: Operate, monkeypatch: pytest.MonkeyPatch):
    graph = network(ConvNet(depth=4, block="residual", pools=(1,)), 12, 1, 10)
    strided = network(ConvNet(depth=2, pools=(1,), down="strided_conv"), 12, 1, 10)
    graph = strided if fault is stride_of_three else graph
    name = "add2" if fault is late_skip else graph.features
    monkeypatch.setattr("cnnlab.zoo.module.operate", fault)
    assert not agrees(graph, (12, 12), name)


def test_the_same_nets_without_a_fault_agree():
    for net in (ConvNet(depth=4, block="residual", pools=(1,)), ConvNet(depth=2, pools=(1,), down="strided_conv")):
        graph = network(net, 12, 1, 10)
        assert agrees(graph, (12, 12), graph.features, *(("add2",) if net.block == "residual" else ()))


# ---- planted faults in the formula, and in the eye for misaligned merges ----


def test_a_formula_of_another_net_is_noticed(monkeypatch: pytest.MonkeyPatch):
    graph, other = (network(ConvNet(depth=3, kernel=kernel, pools=(1,)), 12, 1, 10) for kernel in (3, 5))
    own = opinions.fields
    monkeypatch.setattr(opinions, "fields", lambda _, size: own(other, size))
    assert not agrees(graph, (12, 12), graph.features)


def fork(three: Any) -> Network:
    """A 3x3 convolution of stride 2 beside a 1x1 one."""
    return graph_of(
        conv("three", "image", 3, 2, three), conv("one", "image", 1, 2), Add(name="sum", inputs=("three", "one"))
    )


@pytest.mark.slow
def test_the_gradient_sees_a_misaligned_merge_for_itself(monkeypatch: pytest.MonkeyPatch):
    even, odd, centred = (fork("same"), (16, 16)), (fork("same"), (17, 17)), (fork(((1, 1), (1, 1))), (16, 16))
    measured = [agreement(graph, size)[-1].measured for graph, size in (even, odd, centred)]
    assert [found is None for found in measured] == [True, False, False]
    assert all(agrees(*case) for case in (even, odd, centred))
    # an eye that takes every merge for aligned contradicts the formula
    monkeypatch.setattr(opinions, "aligned", lambda paths: True)
    assert not agrees(*even)
    assert agrees(*odd)


def test_nodes_of_a_users_own_kind_are_the_identity():
    graph = graph_of(conv("a", "image", 3), Elementwise(name="b", inputs=("a",), kind="mish", params=3))
    assert agrees(graph, (9, 9))
