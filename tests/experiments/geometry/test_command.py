"""The geometry door: graph files, zoo nets and users' modules; JSON for machines, a table for people, one line else."""

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cnnlab.geometry.graph_json import read
from cnnlab.probes import agreement
from cnnlab.probes.sight import MeasuredField
from experiments.cli.command import ExitCode
from experiments.cli.console import Terminal
from experiments.geometry import __main__ as geometry
from experiments.geometry import table
from experiments.geometry.network import from_model

ROOT = Path(__file__).parents[3]
CASES = {
    case["id"]: case
    for case in json.loads((ROOT / "tests/geometry/published_cases.json").read_text(encoding="utf-8"))["cases"]
    if "nodes" in case
}
KEYS = {"rf", "effective_stride", "effective_padding", "output_size", "params", "macs"}


def door(*arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr. No fixture, since generated files come in by it too."""
    out, err, before = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = ["geometry", *arguments]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = geometry.main()
    finally:
        sys.argv = before
    return code, out.getvalue(), err.getvalue()


def written(folder: Path, content: Any) -> str:
    path = folder / "net.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return str(path)


def graph(*nodes: dict[str, Any], size: Any = None, **more: Any) -> dict[str, Any]:
    """A graph file: an image of three channels, then these nodes, each reading the one before unless it says."""
    chain: list[dict[str, Any]] = [{"name": "image", "op": "input", "channels": 3}]
    for node in nodes:
        chain.append({"inputs": [chain[-1]["name"]], **node})
    return {"nodes": chain, "output": chain[-1]["name"], "input_size": size, **more}


def conv(name: str = "conv", **values: Any) -> dict[str, Any]:
    return {"name": name, "op": "conv", "kernel": [3, 3], "stride": [1, 1], "padding": "SAME", "filters": 4, **values}


def one_line(err: str) -> bool:
    return len(err.splitlines()) == 1 and err.startswith("error: ") and "Traceback" not in err


# ------------------------------------------------------------------------------------------------- published cases


def check_case(case: dict[str, Any], folder: Path) -> None:
    """What the door prints of a published case is what the case states."""
    expected = case["expected"]
    path = written(folder, {key: case[key] for key in ("nodes", "output", "input_size")})
    code, out, _ = door("--graph", path, "--json")
    found = json.loads(out)
    if "raises" in expected:
        assert (code, found["error"], found["merge"]) == (3, expected["raises"], expected["reason"].partition(":")[0])
        assert len(found["centres"]) == len(found["rf_per_path"]) == 2
        return
    assert code == 0
    assert set(found) == {"output", "input_size", "nodes", "totals"}
    assert set(found["totals"]) == {"params", "macs"}
    assert all(set(row) == KEYS for row in found["nodes"].values())
    for key in KEYS & set(expected):
        assert found["nodes"][case["output"]][key] == expected[key], key
    for name, extent in expected.get("rf_by_layer", {}).items():
        assert found["nodes"][name]["rf"] == [extent, extent]
    if "rf_by_position_in_list" in expected:
        assert [row["rf"][0] for row in found["nodes"].values()] == expected["rf_by_position_in_list"]


@pytest.mark.parametrize("name", CASES)
def test_the_published_cases_pass_the_door(name: str, tmp_path: Path) -> None:
    check_case(CASES[name], tmp_path)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if "raises" not in case["expected"]])
def test_a_report_with_every_stride_one_too_many_is_noticed(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(path: Path) -> Any:
        content = json.loads(path.read_text(encoding="utf-8"))
        for node in content["nodes"]:
            if node["op"] == "conv":
                node["stride"] = [node["stride"][0] + 1] * 2
        return read(content)

    monkeypatch.setattr("experiments.geometry.network.load", faulty)
    with pytest.raises((AssertionError, KeyError, json.JSONDecodeError)):
        check_case(CASES[name], tmp_path)


# ------------------------------------------------------------------------------------------------ what is unknown


def row(content: dict[str, Any], folder: Path, name: str = "") -> dict[str, Any]:
    code, out, err = door("--graph", written(folder, content), "--json")
    assert code == 0, err
    found = json.loads(out)
    answer: dict[str, Any] = found["nodes"][name or found["output"]]
    return answer


def test_what_depends_on_an_unknown_size_is_null(tmp_path: Path) -> None:
    strided, odd = conv("a", stride=[2, 2]), conv("b", kernel=[4, 2])
    assert row(graph(strided), tmp_path)["effective_padding"] == [None, None]
    assert row(graph(conv("a", stride=[2, 1])), tmp_path)["effective_padding"] == [None, 1]
    assert row(graph(odd), tmp_path)["effective_padding"] == [1, 0]
    assert row(graph(strided, odd), tmp_path)["rf"] == [9, 5]
    flat = graph(conv(), {"name": "flat", "op": "flatten"}, {"name": "out", "op": "dense", "units": 10})
    assert row(flat, tmp_path) == {
        "rf": None,
        "effective_stride": None,
        "effective_padding": [0, 0],
        "output_size": [1, 1],
        "params": None,
        "macs": None,
    }
    mean = graph(conv(), {"name": "mean", "op": "global_avg_pool"}, {"name": "out", "op": "dense", "units": 10})
    assert row(mean, tmp_path)["params"] == 50
    assert row({**mean, "input_size": [7, 9]}, tmp_path)["rf"] == [7, 9]


def test_merges_of_maps_of_unknown_size_keep_what_is_known(tmp_path: Path) -> None:
    known = {"name": "sum", "op": "add", "inputs": ["image", "a"]}
    assert row(graph(conv("a", filters=3), known), tmp_path)["effective_padding"] == [1, 1]
    two = [conv("a", stride=[2, 2], inputs=["image"]), conv("b", stride=[2, 2], kernel=[1, 1], inputs=["image"])]
    both = row(graph(*two, {"name": "sum", "op": "add", "inputs": ["a", "b"]}), tmp_path)
    assert (both["rf"], both["effective_stride"], both["effective_padding"]) == ([3, 3], [2, 2], [None, None])
    flats = [{"name": name, "op": "flatten", "inputs": ["image"]} for name in ("f", "g")]
    assert row(graph(*flats, {"name": "sum", "op": "add", "inputs": ["f", "g"]}), tmp_path)["params"] == 0


def test_strides_are_rational_after_a_decoder(tmp_path: Path) -> None:
    up = {"name": "up", "op": "transposed_conv", "kernel": [4, 3], "stride": [2, 3], "padding": "SAME", "filters": 2}
    resize = {"name": "resize", "op": "resize", "scale": [[3, 2], 2], "kind": "bilinear"}
    found = row(graph(up, size=[5, 7]), tmp_path)
    assert (found["effective_stride"], found["output_size"]) == ([0.5, pytest.approx(1 / 3)], [10, 21])
    assert (found["params"], found["macs"]) == (3 * 12 * 2 + 2, 3 * 12 * 2 * 35)
    assert row(graph(resize, size=[6, 7]), tmp_path)["output_size"] == [9, 14]
    code, out, _ = door("--graph", written(tmp_path, graph(up, size=[5, 7])))
    assert (code, "1/2x1/3" in out) == (0, True)


def test_enormous_windows_take_no_time(tmp_path: Path) -> None:
    wide = conv(kernel=[10**9, 3], dilation=[10**9, 1], padding="VALID")
    up = {
        "name": "up",
        "op": "transposed_conv",
        "kernel": [10**9, 3],
        "stride": [2, 1],
        "padding": "VALID",
        "filters": 2,
    }
    assert row(graph(wide), tmp_path)["rf"] == [(10**9 - 1) * 10**9 + 1, 3]
    assert row(graph(up), tmp_path)["rf"] == [5 * 10**8, 3]
    chain = [conv(f"c{place}", kernel=[1, 1], stride=[10**9, 1], padding="VALID") for place in range(30)]
    assert one_line(door("--graph", written(tmp_path, graph(*chain)), "--json")[2])


def test_size_replaces_that_of_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, graph(conv(stride=[2, 2]), size=[8, 8]))
    for words in (("--size", "9,10"), ("size=9,10",)):
        found = json.loads(door("--graph", path, "--json", *words)[1])
        assert (found["input_size"], found["nodes"]["conv"]["effective_padding"]) == ([9, 10], [1, 0])


# ------------------------------------------------------------------------------------------------------ misaligned


def test_a_misaligned_merge_is_named_with_both_centres(tmp_path: Path) -> None:
    shifted = graph(
        conv("a", kernel=[1, 1], inputs=["image"]),
        conv("b", padding=[[1, 1], [0, 2]], inputs=["image"]),
        {"name": "sum", "op": "add", "inputs": ["a", "b"]},
        size=[9, 9],
    )
    path = written(tmp_path, shifted)
    code, out, err = door("--graph", path, "--json")
    assert code == 3
    assert json.loads(out) == {
        "error": "misaligned",
        "merge": "sum",
        "centres": [0, 1],
        "rf_per_path": [1, 3],
        "strides": [1, 1],
        "axis": "width",
    }
    assert one_line(err)
    code, out, err = door("--graph", path)
    assert (code, out, one_line(err)) == (3, "", True)
    assert "sum" in err
    assert "centre 0 vs 1" in err
    assert "width" in err


# ----------------------------------------------------------------------------------------------------- malformed


WRONG: dict[str, Any] = {
    "unknown op": graph({"name": "a", "op": "convolution"}),
    "unknown key": graph(conv(kernal=[3, 3])),
    "names alike": graph(conv("a"), conv("a")),
    "forward reference": graph(conv("a", inputs=["b"]), conv("b", inputs=["image"])),
    "itself": graph(conv("a", inputs=["a"])),
    "no such output": {**graph(conv()), "output": "logits"},
    "output null": {**graph(conv()), "output": None},
    "lower case padding": graph(conv(padding="same")),
    "negative kernel": graph(conv(kernel=[-3, 3])),
    "zero stride": graph(conv(stride=[0, 1])),
    "true kernel": graph(conv(kernel=[True, 3])),
    "whole float": graph(conv(kernel=[3.0, 3])),
    "one number": graph(conv(kernel=3)),
    "three numbers": graph(conv(kernel=[3, 3, 3])),
    "text": graph(conv(filters="64")),
    "null": graph(conv(stride=None)),
    "bias as number": graph(conv(bias=1)),
    "groups do not divide": graph(conv(groups=2)),
    "too small an image": graph(conv(padding="VALID"), size=[2, 9]),
    "no pixels": graph(conv(), size=[0, 9]),
    "half a size": graph(conv(), size=[9]),
    "boolean size": graph(conv(), size=[True, True]),
    "input not first": {**graph(conv()), "nodes": graph(conv())["nodes"][::-1]},
    "two inputs": graph({"name": "again", "op": "input", "channels": 3}),
    "no nodes": {"nodes": [], "output": "a"},
    "nodes as object": {"nodes": {}, "output": "a"},
    "a node as text": {"nodes": ["image"], "output": "image"},
    "add of one": graph({"name": "sum", "op": "add"}),
    "conv of two": graph(conv(inputs=["image", "image"])),
    "conv of none": graph(conv(inputs=[])),
    "inputs as text": graph(conv(inputs="image")),
    "channels disagree": graph(conv(), {"name": "sum", "op": "add", "inputs": ["image", "conv"]}),
    "sizes disagree": graph(
        conv(stride=[2, 2], filters=3), {"name": "sum", "op": "add", "inputs": ["image", "conv"]}, size=[9, 9]
    ),
    "dense on a map": graph({"name": "out", "op": "dense", "units": 10}, size=[9, 9]),
    "factor of zero": graph({"name": "up", "op": "resize", "scale": [0, 1], "kind": "nearest"}),
    "factor as float": graph({"name": "up", "op": "resize", "scale": [1.5, 1], "kind": "nearest"}),
    "cubic": graph({"name": "up", "op": "resize", "scale": [2, 2], "kind": "cubic"}),
    "pad by name": graph({"name": "pad", "op": "pad", "padding": "SAME"}),
    "enormous kernel": graph(conv(kernel=[10**12, 3])),
    "endless pattern": graph({"name": "up", "op": "resize", "scale": [[10**9, 7], 1], "kind": "nearest"}),
    "a name of several lines": graph(conv("a\nb", kernel=3)),
    "a list": [],
    "a number": 3,
    "null file": None,
}


@pytest.mark.parametrize("name", WRONG)
def test_a_malformed_graph_is_one_line(name: str, tmp_path: Path) -> None:
    code, out, err = door("--graph", written(tmp_path, WRONG[name]), "--json")
    assert (code, out) == (2, ""), err
    assert one_line(err), err


def test_files_that_are_no_graph_are_one_line(tmp_path: Path) -> None:
    contents = {
        "half": "{",
        "empty": "",
        "text": "VGG",
        "deep": "[" * 100_000,
        "long": "1" * 5000,
        "twice": '{"nodes": [], "nodes": [], "output": ""}',
    }
    for name, content in contents.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00\x80")
    for name in (*contents, "binary", "missing", "."):
        code, out, err = door("--graph", str(tmp_path / name), "--json")
        assert (code, out, one_line(err)) == (2, "", True), name


COMMANDS = {
    (): "name one network",
    ("--json",): "name one network",
    ("--graph", "a.json", "model=vgg16"): "got --graph and model=vgg16",
    ("--graph", "a.json", "--module", "a:b"): "got --graph and --module",
    ("--graph",): "expected one argument",
    ("--frob",): "--frob",
    ("model=vgg17",): "vgg16",
    ("model=vgg16", "model.variant=x"): "model.variant=x",
    ("model=vgg16", "model.depth=3"): "model.depth",
    ("model=vgg16", "size=0"): "size=0",
    ("model=vgg16", "size=big"): "size=big",
    ("model=vgg16", "size=20"): "pool5=0x0",
    ("model=vgg16", "size=224", "--size", "224"): "2 times",
    ("model=vgg16", "--channels", "-1"): "-1",
    ("model=vgg16,lenet5",): "one value",
    ("+sweep=pool_position",): "not valid here",
    ("model=vgg16", "force=2"): "not valid here",
    ("model.kernel=nine",): "whole number",
    ("data=imagenet",): "cifar10",
    ("vgg16",): "vgg16",
    ("--module", "cnnlab", "--size", "9"): "package.module:make",
    ("--module", "no_such_module:make", "--size", "9"): "No module named",
    ("--module", "cnnlab.tracing:trace", "--size", "9"): "without arguments",
    ("--module", "cnnlab.tracing:nothing", "--size", "9"): "has no nothing",
    ("--module", "cnnlab.geometry.axis:Beyond", "--size", "9"): "",
    ("--module", "cnnlab.tracing:trace"): "--size",
    ("model=lenet5", "--window", "conv1"): "NODE:ROW,COLUMN",
    ("model=lenet5", "--window", "conv9:0,0"): "conv9",
    ("model=lenet5", "--coverage", "conv9"): "conv9",
    ("model=lenet5", "--coverage", "--json"): "--json",
}


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_wrong_command_is_one_line(arguments: tuple[str, ...]) -> None:
    code, out, err = door(*arguments)
    assert (code, out, one_line(err)) == (2, "", True), err
    assert COMMANDS[arguments] in err


NUMBERS = st.one_of(st.integers(-3, 9), st.booleans(), st.none(), st.just(10**12), st.floats(), st.text(max_size=2))
PAIRS = st.one_of(st.lists(st.integers(1, 4), min_size=2, max_size=2), st.lists(NUMBERS, max_size=3), NUMBERS)
PADDINGS = st.one_of(st.sampled_from(["SAME", "VALID", "same"]), st.lists(PAIRS, min_size=2, max_size=2), PAIRS)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "kernel": PAIRS,
    "stride": PAIRS,
    "padding": PADDINGS,
    "dilation": PAIRS,
    "scale": st.one_of(PAIRS, st.booleans()),
    "filters": st.one_of(st.integers(1, 4), NUMBERS),
    "units": st.one_of(st.integers(1, 4), NUMBERS),
    "groups": st.one_of(st.just(1), NUMBERS),
    "bias": st.one_of(st.booleans(), NUMBERS),
    "kind": st.sampled_from(["max", "avg", "relu", "nearest", "bilinear", ""]),
    "channels": st.integers(1, 3),
}
NEEDED = {
    "conv": ("kernel", "stride", "padding", "filters"),
    "transposed_conv": ("kernel", "stride", "padding", "filters"),
    "pool": ("kind", "kernel", "stride", "padding"),
    "resize": ("scale", "kind"),
    "elementwise": ("kind",),
    "pad": ("padding",),
    "dense": ("units",),
    "batchnorm": (),
    "add": (),
    "concat": (),
    "flatten": (),
    "global_avg_pool": (),
    "input": ("channels",),
    "lstm": (),
}


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, Any]:
    """Graphs that are nearly right: mostly known ops, mostly their keys, mostly earlier names."""
    nodes: list[dict[str, Any]] = [{"name": "n0", "op": "input", "channels": draw(st.integers(1, 3))}]
    for place in range(1, draw(st.integers(1, 6))):
        op = draw(st.sampled_from(sorted(NEEDED)))
        many = 2 if op in ("add", "concat") else 1
        sources = draw(st.lists(st.integers(0, place - 1), min_size=many, max_size=many))
        node: dict[str, Any] = {"name": f"n{place}", "op": op, "inputs": [f"n{source}" for source in sources]}
        node.update({key: draw(VALUES[key]) for key in NEEDED[op]})
        if draw(st.integers(0, 9)) == 0:
            node[draw(st.sampled_from(sorted(VALUES)))] = draw(NUMBERS)
        nodes.append(node)
    size = draw(st.one_of(st.none(), st.lists(st.integers(1, 30), min_size=2, max_size=2), PAIRS))
    return {"nodes": nodes, "output": draw(st.sampled_from([node["name"] for node in nodes])), "input_size": size}


JSON = st.recursive(NUMBERS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner))


@contextlib.contextmanager
def kept(content: Any, folder: Path) -> Iterator[str]:
    path = folder / f"{os.getpid()}.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    yield str(path)
    path.unlink()


def check_any(content: Any, folder: Path, run: Callable[..., tuple[int, str, str]] = door) -> int:
    """Whatever a file holds: a report, a misaligned merge, or one line."""
    with kept(content, folder) as path:
        code, out, err = run("--graph", path, "--json")
        assert code in (0, 2, 3)
        if code == 2:
            assert out == ""
            assert one_line(err), err
        else:
            found = json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON number"))
            assert ("error" in found) == (code == 3)
            assert run("--graph", path)[0] == code
    return code


@settings(max_examples=120, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(content=st.one_of(graphs(), graphs(), graphs(), JSON))
def test_any_content_gives_a_report_or_one_line(content: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    check_any(content, tmp_path_factory.getbasetemp())


def test_a_door_that_lets_a_stack_trace_or_two_lines_through_is_noticed(tmp_path: Path) -> None:
    def raw(*arguments: str) -> tuple[int, str, str]:
        content = json.loads(Path(arguments[1]).read_text(encoding="utf-8"))
        return 0, json.dumps(content["nodes"]), ""

    def wordy(*arguments: str) -> tuple[int, str, str]:
        code, out, err = door(*arguments)
        return code, out, f"usage: geometry\n{err}"

    with pytest.raises(TypeError):
        check_any([], tmp_path, raw)
    with pytest.raises(AssertionError):
        check_any([], tmp_path, wordy)


# ------------------------------------------------------------------------------------------- models and modules


def test_a_zoo_net_is_measured_on_its_customary_images() -> None:
    code, out, err = door("model=vgg16", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["input_size"] == [224, 224]
    assert found["totals"] == {"params": 138_357_544, "macs": 15_470_264_320}
    assert found["nodes"]["pool5"]["rf"] == [212, 212]
    sizes = {"alexnet": 227, "inception_v3": 299, "lenet5": 32, "all_cnn": 32, "tiny_vgg": 64, "resnet50": 224}
    for name, side in sizes.items():
        assert json.loads(door(f"model={name}", "--json")[1])["input_size"] == [side, side], name


def test_data_and_size_set_the_image() -> None:
    found = json.loads(door("model=vgg16", "data=cifar10", "--json")[1])
    assert (found["input_size"], found["nodes"]["logits"]["params"]) == ([32, 32], 40_970)
    found = json.loads(door("model=resnet18", "size=96,128", "--channels", "1", "--json")[1])
    assert found["input_size"] == [96, 128]
    found = json.loads(door("model.kernel=5", "model.depth=2", "model.pools=[1]", "--json")[1])
    assert (found["input_size"], found["nodes"]["conv2"]["rf"]) == ([12, 12], [14, 14])


def test_the_table_says_what_a_reader_needs() -> None:
    code, out, err = door("model=resnet50", "model.variant=v1")
    assert (code, err) == (0, "")
    for words in (
        "resnet50-v1 on 224x224x3 images",
        "483*",
        "25,557,032 parameters",
        "multiply-accumulates of conv and dense weights, per sample",
        "XLA counts",
        "sees more than the image",
        "convolutions add no pixel",
        "bytes at float32",
        "variant v1: on the first 1x1",
        "Where strides and paddings",
    ):
        assert words in out, words
    assert "(" in next(line for line in out.splitlines() if line.startswith("conv2_1_act"))


def test_gradients_give_a_second_opinion_and_a_wrong_formula_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, _ = door("model=tiny_vgg", "size=32", "--measure", "conv3")
    assert code == 0
    assert "formula and gradient agree on 1 layers" in out
    monkeypatch.setattr(
        agreement, "_formulas", lambda *_: {"conv3": MeasuredField(rf=(9, 9), stride=(2, 2), padding=(0, 0))}
    )
    code, out, _ = door("model=tiny_vgg", "size=32", "--measure", "conv3")
    assert code == ExitCode.FAILED
    assert "disagree: conv3" in out


def test_windows_and_coverage_are_printed() -> None:
    code, out, _ = door("model=vgg16", "--window", "conv5_3:0,0", "--window", "pool1:3,4")
    assert code == 0
    assert "conv5_3 unit 0,0 sees rows -90 to 105 (196) and columns -90 to 105 (196) of 224x224" in out
    assert "pool1 unit 3,4 sees rows 4 to 9 (6) and columns 6 to 11 (6)" in out
    code, out, _ = door("model.depth=1", "model.pools=[]", "size=4", "--coverage")
    assert code == 0
    assert "4 to 9, 3 different counts, 0.0% of the pixels unread" in out
    assert out.splitlines()[-4:] == ["4 6 6 4", "6 9 9 6", "6 9 9 6", "4 6 6 4"]
    code, out, _ = door("model=lenet5", "--coverage", "conv1")
    assert code == 0
    assert len(out.splitlines()) == 2 + 32


USER = """
from flax import nnx
print("the user's own words")

class Net(nnx.Module):
    def __init__(self, *, rngs):
        self.conv = nnx.Conv(3, 8, (3, 3), strides=2, rngs=rngs)
        self.norm = nnx.BatchNorm(8, rngs=rngs)
        self.spare = nnx.Linear(2, 2, rngs=rngs)
        self.head = nnx.Linear(8, 10, rngs=rngs)

    def __call__(self, x):
        return self.head(nnx.relu(self.norm(self.conv(x))).mean((1, 2)))

class Sorted(Net):
    def __call__(self, x):
        return self.conv(x).sort(axis=-1)

def make():
    return Net(rngs=nnx.Rngs(0))

def fails():
    raise RuntimeError("no weights\\nat all")

def leaves():
    raise SystemExit(7)

def number():
    return 3
"""


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "user_nets_of_a_test.py").write_text(USER, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    yield
    sys.modules.pop("user_nets_of_a_test", None)


@pytest.mark.usefixtures("user")
@pytest.mark.parametrize("maker", ["make", "Net"])
def test_a_users_module_is_traced_from_the_current_folder(maker: str) -> None:
    code, out, err = door("--module", f"user_nets_of_a_test:{maker}", "--size", "15,16", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["nodes"]["conv"] == {
        "rf": [3, 3],
        "effective_stride": [2, 2],
        "effective_padding": [1, 0],
        "output_size": [8, 8],
        "params": 224,
        "macs": 64 * 216,
    }
    assert found["totals"] == {"params": 224 + 16 + 90, "macs": 64 * 216 + 80}
    code, out, _ = door("--module", f"user_nets_of_a_test:{maker}", "--size", "15,16")
    assert code == 0
    assert "The module learns 336 numbers; its output reads 330 of them." in out
    assert "XLA counts" in out


@pytest.mark.usefixtures("user")
@pytest.mark.parametrize(
    ("maker", "words"),
    [
        ("fails", "RuntimeError: no weights"),
        ("leaves", "SystemExit: 7"),
        ("number", "must be a flax.nnx.Module"),
        ("Sorted", "sort (2x8x8x8) at"),
        ("nothing", "has no nothing"),
    ],
)
def test_a_users_mistake_is_one_line(maker: str, words: str) -> None:
    code, out, err = door("--module", f"user_nets_of_a_test:{maker}", "--size", "15,16", "--json")
    err = err.replace("the user's own words\n", "")
    assert (code, out, one_line(err)) == (2, "", True), err
    assert words in err


def test_the_command_itself_prints_json_and_needs_no_jax_for_a_graph(tmp_path: Path) -> None:
    path = written(tmp_path, graph(conv(), size=[8, 8]))
    (tmp_path / "jax.py").write_text("raise ImportError('a graph needs no JAX')", encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    done = subprocess.run(
        [sys.executable, "-m", "experiments.geometry", "--graph", path, "--json"],
        capture_output=True,
        text=True,
        env=environment,
        cwd=tmp_path,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["nodes"]["conv"]["macs"] == 64 * 108
    assert "usage: python -m experiments.geometry" in geometry.command_line().format_help()
    assert "examples:" in geometry.command_line().format_help()


@pytest.mark.parametrize("terminal", [True, False])
def test_sentences_below_the_table_break_at_words_on_a_terminal_and_stay_whole_in_a_log(terminal: bool) -> None:
    file = io.StringIO()
    console = Terminal(file=file, width=60, force_terminal=terminal, color_system=None, highlight=False, markup=False)
    table.show(from_model(["model=lenet5"], None, None), console)
    said = [line.rstrip() for line in file.getvalue().splitlines()]
    assert (table.RULE in said) is not terminal
    assert (max(map(len, said)) <= 60) is terminal
    assert table.RULE in " ".join(said)
