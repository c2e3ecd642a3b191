"""Geometry gives the numbers of published tools and papers (`published_cases.json`), each with its source."""

import json
from math import sqrt
from pathlib import Path

import pytest

from cnnlab.geometry.coverage import interior, plane, profile, sliding, transposed_coverage
from cnnlab.geometry.fields import AlignmentError, fields
from cnnlab.geometry.graph_json import read, report
from cnnlab.geometry.windows import window
from cnnlab.spec.invalid import InvalidError
from cnnlab.spec.network import Add, Conv, Dense, GlobalAveragePool, Input, Network, Norm, Pool

CASES = {
    case["id"]: case
    for case in json.loads((Path(__file__).parent / "published_cases.json").read_text(encoding="utf-8"))["cases"]
}
ALIGNED = [name for name, case in CASES.items() if "nodes" in case and "raises" not in case["expected"]]


def graph_of(case):
    return read({key: case[key] for key in ("nodes", "output", "input_size")})


def check_case(case):
    """Compare everything the case states with the report."""
    graph, expected = graph_of(case), case["expected"]
    found = report(graph.network, graph.input_size)["nodes"]
    seen = fields(graph.network, graph.input_size)
    last = found[graph.network.output]
    for key in {"rf", "effective_stride", "effective_padding", "output_size"} & set(expected):
        assert last[key] == expected[key], key
    for name, extent in expected.get("rf_by_layer", {}).items():
        assert seen[name].rf == (extent, extent), name
    for name, extent in expected.get("rf_min_by_layer", {}).items():
        assert seen[name].shortest == (extent, extent), name
    if "rf_by_position_in_list" in expected:
        assert [row["rf"][0] for row in found.values()] == expected["rf_by_position_in_list"]


@pytest.mark.parametrize("name", ALIGNED)
def test_field_stride_padding_and_size_are_the_published_ones(name):
    check_case(CASES[name])


@pytest.mark.parametrize("name", ALIGNED)
def test_a_case_with_one_stride_changed_is_noticed(name):
    case = json.loads(json.dumps(CASES[name]))
    first = next(node for node in case["nodes"] if node["op"] == "conv")
    first["stride"] = [first["stride"][0] + 1] * 2
    with pytest.raises((AssertionError, AlignmentError, InvalidError)):
        check_case(case)


def test_the_misaligned_case_is_refused_with_its_reason_and_its_windows():
    case = CASES["gr03_misaligned_two_branches"]
    network = graph_of(case).network
    with pytest.raises(AlignmentError, match=case["expected"]["reason"]) as caught:
        fields(network, None)
    assert (caught.value.merge, caught.value.strides, caught.value.rf_per_path) == ("sum", (2, 1), (5, 5))
    assert caught.value.centres == (0, 2)
    windows = [window(network, (7, 7), "output", (unit, unit))[0] for unit in range(3)]
    assert [high - low + 1 for low, high in windows] == case["expected"]["rf_per_position_axis0"]


def test_vgg16_with_its_head_has_the_published_parameters_and_macs():
    case = CASES["nn_vgg16"]
    head = [{"name": "flat", "op": "flatten", "inputs": ["pool_18"]}]
    for place, units in enumerate((4096, 4096, 1000)):
        head.append({"name": f"fc{place}", "op": "dense", "inputs": [head[-1]["name"]], "units": units, "bias": True})
    graph = read({"nodes": case["nodes"] + head, "output": "fc2", "input_size": [224, 224]})
    found = report(graph.network, graph.input_size)
    expected = case["expected"]
    assert found["totals"] == {"params": expected["head_params"], "macs": expected["head_macs_no_bias"]}
    assert found["nodes"]["fc2"]["rf"] == [224, 224]
    assert graph.network.features == "pool_18"


