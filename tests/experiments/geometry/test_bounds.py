"""Graphs and sizes that would take for ever, or all memory: one line within seconds; and real nets are none of them."""

import contextlib
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cnnlab.geometry import coverage, fields, graph_json, reach, windows
from cnnlab.geometry.axis import same_low, same_padding
from experiments.geometry import __main__ as geometry

BILLION = 10**9
DIGITS = "9" * 5000
Graph = dict[str, Any]


def door(*arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr."""
    out, err, before = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = ["geometry", *arguments]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = geometry.main()
    finally:
        sys.argv = before
    return code, out.getvalue(), err.getvalue()


def chain(*nodes: Graph) -> Graph:
    """A graph of nodes that read each other in turn."""
    found: list[Graph] = [{"name": "image", "op": "input", "channels": 3}]
    for place, node in enumerate(nodes):
        found.append({"name": f"n{place}", "inputs": [found[-1]["name"]], **node})
    return {"nodes": found, "output": found[-1]["name"]}


def conv(**values: Any) -> Graph:
    return {"op": "conv", "kernel": [3, 3], "stride": [1, 1], "padding": "SAME", "filters": 4, **values}


def twice(op: str, place: int) -> Graph:
    return {"op": op, "inputs": [f"n{place - 1}" if place else "image"] * 2}


def enlarged(factor: int) -> Graph:
    return {"op": "resize", "scale": [factor, factor], "kind": "bilinear"}


def spread(**values: Any) -> Graph:
    return {"op": "transposed_conv", "padding": "VALID", "filters": 4, **values}


ENDLESS: dict[str, tuple[Callable[[], Graph], tuple[str, ...]]] = {
    "a size of many digits": (lambda: chain(conv()), ("--size", DIGITS)),
    "a width of many digits": (lambda: chain(conv()), ("--size", f"8,{DIGITS}")),
    "a unit of many digits": (lambda: chain(conv()), ("--size", "9", "--window", f"n0:{DIGITS},0")),
    "padding": (lambda: chain({"op": "pad", "padding": [[BILLION, BILLION]] * 2}), ("--size", "9", "--coverage")),
    "a kernel's window": (lambda: chain(conv(kernel=[BILLION] * 2)), ("--size", "9", "--window", "n0:0,0")),
    "a kernel's paths": (lambda: chain(conv(kernel=[BILLION] * 2)), ("--size", "9", "--coverage")),
    "an image": (lambda: chain(conv()), ("--size", str(BILLION), "--coverage")),
    "an image to measure": (lambda: chain(conv()), ("--size", str(BILLION), "--measure")),
    "weights to measure": (lambda: chain(conv(filters=BILLION)), ("--size", "9", "--measure")),
    "30 000 keys": (lambda: {f"k{place}": 0 for place in range(30_000)}, ()),
    "30 000 keys of a node": (lambda: chain(conv(**{f"k{place}": 0 for place in range(30_000)})), ()),
    "nodes": (lambda: chain(*[conv()] * graph_json.MOST_NODES), ()),
    "windows of one layer": (
        lambda: chain(enlarged(256), enlarged(256), conv(kernel=[BILLION] * 2, padding="VALID")),
        ("--size", "1000000"),
    ),
    "windows in all": (lambda: chain(enlarged(256), enlarged(256), *[conv()] * 300), ("--size", "1000")),
    "paths": (lambda: chain(*(twice("add", place) for place in range(400))), ("--size", "2", "--coverage")),
    "channels": (lambda: chain(*(twice("concat", place) for place in range(400))), ("--size", "2")),
    "pixels": (lambda: chain(*[spread(kernel=[3, 3], stride=[BILLION, 1])] * 20), ("--size", "9", "--coverage")),
    "taps": (lambda: chain(*[spread(kernel=[BILLION] * 2, stride=[1, 1])] * 300), ("--size", "9", "--coverage")),
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("case", ENDLESS)
def test_what_would_take_for_ever_is_one_line(case: str, tmp_path: Path) -> None:
    made, words = ENDLESS[case]
    (tmp_path / "net.json").write_text(json.dumps(made()))
    code, out, err = door("--graph", str(tmp_path / "net.json"), *words)
    assert (code, out) == (2, ""), err
    assert err.startswith("error: ")
    assert len(err.splitlines()) == 1
    assert len(err) < 2500


def test_a_file_without_end_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "net.json").open("wb") as file:
        file.truncate(graph_json.MOST_BYTES + 1)
    assert "must have at most" in door("--graph", str(tmp_path / "net.json"))[2]
    assert "must be an existing JSON file" in door("--graph", "/dev/zero")[2]
    assert "File name too long" in door("--graph", "x" * 400)[2]


def test_the_same_is_fine_at_an_everyday_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: a deep net at 224 pixels is far from every bound, and the bounds are what refuses it."""
    (tmp_path / "net.json").write_text(json.dumps(chain(*[conv(), conv(stride=[2, 2])] * 5, *[conv()] * 40)))
    asked = ("--graph", str(tmp_path / "net.json"), "--size", "224")
    ways = (
        (coverage, "MOST_STEPS", ("--coverage",)),
        (windows, "MOST_READS", ("--window", "n49:0,0")),
        (reach, "MOST_WINDOWS", ()),
        (fields, "MOST_WINDOWS", ()),
        (geometry, "MOST_NUMBERS", ("--measure", "n0")),
    )
    for module, bound, words in ways:
        with monkeypatch.context() as patch:
            patch.setattr(module, bound, getattr(module, bound) // 50)
            if bound != "MOST_NUMBERS":
                assert door(*asked, *words)[0] == 0, bound
            patch.setattr(module, bound, 1)
            code, _, err = door(*asked, *words)
            assert (code, err.count("\n")) == (2, 1), bound


def test_the_low_padding_under_same_is_that_of_every_length() -> None:
    """Against its definition: one number for all lengths, or none."""
    for span in range(1, 30):
        for stride in range(1, 30):
            lows = {same_padding(length, span, stride)[0] for length in range(1, 4 * stride)}
            assert same_low(span, stride) == (lows.pop() if len(lows) == 1 else None), (span, stride)
