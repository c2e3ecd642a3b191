"""The doors to look at records: gradients by layer and step, and two arms or folders side by side."""

import dataclasses
import functools
import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from cnnlab.records import Store
from cnnlab.spec.record import Record
from experiments import compare, show
from experiments.config.grid import grid
from experiments.config.resolve import Point
from experiments.reports import comparison, gradients

from .conftest import Door, Plant

WORDS = {"wide": ("model.width=24",), "narrow": ("model.width=8",), "sigmoid": ("model.activation=sigmoid",)}
MEANS = {"wide": 0.9, "narrow": 0.8, "sigmoid": 0.6}


@functools.cache
def point_of(*words: str) -> Point:
    (point,) = grid(["tracker=off", *words]).points
    return point


def with_stats(record: Record) -> Record:
    """Members whose statistics are known: 1, 2, 3, ... times a number of the layer; the last member has broken off."""

    def history(place: int) -> dict[str, Any]:
        looks = 2 if place == len(record.members) - 1 else 13
        stats = {
            "images_seen": list(range(looks)),
            **{f"activation_grad_norm/act{layer}": [layer * (place + 1.0)] * looks for layer in (1, 10, 2)},
            "grad_norm/conv1/kernel": [1.0] * looks,
            "grad_norm/conv1/bias": [9.0] * looks,
            "update_to_weight/conv1/kernel": [None] * looks,
            "dead_fraction/act1": [0.25] * looks,
            "log2_histogram/conv1/kernel": [[1, 2]] * looks,
        }
        return {"images_seen": [0], "loss/train": [1.0], "stats": stats}

    return dataclasses.replace(record, histories=tuple(map(history, range(len(record.members)))))


@pytest.fixture
def arms(tmp_path: Path, plant: Plant) -> dict[str, Point]:
    """Three arms with records in the door's own results; the wide one is watched."""
    store = Store(tmp_path / "results" / "runs")
    found = {name: point_of(*words) for name, words in WORDS.items()}
    for name, point in found.items():
        record = plant(point, MEANS[name])
        store.write(with_stats(record) if name == "wide" else record, {"packages": {"jax": "0.10"}, "host": "h"})
    return found


# show gradients.


def test_gradients_are_shown_by_layer_and_step_and_written(arms: dict[str, Point], door: Door, tmp_path: Path) -> None:
    arm = arms["wide"].arm.key
    done = door(show.main, "gradients", "model.width=24")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert f"{arm}: means over 12 members, at 6 of 13 steps" in lines
    assert any(line.split()[:3] == ["layer", "step", "0"] for line in lines)
    row = next(line.split() for line in lines if line.startswith("act2"))
    assert row[1:] == ["13", "12", "12", "12", "12", "12"]  # 2 x mean of 1..12, and of 1..11 once one has broken off
    assert "bias" not in done.out
    assert "At the end at most 25.0 % of a layer's units are dead (act1)." in lines
    assert "Before training the gradient at act1 has 0.1 times the norm of that at act10." in lines
    layers = [line.split()[0] for line in lines if line.startswith("act")]
    assert layers[:4] == ["activation_grad_norm:", "act1", "act2", "act10"]  # by number, not by letter
    table = pd.read_csv(tmp_path / "results" / "gradients" / f"{arm}.csv")
    assert set(table["statistic"]) == {"activation_grad_norm", "grad_norm", "update_to_weight", "dead_fraction"}
    assert table[table["layer"] == "act2"]["highest"].tolist()[:3] == [24.0, 24.0, 22.0]
    assert (tmp_path / "results" / "gradients" / f"{arm}.png").stat().st_size > 10_000


