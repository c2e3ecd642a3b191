"""The judge's desk: planted records in, verdicts out; everything that must hold a verdict back does."""

import dataclasses
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import pytest

from cnnlab.inference.rules.contract import Decisions
from cnnlab.inference.rules.within import Within
from cnnlab.spec.record import Finals, Record
from cnnlab.spec.verdict import Verdict
from experiments.analysis import contrasts, verdicts
from experiments.analysis import evidence as desk
from experiments.analysis.results import ArmResults, SweepResults, label
from experiments.claims.base import Contrast, Moderator, Trained
from experiments.claims.registry import claims, claims_fed_by, register, strays
from experiments.config.grid import Grid, grid
from experiments.config.resolve import Point

from ..conftest import planted_record

CLAIM = "mp-after-two-convs"
Accuracy = Callable[[Point], float]


@cache
def plan(tasks: str = "digits12,fashion14,vernier,vernier_coarse") -> Grid:
    return grid(["+sweep=pool_position", f"data={tasks}", "model.pools=[0,4],[1,4],[2,4],[3,4]"])


def planted(accuracy: Accuracy, blocks: int = 1, noise: float = 0.003) -> SweepResults:
    """The view of a sweep whose arms have the accuracy that is planted."""

    def cell(point: Point) -> ArmResults:
        made = tuple(planted_record(point, accuracy(point), block, noise) for block in range(blocks))
        return ArmResults(point=point, records=made)

    found = plan()
    return SweepResults(
        settings=found.settings, cells=tuple(map(cell, found.points)), checks=tuple(map(cell, found.checks))
    )


def usual(point: Point) -> float:
    """What the checks and any arm without a planted effect reach."""
    return {"positive": 0.5, "sensitivity": 0.85}[point.check] if point.check in ("positive", "sensitivity") else 0.9


def late_wins(point: Point) -> float:
    """Two or three convolutions before the first pool are worth five points."""
    return usual(point) + (0.05 if point.check == "none" and point.level in ("[2,4]", "[3,4]") else 0.0)


def early_wins(point: Point) -> float:
    """The mirror image."""
    return usual(point) + (0.05 if point.check == "none" and point.level in ("[0,4]", "[1,4]") else 0.0)


def reference_too(accuracy: Accuracy) -> Accuracy:
    """The A/A arm stands where the reference stands."""
    reference = {"[2,4]"}

    def shifted(point: Point) -> float:
        if point.check != "a_a":
            return accuracy(point)
        return accuracy(dataclasses.replace(point, check="none", level=next(iter(reference))))

    return shifted


def verdict(view: SweepResults, name: str = CLAIM) -> Verdict:
    return verdicts.judge_claims([name], {"pool_position": view}, Path("none"))[name]


def test_a_planted_effect_is_supported_and_its_mirror_refuted() -> None:
    assert verdict(planted(reference_too(late_wins))).word == "supported"
    found = verdict(planted(reference_too(early_wins)))
    assert found.word == "refuted"
    assert "reversed" in found.reason


def test_a_planted_null_is_refuted_as_negligible() -> None:
    found = verdict(planted(usual, noise=0.002))
    assert found.word == "refuted"
    assert "negligible" in found.reason


def test_a_moderator_qualifies() -> None:
    """Worth ten points at an offset of one pixel, nothing at three."""

    def fine_only(point: Point) -> float:
        fine = label(point.arm.task).endswith("offset_px 1)") or point.arm.task.real
        return late_wins(point) if fine else usual(point)

    found = verdict(planted(reference_too(fine_only)))
    assert found.word == "qualified"
    assert "offset_px=1" in (found.condition or "")


def edit(view: SweepResults, change: Callable[[ArmResults], ArmResults]) -> SweepResults:
    return dataclasses.replace(view, cells=tuple(map(change, view.cells)), checks=tuple(map(change, view.checks)))


def with_record(cell: ArmResults, **changes: object) -> ArmResults:
    return dataclasses.replace(cell, records=tuple(dataclasses.replace(one, **changes) for one in cell.records))  # type: ignore[arg-type]


def capped_rate(cell: ArmResults) -> ArmResults:
    tunings = [dataclasses.replace(one.tuning, capped=True) for one in cell.records]
    return with_record(cell, tuning=tunings[0])


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
            view, lambda cell: dataclasses.replace(cell, records=()) if cell.point.level == "[1,4]" else cell
        ),
        "[1,4]",
    ),
    "a check was not run": (lambda view: dataclasses.replace(view, checks=()), "not run"),
    "the learning rate stood at the end of its grid": (lambda view: edit(view, capped_rate), "capped"),
    "smoke": (
        lambda view: dataclasses.replace(view, settings=dataclasses.replace(view.settings, scale="smoke")),
        "smoke",
    ),
    "too few members": (
        lambda view: edit(view, lambda cell: dataclasses.replace(cell, records=tuple(map(three, cell.records)))),
        "too few members",
    ),
}


def three(one: Record) -> Record:
    """Only the first three members."""
    finals = {
        name: Finals(
            **{
                key: value[:3] if isinstance(value, tuple) else value
                for key, value in dataclasses.asdict(final).items()
            }
        )
        for name, final in one.finals.items()
    }
    return dataclasses.replace(one, members=one.members[:3], finals=finals)


