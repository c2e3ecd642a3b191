"""The door of replications: what was found beside what came back, and one line where nothing can be compared."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cnnlab.records import Store
from cnnlab.spec.invalid import InvalidError
from experiments import replicate
from experiments.analysis.results import view
from experiments.analysis.selection import relocated
from experiments.config.resolve import Point
from experiments.reports import replication
from experiments.training import own_modules, session
from experiments.training.estimate import Pace, machine_pace

from .conftest import Compose, Door, Plant

pytestmark = pytest.mark.slow

SWEEP = "+sweep=relu_at_zero"
MEANS = {"zero": 0.90, "half": 0.90, "one": 0.85}


def fill(store: Store, points: tuple[Point, ...], plant: Plant, **others: float) -> None:
    """Plant every arm's record around the mean of its level."""
    for point in points:
        if not store.has(point.arm.key):
            level = point.level if point.check == "none" else "zero"
            mean = (MEANS | others)[level] if point.check in ("none", "a_a") else 0.5
            store.write(plant(point, mean, 0.004, seed=point.seeds[0]), {})


@pytest.fixture
def both(composed: Compose, plant: Plant, tmp_path: Path) -> Path:
    """A finished sweep, and its finished replication: equal but for the members."""
    results = tmp_path / "results"
    for folder, words in ((results, ()), (results / "replication", ("scale.first_seed=3000",))):
        made = composed("relu_at_zero", "quick", *words)
        fill(Store(folder / "runs"), (*made.points, *made.checks), plant)
    return results


def test_every_effect_stands_beside_its_replication(both: Path, door: Door) -> None:
    done = door(replicate.main, SWEEP)
    assert (done.code, done.err) == (0, "")
    folder = both / "replication" / "sweeps" / "relu_at_zero" / "quick"
    with (folder / "replication.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["effect"] for row in rows} >= {"half", "one"}
    worse = [row for row in rows if row["effect"] == "one"]
    assert all(float(row["first"]) == pytest.approx(10 / 15, rel=0.05) for row in worse)
    assert all(row["first_call"] == row["again_call"] == "neg" for row in worse)
    assert all(abs(float(row["z"])) < 4 for row in rows)
    facts = json.loads((folder / "replication.json").read_text())
    assert facts["effects"] == len(rows)
    assert facts["changed_side"] == 0
    assert facts["sentence"] in " ".join(done.out.split())
    drawn = np.asarray(Image.open(folder / "replication.png").convert("L"))
    assert drawn.shape[0] > 150
    assert drawn.shape[1] > 800
    assert (drawn < 200).mean() > 0.02  # text and marks


def test_a_contrast_that_two_parts_of_a_claim_share_counts_once(
    both: Path, composed: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = view(relocated(composed("relu_at_zero", "quick"), both))
    once = replication.effects(now)
    resting = [("claim", "one against half", effect) for _, effect in once[:1]]
    monkeypatch.setattr(replication, "contrast_effects", lambda *_: resting)
    assert len(replication.effects(now)) == len(once) + 1
    monkeypatch.setattr(replication, "contrast_effects", lambda *_: resting * 2)
    assert len(replication.effects(now)) == len(once) + 1


def test_twin_an_arm_that_does_not_come_back_is_counted(
    composed: Compose, plant: Plant, tmp_path: Path, door: Door
) -> None:
    results = tmp_path / "results"
    first, again = composed("relu_at_zero", "quick"), composed("relu_at_zero", "quick", "scale.first_seed=3000")
    fill(Store(results / "runs"), (*first.points, *first.checks), plant)
    fill(Store(results / "replication" / "runs"), (*again.points, *again.checks), plant, one=0.90)
    door(replicate.main, SWEEP)
    facts = json.loads((results / "replication/sweeps/relu_at_zero/quick/replication.json").read_text())
    assert facts["changed_side"] >= 1
    assert facts["apart"] >= 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([SWEEP], "has no complete records: run it first"),
        (["scale=quick"], "name one sweep"),
        ([SWEEP, "+sweep=pool_position"], "sweep is given twice"),
        ([SWEEP, "sacle=quick"], "sacle"),
        ([SWEEP, "hydra/launcher=ray"], "hydra/launcher is not valid here"),
    ],
)
def test_what_cannot_be_replicated_is_said_in_a_line(words: list[str], says: str, door: Door) -> None:
    done = door(replicate.main, *words)
    assert done.code == 2
    assert says in done.err
    assert done.err.count("\n") == 1


def test_modules_are_tried_before_anything_trains(both: Path, door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(points: tuple[Point, ...]) -> None:
        assert {point.seeds[0] for point in points} == {3000}
        raise InvalidError("model.make", "nets:Net", "planted")

    monkeypatch.setattr(own_modules, "check", refused)
    shutil.rmtree(both / "replication")
    done = door(replicate.main, SWEEP)
    assert (done.code, done.err) == (2, "error: model.make=nets:Net is not valid: planted\n")


def test_the_pace_of_the_sweep_itself_counts(both: Path, door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the first training has shown of this machine, besides what the replication itself has."""

    def stopped(points: tuple[Point, ...]) -> None:
        raise InvalidError("model.make", "nets:Net", "planted")

    asked = list[tuple[Path, ...]]()

    def pace(places: tuple[Path, ...], *others: Any) -> Pace:
        asked.append(places)
        return machine_pace(places, *others)

    monkeypatch.setattr(own_modules, "check", stopped)
    monkeypatch.setattr(session, "machine_pace", pace)
    shutil.rmtree(both / "replication")
    door(replicate.main, SWEEP)
    assert asked == [(both / "replication" / "runs", both / "runs")]


def test_the_members_of_the_sweep_itself_are_no_replication(both: Path, door: Door) -> None:
    done = door(replicate.main, SWEEP, "scale.first_seed=2005")
    assert done.code == 2
    assert "a replication has other seeds" in done.err
