"""The suite: what it trains and when, how long it says it takes, and that no failure stops the rest."""

import dataclasses
import json
import os
import socket
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from cnnlab.records import Store
from cnnlab.spec.arm import Arm
from cnnlab.spec.invalid import InvalidError
from experiments import suite
from experiments.analysis.convergence import longer_point
from experiments.analysis.results import SweepResults
from experiments.cli.command import ExitCode
from experiments.cli.errors import UsageError
from experiments.config.grid import Grid, grid
from experiments.config.resolve import Point
from experiments.page import building
from experiments.page.evidence import Judged
from experiments.paths import CONF
from experiments.reports import suite as suite_report
from experiments.reports import sweep as sweep_report
from experiments.reports.sweep import SweepReport
from experiments.training import convolutions, estimate, own_modules, provenance, session, suite_plan, suite_train
from experiments.training.estimate import Pace
from experiments.training.suite_plan import CONTROL, Plan, Stage

from .conftest import Compose, Door, Ended, banks

TINY = ("scale=smoke", "model.width=2", "scale.max_train_images=64", "scale.max_epochs=1", "tracker=off")
SOME = ("pool_position", "relu_at_zero", "linear_depth")
"""Two sweeps that share reference and checks, and one that has its own."""


@pytest.fixture(scope="module")
def grids(composed: Compose) -> dict[str, Grid]:
    return {name: composed(name, "smoke") for name in SOME}


@pytest.fixture(scope="module")
def whole(grids: dict[str, Grid]) -> Plan:
    return suite_plan.make(grids, SOME, with_control=True)


def arms(points: Sequence[Point]) -> set[str]:
    return {point.arm.key for point in points}


# What is trained, and when.


def each_arm_once(stages: Sequence[Stage], asked: Sequence[Point]) -> bool:
    """Whether every arm that is asked for is trained by exactly one stage, and nothing else is."""
    counts = Counter(point.arm.key for stage in stages for point in stage.points)
    return set(counts) == {point.arm.key for point in asked} and set(counts.values()) == {1}


def sweep_by_sweep(whole: Plan) -> tuple[Stage, ...]:
    """The fault: every sweep trains all that it asks for."""
    return tuple(Stage(name=name, points=whole.asked(one)) for name, one in whole.sweeps.items())


def test_an_arm_that_sweeps_share_is_trained_once(grids: dict[str, Grid], whole: Plan) -> None:
    asked = [point for one in grids.values() for point in (*one.points, *one.checks)]
    assert each_arm_once(suite_plan.stages(whole), asked)
    assert not each_arm_once(sweep_by_sweep(whole), asked)
    assert whole.shared == 4
    assert len(whole.points) == len(arms(asked)) == 3 * 6 - 4


def test_what_sweeps_share_of_references_and_checks_comes_first(whole: Plan) -> None:
    first, *others = suite_plan.stages(whole)
    assert first.name == CONTROL
    assert [point.check for point in first.points] == ["none", "positive", "sensitivity", "a_a"]
    assert not any(point.check != "none" for stage in others for point in stage.points if stage.name != "linear_depth")


def test_a_sweep_trains_its_own_reference_and_checks_before_its_other_arms(whole: Plan) -> None:
    (own,) = (stage for stage in suite_plan.stages(whole) if stage.name == "linear_depth")
    assert [point.level for point in own.points][:1] == ["relu"]
    assert [point.check for point in own.points] == ["none", "positive", "sensitivity", "a_a", "none", "none"]


def test_every_sweep_file_has_a_bank_and_is_found_by_its_path() -> None:
    found = suite_plan.banks()
    assert CONTROL not in found
    assert sorted(name for names in found.values() for name in names) == sorted(
        path.stem for path in (CONF / "sweep").glob("*.yaml")
    )
    assert "pool_position" in found["PLACE"]