@pytest.mark.parametrize("name", HELD_BACK)
def test_what_must_hold_a_verdict_back_does(name: str) -> None:
    """The same planted effect that is supported above."""
    change, reason = HELD_BACK[name]
    found = verdict(change(planted(reference_too(late_wins))))
    assert found.word in ("inconclusive", "untested"), found
    assert reason in found.reason


def test_a_failed_check_holds_its_tasks_back() -> None:
    """An A/A that differs by five points: nothing of that sweep may be believed."""
    found = verdict(planted(lambda point: late_wins(point) - (0.05 if point.check == "a_a" else 0)))
    assert found.word == "inconclusive"
    assert "A/A" in found.reason


def test_a_task_without_headroom_does_not_count() -> None:
    def no_room(cell: ArmResults) -> ArmResults:
        tunings = [dataclasses.replace(one.tuning, linear_accuracy=(0.88,)) for one in cell.records]
        return with_record(cell, tuning=tunings[0]) if cell.point.arm.task.real else cell

    found = verdict(edit(planted(reference_too(late_wins)), no_room))
    assert found.word == "inconclusive"


def test_clauses_without_evidence_hold_back_and_say_what_is_needed() -> None:
    view = planted(reference_too(late_wins))
    for name in claims_fed_by("pool_position"):
        trained = claims()[name].evidence
        if isinstance(trained, verdicts.Trained) and trained.needs:
            assert verdict(view, name).word in ("inconclusive", "untested")
    assert (
        "needs linear probes" in verdict(view, "mp-late-starves-head").reason
        or "[2,6]" in verdict(view, "mp-late-starves-head").reason
    )


def test_the_second_look_is_asked_for_where_noise_left_things_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdicts, "claims_fed_by", lambda sweep: (CLAIM,))
    assert verdicts.undecided_points(planted(reference_too(late_wins))) == ()
    noisy = planted(usual, noise=0.03)
    wanted = {point.level for point in verdicts.undecided_points(noisy) if point.check == "none"}
    assert {"[2,4]"} <= wanted
    both = planted(usual, blocks=2, noise=0.03)
    assert verdicts.undecided_points(both) == ()


def test_two_blocks_are_the_second_look() -> None:
    assert {e.setting.look for e in verdict(planted(late_wins, blocks=1)).effects} == {"first"}
    assert {e.setting.look for e in verdict(planted(late_wins, blocks=2)).effects} == {"second"}


def test_the_register_holds_all_claims_and_every_file_is_registered() -> None:
    assert len(register()) == 57
    assert strays() == ()
    for name, claim in claims().items():
        assert claim.kind == register()[name].kind
        assert claim.says.endswith(".")
        assert '"' in claim.notes


def test_the_family_is_fixed_whatever_has_run() -> None:
    """M counts registered claims with a trained half, not those whose files or records exist."""
    size = verdicts.registered_family().claims
    assert size == sum("empirical" in entry.kind for entry in register().values())
    fed = {name for name, claim in claims().items() if claim.trained}
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

        def values(one: Record) -> tuple[dict[str, float], ...]:
            made = [{"linear_probe/last/drop": height + accuracy - 0.9} for accuracy in one.finals["own"].test_accuracy]
            return ({}, *made[1:]) if cell.point.level == lost else tuple(made)

        records = tuple(dataclasses.replace(one, probes=values(one)) for one in cell.records)
        return dataclasses.replace(cell, records=records)

    return edit(planted(usual), with_probes)


def held_back(view: SweepResults, trained: Trained = DROP) -> bool:
    """Whether missing values stop a rule that would support the claim by the numbers, and are said at every effect."""
    found = desk.evidence(CLAIM, trained, trained.contrasts[0], view)
    everything = Decisions(greater=1.0, less=1.0, moderators=1.0, registered=1)
    said = all(effect.call == "open" and "has no value for 1 of " in effect.reason for effect in found.effects)
    return said and Within(low=0.01).conclude(found, everything).word == "inconclusive"


def test_a_probe_is_compared_at_the_own_learning_rate_alone() -> None:
    found = desk.evidence(CLAIM, DROP, DROP.contrasts[0], probed())
    assert {effect.setting.condition for effect in found.effects} == {"own"}
    assert {effect.call for effect in found.effects} == {"pos"}
    assert not held_back(probed())


@pytest.mark.parametrize("level", ["[2,4]", "[0,4]"])
def test_a_member_without_the_probe_holds_its_contrast_back_and_is_named(level: str) -> None:
    assert held_back(probed(lost=level))


def test_a_member_that_is_dropped_in_silence_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contrasts, "lacking", lambda trained, place: ())
    assert not held_back(probed(lost="[2,4]"))


def test_a_moderator_some_members_of_which_lack_the_probe_holds_back_too() -> None:
    offset = Moderator(name="detail scale", task="vernier", dial="offset_px", low=1.0, high=3.0)
    trained = dataclasses.replace(DROP, tasks=("digits12",), moderators=(offset,))
    whole, torn = (desk.evidence(CLAIM, trained, trained.contrasts[0], view) for view in (probed(), probed("[2,4]")))
    assert len(whole.moderators) == 1
    assert torn.moderators == ()
    assert any("has no value" in cap and "vernier" in cap for cap in torn.caps)
