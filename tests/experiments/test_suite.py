"""The suite: what it trains and when, what it cuts, how long it says it takes, and that no failure stops the rest."""

import dataclasses
import json
import socket
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from cnnlab.geometry.measured import measured
from cnnlab.records import Store
from cnnlab.spec.arm import Arm, plain
from cnnlab.spec.record import COMMON, OWN, PROTOCOL, Finals, Record, Tuning
from cnnlab.zoo.lowering import network
from experiments import suite
from experiments.analysis.verdicts import primary
from experiments.claims.base import Trained
from experiments.claims.registry import claims
from experiments.cli.errors import UsageError
from experiments.config.grid import CONF, Grid, grid
from experiments.config.resolve import Point
from experiments.reports import suite as suite_report
from experiments.training import convolutions, estimate, session, suite_plan, suite_train
from experiments.training.estimate import Pace
from experiments.training.provenance import kind
from experiments.training.suite_plan import CONTROL, Plan, Stage, named

TINY = ("scale=smoke", "model.width=2", "scale.max_train_images=64", "scale.max_epochs=1", "tracker=off")
SOME = ("pool_position", "relu_at_zero", "linear_depth")
"""Two sweeps that share reference and checks, and one that has its own."""


@pytest.fixture(scope="module")
def grids() -> dict[str, Grid]:
    return suite_plan.compose(SOME, ["scale=smoke", "tracker=off"])


@pytest.fixture(scope="module")
def whole(grids: dict[str, Grid]) -> Plan:
    return suite_plan.make(grids, SOME, with_control=True)


def arms(points: Sequence[Point]) -> set[str]:
    return {point.arm.key for point in points}


# What is trained, and when.


def each_arm_once(stages: Sequence[Stage], asked: Sequence[Point]) -> bool:
    """Whether every arm that is asked for is trained by exactly one stage, and nothing else is."""
    counts = Counter(named(point) for stage in stages for point in stage.points)
    return set(counts) == {named(point) for point in asked} and set(counts.values()) == {1}


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


# Cuts.

HOUR = 3600.0


def per_arm(points: Any) -> float:
    """A price for which it is easy to count: an hour an arm."""
    return HOUR * len(list(points))


def with_cuts(whole: Plan, hours: float, *cuts: str) -> Plan:
    return dataclasses.replace(whole, settings=dataclasses.replace(whole.settings, hours=hours, cuts=cuts))


def trimmed(whole: Plan, hours: float, *cuts: str, done: set[suite_plan.Name] | None = None) -> Plan:
    return suite_plan.cut(with_cuts(whole, hours, *cuts), ["scale=smoke", "tracker=off"], per_arm, done or set())


def test_cuts_are_made_in_their_order_and_no_more_than_needed(whole: Plan) -> None:
    cuts = ("relu_at_zero arm=zero,half", "linear_depth", "pool_position model.pools=[2,4]")
    assert len(whole.points) == 14
    assert [one.what for one in trimmed(whole, 14, *cuts).cuts] == []
    assert [one.what for one in trimmed(whole, 13, *cuts).cuts] == [cuts[0]]
    less = trimmed(whole, 12, *cuts)
    assert [(one.what, one.arms, one.seconds) for one in less.cuts] == [(cuts[0], 1, HOUR), (cuts[1], 6, 6 * HOUR)]
    assert len(less.points) == 7
    assert set(less.sweeps) == {"pool_position", "relu_at_zero"}


def keeps_control(before: Plan, after: Plan) -> bool:
    return arms(before.control) <= arms(after.points)


def test_control_is_never_cut(whole: Plan) -> None:
    less = trimmed(whole, 1, *SOME)
    assert keeps_control(whole, less)
    assert not less.sweeps
    careless = dataclasses.replace(less, control=suite_plan.control(less.sweeps.values()))
    assert not keeps_control(whole, careless)


def test_without_hours_nothing_is_cut(whole: Plan) -> None:
    assert trimmed(whole, 0, "linear_depth") == with_cuts(whole, 0, "linear_depth")


def test_a_cut_that_saves_no_training_any_more_is_not_made(whole: Plan, grids: dict[str, Grid]) -> None:
    done = {named(point) for point in (*grids["linear_depth"].points, *grids["linear_depth"].checks)}
    assert [one.what for one in trimmed(whole, 8, "linear_depth", "relu_at_zero", done=done).cuts] == ["relu_at_zero"]


def test_a_cut_of_no_sweep_is_a_mistake_in_one_line(whole: Plan) -> None:
    with pytest.raises(UsageError, match=r"^scale.cuts: linear_depht .* no linear_depht.yaml"):
        trimmed(whole, 1, "linear_depht")


