"""The door to the workspace: its spec offline, the workspace on a server, and one line where something is missing."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from experiments import dashboard
from experiments.cli.command import ExitCode
from experiments.tracking.workspace import ARM

from .conftest import Door

needs_workspaces = pytest.mark.skipif(
    not dashboard.installed(), reason="needs the extra `dashboard` (wandb-workspaces)"
)
# wandb-workspaces is written for an earlier pydantic, which says so at its import
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
SECTIONS = {"Accuracy by factor level", "Gradients by layer and step", "Cost against accuracy", "Verdicts", "Pictures"}


@pytest.fixture(autouse=True)
def at_home(home_of_wandb: None) -> None:
    """Every test here may start W&B."""


def panels(spec: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The panels of every section, by its name."""
    return {one["name"]: one["panels"] for one in spec["section"]["panelBankConfig"]["sections"]}


@needs_workspaces
def test_offline_the_spec_is_written_with_a_section_a_question(door: Door, tmp_path: Path) -> None:
    done = door(dashboard.main, "+sweep=pool_position", "scale=smoke")
    path = tmp_path / "results" / "dashboard" / "pool_position.json"
    assert (done.code, done.err) == (0, "")
    assert str(path) in "".join(done.out.split("\n"))
    spec = json.loads(path.read_text())
    found = panels(spec)
    assert set(found) == SECTIONS
    curves = [panel["config"] for panel in found["Accuracy by factor level"] if "Line" in panel["viewType"]]
    assert {one["metrics"][0] for one in curves} == {"accuracy/validation", "loss/train"}
    assert {(one["xAxis"], one["groupBy"], one["groupArea"]) for one in curves} == {
        ("images_seen", f"{ARM}.value", "stderr")
    }
    patterns = [re.compile(panel["config"]["metricRegex"]) for panel in found["Gradients by layer and step"]]
    recorded = (
        "grad_norm/conv1/kernel",
        "activation_grad_norm/act1",
        "update_to_weight/conv1/kernel",
        "saturated_fraction/act1",
        "dead_fraction/act1",
    )
    drawn = [[name for name in recorded if pattern.search(name)] for pattern in patterns]
    assert drawn == [[name] for name in recorded]
    assert "pool_position" in json.dumps(spec["section"]["runSets"])


@needs_workspaces
def test_online_it_is_saved_and_saved_again_in_its_place(door: Door, server: Any) -> None:
    for _ in range(2):
        done = door(dashboard.main, "+sweep=pool_position", "scale=smoke", "tracker=online")
        assert (done.code, done.err) == (0, "")
        assert "workspace: " in done.out
    first, second = server.views
    assert "id" not in first
    assert (second["id"], second["name"]) == ("V1", first["name"])
    assert (first["entityName"], first["projectName"], first["displayName"]) == (
        "me",
        "cnnlab",
        "cnnlab: pool_position",
    )
    assert set(panels(json.loads(first["spec"]))) == SECTIONS


@needs_workspaces
@pytest.mark.parametrize(
    ("trouble", "code", "line"), [("no key", ExitCode.USAGE, "wandb login"), ("no server", ExitCode.FAILED, "W&B")]
)
def test_trouble_with_the_server_is_one_line(
    trouble: str, code: int, line: str, door: Door, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dashboard, "SECONDS", 2)
    if trouble == "no key":
        monkeypatch.delenv("WANDB_API_KEY")
    else:
        monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    done = door(dashboard.main, "tracker=online")
    assert (done.code, done.out) == (code, "")
    assert len(done.err.splitlines()) == 1
    assert line in done.err
    assert not server.views


@pytest.mark.parametrize(
    ("words", "line"),
    [(("--runs",), "name it, +sweep=NAME"), (("tracker.unit=member",), "arm, seed"), (("+sweep=nowhere",), "nowhere")],
)
def test_a_wrong_argument_is_one_line_and_writes_nothing(
    words: tuple[str, ...], line: str, door: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dashboard, "installed", lambda: True)
    done = door(dashboard.main, *words)
    assert (done.code, done.out) == (ExitCode.USAGE, "")
    assert len(done.err.splitlines()) == 1
    assert line in done.err
    assert not (tmp_path / "results" / "dashboard").exists()


def test_without_the_extra_it_says_how_to_get_it(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dashboard, "installed", lambda: False)
    done = door(dashboard.main)
    assert done.code == ExitCode.USAGE
    assert "pip install -e '.[dashboard]'" in done.err
