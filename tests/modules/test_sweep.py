"""Nets as strangers write them, trained in a sweep from a folder outside the checkout, to the usual end of a run."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]
STRANGERS = Path(__file__).parent / "strangers"
NETS = ("mynets.resnet:make", "linen_cnn:CNN", "se_net:build")
"""A ResNet with batch norm, a Linen net with dropout, and one with a squeeze-and-excitation gate."""
SWEEP = f"""\
# @package _global_
sweep:
  bank: OWN
  question: Which of three nets reads digits best?
  held: data, optimiser, data order
  factor: model.make
  reference: "{NETS[0]}"
  levels: {{smoke: "{",".join(NETS)}", quick: "{",".join(NETS)}", full: "{",".join(NETS)}"}}
defaults:
  - override /model: module
model: {{args: {{width: 4}}, width_argument: width}}
hydra:
  mode: MULTIRUN
  sweeper:
    params:
      data: digits12
      model.make: ${{sweep.levels.${{scale.name}}}}
      match: none
"""
CLAIM = f"""\
from cnnlab.inference.rules.directional import Directional
from experiments.claims.base import Claim, Contrast, Trained

CLAIM = Claim(
    says="A net with a gate makes fewer errors than one with dropout.",
    notes='"gates help"',
    kind="empirical",
    evidence=Trained(
        sweep="three_nets",
        contrasts=(Contrast(name="gate against dropout", better=("{NETS[2]}",), worse=("{NETS[1]}",)),),
        tasks=("digits12",),
    ),
    rule=Directional(match="none"),
)
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


def record(folder: Path, words: str) -> dict[str, Any]:
    """The record of the one arm whose folder is named so."""
    (path,) = (folder / "results" / "runs").glob(f"{words}-*/record.json")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def require_statistics(found: dict[str, Any], layer: str) -> None:
    stats = found["histories"][0]["stats"]
    for name in (f"grad_norm/{layer}/kernel", f"update_to_weight/{layer}/kernel", f"activation_grad_norm/{layer}"):
        assert all(value > 0 for value in stats[name])