WRITTEN = [
    (path.stem, line)
    for path in sorted((CONF / "scale").glob("*.yaml"))
    for line in (yaml.safe_load(path.read_text())["scale"].get("cuts") or ())
]


def decided_matched(sweep: str) -> bool:
    """Whether a claim that a sweep feeds has equal compute or parameters as its own match."""
    found = {
        primary(dict(claim.rule.parts)[part] if part else claim.rule)
        for claim in claims().values()
        for part, source in claim.sources.items()
        if isinstance(source, Trained) and source.sweep == sweep
    }
    return bool(found - {"none"})


def narrows(line: str, scale: str) -> bool:
    """Whether a cut keeps some but not all of what its sweep's file asks for at a scale.

    Matched arms of generated tasks may go only where no claim is decided at a match.
    """
    name, *words = line.split()
    sweep = yaml.safe_load((CONF / "sweep" / f"{name}.yaml").read_text())["sweep"]
    for key, value in (word.split("=") for word in words):
        if key == "data" and not set(value.split(",")) < set(sweep["tasks"][scale].split(",")):
            return False
        if key == "sweep.match_on" and (value != "real" or sweep["matches"][scale] == "none" or decided_matched(name)):
            return False
        if key not in ("data", "sweep.match_on"):
            return False
    return True


@pytest.mark.parametrize(("scale", "line"), WRITTEN)
def test_every_cut_of_a_scale_narrows_its_sweep(scale: str, line: str) -> None:
    assert narrows(line, scale)
    assert not narrows(f"{line.split()[0]} data=no_such_task", scale)
    assert not narrows("even_kernels sweep.match_on=real", scale)


def test_a_cut_written_for_quick_is_composed_as_it_says() -> None:
    name, *words = next(line for _, line in WRITTEN if line.startswith("learn_slowly")).split()
    before, after = (grid([f"+sweep={name}", "scale=quick", *more]) for more in ([], words))
    assert arms(after.points) < arms(before.points)


# What it takes.


def test_an_arm_costs_more_the_more_there_is_to_do(grids: dict[str, Grid]) -> None:
    point = grids["pool_position"].points[1]
    cost = estimate.core_seconds(point)

    def changed(**recipe: Any) -> float:
        arm = dataclasses.replace(point.arm, recipe=dataclasses.replace(point.arm.recipe, **recipe))
        return estimate.core_seconds(dataclasses.replace(point, arm=arm))

    assert changed(epochs=8) > cost
    assert changed(tuning="none") < cost
    assert estimate.core_seconds(dataclasses.replace(point, blocks=(4,))) > cost
    dearer = max(grids["pool_position"].points, key=estimate.core_seconds)
    assert dearer.level == "[2,6]"


def leave(runs: Path, points: Sequence[Point], pace: float, workers: int = 2, **facts: Any) -> None:
    """Provenance as a pass leaves it that trained these points on a machine of that pace."""
    seconds = 0.0
    for point in points:
        seconds += pace * estimate.core_seconds(point) / workers
        folder = runs / point.arm.key / str(point.block)
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
    found = estimate.pace(tmp_path, whole.points, workers=4, backend="cpu")
    assert (found.arms, found.workers) == (5, 4)
    assert found.factor == pytest.approx(3.0)
    assert found.seconds(whole.points) == pytest.approx(3 * sum(map(estimate.core_seconds, whole.points)) / 4)


def test_other_machines_and_passes_that_trained_other_arms_say_nothing(whole: Plan, tmp_path: Path) -> None:
    leave(tmp_path / "other", whole.points[:5], pace=3.0, host="elsewhere")
    leave(tmp_path / "gpu", whole.points[:5], pace=3.0, backend="gpu")
    leave(tmp_path / "more", whole.points[:5], pace=3.0)
    broken = tmp_path / "broken" / "arm" / "0"
    broken.mkdir(parents=True)
    (broken / "provenance.json").write_text("{")
    for folder in ("other", "gpu", "broken", "none"):
        assert estimate.pace(tmp_path / folder, whole.points, workers=2, backend="cpu") == Pace(workers=2)
    assert estimate.pace(tmp_path / "more", whole.points[:4], workers=2, backend="cpu") == Pace(workers=2)


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
            names = {named(point) for point in points}
            self.left = [point for point in self.left if named(point) not in names]

    assert follows(clock(suite_train.Clock), 5.0)
    assert not follows(clock(Stubborn), 5.0)


