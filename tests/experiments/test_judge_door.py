"""The judge's door: a line for each registered claim, data for machines, one line for a mistake."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.registry import register

ROOT = Path(__file__).parents[2]


def judge(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "CNNLAB_RESULTS": str(folder / "results"), "CNNLAB_CACHE": str(folder / "cache")}
    return subprocess.run(
        [sys.executable, "-m", "experiments.judge", *arguments],
        capture_output=True, text=True, env=environment, cwd=ROOT, check=False,
    )  # fmt: skip


def test_all_claims_have_a_line_and_nothing_is_written(tmp_path: Path) -> None:
    done = judge(tmp_path, "--json")
    assert done.returncode == 0, done.stderr
    found = {entry["id"]: entry for entry in json.loads(done.stdout)}
    assert list(found) == list(register())
    assert found["mp-early-smallest"]["verdict"] == "qualified"
    assert "fewer multiply-accumulates" in found["mp-early-smallest"]["nearest_true"]
    others = [entry for name, entry in found.items() if name != "mp-early-smallest"]
    assert {entry["verdict"] for entry in others} == {"untested"}
    assert all(entry["reason"] for entry in others)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("what", ["max_pooling", "mp-early-smallest"])
def test_a_family_or_a_claim_is_shown(what: str, tmp_path: Path) -> None:
    done = judge(tmp_path, what)
    assert done.returncode == 0, done.stderr
    assert "mp-early-smallest" in done.stdout
    assert "st2-coverage-counts" not in done.stdout


def test_a_misspelled_claim_is_one_line_with_the_choices(tmp_path: Path) -> None:
    done = judge(tmp_path, "mp-erly")
    assert done.returncode == 2
    assert "max_pooling" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