def door(folder: Path, extra: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Call a command from the checkout, with all that is the user's in another folder."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("JAX_", "XLA_"))}
    environment |= {"CNNLAB_RESULTS": str(folder / "results"), "CNNLAB_CACHE": str(folder / "cache")}
    environment |= {"CNNLAB_EXTRA": str(extra), "WANDB_MODE": "offline", "NETRC": str(folder / "netrc")}
    command = [sys.executable, "-m", *words]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_three_strangers_nets_are_a_sweep_with_a_claim_of_its_own(tmp_path: Path) -> None:
    """All of it lies in the folder that CNNLAB_EXTRA names; nothing is written into the checkout."""
    extra, results = tmp_path / "extra", tmp_path / "results"
    shutil.copytree(STRANGERS, extra)
    for path, text in {"conf/sweep/three_nets.yaml": SWEEP, "claims/mine/gates_help.py": CLAIM}.items():
        (extra / path).parent.mkdir(parents=True)
        (extra / path).write_text(text)
    words = (*FEW, "convolutions=xla", "workers=1")

    # a net that fails with numbers: one line that says where, before anything is written
    broken, text = extra / "mynets/resnet.py", (extra / "mynets/resnet.py").read_text()
    broken.write_text(text.replace("self.head(x.mean(axis=(1, 2)))", "self.head(x.mean(axis=(1, 2))) / 0"))
    ended = door(tmp_path, extra, "experiments.suite", "only=three_nets", *words, "tracker=off")
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1), ended.stderr
    assert "model.make=mynets.resnet:make is not valid: its output in training is not finite" in ended.stderr
    assert not list(results.glob("**/*"))
    broken.write_text(text)

    ended = door(tmp_path, extra, "experiments.run", "+sweep=three_nets", *words, "tracker=offline")
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stderr
    assert "trained 6 arms, found 0 done, 0 failed" in ended.stdout
    layers = {"make": "blocks.1.conv2", "CNN": "Conv_1", "build": "conv2"}
    for name, layer in layers.items():
        paths = (results / "runs").glob(f"digits12-{name}-width4-*/record.json")
        records = [json.loads(path.read_text()) for path in paths]
        (watched,) = [found for found in records if found["config"]["recipe"]["watched"]]  # checks are not
        require_statistics(watched, layer)
    folder = results / "sweeps" / "three_nets" / "smoke"
    arms, effects = pd.read_csv(folder / "arms.csv"), pd.read_csv(folder / "effects.csv")
    assert list(arms["level"])[:3] == list(NETS)
    assert list(arms["check"])[-3:] == ["positive", "sensitivity", "a_a"]
    assert set(effects["level"]) == set(NETS[1:])
    assert effects["ratio"].notna().all()
    assert record(tmp_path, "digits12-CNN-width4")["geometry"]["receptive_field"] == [8, 8]
    assert (folder / "three_nets.png").is_file()
    verdicts = json.loads((folder / "verdicts.json").read_text())
    assert {name: one["word"] for name, one in verdicts.items()} == {"gates-help": "inconclusive"}
    mirrored = {path.name.split("-", 3)[3] for path in (results / "runs" / "wandb").glob("offline-run-*")}
    assert {name.rpartition("-")[0] for name in mirrored} >= {f"digits12-{name}-width4" for name in layers}
    assert len(mirrored) == 7  # six arms and the sweep

    judged = door(tmp_path, extra, "experiments.judge", "gates-help", "--json", *FEW)
    (verdict,) = json.loads(judged.stdout)
    assert (verdict["verdict"], verdict["register"]) == ("inconclusive", "CNNLAB_EXTRA")
    assert "scale smoke" in verdict["reason"]

    words = ("--only", "board,method", "--fast", "--results", str(results))
    shown = door(tmp_path, extra, "experiments.report", *words, *FEW)
    assert (shown.returncode, shown.stderr) == (0, ""), shown.stderr
    page = (results / "report.html").read_text()
    assert "1 own claim of CNNLAB_EXTRA, apart from these: 1 inconclusive." in page
    assert "and from 6 records" in page
    register, own = page.split("<h2>Own claims of CNNLAB_EXTRA</h2>")
    assert 'href="#claim-gates-help"' not in register
    assert 'href="#claim-gates-help">A net with a gate makes fewer errors than one with dropout.' in own
    assert '<article id="claim-gates-help"' in own


@pytest.mark.slow
def test_a_package_outside_the_checkout_trains_and_a_changed_source_is_named(elsewhere: Path) -> None:
    words = ("model=module", "model.make=mynets.resnet:make", "model.args.width=4", *FEW, "tracker=off")
    ended = run(elsewhere, *words)
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stderr
    # `same` at stride 2 beside a 1x1 shortcut looks at other pixels than it
    assert "no receptive field: misaligned at add_2" in ended.stdout
    found = record(elsewhere, "digits12-make-width4")
    require_statistics(found, "blocks.1.conv2")
    assert found["geometry"]["receptive_field"] is None
    assert found["geometry"]["macs"] > 1000
    path = elsewhere / "mynets" / "blocks.py"
    path.write_text(path.read_text().replace("momentum=0.9", "momentum=0.8"))
    again = run(elsewhere, *words)
    assert "mynets.resnet:make has changed (mynets.blocks) since 1 records were made" in " ".join(again.stdout.split())
    assert "trained 1 arms, found 0 done" in again.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("model.make=nowhere:make", "there is no module nowhere"),
        ("model.args.widht=4", "linen_cnn:CNN takes width, rate, classes"),
        ("model.args.classes=7", "must be logits, [batch, classes], here [4, 10]"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_written(elsewhere: Path, word: str, said: str) -> None:
    make = () if word.startswith("model.make=") else ("model.make=linen_cnn:CNN",)
    ended = run(elsewhere, "model=module", *make, word, *FEW, "tracker=off")
    assert ended.returncode == 2
    assert said in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert not (elsewhere / "results").exists()
