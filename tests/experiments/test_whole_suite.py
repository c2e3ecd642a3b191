"""The whole suite at smoke, from empty results: it runs to its end, and says of every claim what it can."""

import csv
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from experiments.claims.registry import claims, entries

NEED_A_GPU, HISTORY = {"ch-pow2-gpu"}, {"depth-by-hardware", "fft-before-cnn"}
CLOSED = {"supported", "refuted", "qualified"}


def told(verdicts: list[dict[str, str]]) -> list[str]:
    """What is wrong with the verdicts of a suite of two members an arm."""
    wrong = [f"{name} has no verdict" for name in entries() if name not in {row["id"] for row in verdicts}]
    for row in verdicts:
        trained = bool(claims()[row["id"]].trained)
        if row["verdict"].startswith("untest") and row["id"] not in NEED_A_GPU | HISTORY:
            wrong.append(f"{row['id']} is {row['verdict']}: {row['reason']}")
        if trained and row["kind"] == "empirical" and row["verdict"] in CLOSED:
            wrong.append(f"{row['id']} is {row['verdict']} from two members")
    return wrong


def test_a_suite_that_judges_from_two_members_or_leaves_one_out_is_found() -> None:
    """The twin."""
    rows = [
        {"id": name, "kind": line.kind, "verdict": "inconclusive", "reason": ""} for name, line in entries().items()
    ]
    assert told(rows) == []
    assert told(rows[1:]) == [f"{rows[0]['id']} has no verdict"]
    place = next(place for place, row in enumerate(rows) if row["id"] == "mp-after-two-convs")
    assert told([{**row, "verdict": "supported"} if at == place else row for at, row in enumerate(rows)]) != []
    assert told([{**row, "verdict": "untested"} if at == place else row for at, row in enumerate(rows)]) != []


@pytest.mark.whole
@pytest.mark.timeout(3600)
def test_from_empty_results_to_57_verdicts(tmp_path: Path) -> None:
    results = tmp_path / "results"
    # what is timed is not timed anew: that is published
    inherited = {name: value for name, value in os.environ.items() if name != "CNNLAB_PUBLISHED"}
    environment = {**inherited, "CNNLAB_RESULTS": str(results), "CNNLAB_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "experiments.suite", "scale=smoke", "tracker=off"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    folder = results / "suite" / "smoke"
    with (folder / "verdicts.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert told(rows) == []
    assert len(rows) == 57
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["failures"] == []
    assert summary["verdicts"] == Counter(row["verdict"] for row in rows)
    assert "too few for any verdict from training but inconclusive" in " ".join(done.stdout.split())
    print(f"{summary['arms']['trained']} arms in {summary['seconds']['in all']} s: {summary['verdicts']}")
