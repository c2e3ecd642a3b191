"""The judge's desk: planted records in, verdicts out; everything that must hold a verdict back does."""

import dataclasses
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import pytest

from cnnlab.inference.rules.contract import Decisions
from cnnlab.inference.rules.within import Within
from cnnlab.spec.curve import AtRate
from cnnlab.spec.verdict import Verdict
from experiments.analysis import contrasts, convergence, verdicts
from experiments.analysis import evidence as desk
from experiments.analysis.results import ArmResults, SweepResults
from experiments.claims.base import Contrast, Trained
from experiments.claims.registry import claims, claims_fed_by, register
from experiments.config.grid import Grid, grid
from experiments.config.resolve import Point

from ..conftest import NOWHERE, planted_record

CLAIM = "mp-after-two-convs"
Accuracy = Callable[[Point], float]


@cache
def plan(sweep: str = "pool_position") -> Grid:
    few = ("model.pools=[0,4],[1,4],[2,4],[3,4],[2,6]",) if sweep == "pool_position" else ()
    return grid([f"+sweep={sweep}", *few, f"results={NOWHERE / 'results'}"])


def planted(accuracy: Accuracy, noise: float = 0.003, sweep: str = "pool_position") -> SweepResults:
    """The view of a sweep whose arms have the accuracy that is planted."""

    def cell(point: Point) -> ArmResults:
        return ArmResults(point=point, record=planted_record(point, accuracy(point), noise))

    found = plan(sweep)
    return SweepResults(
        settings=found.settings, cells=tuple(map(cell, found.points)), checks=tuple(map(cell, found.checks))
    )


@pytest.fixture(autouse=True)
def longer(monkeypatch: pytest.MonkeyPatch) -> Callable[[Accuracy], None]:
    """What arms reach after three times the training: as before, unless a test plants something else."""

    def plant(accuracy: Accuracy) -> None:
        def cell(view: SweepResults, shorter: ArmResults) -> ArmResults:
            point = convergence.longer_point(shorter)
            return ArmResults(point=point, record=planted_record(point, accuracy(point), 0.003))

        monkeypatch.setattr(convergence, "longer_cell", cell)

    plant(late_wins)
    return plant


def usual(point: Point) -> float:
    """What the checks and any arm without a planted effect reach."""
    return {"positive": 0.5, "sensitivity": 0.85}[point.check] if point.check in ("positive", "sensitivity") else 0.9


def late_wins(point: Point) -> float:
    """Two or three convolutions before the first pool: half the errors."""
    return usual(point) + (0.05 if point.level in ("[2,4]", "[3,4]") or point.check == "a_a" else 0.0)


def early_wins(point: Point) -> float:
    """The mirror image."""
    return usual(point) + (0.05 if point.check == "none" and point.level in ("[0,4]", "[1,4]") else 0.0)


def alike(point: Point) -> float:
    return usual(point)


def verdict(view: SweepResults, name: str = CLAIM) -> Verdict:
    return verdicts.judge_claims([name], {"pool_position": view}, Path("none"))[name]


def test_a_planted_effect_is_supported_and_its_mirror_refuted(longer: Callable[[Accuracy], None]) -> None:
    found = verdict(planted(late_wins))
    assert found.word == "supported"
    assert "holds on digits, textures and fashion: 2.0 times as many errors with one convolution" in found.sentence
    longer(early_wins)
    found = verdict(planted(early_wins))
    assert found.word == "refuted"
    assert "reversed" in found.reason


def test_a_planted_null_is_refuted_as_negligible() -> None:
    found = verdict(planted(alike, noise=0.002))
    assert found.word == "refuted"
    assert "negligible" in found.reason


def test_an_effect_on_some_tasks_alone_is_qualified_by_task() -> None:
    found = verdict(planted(lambda point: usual(point) if point.arm.task.name == "fashion12" else late_wins(point)))
    assert found.word == "qualified"
    assert "not on fashion12" in (found.condition or "")


def test_an_effect_that_fades_with_three_times_the_training_is_qualified(longer: Callable[[Accuracy], None]) -> None:
    longer(alike)
    found = verdict(planted(late_wins))
    assert found.word == "qualified"
    assert found.condition == "within 1080 steps"  # 36 epochs of 30 steps


def test_longer_arms_are_asked_for_where_a_contrast_decides_on_digits_and_nowhere_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(convergence, "claims_fed_by", lambda sweep: (CLAIM,))
    found = convergence.longer_points(planted(late_wins))
    assert {point.level for point in found} == {"[0,4]", "[1,4]", "[2,4]", "[3,4]"}
    for point in found:
        assert point.arm.task.name == "digits12"
        assert point.arm.recipe.epochs == 3 * 36
        assert (point.arm.recipe.rates, point.arm.recipe.learning_rate) == (1, 0.008)
        assert point.seeds == tuple(range(2000, 2006))
    assert convergence.longer_points(planted(alike, noise=0.002)) == ()
    smoke = dataclasses.replace(planted(late_wins).settings, scale="smoke")
    assert convergence.longer_points(dataclasses.replace(planted(late_wins), settings=smoke)) == ()


