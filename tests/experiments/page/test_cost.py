"""Rows add up to the net's totals, and what is not known is told apart from what is not there."""

from dataclasses import replace

import pytest

from cnnlab.geometry.cost import cost
from cnnlab.geometry.fields import fields
from cnnlab.spec.network import Pool
from experiments.geometry.network import MeasuredNetwork
from experiments.page.networks import classic, same_padded
from experiments.page.view import Context
from experiments.page.views.cost import make, many, net


@pytest.mark.parametrize(
    ("value", "told"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (9216, "9.22 kB"), (999_600, "1 MB"), (123_456_789, "123 MB")],
)
def test_bytes_have_three_digits(value: int, told: str) -> None:
    assert many(value) == told


def test_rows_are_geometrys_own_numbers(context: Context) -> None:
    for subject in context.networks:
        found, seen = net(subject), fields(subject.network, subject.size)
        priced = cost(subject.network, subject.size)
        for cells in found["rows"][:-1]:
            name, _, field, _, params, macs, _ = (cell.text for cell in cells)
            own = priced.nodes[name]
            assert macs == ("–" if own.macs == 0 else many(own.macs or 0, ""))
            assert params == ("–" if own.params == 0 else many(own.params or 0, ""))
            assert field == "whole" if seen[name].whole else field.startswith(f"{seen[name].rf[0]} px")
        assert found["total"] == [f"{priced.params:,}", f"{priced.macs:,}", many(priced.activation_bytes)]


def test_a_field_larger_than_the_image_has_a_star(context: Context) -> None:
    found = net(context.networks[0])
    stars = [cells[0].text for cells in found["rows"] if "*" in cells[2].text]
    assert stars == ["conv4", "pool_after4", "conv5", "conv6"]
    assert found["beyond"] == 4


def test_the_stride_behind_paths_that_do_not_agree_is_unknown_with_the_reason() -> None:
    found = net(same_padded(classic("resnet50@33")))
    states = {cells[3].state for cells in found["rows"]}
    unknown = [cells[3] for cells in net(same_padded(classic("resnet50@32")))["rows"] if cells[3].state == "unknown"]
    assert "unknown" not in states
    assert unknown
    assert all(cell.text == "?" and "vs" in cell.reason for cell in unknown)


def test_a_layer_without_weights_has_none(context: Context) -> None:
    found = {cells[0].text: cells for cells in net(context.networks[0])["rows"]}
    assert (found["pool_after2"][4].state, found["pool_after2"][4].text) == ("none", "–")
    assert found["conv1"][4].state == "known"


def test_a_net_that_does_not_fit_says_so_and_the_others_stand(context: Context) -> None:
    own = context.networks[0]
    pool = Pool(name="wide", inputs=("image",), kernel=(99, 99), stride=(1, 1), padding="valid", kind="max")
    broken = MeasuredNetwork(
        network=replace(own.network, nodes=(own.network.nodes[0], pool), output="wide", features="wide"),
        size=own.size,
        title="too wide",
    )
    content = make(Context(networks=(own, broken)))
    assert content is not None
    assert [one["title"] for one in content.static["problems"]] == ["too wide"]
    assert len(content.static["nets"]) == 1
    assert make(Context(networks=(broken,))) is None
    assert make(Context()) is None
