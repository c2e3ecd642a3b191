"""Nets as strangers write them, trained in a sweep from a folder outside the checkout, to the usual end of a run."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]
STRANGERS = Path(__file__).parent / "strangers"
SWEEP = """\
# @package _global_
sweep:
  bank: OWN
  question: Does a wider net do better?
  held: everything else
  factor: model.args.width
  reference: "4"
  levels: {{smoke: "4,6", quick: "4,6", full: "4,6"}}
defaults:
  - override /model: module
model: {{make: "{make}", width_argument: width}}
hydra:
  mode: MULTIRUN
  sweeper:
    params:
      data: digits12
      model.args.width: ${{sweep.levels.${{scale.name}}}}
      match: none,params
"""
DOOR = "import experiments.paths, pathlib, sys; experiments.paths.CONF = pathlib.Path({conf!r}); \
from experiments import run; from experiments.cli import signals; signals.door(run.main)"
"""The command on a copy of conf/ that has one more sweep."""
FEW = ("scale=smoke", "scale.members=2", "scale.max_train_images=64", "scale.max_epochs=1", "train.rates=1")


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Call the command from the folder of the nets, which is outside the checkout."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("JAX_", "XLA_"))}
    environment |= {"CNNLAB_RESULTS": str(folder / "results"), "CNNLAB_CACHE": str(folder / "cache")}
    environment |= {"PYTHONPATH": str(ROOT), "WANDB_MODE": "offline", "NETRC": str(folder / "netrc")}
    code = DOOR.format(conf=str(folder / "conf"))
    # one backend, so that no test waits for a compiler
    command = [sys.executable, "-c", code, *words, "convolutions=xla", "workers=1"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A user's folder: the nets, and a copy of conf/ beside them."""
    shutil.copytree(STRANGERS, tmp_path, dirs_exist_ok=True)
    shutil.copytree(ROOT / "conf", tmp_path / "conf")
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "layer", "known"),
    [
        ("mynets.resnet:make", "blocks.1.conv2", False),  # `same` at stride 2 beside a 1x1 shortcut: misaligned
        ("linen_cnn:CNN", "Conv_1", True),
        ("se_net:build", "gate.up", False),
    ],
)
def test_a_strangers_net_goes_through_a_whole_sweep(elsewhere: Path, make: str, layer: str, known: bool) -> None:
    (elsewhere / "conf" / "sweep" / "own_width.yaml").write_text(SWEEP.format(make=make))
    tracker = "tracker=offline" if make == "linen_cnn:CNN" else "tracker=off"
    ended = run(elsewhere, "+sweep=own_width", *FEW, tracker)
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stderr
    assert "Arms: test accuracy" in ended.stdout
    assert "same params: width 6 became 4" in ended.stdout.replace("\n", " ") or "became 4" in ended.stdout
    folder = elsewhere / "results" / "sweeps" / "own_width" / "smoke"
    arms, effects = pd.read_csv(folder / "arms.csv"), pd.read_csv(folder / "effects.csv")
    assert list(arms["level"].astype(str)[:4]) == ["4", "4", "6", "6"]
    assert set(effects["level"].astype(str)) == {"6"}
    assert effects["ratio"].notna().all()
    (record,) = (
        json.loads((elsewhere / "results" / "runs" / arm / "record.json").read_text())
        for arm in arms["arm"][(arms["level"].astype(str) == "6") & (arms["match"] == "none")]
    )
    stats = record["histories"][0]["stats"]
    for name in (f"grad_norm/{layer}/kernel", f"update_to_weight/{layer}/kernel", f"activation_grad_norm/{layer}"):
        assert all(value > 0 for value in stats[name])
    assert record["geometry"]["params"] > 100
    assert (record["geometry"]["receptive_field"] is not None) == known
    assert ("geometry of" in ended.stdout) != known
    if tracker == "tracker=offline":
        assert list((elsewhere / "results" / "runs" / "wandb").glob("offline-run-*"))