def test_for_machines_all_steps_are_printed_and_nothing_is_written(
    arms: dict[str, Point], door: Door, tmp_path: Path
) -> None:
    done = door(show.main, "gradients", arms["wide"].arm.key[-6:], "--json")
    found = json.loads(done.out)
    assert found["steps"][:5] == [0, 1, 2, 4, 8]
    assert len(found["statistics"]["activation_grad_norm"]["act1"]["mean"]) == len(found["steps"]) == 13
    assert found["statistics"]["update_to_weight"]["conv1"]["mean"] == [None] * 13
    assert not (tmp_path / "results" / "gradients").exists()


def test_the_first_member_alone_would_be_seen(arms: dict[str, Point], plant: Plant) -> None:
    """The twin: one member is not the mean of all."""
    record = with_stats(plant(arms["wide"], 0.9))
    alone = dataclasses.replace(record, histories=record.histories[:1])
    whole, first = (gradients.gradients(one).of("activation_grad_norm")[0].values for one in (record, alone))
    assert whole[0] != first[0]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("gradients", "model.width=8"), "has no statistics of gradients"),
        (("gradients", "digits12"), "is part of 3 arms' names: digits12-d6w"),
        (("gradients", "nowhere"), "choose a part of "),
        (("gradients", "model.width=9"), "python -m experiments.run model.width=9"),
        (("gradients", "digits12", "model.width=9"), "digits12 is not valid beside others"),
        (("gradients", "model.widht=9"), "did you mean model.width"),
        (("weights", "x"), "'gradients'"),
        (("gradients",), "ARM"),
    ],
)
def test_a_wrong_arm_is_one_line(
    words: tuple[str, ...], line: str, arms: dict[str, Point], door: Door, tmp_path: Path
) -> None:
    done = door(show.main, *words)
    assert (done.code, done.out) == (2, "")
    assert len(done.err.splitlines()) == 1
    assert line in done.err
    assert not (tmp_path / "results" / "gradients").exists()


@pytest.mark.parametrize("spoiled", ["record", "gradients"])
def test_a_folder_where_a_file_should_be_and_a_file_where_a_folder_should_be_are_one_line(
    spoiled: str, arms: dict[str, Point], door: Door, tmp_path: Path
) -> None:
    if spoiled == "record":
        path = Store(tmp_path / "results" / "runs").record(arms["wide"].arm.key)
        path.unlink()
        path.mkdir()
    else:
        (tmp_path / "results" / "gradients").write_text("")
    done = door(show.main, "gradients", arms["wide"].arm.key)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert ("is no regular file" if spoiled == "record" else "cannot be written to") in done.err


# compare.


def test_two_arms_differ_in_config_curves_and_errors(arms: dict[str, Point], door: Door) -> None:
    done = door(compare.main, "model.width=24", "model.width=8")
    assert (done.code, done.err) == (0, "")
    lines = [line.split() for line in done.out.splitlines()]
    assert ["net.width", "24", "8"] in lines
    assert [line[0] for line in lines if line and line[0].startswith(("net.", "recipe.", "task."))] == ["net.width"]
    assert "made with: the same" in done.out
    said = done.out.splitlines()[-1]
    assert re.search(r"x(1\.9|2\.0)\d \[1\.\d\d, 2\.\d\d\]", said)  # 20 % errors beside 10 %
    assert said.endswith("n=12: more")
    data = json.loads(door(compare.main, "model.width=8", "model.width=24", "--json").out)
    assert data["errors"]["ratio"] == pytest.approx(0.5, rel=0.05)
    assert data["errors"]["low"] < data["errors"]["ratio"] < data["errors"]["high"]
    assert data["config"] == {"net.width": [8, 24]}
    assert len(data["curves"][0]["test_accuracy"]) == 3


def test_unlike_arms_have_no_effect_and_say_why(arms: dict[str, Point], plant: Plant, tmp_path: Path) -> None:
    one = plant(arms["wide"], 0.9)
    other_seeds = dataclasses.replace(one, members=tuple(seed + 100 for seed in one.members))
    task = {**one.config["task"], "side": 13}
    other_task = dataclasses.replace(one, config={**one.config, "task": task})
    assert "no member in common" in comparison._effect(one, other_seeds)[1]
    assert "different tasks" in comparison._effect(one, other_task)[1]
    assert comparison._effect(one, one)[1] == ""


