"""The surveys: the frozen tables against the zoo's own nets and published numbers, the verdicts against a recount."""

import dataclasses
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pandas as pd
import pytest
from statsmodels.stats.proportion import proportion_confint

from cnnlab.geometry.sizes import maps
from cnnlab.inference.family import judge
from cnnlab.spec.net import Classic
from cnnlab.spec.network import Conv, Network, Pool
from cnnlab.spec.verdict import Verdict
from cnnlab.zoo.lowering import network
from experiments.analysis.verdicts import claim_case, registered_family
from experiments.claims.max_pooling import mp_not_near_output
from experiments.claims.remember import ch_double_every_conv, depth_by_hardware, final_7x7, in_224_all, k3_most_used
from experiments.claims.strides import st_usually_one
from experiments.claims.surveys import freeze_layers
from experiments.claims.surveys.counting import (
    Architecture,
    Layer,
    architectures,
    convs_after_reduction,
    library_models,
    steps,
)

FOLDER = Path(freeze_layers.__file__).parent
ZOO = {
    "AlexNet": Classic(name="alexnet", variant="one_tower"),
    "VGG-16": Classic(name="vgg16"),
    "ResNet-50": Classic(name="resnet50"),
    "MobileNet-v1": Classic(name="mobilenet_v1"),
    "Inception-v3": Classic(name="inception_v3"),
}
"""Architectures that are both listed and in the zoo."""


def named(name: str) -> Architecture:
    return next(net for net in architectures() if net.name == name)


def verdict(module: ModuleType) -> Verdict:
    name = module.__name__.rsplit(".", 1)[-1].replace("_", "-")
    case = claim_case(name, module.CLAIM, {}, Path("nowhere"))
    return judge({name: case}, registered_family())[name]


# the frozen tables


def convolutions_of(net: Network, side: int) -> Counter[tuple[object, ...]]:
    found = maps(net, (side, side))
    return Counter(
        (
            node.kernel,
            node.stride[0],
            node.groups,
            found[node.inputs[0]].channels,
            node.filters,
            found[node.inputs[0]].size[0],
            found[node.name].size[0],
        )
        for node in net.nodes
        if isinstance(node, Conv)
    )


def pools_of(net: Network, side: int) -> Counter[tuple[object, ...]]:
    found = maps(net, (side, side))
    return Counter(
        (node.kind, node.kernel, node.stride[0], found[node.inputs[0]].size[0], found[node.name].size[0])
        for node in net.nodes
        if isinstance(node, Pool)
    )


def same_layers(frozen: Architecture, own: Network) -> bool:
    """Whether the zoo's net has the frozen convolutions and pools, order apart (branches have none)."""
    convolutions = Counter(
        (one.kernel, one.stride, one.groups, one.channels_in, one.channels_out, one.side_in, one.side_out)
        for one in frozen.convs
    )
    pools = Counter(
        (one.kind, one.kernel, one.stride, one.side_in, one.side_out)
        for one in frozen.layers
        if one.kind in ("max", "avg")
    )
    return convolutions == convolutions_of(own, frozen.side) and pools == pools_of(own, frozen.side)


@pytest.mark.parametrize("name", ZOO)
def test_zoo_and_library_agree_layer_by_layer(name: str) -> None:
    frozen = named(name)
    assert same_layers(frozen, network(ZOO[name], frozen.side, 3, 1000))


@pytest.mark.parametrize(
    "fault", [{"stride": 2}, {"kernel": (4, 4)}, {"groups": 64}, {"channels_out": 65}, {"side_out": 9}]
)
def test_one_altered_line_is_seen(fault: dict[str, object]) -> None:
    frozen = named("VGG-16")
    first, second, *rest = frozen.layers
    altered = dataclasses.replace(frozen, layers=(first, dataclasses.replace(second, **fault), *rest))
    own = network(ZOO["VGG-16"], frozen.side, 3, 1000)
    assert same_layers(frozen, own)
    assert not same_layers(altered, own)


def test_list_is_long_early_and_without_doubles() -> None:
    listed = pd.read_csv(FOLDER / "architectures.csv")
    assert len(listed) >= 40
    assert listed.year.between(2012, 2020).all()
    for column in ("name", "paper", "source", "model"):
        assert listed[column].notna().all()
        assert listed[column].is_unique
    assert tuple(listed.name) == tuple(net.name for net in architectures())


def test_tables_are_small_and_as_long_as_said() -> None:
    said = json.loads((FOLDER / "frozen.json").read_text())
    assert set(said["versions"]) == set(freeze_layers.LIBRARIES)
    for name, lines in said["lines"].items():
        assert (FOLDER / name).stat().st_size < 500_000
        assert len(pd.read_csv(FOLDER / name)) == lines
    assert len(library_models()) == said["lines"]["timm_models.csv"]


