"""Offline runs sent later by `wandb sync`: the stand-in server gets what an online run would have sent."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnlab.spec.record import Record
from cnnlab.tracking import Artifact, TrackedRun, arm_runs, tracker
from cnnlab.tracking.series import AXIS, rows


def sync(directory: Path) -> str:
    """Send every offline run below a tracker's directory; what W&B says about it."""
    folders = sorted(map(str, (directory / "wandb").glob("offline-run-*")))
    command = [sys.executable, "-m", "wandb", "sync", "--yes", *folders]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=directory.parent, timeout=200)
    return done.stdout + done.stderr


def summary_run(kept: Path) -> TrackedRun:
    """A run as a sweep ends with, small."""
    return TrackedRun(
        id="pool_position-smoke-summary",
        name="summary",
        group="pool_position",
        job_type="sweep",
        notes="Where?",
        tags=("smoke",),
        numbers={"arms": 6.0},
        tables={"verdicts": ({"claim": "mp", "verdict": "refuted"}, {"claim": "st", "verdict": "qualified"})},
        pictures={"figure/maps": lambda: np.full((3, 3, 3), 7, np.uint8)},
        artifact=Artifact(name="pool_position-smoke-records", kind="records", files={"arm/0/record.json": kept}),
    )


@pytest.fixture
def sent(tmp_path: Path, make: Callable[..., Record], server: Any) -> tuple[Path, Record]:
    """A tracker's directory with an arm's run, tracked twice, and a sweep's summary, all of it sent."""
    record, kept = make(), tmp_path / "record.json"
    kept.write_text("{}")
    mirrored = tracker("offline", tmp_path / "tracked")
    for _ in range(2):
        for run in arm_runs(record, unit="arm", name="two pools", group="pool_position"):
            mirrored.log(run)
    mirrored.log(summary_run(kept))
    mirrored.close()
    assert server.hits == 0, "nothing is sent before"
    sync(tmp_path / "tracked")
    return tmp_path / "tracked", record


def test_synced_runs_arrive_whole_and_a_repeat_lands_in_the_same_run(sent: tuple[Path, Record], server: Any) -> None:
    directory, record = sent
    arm = record.arm
    assert set(server.runs) == {arm, "pool_position-smoke-summary"}
    assert server.runs[arm]["groupName"] == "pool_position"
    promised = [row[AXIS] for row in rows(record)]
    assert [row[AXIS] for row in server.history(arm)] in (promised, promised * 2)
    assert server.summary(arm)["final/test_accuracy/mean"] == pytest.approx(1.6 / 3)
    assert server.summary(arm)["accuracy/validation"] == {"max": 0.25}
    before = server.hits
    sync(directory)
    assert server.history(arm)
    assert len(server.artifacts) == 2
    assert server.hits - before < before / 2, "what is sent is not sent again"


def test_synced_tables_pictures_and_records_arrive(sent: tuple[Path, Record], server: Any) -> None:
    run = "pool_position-smoke-summary"
    assert server.summary(run)["arms"] == 6
    (table,) = (name for name in server.files if name.startswith(f"{run}/media/table/verdicts"))
    assert json.loads(server.files[table])["data"] == [["mp", "refuted"], ["st", "qualified"]]
    (picture,) = (name for name in server.files if name.startswith(f"{run}/media/images/figure/maps"))
    assert server.files[picture].startswith(b"\x89PNG")
    kinds = {artifact["artifactTypeName"] for artifact in server.artifacts}
    assert kinds == {"records", "run_table"}
