"""Windows on the page are those that are computed backwards, unit by unit; merges that are not aligned are told."""

import sys
import types
from fractions import Fraction
from typing import Any

import pytest
from flax import nnx

from cnnlab.geometry import coverage
from cnnlab.geometry.fields import AlignmentError, fields
from cnnlab.geometry.layers import along
from cnnlab.geometry.windows import window
from cnnlab.spec.network import Conv, Input, Network, Pair, Pool, Resize, TransposedConv
from experiments.geometry.network import MeasuredNetwork
from experiments.page.networks import TracedNetwork, classic, same_padded, suite, traced
from experiments.page.reaching import drift, half_width, layout, number, profile
from experiments.page.view import Context
from experiments.page.views import field

NETS = suite(fast=True)
UP = Network(
    nodes=(
        Input(name="image", channels=1),
        Conv(name="down", inputs=("image",), filters=1, kernel=(3, 3), stride=(2, 2)),
        TransposedConv(name="up", inputs=("down",), filters=1, kernel=(3, 3), stride=(2, 2)),
        Resize(name="larger", inputs=("up",), scale=(Fraction(3, 2), Fraction(3, 2)), kind="bilinear"),
    ),
    output="larger",
    features="larger",
)
GAP = Network(
    nodes=(
        Input(name="image", channels=1),
        TransposedConv(name="up", inputs=("image",), filters=1, kernel=(1, 1), stride=(2, 2), padding="valid"),
    ),
    output="up",
    features="up",
)


def from_script(row: list[int] | int, unit: int) -> tuple[int, int] | None:
    """What the script makes of a row: the windows of one period, moved on."""
    if isinstance(row, int):
        return None
    period = (len(row) - 2) // 2
    turn = unit % period
    moved = (unit - turn) // period * row[1]
    low, high = row[2 + 2 * turn] + moved, row[3 + 2 * turn] + moved
    return None if high < low else (low, high)


@pytest.mark.parametrize("side", [11, 12])
@pytest.mark.parametrize("network", [*(subject.network for subject in NETS), UP, GAP], ids=lambda net: net.features)
def test_every_window_is_the_one_computed_backwards(network: Network, side: int) -> None:
    found = layout(network, (side, side))
    checked = 0
    for node in field.shown(network):
        seen = found.seen[node.name][0]
        row = field.row(seen)
        if seen.reach is not None:
            for unit in range(seen.length):
                assert from_script(row, unit) == window(network, (side, side), node.name, (unit, unit))[0]
                checked += 1
    assert checked >= side


def test_a_planted_shift_is_found() -> None:
    network = NETS[0].network
    row = field.row(layout(network, (12, 12)).seen["conv6"][0])
    assert isinstance(row, list)
    planted = [row[0], row[1], row[2] + 1, row[3]]
    assert from_script(planted, 1) != window(network, (12, 12), "conv6", (1, 1))[0]


def test_fields_agree_where_all_paths_are_aligned() -> None:
    subject = classic("resnet18")
    assert subject.size is not None
    exact = fields(subject.network, subject.size)
    found = layout(subject.network, subject.size)
    assert set(found.merges.values()) == {None}
    for name, (height, _) in found.seen.items():
        if height.reach is not None:
            assert (height.reach.extent, height.reach.stride) == (exact[name].rf[0], exact[name].stride[0])  # type: ignore[index]


@pytest.mark.parametrize(("side", "aligned"), [(224, False), (225, True)])
def test_padding_same_misaligns_a_resnet_on_even_maps(side: int, aligned: bool) -> None:
    subject = same_padded(classic(f"resnet18@{side}"))
    assert subject.size is not None
    found = layout(subject.network, subject.size)
    bad = [name for name, told in found.merges.items() if told is not None]
    assert (bad == []) is aligned
    if not aligned:
        with pytest.raises(AlignmentError) as told:
            fields(subject.network, subject.size)
        assert bad[0] == told.value.merge
        assert str(told.value).startswith(bad[0])
        assert found.merges[bad[0]] in str(told.value)


def test_the_middle_of_a_strided_net_lies_beside_the_images() -> None:
    strided = NETS[1]
    assert drift(strided.network, (12, 12)) == (Fraction(3, 2), Fraction(3, 2))
    assert drift(strided.network, (13, 13)) == (0, 0)


@pytest.mark.parametrize(
    ("down", "right", "expected"),
    [
        ("3/2", "3/2", "1.5 px below and right of"),
        ("-1/3", "-1/3", "1/3 px above and left of"),
        ("0", "0", "exactly at"),
        ("2", "0", "2 px below"),
        ("0", "-1", "1 px left of"),
        ("2", "-1", "2 px below and 1 px left of"),
    ],
)
def test_a_place_in_words(down: str, right: str, expected: str) -> None:
    assert field.placed(Fraction(down), Fraction(right)) == expected