def test_arms_that_an_equivalence_reads_are_asked_for_as_well() -> None:
    assert "st-ok-simple-problem" in claims_fed_by("difficulty")
    found = planted(lambda point: usual(point) + (0.05 if point.level == "max" else 0.0), sweep="difficulty")
    assert {point.level for point in convergence.longer_points(found)} == {"max", "stride"}


def edit(view: SweepResults, change: Callable[[ArmResults], ArmResults]) -> SweepResults:
    return dataclasses.replace(view, cells=tuple(map(change, view.cells)), checks=tuple(map(change, view.checks)))


def with_record(cell: ArmResults, **changes: object) -> ArmResults:
    assert cell.record is not None
    return dataclasses.replace(cell, record=dataclasses.replace(cell.record, **changes))  # type: ignore[arg-type]


def capped_rate(cell: ArmResults) -> ArmResults:
    """Eight rates, of which the last is clearly the best."""
    assert cell.record is not None
    (best,) = (at for at in cell.record.rates if at.learning_rate == cell.point.arm.recipe.learning_rate)
    worse = dataclasses.replace(best, validation_accuracy=(0.2,) * len(best.diverged))
    rates = [dataclasses.replace(worse, learning_rate=0.001 * 2.0**place) for place in range(7)]
    return with_record(cell, rates=(*rates, dataclasses.replace(best, learning_rate=0.128)))


def three(cell: ArmResults) -> ArmResults:
    """Only the first three members."""
    assert cell.record is not None
    rates = [
        AtRate(**{key: value[:3] if isinstance(value, tuple) else value for key, value in vars(at).items()})
        for at in cell.record.rates
    ]
    return with_record(cell, members=cell.record.members[:3], rates=tuple(rates))


HELD_BACK: Mapping[str, tuple[Callable[[SweepResults], SweepResults], str]] = {
    "rule changed after data": (
        lambda view: edit(view, lambda cell: with_record(cell, claims={CLAIM: "another"})),
        "rule changed after data",
    ),
    "claim unknown when the data were made": (
        lambda view: edit(view, lambda cell: with_record(cell, claims={})),
        "rule changed after data",
    ),
    "an arm is missing": (
        lambda view: edit(
            view, lambda cell: dataclasses.replace(cell, record=None) if cell.point.level == "[1,4]" else cell
        ),
        "[1,4]",
    ),
    "a check was not run": (lambda view: dataclasses.replace(view, checks=()), "not run"),
    "the learning rate stood at the end of its grid": (lambda view: edit(view, capped_rate), "ends the 8"),
    "smoke": (
        lambda view: dataclasses.replace(view, settings=dataclasses.replace(view.settings, scale="smoke")),
        "smoke",
    ),
    "too few members": (lambda view: edit(view, three), "too few members"),
}


@pytest.mark.parametrize("name", HELD_BACK)
def test_what_must_hold_a_verdict_back_does(name: str) -> None:
    """The same planted effect that is supported above."""
    change, reason = HELD_BACK[name]
    found = verdict(change(planted(late_wins)))
    assert found.word in ("inconclusive", "untested"), found
    assert reason in found.reason


def test_a_decisive_contrast_that_was_not_looked_at_again_holds_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(view: SweepResults, cell: ArmResults) -> ArmResults:
        return ArmResults(point=convergence.longer_point(cell), record=None)

    monkeypatch.setattr(convergence, "longer_cell", none)
    found = verdict(planted(late_wins))
    assert found.word == "inconclusive"
    assert "3 times the training" in found.reason


def test_a_failed_check_holds_its_tasks_back() -> None:
    """An A/A that differs by five points: nothing of that sweep may be believed."""
    found = verdict(planted(lambda point: late_wins(point) - (0.05 if point.check == "a_a" else 0)))
    assert found.word == "inconclusive"
    assert "A/A" in found.reason


def test_a_task_without_headroom_does_not_count() -> None:
    def no_room(cell: ArmResults) -> ArmResults:
        easy = cell.point.arm.task.name in ("digits12", "textures12")
        return with_record(cell, linear_accuracy=(0.93,)) if easy else cell

    found = verdict(edit(planted(late_wins), no_room))
    assert found.word == "inconclusive"


