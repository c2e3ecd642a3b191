"""Members trained again: the record's own seed and rate, both ends of the training, and an honest comparison."""

import dataclasses

import jax
import numpy as np
import pytest

from cnnlab.data import Source
from cnnlab.spec.arm import Arm, plain
from cnnlab.spec.record import PROTOCOL, Measured, Record
from cnnlab.training import members
from cnnlab.training.arm import at_rate
from cnnlab.training.program import program
from cnnlab.training.run import MemberRun
from cnnlab.training.shown import train_again


def record_of(arm: Arm, source: Source, rate: float) -> Record:
    """A record of two members that were trained here, at a rate of their own."""
    seeds = (1000, 1001)
    runs = [MemberRun(arm=arm, seed=seed, learning_rate=rate) for seed in seeds]
    results = members.train(runs, source, "sequential")
    return Record(
        protocol=PROTOCOL,
        arm=arm.key,
        config=plain(arm),
        members=seeds,
        rates=(at_rate(rate, results),),
        test_images=results[0].test_images,
        linear_accuracy=(0.3,),
        histories=(),
        probes=(),
        geometry=Measured(params=1, macs=1, receptive_field=(1, 1), output_size=(1, 1), activation_elements=1),
    )


def test_a_member_trained_again_is_held_against_its_record(learner: Arm, source: Source) -> None:
    rate = learner.recipe.learning_rate / 2
    record = record_of(learner, source, rate)
    shown = train_again(learner, 1001, record, source)
    assert shown.learning_rate == rate
    assert shown.equals_record is True
    assert shown.sentence().endswith("equals the record")
    first = jax.device_get(program(learner).init(1001))
    assert all(map(np.array_equal, jax.tree.leaves(shown.first), jax.tree.leaves(first)))
    kernels = (state.params["layers"]["conv1"]["kernel"] for state in (shown.first, shown.last))
    assert not np.array_equal(*kernels)
    logits = np.asarray(jax.jit(program(learner).logits)(shown.last, shown.test.images))
    assert (logits.argmax(1) == shown.test.labels).mean() == pytest.approx(shown.test_accuracy, abs=1e-9)

    # a record of another processor, planted: one image more
    (own,) = record.rates
    other = tuple(value + 1 / record.test_images for value in own.test_accuracy)
    planted = dataclasses.replace(record, rates=(dataclasses.replace(own, test_accuracy=other),))
    foreign = train_again(learner, 1001, planted, source)
    assert foreign.equals_record is False
    assert "NOT the record's" in foreign.sentence()


def test_without_a_record_the_recipes_rate_is_taken_and_nothing_is_claimed(learner: Arm, source: Source) -> None:
    shown = train_again(learner, 1000, None, source)
    assert shown.learning_rate == learner.recipe.learning_rate
    assert (shown.recorded, shown.equals_record) == (None, None)
    assert "no record" in shown.sentence()


def test_a_record_of_another_member_or_arm_is_refused(learner: Arm, arm: Arm, source: Source) -> None:
    record = record_of(learner, source, 0.01)
    with pytest.raises(ValueError, match="no member 7"):
        train_again(learner, 7, record, source)
    with pytest.raises(ValueError, match="no member"):
        train_again(arm, 1000, record, source)


@pytest.mark.slow
def test_keeping_the_last_state_leaves_results_as_they_are(learner: Arm, source: Source, strategy: str) -> None:
    given = [MemberRun(arm=learner, seed=seed, learning_rate=0.03) for seed in (0, 1)]
    kept: list[int] = []
    plain = members.train(given, source, strategy)
    assert members.train(given, source, strategy, lambda run, state: kept.append(run.seed)) == plain
    assert kept == [0, 1]