def test_a_wide_image_has_windows_of_its_own_along_the_width() -> None:
    network = Network(
        nodes=(
            Input(name="image", channels=1),
            Conv(name="conv", inputs=("image",), filters=1, kernel=(1, 7), stride=(1, 2)),
        ),
        output="conv",
        features="conv",
    )
    data = field.subject_data(MeasuredNetwork(network=network, size=(12, 16), title="wide"))
    at = data["at"][12]
    assert data["wider"] == 4
    assert at["rows"][1] == [12, 1, 0, 0]
    assert at["columns"][1] == [8, 2, -2, 4]
    assert at["placed"] == "0.5 px right of"


@pytest.mark.parametrize("name", ["conv1", "pool_after2", "conv6"])
def test_a_chains_profile_is_that_of_its_stack(name: str) -> None:
    network, size = NETS[0].network, (12, 12)
    found = layout(network, size)
    layers, node = [], network[name]
    while not isinstance(node, Input):
        source = found.seen[node.inputs[0]][0].length
        layers.append(along(node, 0, source, None))
        node = network[node.inputs[0]]
    unit = (found.seen[name][0].length - 1) // 2
    assert profile(network, size, name, unit) == coverage.profile([one for one in reversed(layers) if one], 12, unit)


def test_a_profile_is_refused_behind_merges_and_whole_maps() -> None:
    assert profile(NETS[0].network, (12, 12), "logits", 0) is None
    subject = classic("resnet18@33")
    assert profile(subject.network, (33, 33), subject.network.features, 0) is None


@pytest.mark.parametrize(
    ("counts", "expected"), [((1,), 1), ((1, 2, 1), 1), ((1, 1, 1, 1), 2), ((4, 0, 0, 4), 1), ((1, 2, 3, 2, 1), 2)]
)
def test_half_width_by_hand(counts: tuple[int, ...], expected: int) -> None:
    assert half_width(counts) == expected


def test_thirty_layers_of_three_reach_61_pixels_and_half_lies_within_11() -> None:
    nodes: list[Input | Conv] = [Input(name="image", channels=1)]
    for place in range(30):
        nodes.append(Conv(name=f"conv{place}", inputs=(nodes[-1].name,), filters=1, kernel=(3, 3)))
    network = Network(nodes=tuple(nodes), output="conv29", features="conv29")
    size: Pair = (121, 121)
    counts = profile(network, size, "conv29", 60)
    assert counts is not None
    assert sum(1 for count in counts if count) == 61
    centre = sum(counts[55:66])  # along one axis; on the plane half lies within 11 x 11
    assert centre**2 / sum(counts) ** 2 == pytest.approx(0.6, abs=0.1)
    assert half_width(counts) == 7


@pytest.mark.parametrize(
    ("value", "text"),
    [(Fraction(3), "3"), (Fraction(-31, 2), "-15.5"), (Fraction(7, 3), "7/3"), (Fraction(1, 8), "0.125")],
)
def test_numbers_are_exact(value: Fraction, text: str) -> None:
    assert number(value) == text


def test_sizes_that_do_not_fit_say_why() -> None:
    found = field.at_size(classic("tiny_vgg"), (6, 6), effective=False)
    assert "is too small" in found["problem"]


@pytest.mark.parametrize("subject", [*NETS, classic("lenet5"), classic("vgg16")], ids=lambda one: one.title)
def test_a_net_of_the_zoo_is_the_same_graph_on_every_size(subject: MeasuredNetwork) -> None:
    assert subject.size is not None
    assert not isinstance(subject, TracedNetwork)
    words = {node.padding for node in subject.network.nodes if isinstance(node, (Conv, Pool))}
    assert all(isinstance(word, str) or word[0] == word[1] for word in words)  # nothing that was resolved at a size


def make_own(rngs: nnx.Rngs) -> nnx.Module:
    """A reader's module with two paths that meet."""

    class Own(nnx.Module):
        def __init__(self) -> None:
            self.wide = nnx.Conv(1, 2, (3, 3), strides=2, rngs=rngs)
            self.short = nnx.Conv(1, 2, (1, 1), strides=2, rngs=rngs)

        def __call__(self, images: Any) -> Any:
            return self.wide(images) + self.short(images)

    return Own()


@pytest.mark.parametrize(("side", "centres"), [(32, "1 vs 0"), (33, None)])
def test_a_readers_module_is_traced_anew_on_every_size(
    monkeypatch: pytest.MonkeyPatch, side: int, centres: str | None
) -> None:
    own = types.ModuleType("own_module_of_a_test")
    own.make = make_own  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, own.__name__, own)
    subject = traced(f"{own.__name__}:make", (32, 32), 1)
    data = field.subject_data(subject)
    assert sorted(data["at"]) == list(range(24, 41))
    assert not any("problem" in at for at in data["at"].values())
    (told,) = data["at"][side]["merges"].values()
    assert told is None if centres is None else f"centre {centres} along the height" in told


def test_gradients_measure_what_the_formula_says() -> None:
    data = field.subject_data(NETS[0], *field.measured(NETS[:1]))
    assert set(data["measured"].values()) == {True}
    assert field.subject_data(NETS[0])["measured"] is None


def test_the_finding_names_the_net_that_moves_most() -> None:
    content = field.make(Context(networks=NETS, fast=True))
    assert content is not None
    assert "the strided reference net looks 1.5 px below and right of" in content.finding