def test_what_was_there_before_does_not_count_for_the_pace(whole: Plan) -> None:
    clock = suite_train.Clock(pace=Pace(workers=2), left=list(whole.points[4:]))
    clock.book(whole.points[:4], 0.01)
    assert clock.pace == Pace(workers=2)
    assert clock.left == list(whole.points[4:])


# The door, with a training that takes no time.


def invented(
    arm: Arm, block: int, seeds: tuple[int, ...], claims: dict[str, str], tuned: Tuning | None, checkpoints: Path
) -> Any:
    """A record of the right shape without training; the generator of an arm, as `cnnlab.training.arm.training`."""
    rate, n = arm.recipe.learning_rate, len(seeds)
    accuracy = tuple(np.random.default_rng(seeds).uniform(0.5, 0.9, n).tolist())
    final = Finals(
        learning_rate=rate,
        test_accuracy=accuracy,
        test_loss=(1.0,) * n,
        validation_accuracy=accuracy,
        train_loss=(1.0,) * n,
        diverged=(False,) * n,
    )
    net = network(arm.net, arm.task.side, arm.task.channels, arm.task.classes)
    tuning = Tuning(seeds=(1_000_000,), tried=(), chosen=rate, capped=False, linear_accuracy=(0.3,))
    return Record(
        protocol=PROTOCOL,
        arm=arm.key,
        block=block,
        config=plain(arm),
        members=seeds,
        finals={OWN: final, COMMON: final},
        histories=({},) * n,
        probes=({},) * n,
        geometry=measured(net, (arm.task.side, arm.task.side)),
        tuning=tuning,
        claims=claims,
    )
    yield


@dataclasses.dataclass
class Door:
    """The suite's door on an empty results folder: what it trained, printed and returned."""

    results: Path
    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch
    trained: list[str] = dataclasses.field(default_factory=list)

    def __call__(self, *words: str) -> tuple[int, str, str]:
        self.trained.clear()
        self.monkeypatch.setattr(sys, "argv", ["suite", *words, f"results={self.results}"])
        code = suite.main()
        out, err = self.capsys.readouterr()
        return code, out, err


