"""What a dashboard is shown of a sweep: its arms, a failing one among them, and its end."""

import dataclasses
import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from cnnlab.records import Store
from cnnlab.spec.arm import plain
from cnnlab.spec.record import Record
from cnnlab.training.workers import ArmOutcome
from experiments import dashboard, run
from experiments.analysis.selection import relocated
from experiments.claims.registry import claims_fed_by
from experiments.config.grid import Grid
from experiments.reports.sweep import SweepReport, build_report, write_report
from experiments.tracking import images, workspace
from experiments.tracking.arm_runs import label, of_arm
from experiments.tracking.mirror import Mirror
from experiments.tracking.sweep_run import contrasts, of_sweep
from experiments.training import convolutions
from experiments.training.session import Session

from ..conftest import Compose, Door, Plant

SMOKE = ("+sweep=pool_position", "scale=smoke", "tracker=offline", "workers=1")
MEANS = (0.70, 0.80, 0.75)


@pytest.fixture(scope="module")
def plan(composed: Compose, tmp_path_factory: pytest.TempPathFactory) -> Grid:
    return relocated(composed("pool_position", "smoke", "tracker=offline"), tmp_path_factory.mktemp("results"))


@pytest.fixture
def planted(plan: Grid, plant: Plant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Grid:
    """The sweep in a folder of its own, a record for every arm, and no gradient measured for its pictures."""
    made = relocated(plan, tmp_path / "planted")
    store = Store(made.settings.runs)
    for point, mean in zip((*made.points, *made.checks), (*MEANS, 0.1, 0.5, 0.8), strict=True):
        record = plant(point, mean)
        store.write(dataclasses.replace(record, probes=({},) * len(record.members)), {})
    monkeypatch.setattr(images, "energies", lambda graphs, seconds: [None] * len(graphs))
    return made


def ended(plan: Grid) -> SweepReport:
    """The sweep's end, written."""
    report = build_report(plan)
    write_report(report)
    return report


def test_an_arm_is_found_by_sweep_claims_and_scale_and_tells_all_that_was_configured(plan: Grid, plant: Plant) -> None:
    point = plan.points[0]
    (shown,) = of_arm(point, plant(point, 0.7), plan.settings)
    assert shown.id == point.arm.key
    assert (shown.name, shown.group, shown.job_type) == ("digits12 [0,4]", "pool_position", "arm")
    assert shown.tags == ("smoke", "digits12", *claims_fed_by("pool_position"))
    assert "mp-after-two-convs" in shown.tags
    assert shown.notes == "Where should the two max-pools of a six-convolution net stand?"
    told = shown.config
    assert {key: told[key] for key in ("net", "recipe", "task")} == plain(point.arm)
    assert (told["level"], told["match"], told["check"], told["factor"]) == ("[0,4]", "none", "none", "model.pools")
    assert (told["sweep"], told["scale"], told["reference"]) == ("pool_position", "smoke", "[2,4]")
    assert told["made_with"] == {}, "there is no record yet"
    assert told["git"] is None or set(told["git"]) == {"commit", "dirty"}
    assert str(plan.settings.results) not in json.dumps(told), "nothing about this machine"


def test_members_may_be_runs_of_their_own_under_the_arms_label(plan: Grid, plant: Plant) -> None:
    point = plan.points[1]
    shown = of_arm(point, plant(point, 0.7), dataclasses.replace(plan.settings, unit="seed"))
    assert [one.id for one in shown] == [f"{point.arm.key}-s{seed}" for seed in (2000, 2001)]
    assert {one.config["label"] for one in shown} == {"digits12 [2,4]"}
    assert [one.config["seed"] for one in shown] == [2000, 2001]


def test_two_settings_of_one_task_are_two_lines(composed: Compose) -> None:
    """An arm is called by its task's file, of which a task may have several; the twin calls it by the task alone."""
    both = composed("pool_position", "smoke", "data=digits12,digits12_noisy", "model.pools=[2,4]")
    points = (*both.points, *both.checks)
    assert len({label(point) for point in points}) == len({point.arm.key for point in points}) == 8
    assert {point.arm.task.name for point in points} == {"digits12"}
    assert len({label(dataclasses.replace(point, data="")) for point in points}) == 4
    (single,) = composed("", "smoke").points
    (flat,) = composed("", "smoke", "model.head=flatten").points
    assert label(single) == "digits12 d6w16-max2_4-relu"
    assert label(flat) == "digits12 d6w16-max2_4-relu flatten"


def test_a_run_says_with_what_its_record_was_made(plan: Grid, plant: Plant, tmp_path: Path) -> None:
    """The record's own versions and backend, whatever this machine has; a sweep's are listed where they differ."""
    made = relocated(plan, tmp_path)
    store = Store(made.settings.runs)
    for place, point in enumerate((*made.points, *made.checks)):
        facts = {"backend": "gpu", "packages": {"jax": f"0.10.{min(place, 1)}", "cnnlab": "0.0.9"}, "host": "secret"}
        store.write(plant(point, 0.8), facts)
    (shown,) = of_arm(made.points[1], store.read(made.points[1].arm.key), made.settings)
    assert shown.config["made_with"] == {"backend": "gpu", "cnnlab": "0.0.9", "jax": "0.10.1"}
    whole = of_sweep(build_report(made)).config["made_with"]
    assert whole == {"backend": "gpu", "cnnlab": "0.0.9", "jax": ["0.10.0", "0.10.1"]}
    assert "secret" not in json.dumps(shown.config)


WATCHED = ("grad_norm/conv1/kernel", "activation_grad_norm/act1", "update_to_weight/conv1/kernel")
SHARES = ("saturated_fraction/act1", "dead_fraction/act1")


def watched(record: Record) -> Record:
    """The same record with a history of everything that a watched arm has."""
    history = {
        "images_seen": [0, 960],
        "loss/train": [2.0, 1.0],
        "accuracy/validation": [0.1, 0.7],
        "stats": {"images_seen": [0, 32], **{name: [0.5, 0.25] for name in (*WATCHED, *SHARES)}},
    }
    return dataclasses.replace(record, histories=(history,) * len(record.members))


def names_in(panel: Any) -> set[str]:
    """Names that a panel is drawn from: metrics, tables, pictures."""
    text = json.dumps(panel)
    keys = r"(?:final|geometry|accuracy|loss|figure|image)/[\w/]*\w"
    tables = re.findall(r'"key": {"nodeType": "const", "type": "string", "val": "(\w+)"}', text)
    return {*re.findall(keys, text), *tables}


@pytest.mark.slow
@pytest.mark.skipif(not dashboard.installed(), reason="needs the extra `dashboard` (wandb-workspaces)")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_every_panel_of_the_workspace_shows_what_offline_runs_hold(
    planted: Grid, plant: Plant, home_of_wandb: None, inspect: Callable[[Path], list[Any]]
) -> None:
    """The twin: a name that no run has is found missing."""
    with Mirror(planted.settings) as mirror:
        point = planted.points[0]
        mirror.show_record(point, watched(plant(point, 0.7)), planted.settings)
        mirror.show_report(ended(planted))
    seen = inspect(planted.settings.runs)
    held = {name.removesuffix(".path").removesuffix(".nrows") for one in seen for name in one.summary}
    held |= {name for one in seen for row in one.history for name in row}
    panels = [
        panel
        for section in workspace.spec(workspace.workspace(entity="", project="cnnlab", group="pool_position"))[
            "section"
        ]["panelBankConfig"]["sections"]
        for panel in section["panels"]
    ]
    for panel in panels:
        pattern = panel["config"].get("metricRegex")
        if pattern:
            assert any(re.search(pattern, name) for name in held), pattern
            continue
        wanted = names_in(panel) - {"contrasts"}  # of which there are none at smoke
        assert wanted <= held, (panel["viewType"], wanted - held)
    assert {"curves", "verdicts", "effects", "arms", "checks"} <= set().union(*map(names_in, panels))
    curve = {"key": {"nodeType": "const", "type": "string", "val": "curve"}}
    assert not names_in(curve) <= held


def test_a_sweeps_end_is_one_run_with_every_table_figure_and_record(planted: Grid) -> None:
    written = ended(planted)
    shown = of_sweep(written)
    assert shown.id == of_sweep(build_report(planted)).id == "pool_position-smoke-summary"
    assert (shown.numbers["arms"], shown.numbers["arms_with_record"], shown.numbers["members"]) == (6, 6, 12)
    words = [verdict.word for verdict in written.verdicts.values()]
    assert shown.numbers["verdicts/inconclusive"] == words.count("inconclusive") > 0
    found = {row["level"]: row for row in shown.tables["effects"]}
    for place, level in ((0, "[0,4]"), (2, "[2,6]")):
        assert found[level]["ratio"] == pytest.approx((1 - MEANS[place]) / (1 - MEANS[1]), rel=0.05)
        assert found[level]["points"] == pytest.approx(MEANS[place] - MEANS[1], abs=0.02)
    assert all(row["ratio_low"] < row["ratio"] < row["ratio_high"] for row in found.values())
    assert not {"condition", "difference"} & set(found["[0,4]"])
    assert "contrasts" not in shown.tables, "no contrast has all its arms at smoke, and no table is empty"
    curves = [row for row in shown.tables["curves"] if row["level"] == "[2,4]" and row["check"] == "none"]
    assert [row["read_here"] for row in curves] == [0, 2, 0]
    assert curves[1]["test_accuracy"] == pytest.approx(MEANS[1], abs=0.01)
    assert {row["claim"]: row["verdict"] for row in shown.tables["verdicts"]} == {
        name: verdict.printed for name, verdict in written.verdicts.items()
    }
    assert [row["accuracy"] for row in shown.tables["arms"]][:3] == pytest.approx(MEANS, abs=0.01)
    assert {row["check"] for row in shown.tables["checks"]} == {"positive", "sensitivity", "A/A"}
    assert set(shown.pictures) == {"figure/effects", "figure/samples/digits12 (noise 0.8)", "figure/maps"}
    assert shown.artifact is not None
    assert set(shown.artifact.files.values()) == set(planted.settings.runs.rglob("record.json"))


def test_contrasts_are_told_as_ratios(composed: Compose, plant: Plant, tmp_path: Path) -> None:
    words = ("tracker=off", "model.pools=[0,4],[1,4],[2,4],[3,4]")
    made = relocated(composed("pool_position", "smoke", *words), tmp_path)
    for point in (*made.points, *made.checks):
        Store(made.settings.runs).write(plant(point, 0.8 if point.level in ("[2,4]", "[3,4]") else 0.7), {})
    names = ("two or three against one", "two or three against none")
    found = [row for row in contrasts(build_report(made).contrasts) if row["contrast"] in names]
    assert {row["contrast"] for row in found} == set(names)
    for row in found:
        assert row["ratio_low"] < row["ratio"] < row["ratio_high"]
        assert row["ratio"] == pytest.approx(1.5, rel=0.05)
        assert row["difference"] is None


@pytest.mark.slow
def test_the_door_ends_a_sweep_with_its_summary_and_says_everything_promised(
    planted: Grid, door: Door, home_of_wandb: None, inspect: Callable[[Path], list[Any]]
) -> None:
    done = door(run.main, *SMOKE, f"results={planted.settings.results}")
    assert (done.code, done.err) == (0, "")
    (seen,) = inspect(planted.settings.runs)
    promised = of_sweep(build_report(planted))
    assert seen.run["run_id"] == promised.id
    assert {name: seen.summary[name] for name in promised.numbers} == promised.numbers
    for name, table in promised.tables.items():
        assert (seen.summary[f"{name}.nrows"], seen.summary[f"{name}.ncols"]) == (len(table), len(table[0])), name
        (file,) = planted.settings.runs.rglob(seen.summary[f"{name}.path"])
        assert json.loads(file.read_text())["data"] == [list(row.values()) for row in table]
    for name in promised.pictures:
        assert list(planted.settings.runs.rglob(seen.summary[f"{name}.path"])), name
    (file,) = planted.settings.runs.rglob(seen.summary["report.path"])
    page = file.read_text()
    for name, verdict in ended(planted).verdicts.items():
        assert f'<article id="claim-{name}"' in page
        assert verdict.printed in page
    (shown,) = (one for one in seen.artifacts if one["type"] == "report")
    assert [one["path"] for one in shown["manifest"]["contents"]] == ["report.html"]
    (kept,) = (one for one in seen.artifacts if one["type"] == "records")
    assert promised.artifact is not None
    assert {one["path"] for one in kept["manifest"]["contents"]} == set(promised.artifact.files)


def test_an_arm_that_fails_before_good_ones_leaves_nothing_in_theirs(
    plan: Grid,
    plant: Plant,
    home_of_wandb: None,
    inspect: Callable[[Path], list[Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    by_name = {point.arm.key: plant(point, mean) for point, mean in zip(plan.points, MEANS, strict=True)}

    def outcomes(trainings: Sequence[tuple[str, Any]], done: Any) -> Iterator[ArmOutcome]:
        for place, (name, _) in enumerate(trainings):
            lost = place == 0
            yield ArmOutcome(name=name, record=None if lost else by_name[name], failure="planted" if lost else None)

    elsewhere = relocated(plan, tmp_path)
    with Mirror(elsewhere.settings) as mirror, Session(elsewhere.settings, on_record=mirror.show_record) as session:
        monkeypatch.setattr(convolutions, "library", lambda *_: None)
        monkeypatch.setattr(session.pool, "run", outcomes)
        summary = session.train(elsewhere.points)
    assert (summary.trained, len(summary.failures)) == (2, 1)
    seen = inspect(elsewhere.settings.runs)
    good = [point.arm for point in elsewhere.points[1:]]
    assert [one.run["run_id"] for one in seen] == [arm.key for arm in good]
    assert [one.run["config"]["update"]["net"] for one in seen] == [plain(arm.net) for arm in good]
    assert [one.summary["final/test_accuracy/mean"] for one in seen] == pytest.approx(MEANS[1:], abs=0.01)


def test_gradients_are_measured_apart_and_only_as_long_as_they_may(plan: Grid) -> None:
    graphs = [images._graph(point.arm) for point in plan.points[:1]]
    (measured,) = images.energies(graphs, 200.0)
    assert measured is not None
    assert measured.shape == (12, 12)
    assert measured.min() >= 0 < measured.max()
    assert images.energies(graphs, 0.0) == [None]


def test_coverage_is_that_of_the_arms_own_net(plan: Grid) -> None:
    early, late = (images.coverage(plan.points[place].arm) for place in (0, 2))
    assert early.shape == late.shape == (12, 12)
    assert (early != late).any()
    assert early[6, 6] == early.max() > early[0, 0] > 0