@pytest.mark.parametrize(
    ("name", "convolutions", "weights"),
    [("AlexNet", 5, 2_468_544), ("VGG-16", 13, 14_710_464), ("ResNet-50", 53, 23_454_912)],
)
def test_counts_of_weights_are_those_of_the_papers(name: str, convolutions: int, weights: int) -> None:
    """Published parameters less dense layers, biases and batch norms: 61,100,840, 138,357,544 and 25,557,032."""
    convs = named(name).convs
    assert (len(convs), sum(layer.weights for layer in convs)) == (convolutions, weights)


def test_frozen_googlenet_has_the_five_by_five_kernels_of_its_paper() -> None:
    kernels = Counter(layer.kernel for layer in named("GoogLeNet").convs)
    assert kernels == {(7, 7): 1, (1, 1): 37, (3, 3): 10, (5, 5): 9}


def test_maps_are_handed_on() -> None:
    """Every layer reads a map of the size of the image or of an earlier layer's output, padded by a few pixels."""
    for net in architectures():
        sides = {net.side}
        for layer in net.layers:
            padded = any(0 <= layer.side_in - side <= 6 for side in sides)
            in_blocks = layer.side_in * 4 == net.side  # space-to-depth is no layer of ours
            assert padded or in_blocks, (net.name, layer)
            assert layer.stride == 1 or layer.side_out < layer.side_in
            sides.add(layer.side_out)


def test_unread_is_raised_for_what_is_not_square() -> None:
    def shaped(*sides: int) -> SimpleNamespace:
        return SimpleNamespace(shape=(1, 3, *sides))

    read = freeze_layers.row("net", "conv", shaped(8, 8), shaped(4, 4), (3, 3), (2, 2), 1, 1)
    assert (read.stride, read.side_in, read.side_out) == (2, 8, 4)
    with pytest.raises(freeze_layers.SourceError, match="net"):
        freeze_layers.row("net", "conv", shaped(8, 8), shaped(4, 8), (3, 3), (2, 1), 1, 1)


# the verdicts, recounted with pandas and statsmodels


def word(having: int, total: int, bar: float) -> str:
    low, high = proportion_confint(having, total, method="wilson")
    if bar == 1:
        return "supported" if having == total else "refuted" if high < 1 else "inconclusive"
    return "supported" if low >= bar else "refuted" if high < bar else "inconclusive"


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """All layers of all networks."""
    return pd.read_csv(FOLDER / "layers.csv")


@pytest.fixture(scope="module")
def convs(table: pd.DataFrame) -> pd.DataFrame:
    found = table[table.kind == "conv"].copy()
    found["three"] = (found.kernel_h == 3) & (found.kernel_w == 3)
    found["spatial"] = (found.kernel_h * found.kernel_w > 1).astype(int)
    found["one"] = 1
    found["weights"] = found.kernel_h * found.kernel_w * found.channels_in * found.channels_out // found.groups
    found["macs"] = found.weights * found.side_out**2
    return found


def test_strides_are_rare_by_layer_and_usual_by_network(convs: pd.DataFrame) -> None:
    by_layer = word(int((convs.stride == 1).sum()), len(convs), 0.5)
    never = convs.groupby("network").stride.max() == 1
    by_network = word(int(never.sum()), len(never), 0.5)
    assert (by_layer, by_network) == ("supported", "refuted")
    found = verdict(st_usually_one)
    assert found.word == "qualified"
    assert found.condition == "it holds counted by layer, but not counted by network"


def test_three_by_three_is_usual_among_spatial_kernels_alone(convs: pd.DataFrame) -> None:
    words = []
    for column in ("spatial", "one", "weights", "macs"):
        three = (convs[column] * convs.three).groupby(convs.network).sum() / convs.groupby("network")[column].sum()
        words.append(word(int((three > 0.5).sum()), len(three), 0.5))
    assert words == ["supported", "refuted", "refuted", "refuted"]
    found = verdict(k3_most_used)
    assert found.word == "qualified"
    assert [found.evidence[sense]["word"] for sense in k3_most_used.WEIGHS] == words


def test_not_all_images_have_224_pixels(table: pd.DataFrame) -> None:
    sides = table[table.kind == "input"].side_in
    assert word(int((sides == 224).sum()), len(sides), 1.0) == "refuted"
    assert verdict(in_224_all).word == "refuted"


def test_final_maps_are_less_often_seven_than_nearly_always(table: pd.DataFrame) -> None:
    last = table[table.side_out > 1].groupby("network").side_out.last()
    assert word(int((last == 7).sum()), len(last), 0.85) == "refuted"
    assert verdict(final_7x7).word == "refuted"


def test_widths_double_in_few_convolutions(convs: pd.DataFrame) -> None:
    later = convs[convs.groupby("network").cumcount() > 0]
    later = later[~((later.groups == later.channels_in) & (later.channels_in == later.channels_out))]
    doubled = later.channels_out == 2 * later.channels_in
    every = doubled.groupby(later.network).mean() > 0.5
    changed = later.channels_out != later.channels_in
    where = (doubled[changed].groupby(later.network[changed]).mean() > 0.5).sum()
    words = word(int(every.sum()), len(every), 0.5), word(int(where), len(every), 0.5)
    assert words == ("refuted", "refuted")
    assert verdict(ch_double_every_conv).word == "refuted"


