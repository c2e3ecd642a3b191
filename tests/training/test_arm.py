"""An arm's life, driven by hand: which work it asks for, in which order, and what becomes of the answers."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from cnnlab.spec.arm import Arm
from cnnlab.spec.record import PROTOCOL, Record
from cnnlab.training.arm import training
from cnnlab.training.run import LinearFit, MemberRun, Result

SEEDS = (2000, 2001, 2002, 2003)
Accuracy = Callable[[MemberRun], float]


def result(run: MemberRun, accuracy: Accuracy) -> Result:
    value = accuracy(run)
    return Result(
        validation_accuracy=value,
        test_accuracy=value - 0.01,
        test_images=100,
        test_loss=0.5,
        train_loss=0.1,
        diverged=False,
        history={"seed": run.seed, "rate": run.learning_rate},
        probes={"edge_index/share": run.learning_rate},
    )


def drive(arm: Arm, accuracy: Accuracy) -> tuple[list[Sequence[MemberRun] | Sequence[LinearFit]], Record]:
    """Answer whatever the arm asks for; what it asked for, and its record."""
    asked: list[Any] = []
    life = training(arm, SEEDS, {"claim": "digest"})
    answer: Any = None
    while True:
        try:
            work = life.send(answer)
        except StopIteration as end:
            return asked, end.value
        asked.append(work)
        answer = [0.3 if isinstance(item, LinearFit) else result(item, accuracy) for item in work]


def with_rates(arm: Arm, rates: int = 3) -> Arm:
    return dataclasses.replace(arm, recipe=dataclasses.replace(arm.recipe, rates=rates, learning_rate=0.1))


def peak(at: float) -> Accuracy:
    """Accuracy that falls by ten points for each factor of two away from the best learning rate."""
    return lambda run: 0.9 - 0.1 * abs(math.log2(run.learning_rate / at))


def test_every_member_trains_at_every_rate_and_linear_fits_see_the_same_draws(arm: Arm) -> None:
    asked, record = drive(with_rates(arm), peak(0.1))
    assert [type(work[0]) for work in asked] == [LinearFit, MemberRun]
    assert [fit.seed for fit in asked[0]] == list(SEEDS[:2])
    runs = [run for run in asked[1] if isinstance(run, MemberRun)]
    assert [(run.learning_rate, run.seed) for run in runs] == [(r, s) for r in (0.05, 0.1, 0.2) for s in SEEDS]
    assert [at.learning_rate for at in record.rates] == [0.05, 0.1, 0.2]
    assert record.rates[1].test_accuracy == pytest.approx((0.89,) * 4)
    assert record.linear_accuracy == (0.3, 0.3)
    assert record.test_images == 100


def test_all_members_go_on_at_further_rates_until_the_best_is_no_end(arm: Arm) -> None:
    asked, record = drive(with_rates(arm), peak(0.0125))
    assert [at.learning_rate for at in record.rates] == pytest.approx([0.00625, 0.0125, 0.025, 0.05, 0.1, 0.2])
    assert [len(work) for work in asked[1:]] == [12, 4, 4, 4]
    assert record.finals.learning_rate == pytest.approx((0.0125,) * 4)


def test_a_fixed_rate_is_the_only_one(arm: Arm) -> None:
    asked, record = drive(with_rates(arm, 1), peak(0.4))
    assert len(asked[1]) == len(SEEDS)
    assert [at.learning_rate for at in record.rates] == [0.1]


def test_histories_and_probes_are_those_of_the_rate_where_a_member_is_read(arm: Arm) -> None:
    """One member's own luck is at 0.2; it is read where the others are best, and they where it and the rest are."""

    def lucky(run: MemberRun) -> float:
        return peak(0.1)(run) + (0.5 if (run.seed, run.learning_rate) == (2002, 0.2) else 0.0)

    _, record = drive(with_rates(arm), lucky)
    assert record.finals.learning_rate == (0.2, 0.2, 0.1, 0.2)
    assert [history["seed"] for history in record.histories] == list(SEEDS)
    assert [history["rate"] for history in record.histories] == [0.2, 0.2, 0.1, 0.2]
    assert [probes["edge_index/share"] for probes in record.probes] == [0.2, 0.2, 0.1, 0.2]


def test_the_record_says_what_made_it(arm: Arm) -> None:
    _, record = drive(with_rates(arm), peak(0.1))
    assert record.protocol == PROTOCOL
    assert record.arm == with_rates(arm).key
    assert record.members == SEEDS
    assert record.config["net"]["depth"] == 2
    assert record.claims == {"claim": "digest"}
    assert record.geometry.receptive_field == (8, 8)  # 3x3, 2x2 pool, 3x3 at stride 2
    assert record.geometry.output_size == (6, 6)
    assert record.geometry.params == 4 * 9 + 4 + 4 * 4 * 9 + 4 + 4 * 10 + 10