def test_sweeps_are_chosen_by_name_or_bank_and_a_slip_names_the_choices() -> None:
    every, control = suite_plan.choose(())
    assert (len(every), control) == (len(list((CONF / "sweep").glob("*.yaml"))), True)
    assert suite_plan.choose(("PLACE", "pool_position", "relu_at_zero")) == (
        ("relu_at_zero", *suite_plan.banks()["PLACE"]),
        False,
    )
    assert suite_plan.choose((CONTROL,)) == ((), True)
    with pytest.raises(UsageError, match=r"only=PLACES is neither .* CONTROL, ACT, .* pool_position") as caught:
        suite_plan.choose(("PLACES",))
    assert "\n" not in str(caught.value)


def test_control_alone_is_what_several_sweeps_share(grids: dict[str, Grid]) -> None:
    (only,) = suite_plan.stages(suite_plan.make(grids, (), with_control=True))
    assert only.name == CONTROL
    assert len(only.points) == 4


def test_arms_whose_data_are_missing_are_left_out_and_others_stay(whole: Plan) -> None:
    less = dataclasses.replace(whole, missing={"linear_xor": "no network"})
    assert {point.arm.task.name for point in less.points} == {"digits12"}
    assert len(less.points) == len(whole.points) - 6


# What it takes.


def test_an_arm_costs_more_the_more_there_is_to_do(grids: dict[str, Grid]) -> None:
    point = grids["pool_position"].points[1]
    cost = estimate.core_seconds(point)

    def changed(**recipe: Any) -> float:
        arm = dataclasses.replace(point.arm, recipe=dataclasses.replace(point.arm.recipe, **recipe))
        return estimate.core_seconds(dataclasses.replace(point, arm=arm))

    assert changed(epochs=8) > cost
    assert changed(rates=1) < cost
    assert estimate.core_seconds(dataclasses.replace(point, seeds=tuple(range(20)))) > cost
    dearer = max(grids["pool_position"].points, key=estimate.core_seconds)
    assert dearer.level == "[2,6]"


def leave(runs: Path, points: Sequence[Point], pace: float, workers: int = 2, **facts: Any) -> None:
    """Provenance as a pass leaves it that trained these points on a machine of that pace."""
    seconds = 0.0
    for point in points:
        seconds += pace * estimate.core_seconds(point) / workers
        folder = runs / point.arm.key
        folder.mkdir(parents=True)
        content = {
            "started": "2026-01-01T00:00:00+00:00",
            "pid": 1,
            "host": socket.gethostname(),
            "backend": "cpu",
            "workers": workers,
            "seconds": seconds,
            **facts,
        }
        (folder / "provenance.json").write_text(json.dumps(content))


def test_the_pace_is_that_of_the_records_there_are(whole: Plan, tmp_path: Path) -> None:
    leave(tmp_path, whole.points[:5], pace=3.0)
    found = estimate.machine_pace([tmp_path], whole.points, workers=4, backend="cpu")
    assert (found.arms, found.workers) == (5, 4)
    assert found.factor == pytest.approx(3.0)
    assert found.seconds(whole.points) == pytest.approx(3 * sum(map(estimate.core_seconds, whole.points)) / 4)


def test_passes_of_several_folders_count_together(whole: Plan, tmp_path: Path) -> None:
    """The original's beside the replication's. The twin: a pace of one folder alone is that folder's."""
    leave(tmp_path / "first", whole.points[:10], pace=1.0)
    leave(tmp_path / "again", whole.points[:5], pace=4.0)
    places = [tmp_path / "first", tmp_path / "again"]
    both = estimate.machine_pace(places, whole.points, workers=2, backend="cpu")
    alone = estimate.machine_pace(places[1:], whole.points, workers=2, backend="cpu")
    price = sum(map(estimate.core_seconds, whole.points[:10])), sum(map(estimate.core_seconds, whole.points[:5]))
    assert both.arms == 15
    assert both.factor == pytest.approx((price[0] + 4 * price[1]) / sum(price))
    assert alone.factor == pytest.approx(4.0)


def test_what_was_never_measured_is_a_range(whole: Plan) -> None:
    supposed, measured = Pace(workers=2), Pace(workers=2, factor=2.0, arms=30)
    assert supposed.spoken(1200) == "20 to 40 min"
    assert measured.spoken(1200) == "20 min"
    assert (supposed.known, measured.known) == (
        "not yet measured on this machine",
        "as 30 arms took on this machine before",
    )


