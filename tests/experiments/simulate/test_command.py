"""The door that judges the judge: rows that can disagree, a table that is written, arrays held against rule code."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cnnlab.inference.simulation import verdicts
from experiments.simulate import __main__ as simulate
from experiments.simulate import rates
from experiments.simulate.rates import FoundRate, PredictedRate, Relation, find, rows

Door = Callable[..., Any]
QUICK = ("R-DIR v2: digits12", "Parts of the rules")


def row(predicted: float | None, relation: Relation = "about", places: int = 0, successes: int = 50) -> FoundRate:
    made = PredictedRate(
        group="g", what="w", count=lambda n: (successes, n), predicted=predicted, places=places, relation=relation
    )
    return find(made, 1000)


@pytest.mark.parametrize(
    ("predicted", "relation", "places", "agrees"),
    [
        (5, "about", 0, True),  # found 5 % [3.8, 6.5]
        (7, "about", 0, True),  # printed to a percent: it may have been 6.5
        (7, "about", 1, False),
        (3, "about", 0, False),
        (3, "at most", 0, False),
        (4, "at most", 0, True),
        (6, "at least", 0, True),
        (9, "at least", 0, False),
        (None, "about", 0, None),
    ],
)
def test_a_prediction_agrees_where_the_interval_holds_it(
    predicted: float | None, relation: Relation, places: int, agrees: bool | None
) -> None:
    assert row(predicted, relation, places).agrees is agrees


def test_rows_are_few_distinct_and_all_of_them_said() -> None:
    every = rows()
    assert 30 < len(every) <= 48
    assert len({(one.group, one.what) for one in every}) == len(every)
    said = " ".join(one.what for one in every)
    for part in (
        "falsely supported",
        "falsely reversed",
        "falsely refuted",
        "qualified by learning rate",
        "qualified by match",
        "moderator",
        "1 margin",
        "1.5 margins",
        "2 margins",
        "paired t",
        "signed rank",
        "Wilson",
        "bootstrap ratio",
        "BCa",
    ):
        assert part in said


def test_predictions_of_the_amended_rule_hold() -> None:
    found = [find(one, 2000) for one in rows() if one.group.startswith(QUICK[0])]
    assert len(found) > 12
    assert sum(one.agrees is False for one in found) <= 2  # each may miss its 95 % interval by chance


def test_a_judge_with_another_family_misses_the_predictions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdicts, "ONE_SIDED", 0.025 / 27)
    rates.simulate.cache_clear()
    found = [find(one, 2000) for one in rows() if one.group.startswith(QUICK[0])]
    rates.simulate.cache_clear()
    assert sum(one.agrees is False for one in found) > 2


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few rows and scenarios, so that the door opens in seconds."""
    monkeypatch.setattr(simulate, "rows", lambda: tuple(one for one in rows() if one.group.startswith(QUICK)))
    monkeypatch.setattr(simulate, "scenarios", lambda: rates.scenarios()[:2])


def test_the_door_writes_a_table_and_a_figure(tmp_path: Path, short: None, door: Door) -> None:
    ended = door(simulate.main, "--replications", "200", f"results={tmp_path}")
    assert ended.code == 0
    said = ended.out
    assert "predictions agree" in said
    assert "50 of 50 alike" in said
    with (tmp_path / "simulation" / "rates.csv").open() as file:
        found = list(csv.DictReader(file))
    assert [one["what"] for one in found] == [one.what for one in simulate.rows()]
    assert all(float(one["low"]) <= float(one["found"]) <= float(one["high"]) for one in found)
    assert (tmp_path / "simulation" / "rates.png").stat().st_size > 10_000


def test_arrays_that_differ_from_the_rule_code_fail_the_door(
    tmp_path: Path, short: None, monkeypatch: pytest.MonkeyPatch, door: Door
) -> None:
    monkeypatch.setattr(verdicts, "_carries", lambda winners, real, mechanism: winners.any(axis=0))
    ended = door(simulate.main, "--replications", "150", "--json", f"results={tmp_path}")
    assert ended.code == 1
    assert len(json.loads(ended.out)) == len(simulate.rows())


def test_too_few_replications_are_one_line(tmp_path: Path, door: Door) -> None:
    ended = door(simulate.main, "--replications", "5", f"results={tmp_path}")
    assert ended.code == 2
    assert "at least 100" in ended.err
    assert list(tmp_path.iterdir()) == []