def test_two_folders_are_compared_arm_by_arm(arms: dict[str, Point], door: Door, plant: Plant, tmp_path: Path) -> None:
    again = Store(tmp_path / "again" / "runs")
    again.write(plant(arms["wide"], MEANS["wide"]), {})
    again.write(plant(arms["narrow"], 0.7), {})
    done = door(compare.main, str(tmp_path / "results"), str(tmp_path / "again"))
    assert (done.code, done.err) == (0, "")
    assert "2 arms in both: 1 with the same results, 1 more than 2 standard errors apart" in done.out
    assert f"only in {tmp_path / 'results'}: 1 arms" in done.out
    data = json.loads(door(compare.main, str(tmp_path / "results"), str(tmp_path / "again"), "--json").out)
    apart = {one["arm"]: one["apart"] for one in data["shared"]}
    assert apart[arms["wide"].arm.key] == 0
    assert apart[arms["narrow"].arm.key] < -2


def test_records_that_cannot_be_read_are_told_and_end_otherwise(
    arms: dict[str, Point], door: Door, plant: Plant, tmp_path: Path
) -> None:
    """The twin is above: those that can be read end with 0."""
    again = Store(tmp_path / "again" / "runs")
    for name in ("wide", "narrow"):
        again.write(plant(arms[name], MEANS[name]), {})
    words = str(tmp_path / "results"), str(tmp_path / "again")
    again.record(arms["wide"].arm.key).write_text("{")
    done = door(compare.main, *words)
    assert (done.code, done.err) == (1, "")
    assert "is not JSON" in done.out
    again.record(arms["narrow"].arm.key).write_text("{")
    done = door(compare.main, *words, "--json")
    assert (done.code, done.out) == (2, "")
    assert "none of the 2 arms that both have can be read" in done.err
    assert done.err.count("\n") == 1


def test_other_seeds_of_one_arm_are_compared_unpaired(arms: dict[str, Point], plant: Plant) -> None:
    one, other = plant(arms["wide"], 0.9), plant(arms["wide"], 0.9, seed=1)
    fresh = dataclasses.replace(other, members=tuple(seed + 100 for seed in other.members))
    apart = comparison._apart(one, fresh)
    assert apart is not None
    assert abs(apart) < 4
    assert comparison._apart(one, plant(arms["wide"], 0.5)) < -50  # type: ignore[operator]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("model.width=24",), "1 RUNs are given, and 2 are compared"),
        (("model.width=24", "model.width=24"), "are the same arm"),
        (("model.width=24", "model.width=8 model.width=9"), "model.width is given twice"),
        (("model.width=24", "'"), "cannot be read"),
        (("model.width=24", " "), "a RUN is empty"),
        (("model.width=24", "RESULTS"), "is a results folder, and model.width=24 is no folder"),
        (("RESULTS", "BARE"), "has no runs/"),
        (("RESULTS", "EMPTY"), "none in common"),
        (("~nobody-of-that-name/results", "RESULTS"), "~nobody-of-that-name/results is no folder"),
        (("x" * 5000, "model.width=8"), "is in no arm's name"),
    ],
)
def test_what_cannot_be_compared_is_one_line(
    words: tuple[str, ...], line: str, arms: dict[str, Point], door: Door, tmp_path: Path
) -> None:
    (tmp_path / "empty" / "runs").mkdir(parents=True)
    (tmp_path / "bare").mkdir()
    places = {"BARE": str(tmp_path / "bare"), "RESULTS": str(tmp_path / "results"), "EMPTY": str(tmp_path / "empty")}
    done = door(compare.main, *(places[word] if word in places else word for word in words))
    assert (done.code, done.out) == (2, "")
    assert len(done.err.splitlines()) == 1
    assert line in done.err
