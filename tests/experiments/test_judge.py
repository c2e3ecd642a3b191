"""The judge's command: a line for each registered claim, data for machines, one line for a mistake."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cnnlab.spec.record import PROTOCOL
from experiments import judge
from experiments.analysis import kept
from experiments.claims.registry import register

ROOT = Path(__file__).parents[2]
Door = Callable[..., Any]

WITHOUT_TRAINING = {
    "supported": "cov-5x5-rule pw-weighted-sum lin-example-algebra kern-count-output",
    "qualified": "mp-early-smallest mp-shrinks-spatial st-usually-one st-size-drastic st-covers-more-than-once "
    "st2-accumulation cov-s1-most-nine pw-one-number act-nonlinear-definition lin-grad-constant lin-collapse "
    "relu-positive-only k3-most-used k5-trim-to-four relu-derivative-values rf-plus-two",
    "refuted": "mp-odd-drop st2-coverage-counts cov-table sig-all-grads-zero in-224-all final-7x7 kern-indep-input "
    "ch-double-every-conv relu-differentiable",
    "inconclusive": "mp-discards-unneeded mp-not-near-output st-info-loss st2-coverage-uneven st2-blurs "
    "act-adds-nonlinearity sig-vanishes k3-symmetry-finer k3-stack-five pad-keeps-size",
    "untestable": "fft-before-cnn depth-by-hardware",
}
"""Verdicts as first computed: a change of any of them has to be meant."""
KEYS = [
    "effect",
    "evidence",
    "family",
    "id",
    "kind",
    "n",
    "nearest_true",
    "reason",
    "rule",
    "sentence",
    "statement",
    "verdict",
]
SEVERAL = ("strides", "pointwise", "lin-collapse")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_claim_has_a_line_and_those_that_need_no_training_a_verdict(tmp_path: Path, door: Door) -> None:
    done = door(judge.main, "--json")
    assert done.code == 0, done.err
    found = {entry["id"]: entry for entry in json.loads(done.out)}
    assert list(found) == list(register())
    for word, names in WITHOUT_TRAINING.items():
        assert [name for name in names.split() if found[name]["verdict"] != word] == []
    untested = [name for name, entry in found.items() if entry["verdict"] == "untested"]
    assert {part for name in untested for part in register()[name].kind.split("+")} <= {"empirical", "cost"}
    assert all(sorted(entry) == KEYS and entry["statement"] and entry["reason"] for entry in found.values())
    refuted = [entry for entry in found.values() if entry["verdict"] == "refuted"]
    assert [entry["id"] for entry in refuted if not entry["nearest_true"]] == []
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]
    assert all(entry["sentence"].endswith(".") for entry in found.values())
    assert kept.to_compute(register(), tmp_path / "cache") == (), "a claim is computed anew each time"
    again = run(tmp_path, "--json", *SEVERAL)
    same = [entry == found[entry["id"]] for entry in json.loads(again.stdout)]
    assert len(same) == 17
    assert all(same)


def run(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """The command in a process of its own."""
    environment = {**os.environ, "CNNLAB_RESULTS": str(folder / "results"), "CNNLAB_CACHE": str(folder / "cache")}
    command = [sys.executable, "-m", "experiments.judge", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, check=False)


def test_a_process_of_its_own_prints_data_and_writes_nothing_but_its_cache(tmp_path: Path) -> None:
    """The same rows as in this process, to the last digit; and filters leave only what was asked for."""
    done = run(tmp_path, "coverage", "--kind", "exact", "--verdict", "refuted", "--json")
    assert done.returncode == 0
    assert done.stderr.startswith("computing 3 claims: ")
    rows = json.loads(done.stdout)
    assert [entry["id"] for entry in rows] == ["cov-table"]
    assert sorted(rows[0]) == KEYS
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]


def test_filters_leave_only_what_was_asked_for(door: Door) -> None:
    done = door(judge.main, "coverage", "--kind", "exact", "--verdict", "refuted", "--json")
    assert [entry["id"] for entry in json.loads(done.out)] == ["cov-table"]


def test_a_claim_has_a_page_and_a_figure(tmp_path: Path, door: Door) -> None:
    done = door(judge.main, "cov-table")
    assert done.code == 0, done.err
    for line in ("notes", "rule", "counterexample", "nearest true statement", "the notes' table, recomputed"):
        assert line in done.out
    assert (tmp_path / "results" / "claims" / "cov-table.png").stat().st_size > 10_000


def test_trained_parts_without_a_record_are_untested_in_a_fresh_checkout(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No record of an earlier protocol comes with the suite: one would be refused by name."""
    monkeypatch.setenv("CNNLAB_PUBLISHED", str(ROOT / "results" / "published"))
    there = {json.loads(path.read_text())["protocol"] for path in (ROOT / "results/published").rglob("made.json")}
    assert there <= {PROTOCOL}
    done = door(judge.main, "tanh-same", "--json")
    assert (done.code, done.err) == (0, "")
    (row,) = json.loads(done.out)
    assert there or (row["verdict"] == "untested" and "no record" in row["reason"])


@pytest.mark.parametrize("what", ["max_pooling", "mp-early-smallest"])
def test_a_family_or_a_claim_is_shown(what: str, door: Door) -> None:
    done = door(judge.main, what)
    assert done.code == 0, done.err
    assert "mp-early-smallest" in done.out
    assert "st2-coverage-counts" not in done.out


def test_a_misspelled_claim_is_one_line_with_the_choices(door: Door) -> None:
    done = door(judge.main, "mp-erly")
    assert done.code == 2
    assert "max_pooling" in done.err
    assert len(done.err.strip().splitlines()) == 1