def test_practice_keeps_reductions_away_from_the_head(table: pd.DataFrame) -> None:
    layers = table[table.kind != "input"]
    having = 0
    for _, net in layers.groupby("network"):
        behind = (net.stride > 1) & (net.side_out > 1)
        later = net[behind[::-1].cumsum()[::-1] == 0]
        having += int((later.kind == "conv").sum() >= 2)
    assert word(having, layers.network.nunique(), 0.5) == "supported"
    found = verdict(mp_not_near_output)
    assert found.word == "inconclusive"
    assert "practice: supported" in found.reason


def test_distances_of_known_nets() -> None:
    found = {name: convs_after_reduction(named(name)) for name in ("AlexNet", "VGG-16", "MobileNet-v1", "SqueezeNet")}
    assert found == {"AlexNet": 0, "VGG-16": 0, "MobileNet-v1": 3, "SqueezeNet": 4}


# planted faults: the same claims on lists that were tampered with

Change = Callable[[Layer], Layer]


def tampered(change: Change) -> tuple[Architecture, ...]:
    return tuple(
        dataclasses.replace(net, layers=tuple(change(layer) for layer in net.layers)) for net in architectures()
    )


def pretend(monkeypatch: pytest.MonkeyPatch, module: ModuleType, nets: tuple[Architecture, ...]) -> Verdict:
    monkeypatch.setattr(module, "architectures", lambda: nets)
    return verdict(module)


def test_without_strides_the_claim_would_be_supported(monkeypatch: pytest.MonkeyPatch) -> None:
    nets = tampered(lambda layer: dataclasses.replace(layer, stride=1))
    assert pretend(monkeypatch, st_usually_one, nets).word == "supported"


def test_with_strides_everywhere_the_claim_would_be_refuted(monkeypatch: pytest.MonkeyPatch) -> None:
    nets = tampered(lambda layer: dataclasses.replace(layer, stride=2))
    assert pretend(monkeypatch, st_usually_one, nets).word == "refuted"


@pytest.mark.parametrize(("kernel", "expected"), [((3, 3), "supported"), ((5, 5), "refuted")])
def test_kernels_of_one_size_decide_every_sense(
    monkeypatch: pytest.MonkeyPatch, kernel: tuple[int, int], expected: str
) -> None:
    nets = tampered(lambda layer: dataclasses.replace(layer, kernel=kernel))
    assert pretend(monkeypatch, k3_most_used, nets).word == expected


def test_one_other_image_is_enough_to_refute_all(monkeypatch: pytest.MonkeyPatch) -> None:
    nets = tuple(dataclasses.replace(net, side=224) for net in architectures())
    assert pretend(monkeypatch, in_224_all, nets).word == "supported"
    first, *rest = nets
    assert pretend(monkeypatch, in_224_all, (dataclasses.replace(first, side=227), *rest)).word == "refuted"


def test_with_seven_everywhere_only_training_would_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    nets = tampered(lambda layer: dataclasses.replace(layer, side_out=7))
    found = pretend(monkeypatch, final_7x7, nets)
    assert found.word == "inconclusive"
    assert "practice: supported" in found.reason


def test_with_doubling_everywhere_only_training_would_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    nets = tampered(lambda layer: dataclasses.replace(layer, channels_out=2 * layer.channels_in))
    found = pretend(monkeypatch, ch_double_every_conv, nets)
    assert found.word == "inconclusive"
    assert "practice: supported" in found.reason


def test_with_a_pool_before_every_head_practice_would_refute(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = Layer(
        kind="max", kernel=(2, 2), stride=2, dilation=1, groups=8, channels_in=8, channels_out=8, side_in=6, side_out=3
    )
    nets = tuple(dataclasses.replace(net, layers=(*net.layers, pool)) for net in architectures())
    assert pretend(monkeypatch, mp_not_near_output, nets).word == "refuted"


def test_a_short_list_decides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert pretend(monkeypatch, in_224_all, architectures()[:39]).word == "inconclusive"


def test_depthwise_convolutions_are_no_steps() -> None:
    net = named("MobileNet-v1")
    assert len(net.convs) == 27
    assert len(steps(net)) == 13


# depth


def test_the_image_is_outgrown_before_memory_binds() -> None:
    assert verdict(depth_by_hardware).word == "untestable"
    for side, width in depth_by_hardware.SIZES:
        found = depth_by_hardware.bounds(side, width)
        assert [round(one.seen * side) for one in found] == [1 + 2 * one.depth for one in found]
        assert found[-1].seen > 1
        assert max(one.stored for one in found) < depth_by_hardware.MEMORY


def test_stored_bytes_are_those_of_the_maps_written_out() -> None:
    deepest = depth_by_hardware.bounds(12, 16)[-1]
    maps_of_one = deepest.depth * 2 * 12 * 12 * 16 + 16 + 10  # convolution and activation; average; logits
    assert deepest.stored == 2 * depth_by_hardware.BATCH * 4 * maps_of_one