@pytest.fixture
def door(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Door:
    """The door with an invented training; it judges two claims and draws nothing, since that takes a minute."""
    found = Door(results=tmp_path / "results", capsys=capsys, monkeypatch=monkeypatch)

    def training(arm: Arm, *rest: Any) -> Any:
        found.trained.append(arm.key)
        return (yield from invented(arm, *rest))

    monkeypatch.setattr(session, "training", training)
    fed = {"mp-after-two-convs", "mp-after-features"}
    entries = {name: entry for name, entry in suite_report.register().items() if name in fed}
    monkeypatch.setattr(suite_report, "register", lambda: entries)
    monkeypatch.setattr(suite_report.closing, "related", lambda sweep: ())
    monkeypatch.setattr(suite_report.closing, "draw", lambda *_: "")
    monkeypatch.setattr(suite_report, "claims_fed_by", lambda sweep: tuple(fed) if sweep == "pool_position" else ())
    return found


ASKED = ("only=pool_position,relu_at_zero", *TINY)


def test_the_suite_trains_judges_writes_and_goes_on_where_it_stopped(door: Door) -> None:
    code, out, err = door(*ASKED)
    assert (code, err) == (0, "")
    assert len(door.trained) == len(set(door.trained)) == 8
    assert "8 arms at scale smoke, 4 of them shared" in out
    assert "2 claims: 2 inconclusive" in out
    assert "too few for any verdict from training but inconclusive" in out
    folder = door.results / "suite" / "smoke"
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["arms"] == {"planned": 8, "shared": 4, "trained": 8, "found done": 0}
    assert summary["verdicts"] == {"inconclusive": 2}
    assert list(pd.read_csv(folder / "verdicts.csv")["verdict"]) == ["inconclusive"] * 2
    assert {one["id"] for one in json.loads((folder / "verdicts.json").read_text())} == {
        "mp-after-two-convs",
        "mp-after-features",
    }
    for name in ("pool_position", "relu_at_zero"):
        written = {path.name for path in (door.results / "sweeps" / name / "smoke").iterdir()}
        assert {"arms.csv", "effects.parquet", "verdicts.json"} <= written
    code, out, err = door(*ASKED)
    assert (code, door.trained) == (0, [])
    assert "trained 0 arms, found 8 done, 0 failures" in out


def test_one_kind_of_convolutions_trains_every_stage_and_the_second_look(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    def all_open(sweep: Grid) -> tuple[Point, ...]:
        return tuple(dataclasses.replace(point, block=1) for point in sweep.points)

    monkeypatch.setattr(suite_train.closing, "undecided", all_open)
    assert door("only=relu_at_zero", *TINY, "scale.looks=2", "scale.blocks=[2,2]")[0] == 0
    store = Store(door.results / "runs")
    assert {block for _, block in store.names()} == {0, 1}
    assert door(*ASKED, "scale.blocks=[2,2]")[0] == 0
    made = {kind(store.provenance(*name)) for name in store.names()}
    assert made == {convolutions.begun(store)}


@pytest.mark.parametrize(
    ("asked", "said"),
    [("auto", "convolutions=native is not valid: planted; "), ("xla", "convolutions=xla is not valid: ")],
)
def test_a_folder_begun_with_convolutions_that_cannot_be_had_is_one_line(
    door: Door, asked: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (door.results / "runs").mkdir(parents=True)
    (door.results / "runs" / convolutions.MARK).write_text("native")
    monkeypatch.setattr(convolutions, "_missing", lambda: "planted")
    code, _, err = door(*ASKED, f"convolutions={asked}")
    assert (code, door.trained) == (suite.MISTAKE, [])
    assert err.startswith(f"error: {said}")
    assert "was begun with" in err
    assert err.count("\n") == 1


def test_an_arm_or_a_sweep_that_fails_stops_no_other_and_is_told(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    real, half = session.training, grid(["+sweep=relu_at_zero", "arm=half", *TINY]).points[0].arm

    def failing(arm: Arm, *rest: Any) -> Any:
        if arm == half:
            raise MemoryError("planted in an arm")
        return (yield from real(arm, *rest))

    monkeypatch.setattr(session, "training", failing)
    honest = suite_report.write_sweep

    def writing(one: Grid, *rest: Any) -> Any:
        if one.settings.sweep_name == "pool_position":
            raise ZeroDivisionError("planted in a sweep")
        return honest(one, *rest)

    monkeypatch.setattr(suite_report, "write_sweep", writing)
    code, out, err = door(*ASKED)
    assert code == suite.FAILED
    assert "trained 7 arms, found 0 done, 2 failures" in out
    assert "planted in an arm" in err
    assert "failed: pool_position: ZeroDivisionError: planted in a sweep" in err
    assert "relu_at_zero: 5 of 6 arms" in out
    store = Store(door.results / "runs")
    assert len(list(store.root.rglob("record.json"))) == 7
    assert "planted in a sweep" in (door.results / "suite" / "smoke" / "pool_position.failure.txt").read_text()


def test_a_dry_run_prints_the_plan_and_touches_nothing(door: Door) -> None:
    code, out, err = door(*ASKED, "--dry-run")
    assert (code, err, door.trained) == (0, "", [])
    assert "CONTROL" in out
    assert "estimate: " in out
    assert "not yet measured on this machine" in out
    assert not door.results.exists()


def test_what_is_cut_is_printed_and_not_trained(door: Door) -> None:
    cuts = "scale.cuts=['relu_at_zero arm=zero',pool_position]"
    code, out, _ = door(*ASKED, cuts, "scale.hours=0.001", "--dry-run")
    assert code == 0
    assert "cut: relu_at_zero arm=zero: 2 arms" in out
    assert "cut: pool_position: 2 arms" in out
    assert "more than scale.hours=0.001 even after every cut" in out
    assert "4 to train" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("pool_position",), "only=pool_position"),
        (("+sweep=pool_position",), "only=pool_position"),
        (("only=poolposition",), "neither a bank nor a sweep"),
        (("only=",), "only= is empty"),
        (("only=pool_position", "scale=tiny"), "choose one of full, quick, smoke"),
        (("only=pool_position", "scale=smoke", "modle.width=2"), "modle.width is not a key"),
        (("only=pool_position", "scale=smoke", "scale.hours=-1"), "scale.hours"),
    ],
)
def test_a_wrong_argument_is_one_line(door: Door, words: tuple[str, ...], said: str) -> None:
    code, _, err = door(*words)
    assert code == suite.MISTAKE
    assert err.startswith("error: ")
    assert said in err
    assert err.count("\n") == 1
    assert not door.results.exists()


def test_a_record_that_cannot_be_used_is_one_line(door: Door) -> None:
    assert door(*ASKED)[0] == 0
    path = next((door.results / "runs").glob("*/0/record.json"))
    path.write_text("{")
    code, _, err = door(*ASKED)
    assert code == suite.MISTAKE
    assert str(path) in err
    assert door.trained == []