def test_passes_elsewhere_stopped_early_or_of_other_arms_say_nothing(whole: Plan, tmp_path: Path) -> None:
    leave(tmp_path / "other", whole.points[:5], pace=3.0, host="elsewhere")
    leave(tmp_path / "gpu", whole.points[:5], pace=3.0, backend="gpu")
    leave(tmp_path / "more", whole.points[:5], pace=3.0)
    leave(tmp_path / "stopped", whole.points[:3], pace=3.0)
    for place, content in enumerate(("{", "[]", "[" * 100_000, None)):
        broken = tmp_path / "broken" / f"arm{place}"
        broken.mkdir(parents=True)
        if content is None:
            os.mkfifo(broken / "provenance.json")
        else:
            (broken / "provenance.json").write_text(content)
    for place, seconds in enumerate((float("nan"), float("inf"), 1e300, -1.0)):
        leave(tmp_path / f"odd{place}", whole.points[:4], pace=3.0)
        path = min((tmp_path / f"odd{place}").glob("*/provenance.json"))
        path.write_text(json.dumps({**json.loads(path.read_text()), "seconds": seconds}))
    for folder in ("other", "gpu", "stopped", "broken", "none", "odd0", "odd1", "odd2", "odd3"):
        assert estimate.machine_pace([tmp_path / folder], whole.points, workers=2, backend="cpu") == Pace(workers=2)
    assert estimate.machine_pace([tmp_path / "more"], whole.points[:4], workers=2, backend="cpu") == Pace(workers=2)


def follows(clock: suite_train.Clock, pace: float) -> bool:
    """Whether the time left becomes that of a machine of another pace, once a few arms have shown it."""
    first, rest = clock.left[:4], clock.left[4:]
    clock.book(first, pace * sum(map(estimate.core_seconds, first)) / 2)
    return bool(np.isclose(clock.remaining, pace * sum(map(estimate.core_seconds, rest)) / 2))


def test_the_time_left_follows_the_machine(whole: Plan) -> None:
    def clock(kind: type[suite_train.Clock]) -> suite_train.Clock:
        return kind(pace=Pace(workers=2), left=list(whole.points))

    class Stubborn(suite_train.Clock):
        """The fault: it stays with what was supposed before."""

        def book(self, points: Any, seconds: float) -> None:
            names = {point.arm.key for point in points}
            self.left = [point for point in self.left if point.arm.key not in names]

    assert follows(clock(suite_train.Clock), 5.0)
    assert not follows(clock(Stubborn), 5.0)


def test_what_was_there_before_does_not_count_for_the_pace(whole: Plan) -> None:
    clock = suite_train.Clock(pace=Pace(workers=2), left=list(whole.points[4:]))
    clock.book(whole.points[:4], 0.01)
    assert clock.pace == Pace(workers=2)
    assert clock.left == list(whole.points[4:])


# The door, with a training that takes no time.


@dataclasses.dataclass(frozen=True)
class Suite:
    """The suite's command on an empty results folder, and the arms that it trained when it was last called."""

    results: Path
    door: Door
    trained: list[str]

    def __call__(self, *words: str) -> Ended:
        self.trained.clear()
        return self.door(suite.main, *words, f"results={self.results}")


def page_of_words(path: Path, asked: building.Asked, console: Console, found: Judged) -> None:
    """Stands for the page: the scale's depth, and every claim with its word."""
    words = [f"{name} {verdict.word}" for name, verdict in found.verdicts.items()]
    path.write_text("\n".join(["fast" if asked.fast else "whole", *words, *found.views]))