def test_halves_of_the_members_are_two_blocks() -> None:
    cell = planted(late_wins).cells[0]
    first, second = cell.halves()
    assert first.sample().seeds == tuple(range(2000, 2006))
    assert second.sample().seeds == tuple(range(2006, 2012))
    assert (*first.sample().values, *second.sample().values) == cell.sample().values


def test_two_arms_at_chance_are_open_and_never_null() -> None:
    def floor(cell: ArmResults) -> ArmResults:
        if cell.point.check != "none" or cell.point.level == "[2,4]":
            return cell
        lost = tuple(range(8))
        return dataclasses.replace(cell, record=planted_record(cell.point, 0.9, lost=lost))

    found = edit(planted(alike), floor)
    pair = Contrast(name="both lost", better=("[3,4]",), worse=("[1,4]",))
    trained = Trained(sweep="pool_position", contrasts=(pair,))
    sites, _ = contrasts.places(found, trained, pair)
    calls = {
        effect.call: effect.reason
        for site in sites
        for effect in [contrasts.measured_effect(found, trained, pair, site)]
    }
    assert calls == {"open": "both at chance"}


def test_the_register_holds_the_57_claims_and_each_is_written() -> None:
    assert len(register()) == 57
    for name in register():
        claim = claims()[name]
        assert claim.says.endswith(".")
        assert '"' in claim.notes


def test_the_family_is_fixed_whatever_has_run() -> None:
    """M counts registered claims with a trained half, not those whose files or records exist."""
    size = verdicts.registered_family().claims
    assert size == sum("empirical" in entry.kind for entry in register().values())
    fed = {name for name in register() if claims()[name].trained}
    assert size > len(fed)


def test_early_pooling_is_judged_over_all_fifteen_placements() -> None:
    found = verdicts.judge_claims(["mp-early-smallest"], {}, Path("none"))["mp-early-smallest"]
    assert found.word == "qualified"
    assert "not parameters" in (found.condition or "")
    from experiments.claims.max_pooling import mp_early_smallest

    assert len(mp_early_smallest.PLACEMENTS) == 15
    # pools after (1, 2): conv1 at 28, conv2 at 14, conv3..6 at 7, dense 32 -> 10
    macs = 9 * 32 * (28 * 28 + 14 * 14 * 32 + 7 * 7 * 32 * 4) + 320
    assert mp_early_smallest.sizes((1, 2), 28, 32, "global_average")["multiply-accumulates"] == macs


def test_a_tie_in_cost_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: were cost blind to where the pools stand, the claim's condition would fail too."""
    from experiments.claims.max_pooling import mp_early_smallest

    blind = dict.fromkeys(mp_early_smallest.SENSES, 1)
    monkeypatch.setattr(mp_early_smallest, "sizes", lambda *arguments: blind)
    found = verdicts.judge_claims(["mp-early-smallest"], {}, Path("none"))["mp-early-smallest"]
    assert found.word == "refuted"


DROP = Trained(
    sweep="pool_position",
    metric="probe:linear_probe/last/drop",
    margin=0.01,
    contrasts=(Contrast(name="late", better=("[2,4]",), worse=("[0,4]",)),),
)


def probed(lost: str = "") -> SweepResults:
    """Late pools lose five points of probe accuracy more than early ones; in one arm a member diverged."""

    def with_probes(cell: ArmResults) -> ArmResults:
        height = 0.05 if cell.point.level == "[2,4]" else 0.0

        values = cell.accuracies().values
        made = tuple({"linear_probe/last/drop": height + accuracy - 0.9} for accuracy in values)
        return with_record(cell, probes=({}, *made[1:]) if cell.point.level == lost else made)

    return edit(planted(usual), with_probes)


def held_back(view: SweepResults, trained: Trained = DROP) -> bool:
    """Whether missing values stop a rule that would support the claim by the numbers, and are said at every effect."""
    found = desk.evidence(CLAIM, trained, trained.contrasts[0], view)
    everything = Decisions(greater=1.0, less=1.0, moderators=1.0, registered=1)
    said = all(effect.call == "open" and "has no value for 1 of " in effect.reason for effect in found.effects)
    return said and Within(low=0.01).conclude(found, everything).word == "inconclusive"


def test_a_probe_is_compared_where_members_are_read() -> None:
    found = desk.evidence(CLAIM, DROP, DROP.contrasts[0], probed())
    assert {effect.call for effect in found.effects} == {"pos"}
    assert not held_back(probed())


@pytest.mark.parametrize("level", ["[2,4]", "[0,4]"])
def test_a_member_without_the_probe_holds_its_contrast_back_and_is_named(level: str) -> None:
    assert held_back(probed(lost=level))


def test_a_member_that_is_dropped_in_silence_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contrasts, "lacking", lambda trained, place: ())
    assert not held_back(probed(lost="[2,4]"))
