"""The board is what the judge says of the same folder, and what is drawn behind it is what the records hold."""

from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
from rich.console import Console

from cnnlab.records import Store
from cnnlab.spec.curve import finals
from experiments.analysis.contrasts import places, setting
from experiments.analysis.results import SweepResults, view
from experiments.analysis.selection import fed_by, relocated
from experiments.analysis.verdicts import judge_claims
from experiments.claims.registry import claims, entries
from experiments.page import building, evidence
from experiments.page.building import Asked
from experiments.page.evidence import MOST_TRIALS, Begun, Judged, computed, gathering, statements, trials
from experiments.page.view import Context, choose_views
from experiments.page.views.board import board, make, where

from ..conftest import Compose, Plant

pytestmark = pytest.mark.slow

CLAIMS = ("mp-after-two-convs", "mp-after-features", "cov-table", "fft-before-cnn")
TRAINED = "mp-after-two-convs"


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory, composed: Compose, plant: Plant) -> dict[str, SweepResults]:
    """The sweep pool_position with a record of every arm, early pools a little worse."""
    root = tmp_path_factory.mktemp("results")
    plan = composed("pool_position")
    store = Store(root / "runs")
    for point in (*plan.points, *plan.checks):
        store.write(plant(point, 0.86 if "0" in point.level else 0.9), {"backend": "cpu"})
    return {"pool_position": view(relocated(plan, root))}


def test_verdicts_from_several_processes_are_the_judges(views: dict[str, SweepResults], tmp_path: Path) -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        found = Begun(views=views, cases=gathering(CLAIMS, views, tmp_path, pool, tmp_path / "kept")).result().verdicts
    assert found == judge_claims(CLAIMS, views, tmp_path)
    assert list(found) == list(CLAIMS)
    assert [path.stem for path in (tmp_path / "kept").rglob("*.json")] == ["cov-table"]  # for the next command
    assert found != judge_claims(CLAIMS, {}, tmp_path)


def test_every_contrast_has_its_members_as_recorded(views: dict[str, SweepResults]) -> None:
    (trained,) = claims()[TRAINED].trained
    (results,) = views.values()
    found = trials(TRAINED, views)
    sites = [(contrast, place) for contrast in trained.contrasts for place in places(results, trained, contrast)[0]]
    assert [trial.where for trial in found] == [where(setting(results, at, trained, it)) for it, at in sites][
        :MOST_TRIALS
    ]
    assert found
    for trial, (_, place) in zip(found, sites, strict=False):
        for arm, cell in zip(trial.arms, place.sides[0].cells, strict=True):
            assert cell.record is not None
            assert (arm.seeds, arm.curve) == (cell.record.members, cell.record.rates)
            assert finals(arm.curve).test_accuracy == cell.record.finals.test_accuracy
        assert [arm.better for arm in trial.arms] == [True] * len(place.sides[0].better) + [False] * len(
            place.sides[0].worse
        )


def test_the_names_of_trials_are_those_of_the_boards_contrasts(views: dict[str, SweepResults], tmp_path: Path) -> None:
    (row,) = board(judge_claims([TRAINED], views, tmp_path), statements([TRAINED]), {TRAINED: trials(TRAINED, views)})
    contrasts = {effect["where"] for effect in row["page"]["effects"]}
    assert contrasts
    assert {trial["where"] for trial in row["page"]["trials"]} <= contrasts


def test_claims_without_records_have_no_trials() -> None:
    assert trials(TRAINED, {}) == ()
    assert trials("cov-table", {}) == ()


def test_statements_are_the_claims_own() -> None:
    found = statements(list(entries()))
    assert list(found) == list(entries())
    assert all(found[name].says == claims()[name].says for name in found)
    assert all(one.rule for one in found.values())


def test_fast_judges_what_is_not_computed_and_the_board_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[str] = []

    def gather(names: list[str], *_: object) -> dict[str, object]:
        asked.extend(names)
        return {}

    monkeypatch.setattr(evidence, "gathering", gather)
    pool = ThreadPoolExecutor(1)
    assert evidence.begin({}, tmp_path, True, pool).result() == Judged(verdicts={})
    assert asked == [name for name in entries() if not computed(name)]
    assert 0 < len(asked) < len(entries())
    asked.clear()
    evidence.begin({}, tmp_path, False, pool)
    assert asked == list(entries())


def test_a_page_shows_the_sweeps_that_claims_rest_on_whoever_judged(
    views: dict[str, SweepResults], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As handed over with verdicts, where a sweep may be complete that feeds no claim, or as found in a folder."""
    complete = {"relu_at_zero": views["pool_position"], **views}
    monkeypatch.setattr(
        evidence, "best_views", lambda names, *_: {name: complete[name] for name in names if name in complete}
    )
    method, quiet = choose_views(["method"]), Console(quiet=True)
    handed = building.context(Asked(results=tmp_path), method, quiet, Judged(verdicts={}, views=complete))
    found = building.context(Asked(results=tmp_path), method, quiet)
    assert list(handed.views) == list(found.views) == ["pool_position"]
    assert handed.provenance == found.provenance
    assert "relu_at_zero" not in fed_by(entries())
    assert "relu_at_zero" in complete  # what would be counted


def test_the_words_of_the_command_line_say_which_records_are_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(evidence, "best_views", lambda names, overrides, results: asked.append((overrides, results)))
    evidence.found_views(tmp_path, ["scale=smoke"])
    assert asked == [(["scale=smoke"], tmp_path)]


def test_the_board_counts_the_claims_that_fast_leaves_out(tmp_path: Path) -> None:
    verdicts = judge_claims(["fft-before-cnn"], {}, tmp_path)
    context = Context(verdicts=verdicts, statements=statements(list(verdicts)), not_judged=56, fast=True)
    shown = make(context)
    assert shown is not None
    assert shown.finding.endswith("56 more are left out, since their evidence is computed and --fast was given.")
    whole = make(Context(verdicts=verdicts, statements=statements(list(verdicts))))
    assert whole is not None
    assert "--fast" not in whole.finding