@pytest.fixture
def opened(
    tmp_path: Path,
    door: Door,
    untrained: list[str],
    composed_once: Callable[[list[str]], Grid],
    monkeypatch: pytest.MonkeyPatch,
) -> Suite:
    """The command with a training that takes no time; it judges two claims and draws nothing."""
    monkeypatch.setattr(suite_plan, "grid", composed_once)
    monkeypatch.setattr(suite_plan, "banks", banks)
    fed = {"mp-after-two-convs", "mp-after-features"}
    entries = {name: entry for name, entry in suite_report.entries().items() if name in fed}
    feeds = {"pool_position": tuple(entries)}
    monkeypatch.setattr(suite_report, "entries", lambda: entries)
    monkeypatch.setattr(sweep_report, "related", lambda sweep: ())
    monkeypatch.setattr(sweep_report, "draw_effects", lambda report: None)
    monkeypatch.setattr(sweep_report.sweep_figures, "draw", lambda *_: "")
    monkeypatch.setattr(building, "write_page", page_of_words)
    for place in (suite_report, sweep_report):
        monkeypatch.setattr(place, "claims_fed_by", lambda sweep: feeds[sweep] if sweep in feeds else ())
    return Suite(results=tmp_path / "results", door=door, trained=untrained)


ASKED = ("only=pool_position,relu_at_zero", *TINY)


def test_the_suite_trains_judges_writes_and_goes_on_where_it_stopped(opened: Suite) -> None:
    done = opened(*ASKED)
    assert (done.code, done.err) == (0, "")
    assert len(opened.trained) == len(set(opened.trained)) == 8
    assert "8 arms at scale smoke, 4 of them shared" in done.out
    assert "2 claims: 2 inconclusive" in done.out
    assert "too few for any verdict from training but inconclusive" in done.out
    folder = opened.results / "suite" / "smoke"
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["arms"] == {"planned": 8, "shared": 4, "trained": 8, "found done": 0}
    assert summary["verdicts"] == {"inconclusive": 2}
    assert list(pd.read_csv(folder / "verdicts.csv")["verdict"]) == ["inconclusive"] * 2
    assert {one["id"] for one in json.loads((folder / "verdicts.json").read_text())} == {
        "mp-after-two-convs",
        "mp-after-features",
    }
    for name in ("pool_position", "relu_at_zero"):
        written = {path.name for path in (opened.results / "sweeps" / name / "smoke").iterdir()}
        assert {"arms.csv", "effects.parquet", "verdicts.json"} <= written
    assert "side by side" not in done.out
    page = (folder / "report.html").read_text().splitlines()
    assert sorted(page) == sorted(
        ["fast", "mp-after-features inconclusive", "mp-after-two-convs inconclusive", "pool_position", "relu_at_zero"]
    )
    done = opened(*ASKED)
    assert (done.code, opened.trained) == (0, [])
    assert "trained 0 arms, found 8 done, 0 failures" in done.out


