"""An arm's life, driven by hand: which work it asks for, in which order, and what becomes of the answers."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from cnnlab.spec.arm import Arm
from cnnlab.spec.record import PROTOCOL, Record
from cnnlab.training.arm import training
from cnnlab.training.run import FIRST_TUNING_SEED, LinearFit, MemberRun, Result

SEEDS = (0, 1, 2, 3)
Accuracy = Callable[[float], float]


def result(run: MemberRun, accuracy: Accuracy) -> Result:
    value = accuracy(run.learning_rate)
    unseen = run.purpose == "tune"
    return Result(
        validation_accuracy=value,
        test_accuracy=None if unseen else value,
        test_loss=None if unseen else 0.5,
        train_loss=0.1,
        diverged=False,
        history={"seed": run.seed} if run.purpose == "own" else {},
        probes={"edge_index/share": float(run.seed)} if run.purpose == "own" else {},
    )


def drive(arm: Arm, accuracy: Accuracy, **more: Any) -> tuple[list[Sequence[MemberRun] | Sequence[LinearFit]], Record]:
    """Answer whatever the arm asks for; what it asked for, and its record."""
    asked: list[Any] = []
    life = training(arm, more.pop("block", 0), more.pop("seeds", SEEDS), {"claim": "digest"}, more.pop("tuned", None))
    answer: Any = None
    while True:
        try:
            work = life.send(answer)
        except StopIteration as end:
            return asked, end.value
        asked.append(work)
        answer = [0.3 if isinstance(item, LinearFit) else result(item, accuracy) for item in work]


def grid_arm(arm: Arm) -> Arm:
    recipe = dataclasses.replace(arm.recipe, tuning="grid", tuning_values=4, tuning_seeds=2, learning_rate=0.1)
    return dataclasses.replace(arm, recipe=recipe)


def peak(at: float) -> Accuracy:
    """Accuracy that falls by ten points for each factor of two away from the best learning rate."""
    import math

    return lambda rate: 0.9 - 0.1 * abs(math.log2(rate / at))


def test_tuning_uses_its_own_seeds_and_never_the_test_set(arm: Arm) -> None:
    asked, record = drive(grid_arm(arm), peak(0.1))
    assert [type(work[0]) for work in asked] == [LinearFit, MemberRun, MemberRun]
    tuning, own = asked[1], asked[2]
    assert {run.purpose for run in tuning} == {"tune"}
    assert {run.seed for run in tuning} == {FIRST_TUNING_SEED, FIRST_TUNING_SEED + 1}
    assert sorted({run.learning_rate for run in tuning}) == [0.05, 0.1, 0.2, 0.4]
    assert [run.seed for run in own] == list(SEEDS)
    assert not {run.seed for run in tuning} & {run.seed for run in own}
    assert record.tuning.seeds == (FIRST_TUNING_SEED, FIRST_TUNING_SEED + 1)
    assert record.tuning.linear_accuracy == (0.3, 0.3)


def test_at_the_common_rate_nothing_is_trained_twice(arm: Arm) -> None:
    asked, record = drive(grid_arm(arm), peak(0.1))
    assert len(asked) == 3
    assert record.finals["own"] == record.finals["common"]
    assert record.finals["own"].learning_rate == 0.1


def test_another_best_rate_is_also_compared_at_the_common_one(arm: Arm) -> None:
    asked, record = drive(grid_arm(arm), peak(0.2))
    assert [work[0].purpose for work in asked if isinstance(work[0], MemberRun)] == ["tune", "own", "common"]
    assert record.finals["own"].learning_rate == 0.2
    assert record.finals["common"].learning_rate == 0.1
    assert record.finals["own"].test_accuracy == pytest.approx((0.9,) * 4)
    assert record.finals["common"].test_accuracy == pytest.approx((0.8,) * 4)


def test_the_grid_is_extended_until_the_best_is_interior(arm: Arm) -> None:
    asked, record = drive(grid_arm(arm), peak(0.0125))
    tried = [entry.learning_rate for entry in record.tuning.tried]
    assert tried == sorted(tried)
    assert min(tried) == pytest.approx(0.00625)
    assert record.tuning.chosen == pytest.approx(0.0125)
    assert not record.tuning.capped
    assert sum(len(work) for work in asked if isinstance(work[0], MemberRun) and work[0].purpose == "tune") == 2 * len(
        tried
    )


def test_a_second_block_takes_over_the_tuning_of_the_first(arm: Arm) -> None:
    _, first = drive(grid_arm(arm), peak(0.2))
    asked, second = drive(grid_arm(arm), peak(0.2), block=1, seeds=(4, 5), tuned=first.tuning)
    assert all(run.purpose != "tune" for work in asked for run in work if isinstance(run, MemberRun))
    assert (second.members, second.block) == ((4, 5), 1)
    assert second.tuning == first.tuning


def test_without_tuning_the_recipe_decides(arm: Arm) -> None:
    asked, record = drive(arm, peak(0.1))
    assert [type(work[0]) for work in asked] == [LinearFit, MemberRun]
    assert record.tuning.tried == ()
    assert record.tuning.chosen == arm.recipe.learning_rate


def test_the_record_says_what_made_it(arm: Arm) -> None:
    _, record = drive(arm, peak(0.1))
    assert record.protocol == PROTOCOL
    assert record.arm == arm.key
    assert record.config["net"]["depth"] == 2
    assert record.claims == {"claim": "digest"}
    assert [history["seed"] for history in record.histories] == list(SEEDS)
    assert [probes["edge_index/share"] for probes in record.probes] == list(SEEDS)
    assert record.geometry.receptive_field == (8, 8)  # 3x3, 2x2 pool, 3x3 at stride 2
    assert record.geometry.output_size == (6, 6)
    assert record.geometry.params == 4 * 9 + 4 + 4 * 4 * 9 + 4 + 4 * 10 + 10
