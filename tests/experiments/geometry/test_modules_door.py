"""Users' modules through the door: gates, masks, and a second opinion by the module's own gradient."""

import contextlib
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cnnlab.tracing import constants
from experiments.cli.command import ExitCode
from experiments.geometry import __main__ as geometry

NETS = """
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax import nnx


class Gate(nn.Module):
    how: str = "pool"

    @nn.compact
    def __call__(self, x, train: bool = True):
        x = nn.GroupNorm(2)(nn.Conv(4, (3, 3), name="c")(x))
        s = x.mean((1, 2), keepdims=True) if self.how == "mean" else nn.avg_pool(x, x.shape[1:3])
        return x * nn.sigmoid(nn.Conv(4, (1, 1), name="g")(s))


def by_mean():
    return Gate("mean")


class Masked(nn.Module):
    @nn.compact
    def __call__(self, x):
        mask = np.ones((3, 3, x.shape[-1], 4), np.float32)
        mask[2:] = 0
        return nn.Conv(4, (3, 3), mask=mask)(x)


class Twice(nnx.Module):
    def __init__(self, rngs):
        self.conv = nnx.Conv(3, 3, (3, 3), padding="CIRCULAR", rngs=rngs)

    def __call__(self, x):
        return self.conv(self.conv(x))
"""


@pytest.fixture(autouse=True)
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "nets_behind_the_door.py").write_text(NETS, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("nets_behind_the_door", None)


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


def module(name: str, *arguments: str) -> tuple[int, str, str]:
    return door("--module", f"nets_behind_the_door:{name}", *arguments)


def test_gates_in_two_spellings_have_one_table_which_says_why_fields_are_missing() -> None:
    nodes: list[Any] = []
    for name in ("Gate", "by_mean"):
        code, out, err = module(name, "--size", "16", "--json")
        assert code == 0, err
        nodes.append(list(json.loads(out)["nodes"].values()))
    assert nodes[0] == nodes[1]
    assert nodes[0][-1]["rf"] == [16, 16]
    assert nodes[0][-1]["effective_stride"] is None
    out = module("Gate", "--size", "16")[1]
    assert "-: every unit sees the whole image" in out
    assert "from multiply_1 on" in out
    assert "a norm counts as one pixel, though these average over the map: GroupNorm_0" in out


def test_the_second_opinion_is_the_modules_own_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, _ = module("Gate", "--size", "8", "--measure")
    assert (code, "the module's own gradient agree" in out) == (ExitCode.DONE, True)
    code, out, _ = module("Masked", "--size", "9", "--measure", "Conv_0")
    assert code == ExitCode.DONE
    monkeypatch.setattr(constants, "_zeros", lambda *_: None)  # a trace that takes the mask's zeros for taps
    code, out, _ = module("Masked", "--size", "9", "--measure", "Conv_0")
    assert (code, "disagree: Conv_0" in out) == (ExitCode.FAILED, True)
    code, _, err = module("Masked", "--size", "9", "--measure", "nothing")
    assert (code, err.count("\n"), "Conv_0" in err) == (ExitCode.USAGE, 1, True)


def test_a_window_that_wraps_is_shown_wrapped_and_shared_weights_are_told() -> None:
    code, out, _ = module("Twice", "--size", "9", "--window", "conv_1:0,4")
    assert code == 0
    assert "unit 0,4 sees rows 7 to 8 and 0 to 2 (5, wrapped round) and columns 2 to 6 (5) of 9x9" in out
    out = module("Twice", "--size", "9")[1]
    assert "params count once: weights that are another layer's, fixed or computed have conv_1" in out
    assert "84 parameters" in out


def test_a_misaligned_merge_is_measured_without_a_stack_trace(tmp_path: Path) -> None:
    def conv(name: str, kernel: int) -> dict[str, Any]:
        more = {"kernel": [kernel, kernel], "stride": [2, 2], "padding": "SAME", "filters": 4}
        return {"name": name, "op": "conv", "inputs": ["x"], **more}

    nodes = [{"name": "x", "op": "input", "channels": 3}, conv("a", 3), conv("b", 1)]
    nodes.append({"name": "s", "op": "add", "inputs": ["a", "b"]})
    (tmp_path / "net.json").write_text(json.dumps({"nodes": nodes, "output": "s", "input_size": [8, 8]}))
    code, out, err = door("--graph", str(tmp_path / "net.json"), "--measure")
    assert (code, err) == (0, "")
    assert out.count("misaligned") == 2


FEATURES = """
import flax.nnx as nnx


class Net(nnx.Module):
    def __init__(self, width: int, num_classes: int, in_channels: int = 1, *, rngs: nnx.Rngs):
        self.conv = nnx.Conv(in_channels, width, (3, 3), rngs=rngs)
        self.out = nnx.Linear(width, num_classes, rngs=rngs)

    def __call__(self, images):
        return self.out(nnx.relu(self.conv(images)).mean((1, 2)))


def grey():
    return Net(2, 10, rngs=nnx.Rngs(0))
"""


@pytest.fixture
def features(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "features_behind_the_door.py").write_text(FEATURES, encoding="utf-8")
    yield "features_behind_the_door"
    sys.modules.pop("features_behind_the_door", None)


def test_an_arm_of_the_users_own_is_measured_with_its_arguments(features: str) -> None:
    words = ("model=module", f"model.make={features}:Net", "model.args.width=8")
    code, out, err = door(*words, "data=digits12", "--json")
    assert code == ExitCode.DONE, err
    assert json.loads(out)["nodes"]["conv"]["params"] == 3 * 3 * 8 + 8
    code, _, err = door(*words, "size=12,14")
    assert (code, "must be one side" in err) == (ExitCode.USAGE, True)


def test_channels_that_were_forgotten_are_asked_for(features: str) -> None:
    grey = ("--module", f"{features}:grey", "--size", "12")
    code, _, err = door(*grey)
    assert code == ExitCode.USAGE
    assert err.startswith(f"error: --module {features}:grey is not valid: its forward pass fails on a 12x12x3 image")
    assert "--channels 1" in err
    assert door(*grey, "--channels", "1")[0] == ExitCode.DONE