def test_the_same_convolutions_train_every_stage_and_what_is_looked_at_again(
    opened: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    def all_again(sweep: SweepResults) -> tuple[Point, ...]:
        return tuple(map(longer_point, sweep.cells))

    monkeypatch.setattr(suite_train, "longer_points", all_again)
    assert opened(*ASKED).code == 0
    store = Store(opened.results / "runs")
    assert {store.read(arm).config["recipe"]["epochs"] for arm in store.arms()} == {1, 3}
    assert {provenance.convolutions(store.provenance(arm)) for arm in store.arms()} == {"native-0123"}


def test_our_own_convolutions_that_cannot_be_had_are_one_line_and_nothing_is_written(
    opened: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convolutions, "_missing", lambda: "planted")
    done = opened(*ASKED, "convolutions=native")
    assert (done.code, opened.trained) == (ExitCode.USAGE, [])
    assert done.err == "error: convolutions=native is not valid: planted; choose xla\n"
    assert list(tmp_path.iterdir()) == []


def test_modules_are_tried_before_anything_is_written(
    opened: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_modules, "check", no_such_module)
    done = opened(*ASKED)
    assert (done.code, opened.trained) == (ExitCode.USAGE, [])
    assert done.err == "error: model.make=nets:Net is not valid: planted\n"
    assert list(tmp_path.iterdir()) == []


def no_such_module(points: Sequence[Point]) -> None:
    assert points
    raise InvalidError("model.make", "nets:Net", "planted")


def test_a_suite_over_records_of_both_kinds_goes_on(opened: Suite) -> None:
    """It refuses nothing: what was made with XLA's convolutions counts beside what is made with our own."""
    assert opened("only=relu_at_zero", *TINY, "convolutions=xla").code == 0
    done = opened(*ASKED)
    assert (done.code, done.err, len(opened.trained)) == (0, "", 2)
    store = Store(opened.results / "runs")
    made = Counter(provenance.convolutions(store.provenance(arm)) for arm in store.arms())
    assert made == {"xla": 6, "native-0123": 2}
    assert "convolutions: 2 native and 6 xla records stand side by side" in done.out


def test_an_arm_or_a_sweep_that_fails_stops_no_other_and_is_told(
    opened: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, half = session.training, grid(["+sweep=relu_at_zero", "arm=half", *TINY]).points[0].arm

    def failing(arm: Arm, *rest: Any) -> Any:
        if arm == half:
            raise MemoryError("planted in an arm")
        return (yield from real(arm, *rest))

    monkeypatch.setattr(session, "training", failing)
    honest = suite.write_report

    def writing(report: SweepReport) -> str:
        if report.name == "pool_position":
            raise ZeroDivisionError("planted in a sweep")
        return honest(report)

    monkeypatch.setattr(suite, "write_report", writing)
    done = opened(*ASKED)
    assert done.code == ExitCode.FAILED
    assert "trained 7 arms, found 0 done, 2 failures" in done.out
    assert "planted in an arm" in done.err
    assert "failed: pool_position: ZeroDivisionError: planted in a sweep" in done.err
    assert "relu_at_zero: 5 of 6 arms" in done.out
    store = Store(opened.results / "runs")
    assert len(list(store.root.rglob("record.json"))) == 7
    assert "planted in a sweep" in (opened.results / "suite" / "smoke" / "pool_position.failure.txt").read_text()


def test_a_page_that_cannot_be_built_is_told_at_the_end(opened: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError("planted in the page")

    monkeypatch.setattr(building, "write_page", broken)
    done = opened(*ASKED)
    assert done.code == ExitCode.FAILED
    assert "failed: report: ZeroDivisionError: planted in the page" in done.err
    assert [
        one["what"] for one in json.loads((opened.results / "suite" / "smoke" / "summary.json").read_text())["failures"]
    ] == ["report"]


def test_a_dry_run_prints_the_plan_and_touches_nothing(opened: Suite) -> None:
    done = opened(*ASKED, "--dry-run")
    assert (done.code, done.err, opened.trained) == (0, "", [])
    assert "CONTROL" in done.out
    assert "estimate: " in done.out
    assert "not yet measured on this machine" in done.out
    assert f"on disk: 0.0 MiB in {opened.results}" in done.out
    assert not opened.results.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("pool_position",), "only=pool_position"),
        (("+sweep=pool_position",), "only=pool_position"),
        (("only=poolposition",), "neither a bank nor a sweep"),
        (("only=",), "only= is empty"),
        (("only=pool_position", "scale=tiny"), "choose one of full, quick, smoke"),
        (("only=pool_position", "scale=smoke", "modle.width=2"), "modle.width is not a key"),
        (("only=pool_position", "scale=smoke", "scale.hours=1"), "scale.hours"),
    ],
)
def test_a_wrong_argument_is_one_line(opened: Suite, words: tuple[str, ...], said: str) -> None:
    done = opened(*words)
    assert done.code == ExitCode.USAGE
    assert done.err.startswith("error: ")
    assert said in done.err
    assert done.err.count("\n") == 1
    assert not opened.results.exists()


def test_a_record_that_cannot_be_used_is_one_line(opened: Suite) -> None:
    assert opened(*ASKED).code == 0
    path = next((opened.results / "runs").glob("*/record.json"))
    path.write_text("{")
    done = opened(*ASKED)
    assert done.code == ExitCode.USAGE
    assert str(path) in done.err
    assert opened.trained == []
