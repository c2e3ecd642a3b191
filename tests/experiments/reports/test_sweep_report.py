"""What a run prints at its end: arms, effects, the contrasts that claims rest on, checks and verdicts."""

import dataclasses
from pathlib import Path

import pytest

from cnnlab.records import Store
from experiments.cli.console import terminal
from experiments.config.grid import Grid
from experiments.config.resolve import Point
from experiments.reports.sweep import build_report, print_report, write_report
from experiments.training.summary import Summary

from ..conftest import Compose, Plant

TABLES = (
    "Arms: test accuracy",
    "Paired difference from [2,4], points",
    "What the claims rest on",
    "\ncheck: ",
    "Verdicts",
)
PROBES = {"linear_probe/first/drop": -0.1, "linear_probe/last/drop": 0.0}


def planted(compose: Compose, plant: Plant, scale: str, results: Path) -> Grid:
    """Records of every arm of pool_position on one task: the reference is the best."""
    plan: Grid = compose("pool_position", scale, "data=digits12", "match=none")
    plan = dataclasses.replace(plan, settings=dataclasses.replace(plan.settings, results=results))
    store = Store(plan.settings.runs)

    def accuracy(point: Point) -> float:
        return 0.5 if point.check == "positive" else 0.9 if point.level in ("", "[2,4]") else 0.8

    for point in (*plan.points, *plan.checks):
        store.write(plant(point, accuracy(point), probes=PROBES), {})
    return plan


def printed(plan: Grid, capsys: pytest.CaptureFixture[str]) -> str:
    print_report(build_report(plan), Summary(), terminal())
    return capsys.readouterr().out


def test_at_quick_every_table_is_printed(
    composed: Compose, plant: Plant, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = printed(planted(composed, plant, "quick", tmp_path), capsys)
    for title in TABLES:
        assert title in said
    assert "Scale smoke" not in said
    assert "90.0 [" in said  # a mean with its interval


def test_at_smoke_one_sentence_says_what_it_shows_and_what_to_run_next(
    composed: Compose, plant: Plant, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = printed(planted(composed, plant, "smoke", tmp_path), capsys)
    assert "Scale smoke shows that everything runs; its 2 members an arm decide nothing." in said
    assert "python -m experiments.run +sweep=pool_position" in said
    assert not any(title in said for title in TABLES[1:4])
    assert "90.0 [" not in said  # two members have no interval worth printing


@pytest.mark.slow
def test_a_report_is_written_once_and_the_same_from_any_caller(composed: Compose, plant: Plant, tmp_path: Path) -> None:
    plan = planted(composed, plant, "quick", tmp_path)
    first = build_report(plan)
    again = build_report(plan, first.results, first.verdicts)
    write_report(first)
    written = {path.name: path.read_bytes() for path in first.folder.iterdir() if path.suffix in (".csv", ".json")}
    assert set(written) == {"arms.csv", "effects.csv", "verdicts.json"}
    write_report(again)
    assert written == {name: (again.folder / name).read_bytes() for name in written}
