"""Graphs as JSON: everything in the format is read, everything else is refused by name in one line."""

import copy
import json
from fractions import Fraction

import pytest

from cnnlab.geometry.graph_json import load, read, report
from cnnlab.geometry.windows import pixels
from cnnlab.spec.invalid import InvalidError
from cnnlab.spec.network import Conv, DepthToSpace, Elementwise, Norm, Pad, Pool, Resize, TransposedConv

GRAPH = {
    "nodes": [
        {"name": "image", "op": "input", "channels": 3},
        {
            "name": "conv",
            "op": "conv",
            "inputs": ["image"],
            "kernel": [3, 5],
            "stride": [2, 2],
            "padding": "SAME",
            "dilation": [1, 1],
            "filters": 8,
            "groups": 1,
            "bias": False,
        },
        {"name": "norm", "op": "batchnorm", "inputs": ["conv"], "scale": False},
        {"name": "relu", "op": "elementwise", "inputs": ["norm"], "kind": "relu"},
        {"name": "pad", "op": "pad", "inputs": ["relu"], "padding": [[1, 0], [0, -1]]},
        {
            "name": "pool",
            "op": "pool",
            "inputs": ["pad"],
            "kind": "avg",
            "kernel": [2, 2],
            "stride": [2, 2],
            "padding": "VALID",
        },
        {
            "name": "up",
            "op": "transposed_conv",
            "inputs": ["pool"],
            "kernel": [2, 2],
            "stride": [2, 2],
            "padding": "SAME",
            "filters": 4,
            "bias": True,
        },
        {"name": "half", "op": "resize", "inputs": ["up"], "scale": [[1, 2], 2], "kind": "bilinear"},
        {"name": "twin", "op": "elementwise", "inputs": ["half"], "kind": "dropout"},
        {"name": "sum", "op": "add", "inputs": ["half", "twin"]},
        {"name": "join", "op": "concat", "inputs": ["sum", "half"]},
        {"name": "mean", "op": "global_avg_pool", "inputs": ["join"]},
        {"name": "flat", "op": "flatten", "inputs": ["mean"]},
        {"name": "out", "op": "dense", "inputs": ["flat"], "units": 10, "bias": True},
    ],
    "output": "out",
    "input_size": [15, 16],
}


def test_every_op_of_the_format_is_read():
    graph = read(GRAPH)
    network = graph.network
    assert graph.input_size == network.size == (15, 16)
    assert (network.output, network.features) == ("out", "join")
    assert network["conv"] == Conv(
        name="conv", inputs=("image",), filters=8, kernel=(3, 5), stride=(2, 2), padding="same", bias=False
    )
    assert network["norm"] == Norm(name="norm", inputs=("conv",), kind="batch", scale=False)
    assert network["relu"] == Elementwise(name="relu", inputs=("norm",), kind="relu")
    assert network["pad"] == Pad(name="pad", inputs=("relu",), padding=((1, 0), (0, -1)))
    assert network["pool"] == Pool(name="pool", inputs=("pad",), kind="avg", kernel=(2, 2), stride=(2, 2))
    assert network["up"] == TransposedConv(name="up", inputs=("pool",), filters=4, kernel=(2, 2), stride=(2, 2))
    assert network["half"] == Resize(name="half", inputs=("up",), scale=(Fraction(1, 2), Fraction(2)), kind="bilinear")


def test_the_report_is_plain_json_of_the_documented_shape():
    graph = read(GRAPH)
    found = report(graph.network, graph.input_size)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert set(found) == {"output", "input_size", "nodes", "totals"}
    keys = {"rf", "effective_stride", "effective_padding", "output_size", "params", "macs"}
    assert all(set(row) == keys for row in found["nodes"].values())
    assert found["nodes"]["conv"] == {
        "rf": [3, 5],
        "effective_stride": [2, 2],
        "effective_padding": [1, 1],
        "output_size": [8, 8],
        "params": 360,
        "macs": 360 * 64,
    }
    assert found["nodes"]["half"]["effective_stride"] == [4, 1]
    assert found["nodes"]["out"]["rf"] == [14, 14]  # crop and pool leave the last pixels out
    assert pixels(graph.network, (15, 16), "out", (0, 0)) == ((0, 13), (0, 13))
    assert found["nodes"]["out"]["effective_padding"] == [0, 0]
    assert found["nodes"]["out"]["effective_stride"] is None
    assert found["totals"]["params"] == 360 + 8 + (2 * 2 * 8 * 4 + 4) + (8 * 10 + 10)
    assert found["totals"]["macs"] == sum(row["macs"] for row in found["nodes"].values())


def test_a_rational_stride_is_a_json_float_and_an_unknown_size_is_null():
    graph = copy.deepcopy(GRAPH)
    graph["input_size"] = None
    graph["nodes"][7]["scale"] = [2, 3]
    found = report(read(graph).network, None)
    assert found["input_size"] is None
    row = found["nodes"]["half"]
    assert row["effective_stride"] == [1, pytest.approx(2 / 3)]
    assert row["output_size"] is None
    assert row["effective_padding"] == [None, None]
    assert found["totals"]["macs"] is None
    assert found["totals"]["params"] == report(read(GRAPH).network, (15, 16))["totals"]["params"]