@pytest.mark.parametrize(
    "row", CASES["ck01_transposed_conv_overlap"]["table"], ids=lambda r: f"{r['kernel']}/{r['stride']}"
)
def test_transposed_convolutions_overlap_as_published(row):
    kernel, stride = row["kernel"], row["stride"]
    inner = interior(transposed_coverage(12, kernel, stride, "valid"), kernel)
    assert sorted(set(inner)) == row["interior_counts_1d"]
    assert max(inner) / min(inner) == row["max_over_min_1d"]
    map2d = [count for line in plane(inner, inner) for count in line]
    assert max(map2d) / min(map2d) == row["max_over_min_2d"]
    assert (len(set(inner)) == 1) == row["even"] == (kernel % stride == 0)


@pytest.mark.parametrize(
    "row", CASES["er01_effective_rf_closed_form"]["table"], ids=lambda r: f"{r['layers']}x{r['kernel']}"
)
def test_the_profile_of_a_linear_stack_has_the_closed_form(row):
    kernel, layers = row["kernel"], row["layers"]
    length = row["rf"] + 10
    stack = [sliding(length, kernel, 1, "same")] * layers
    counts = [count for count in profile(stack, length, length // 2) if count]
    assert len(counts) == row["rf"]
    if row["profile_1d"] is not None:
        assert counts == row["profile_1d"]
    total, middle = sum(counts), len(counts) // 2
    assert total == kernel**layers
    spread = sqrt(sum(count * (place - middle) ** 2 for place, count in enumerate(counts)) / total)
    assert spread == pytest.approx(row["std_1d"], abs=1e-6)
    halves = (r for r in range(middle + 1) if 2 * sum(counts[middle - r : middle + r + 1]) ** 2 >= total**2)
    square = 2 * next(halves) + 1
    assert square == row["smallest_centred_square_holding_half_the_gradient"]
    assert square**2 / row["rf"] ** 2 == pytest.approx(row["its_share_of_rf_area"], abs=1e-4)


def flax_resnet50():
    """Build the ResNet-50 of Flax's ImageNet example: explicit padding at the stem, SAME everywhere else."""
    nodes = [Input(name="image", channels=3)]

    def conv(name, source, filters, kernel, stride, padding="same"):
        nodes.append(
            Conv(
                name=name,
                inputs=(source,),
                filters=filters,
                kernel=(kernel, kernel),
                stride=(stride, stride),
                padding=padding,
                bias=False,
            )
        )
        nodes.append(Norm(name=f"{name}_norm", inputs=(name,), kind="batch"))
        return f"{name}_norm"

    stem = conv("stem", "image", 64, 7, 2, ((3, 3), (3, 3)))
    nodes.append(Pool(name="pool", inputs=(stem,), kind="max", kernel=(3, 3), stride=(2, 2), padding="same"))
    last = "pool"
    for stage, blocks in enumerate((3, 4, 6, 3)):
        for block in range(blocks):
            stride, filters, name = 2 if stage and not block else 1, 64 * 2**stage, f"block{stage}_{block}"
            inner = conv(f"{name}_a", last, filters, 1, 1)
            inner = conv(f"{name}_b", inner, filters, 3, stride)
            inner = conv(f"{name}_c", inner, 4 * filters, 1, 1)
            if block == 0:
                last = conv(f"{name}_p", last, 4 * filters, 1, stride)
            nodes.append(Add(name=name, inputs=(last, inner)))
            last = name
    nodes.append(GlobalAveragePool(name="average", inputs=(last,)))
    nodes.append(Dense(name="logits", inputs=("average",), units=1000))
    return Network(nodes=tuple(nodes), output="logits", features=last)


def test_same_padding_misaligns_resnet50_on_even_maps():
    network = flax_resnet50()
    with pytest.raises(AlignmentError, match="block1_0: centre"):
        fields(network, (224, 224))


def test_resnet50_on_odd_maps_is_aligned_and_has_the_published_field():
    network = flax_resnet50()
    found = fields(network, (225, 225))[network.features]
    assert (found.rf, found.stride, found.padding) == ((427, 427), (32, 32), (213, 213))
    totals = report(network, (225, 225))["totals"]
    assert totals["params"] == 25_557_032
