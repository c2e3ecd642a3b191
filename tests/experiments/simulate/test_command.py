"""The door that judges the judge: rows that can be missed, a table that is written, what the protocol asks for."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cnnlab.inference import effects
from experiments.simulate import __main__ as simulate
from experiments.simulate import rates
from experiments.simulate.rates import AskedRate, FoundRate, Relation, find, rows

Door = Callable[..., Any]


def row(must: float | None, relation: Relation = "about", within: float = 0.0, successes: int = 50) -> FoundRate:
    made = AskedRate(group="g", what="w", count=lambda n: (successes, n), must=must, within=within, relation=relation)
    return find(made, 1000)


@pytest.mark.parametrize(
    ("must", "relation", "within", "reached"),
    [
        (5, "about", 0, True),  # found 5 % [3.8, 6.5]
        (7, "about", 0, False),
        (7, "about", 1, True),
        (3, "about", 0, False),
        (3, "about", 1, True),
        (3, "at most", 0, False),
        (4, "at most", 0, True),
        (6, "at least", 0, True),
        (9, "at least", 0, False),
        (None, "about", 0, None),
    ],
)
def test_a_rate_is_reached_where_the_interval_allows_it(
    must: float | None, relation: Relation, within: float, reached: bool | None
) -> None:
    assert row(must, relation, within).reached is reached


def test_rows_are_distinct_and_all_that_must_be_reached_is_asked() -> None:
    every = rows()
    assert 60 < len(every) <= 100
    assert len({(one.group, one.what) for one in every}) == len(every)
    asked = {(one.relation, one.must, one.within) for one in every}
    assert {("at most", 0.5, 0.0), ("at most", 2, 0.0), ("at least", 90, 0.0), ("at least", 98, 0.0)} <= asked
    assert ("about", 95, 1.5) in asked
    said = " ".join(f"{one.group} {one.what}" for one in every)
    for part in (
        "supported or reversed",
        "falsely qualified",
        "falsely refuted",
        "by task",
        "by match",
        "moderator",
        "by steps",
        "1.5 margins",
        "2 margins",
        "mechanism",
        *(f"{task}, {curves}: ratio" for task in ("digits12", "textures12", "fashion12") for curves in rates.CURVES),
        "points",
        "signed rank",
        "Wilson",
        "bootstrap ratio",
        "BCa",
    ):
        assert part in said


def of_group(start: str) -> tuple[AskedRate, ...]:
    found = tuple(one for one in rows() if one.group.startswith(start))
    assert found
    return found


@pytest.mark.slow
@pytest.mark.parametrize("start", ["Three real tasks", "Qualified", "A mechanism", "Coverage of other"])
def test_what_the_protocol_asks_of_verdicts_is_reached(start: str) -> None:
    missed = [one.row.what for one in (find(asked, 400) for asked in of_group(start)) if one.reached is False]
    assert len(missed) <= 1  # one of so many may miss its 95 % interval by chance


def test_a_judge_with_another_factor_misses_what_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice the factor: no effect of 1.5 margins is found any more."""
    rates.simulate.cache_clear()
    monkeypatch.setattr(effects, "CALIBRATION", 2 * effects.CALIBRATION)
    found = [find(one, 100) for one in of_group("Three real tasks, 12 members")]
    rates.simulate.cache_clear()
    assert any(one.reached is False and "power" in one.row.what for one in found)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few rows, so that the door opens in seconds."""
    monkeypatch.setattr(simulate, "rows", lambda: (*of_group("A mechanism")[:3], *of_group("Coverage of other")[:4]))


def test_the_door_writes_a_table_and_a_figure(tmp_path: Path, short: None, door: Door) -> None:
    ended = door(simulate.main, "--replications", "200", f"results={tmp_path}")
    assert ended.code == 0
    said = ended.out
    assert "7 of 7 are what they must be" in said
    for column in ("must", "reached", "95 % interval"):
        assert column in said
    with (tmp_path / "simulation" / "rates.csv").open() as file:
        found = list(csv.DictReader(file))
    assert [one["what"] for one in found] == [one.what for one in simulate.rows()]
    assert all(float(one["low"]) <= float(one["reached"]) <= float(one["high"]) for one in found)
    assert (tmp_path / "simulation" / "rates.png").stat().st_size > 10_000


def test_a_rate_that_is_missed_fails_the_door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, door: Door) -> None:
    monkeypatch.setattr(simulate, "rows", lambda: (row(3, "at most").row,))
    ended = door(simulate.main, "--replications", "1000", "--json", f"results={tmp_path}")
    assert ended.code == 1
    assert [one["ok"] for one in json.loads(ended.out)] == [False]


def test_too_few_replications_are_one_line(tmp_path: Path, door: Door) -> None:
    ended = door(simulate.main, "--replications", "5", f"results={tmp_path}")
    assert ended.code == 2
    assert "between 100 and 1000000" in ended.err
    assert list(tmp_path.iterdir()) == []