def test_a_sub_pixel_layer_is_read_and_seen_as_blocks():
    nodes = [
        {"name": "image", "op": "input", "channels": 8},
        {"name": "up", "op": "depth_to_space", "inputs": ["image"], "block": 2},
    ]
    graph = read({"nodes": nodes, "output": "up", "input_size": [5, 6]})
    assert graph.network["up"] == DepthToSpace(name="up", inputs=("image",), block=2)
    row = report(graph.network, graph.input_size)["nodes"]["up"]
    assert (row["rf"], row["effective_stride"], row["output_size"]) == ([1, 1], [0.5, 0.5], [10, 12])
    assert (row["params"], row["macs"]) == (0, 0)


def test_keys_with_a_natural_default_may_be_left_out():
    graph = copy.deepcopy(GRAPH)
    for key in ("dilation", "groups"):
        del graph["nodes"][1][key]
    for place in (6, 13):
        del graph["nodes"][place]["bias"]
    assert read(graph) == read(GRAPH)


def changed(place, **values):
    graph = copy.deepcopy(GRAPH)
    graph["nodes"][place].update(values)
    return graph


def without(place, key):
    graph = copy.deepcopy(GRAPH)
    del graph["nodes"][place][key]
    return graph


REFUSED = {
    "unknown key": (changed(1, kernal=[3, 3]), "graph.conv.kernal=.* unknown key; known: name, op, inputs"),
    "unknown top key": ({**GRAPH, "size": 3}, "graph.size=3 is not valid: unknown key; known: nodes, output, input"),
    "unknown op": (changed(1, op="conv3d"), "graph.conv.op=conv3d is not valid: choose one of input, conv, trans"),
    "missing key": (without(1, "kernel"), "graph.conv=.* is not valid: must have the key kernel"),
    "missing op": (without(1, "op"), r"graph.nodes\[1\]=.* is not valid: must have the key op"),
    "inputs on input": (changed(0, inputs=["x"]), "graph.image.inputs=.* unknown key"),
    "later input": (changed(1, inputs=["norm"]), "network.conv.inputs=norm is not valid: must name an earlier layer"),
    "two names alike": (changed(2, name="conv"), "network.nodes=conv is not valid: layer names must be unique"),
    "zero stride": (changed(1, stride=[0, 1]), r"graph.conv.stride=\[0, 1\] is not valid: must be \[height, width\]"),
    "scalar kernel": (changed(1, kernel=3), r"graph.conv.kernel=3 is not valid: must be \[height, width\]"),
    "true kernel": (changed(1, kernel=[True, 3]), "graph.conv.kernel"),
    "lower case padding": (changed(1, padding="same"), 'graph.conv.padding=same is not valid: must be "SAME"'),
    "half padding": (changed(1, padding=[[1, 1]]), "graph.conv.padding"),
    "named pad": (changed(4, padding="SAME"), r"graph.pad.padding=SAME is not valid: must be \[\[top, bottom\]"),
    "pool kind": (changed(5, kind="median"), "graph.pool.kind=median is not valid: choose one of max, avg"),
    "resize kind": (changed(7, kind="cubic"), "graph.half.kind=cubic is not valid: choose one of nearest, bilinear"),
    "resize factor": (changed(7, scale=[0.5, 2]), "graph.half.scale=0.5 is not valid: a factor must be"),
    "bias text": (changed(13, bias="yes"), "graph.out.bias=yes is not valid: must be true or false"),
    "no filters": (changed(1, filters=0), "graph.conv.filters=0 is not valid: must be a whole number from 1"),
    "no block": (changed(6, op="depth_to_space"), "graph.up=.* is not valid: must have the key block"),
    "zero block": (
        {**GRAPH, "nodes": [*GRAPH["nodes"], {"name": "d", "op": "depth_to_space", "inputs": ["up"], "block": 0}]},
        "graph.d.block=0 is not valid: must be a whole number from 1",
    ),
    "output": ({**GRAPH, "output": "logits"}, "network.output=logits is not valid"),
    "input size": ({**GRAPH, "input_size": [15]}, r"graph.input_size=\[15\] is not valid"),
    "empty": ({**GRAPH, "nodes": []}, r"graph.nodes=\[\] is not valid"),
    "no input": ({**GRAPH, "nodes": GRAPH["nodes"][1:]}, "network|graph.nodes"),
    "second input": ({**GRAPH, "nodes": [*GRAPH["nodes"], {"name": "b", "op": "input", "channels": 1}]}, "graph.nodes"),
    "list": ([], "graph=list is not valid: must be an object"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_format_does_not_know_is_refused_in_one_line(name):
    graph, message = REFUSED[name]
    with pytest.raises(InvalidError, match=message) as caught:
        read(graph)
    assert "\n" not in str(caught.value)


def test_files_are_read_and_bad_files_refused(tmp_path):
    good, bad = tmp_path / "net.json", tmp_path / "bad.json"
    good.write_text(json.dumps(GRAPH), encoding="utf-8")
    bad.write_text("{", encoding="utf-8")
    assert load(good) == read(GRAPH)
    with pytest.raises(InvalidError, match="must be JSON text"):
        load(bad)
    with pytest.raises(InvalidError, match="must be an existing JSON file"):
        load(tmp_path / "none.json")
