"""What a run prints at its end: arms, effects, the contrasts that claims rest on, checks and verdicts."""

import dataclasses
import re
from pathlib import Path

import pytest

from cnnlab.records import Store
from cnnlab.report import figures
from cnnlab.report.figures import ArmDot, TaskPanel
from experiments.cli.console import terminal
from experiments.config.grid import Grid
from experiments.config.resolve import Point
from experiments.reports import ratios, sweep
from experiments.reports.sweep import build_report, finish, panels, print_tables, write_report
from experiments.training.summary import Summary

from ..conftest import Compose, Plant

TABLES = (
    "Arms: test accuracy in %, where members are read",
    "Test accuracy in % at every learning rate",
    "Errors, as a multiple of those of [2,4]",
    "What the claims rest on",
    "\ncheck: ",
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
    print_tables(build_report(plan), terminal())
    return capsys.readouterr().out


def ended(plan: Grid, capsys: pytest.CaptureFixture[str], *, verbose: bool = False) -> str:
    """What the end of a run prints."""
    plan = dataclasses.replace(plan, settings=dataclasses.replace(plan.settings, cache=plan.settings.results / "cache"))
    finish(plan, Summary(trained=3), terminal(), verbose=verbose)
    return capsys.readouterr().out


def test_the_end_of_a_run_fits_a_screen_and_says_what_was_found_and_what_to_do_next(
    composed: Compose, plant: Plant, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: with --verbose every table stands before it."""
    monkeypatch.setattr(sweep, "write_report", lambda report: "")
    plan = planted(composed, plant, "quick", tmp_path)
    short, long = ended(plan, capsys), ended(plan, capsys, verbose=True)
    assert len(short.splitlines()) <= 24
    assert "trained 3 arms" in short
    assert "mp-after-two-convs" in short
    assert "checks: " in short
    assert f"{tmp_path}/sweeps/pool_position/quick/" in short
    assert "--verbose" in short
    assert "python -m experiments.judge mp-" in short
    assert not any(title in short for title in TABLES)
    assert all(title in long for title in TABLES)
    assert long.index(TABLES[0]) < long.index("mp-after-two-convs  ")
    assert "every table" not in long


def test_at_quick_every_table_is_printed(
    composed: Compose, plant: Plant, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = printed(planted(composed, plant, "quick", tmp_path), capsys)
    for title in TABLES:
        assert title in said
    assert "Scale smoke" not in said
    assert re.search(r"(89|90)\.\d \[", said)  # a mean with its interval
    assert "0.008 of 3 tried" in said
    assert re.search(r"0\.004: 8[56]\.\d   0\.008: (89|90)\.\d\*   0\.016: 8[12]\.\d", said)
    assert re.search(r"x(1\.9|2\.0)\d \[1\.\d\d, 2\.\d\d\]", said)  # 80 % beside 90 %
    assert "-10.0 pp" in said
    for gone in ("own-best", "common", "tuning", "condition", "look"):
        assert gone not in said


def test_at_smoke_one_sentence_says_what_it_shows_and_what_to_run_next(
    composed: Compose, plant: Plant, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = planted(composed, plant, "smoke", tmp_path)
    assert not any(title in printed(plan, capsys) for title in TABLES[2:])
    said = ended(plan, capsys)
    assert "Scale smoke only shows that everything runs: 2 members an arm decide nothing." in said
    assert "next, for verdicts: python -m experiments.run +sweep=pool_position" in said
    assert "FAILED" not in said
    assert "[" not in said.replace("[2,4]", "")
    assert not any(title in said for title in TABLES)
    assert not re.search(r"(89|90)\.\d \[", said)  # two members have no interval worth printing


@pytest.mark.slow
def test_a_report_is_written_once_and_the_same_from_any_caller(composed: Compose, plant: Plant, tmp_path: Path) -> None:
    plan = planted(composed, plant, "quick", tmp_path)
    first = build_report(plan)
    again = build_report(plan, first.results, first.verdicts)
    write_report(first)
    written = {path.name: path.read_bytes() for path in first.folder.iterdir() if path.suffix in (".csv", ".json")}
    assert set(written) == {"arms.csv", "curves.csv", "effects.csv", "verdicts.json"}
    write_report(again)
    assert written == {name: (again.folder / name).read_bytes() for name in written}


def test_an_arm_at_chance_says_that_its_ratio_is_capped(
    composed: Compose, plant: Plant, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The twin: no other arm says so."""
    plan = planted(composed, plant, "quick", tmp_path)
    store, dead = Store(plan.settings.runs), next(point for point in plan.points if point.level == "[2,6]")
    store.set_aside(dead.arm.key)
    store.write(plant(dead, 0.8, lost=tuple(range(len(dead.seeds)))), {})
    said = printed(plan, capsys)
    assert said.count("more (one at chance: capped)") == 1
    assert "12/12" in said
    assert "0.004: 10.0 (12 lost)" in said


# The figure of every sweep.


def drawn_ratios(panel: TaskPanel) -> dict[int, float]:
    """Where marks stand on the axis of ratios, by the number of their level."""
    figure = figures.sweep([panel], title="?", factor="pools", reference="(2,4)")
    axes = figure.axes[2]
    assert axes.get_yscale() == "log"
    band = [patch for patch in axes.patches if patch.get_width() == 1]
    (low, high) = (band[0].get_y(), band[0].get_y() + band[0].get_height())
    assert (low, high) == pytest.approx((1 / 1.15, 1.15))
    marks = [one.lines[0].get_xydata()[0] for one in axes.containers]
    return {round(x): y for x, y in marks}


def as_points(panel: TaskPanel) -> TaskPanel:
    """The fault: points of accuracy on the axis of ratios."""
    reference = next(sum(dot.members) / len(dot.members) for dot in panel.dots if dot.ratio is None)

    def faulty(dot: ArmDot) -> ArmDot:
        gap = 1 + 100 * (reference - sum(dot.members) / len(dot.members))
        return dot if dot.ratio is None else dataclasses.replace(dot, ratio=(gap, gap, gap))

    return dataclasses.replace(panel, dots=tuple(map(faulty, panel.dots)))


def test_the_figure_shows_ratios_of_errors_and_points_would_be_seen(
    composed: Compose, plant: Plant, tmp_path: Path
) -> None:
    report = build_report(planted(composed, plant, "quick", tmp_path))
    (panel,) = panels(report)
    found = drawn_ratios(panel)
    assert len(found) == 6
    assert all(ratio == pytest.approx(0.2 / 0.1, rel=0.1) for ratio in found.values())
    assert not all(ratio == pytest.approx(0.2 / 0.1, rel=0.1) for ratio in drawn_ratios(as_points(panel)).values())
    table = {row["level"]: row for row in report.effects.to_dict("records")}
    assert all(row["ratio_low"] < row["ratio"] < row["ratio_high"] for row in table.values())
    assert sorted(round(row["ratio"], 6) for row in table.values()) == sorted(round(one, 6) for one in found.values())


def test_the_figure_shows_every_member_at_every_rate_and_marks_where_it_is_read(
    composed: Compose, plant: Plant, tmp_path: Path
) -> None:
    (panel,) = panels(build_report(planted(composed, plant, "quick", tmp_path)))
    axes = figures.sweep([panel], title="?", factor="pools", reference="(2,4)").axes[0]
    members = sum(len(line.get_ydata()) for line in axes.lines if line.get_marker() == ".")
    assert members == 7 * 3 * 12
    read = [line.get_xydata()[0] for line in axes.lines if line.get_marker() == "o"]
    assert [round(x) for x, _ in read] == list(range(7))
    means = [100 * sum(dot.members) / len(dot.members) for dot in panel.dots]
    assert [y for _, y in read] == pytest.approx(means)


def test_a_ratio_reads_the_same_way_in_every_table(composed: Compose, plant: Plant, tmp_path: Path) -> None:
    """An arm's errors over the reference's: above 1 where the arm is worse, and its points are below 0 then."""
    report = build_report(planted(composed, plant, "quick", tmp_path))
    for _, effect in report.pairs:
        assert ratios.errors_of_better(effect).middle == pytest.approx(1 / ratios.errors_of_worse(effect).middle)
        assert ratios.errors_of_better(effect).middle > 1 > ratios.errors_of_worse(effect).middle
        assert effect.call == "neg"
        assert ratios.points(effect).startswith("-")
