"""How soon a net learns: where the goal is crossed, and members that never get there."""

import dataclasses
import math
from typing import Any

import pytest

from cnnlab.spec.curve import AtRate
from cnnlab.spec.record import PROTOCOL, Measured, Record
from experiments.analysis.metrics import measured, steps_to_train


def record(*validation: list[float], linear: float = 0.8, classes: int = 2) -> Record:
    """A record whose members had these validation accuracies after every epoch of 100 images."""
    members = len(validation)
    histories: list[dict[str, Any]] = [
        {"images_seen": [100 * (epoch + 1) for epoch in range(len(one))], "accuracy/validation": one}
        for one in validation
    ]
    at = AtRate(
        learning_rate=0.1,
        validation_accuracy=(0.9,) * members,
        test_accuracy=(0.9,) * members,
        test_loss=(0.1,) * members,
        train_loss=(0.1,) * members,
        diverged=(False,) * members,
    )
    return Record(
        protocol=PROTOCOL,
        arm="arm",
        config={"task": {"classes": classes}},
        members=tuple(range(members)),
        rates=(at,),
        test_images=100,
        linear_accuracy=(linear - 0.1, linear + 0.1),
        histories=tuple(histories),
        probes=({},) * members,
        geometry=Measured(params=1, macs=1, receptive_field=(1, 1), output_size=(1, 1), activation_elements=1),
    )


@pytest.mark.parametrize(
    ("validation", "images"),
    [
        ([0.6, 0.75, 0.8], 180),  # nine tenths of 80 % are four fifths of the way from 60 to 75 %
        ([0.62, 0.82, 0.82], 150),  # half-way through the second epoch
        ([0.94, 0.94], 50),  # a guess, 50 %, before the first step
        ([0.6, 0.75, 0.5, 0.9], 180),  # the first time
    ],
)
def test_the_goal_is_crossed_between_epochs(validation: list[float], images: float) -> None:
    assert measured(record(validation), "steps_to_train") == (pytest.approx(-math.log10(images)),)


def test_a_member_that_never_gets_there_has_none_and_a_faster_one_has_more() -> None:
    never, slow, fast = steps_to_train.values(record([0.6, 0.7], [0.5, 0.5, 0.62, 0.82], [0.5, 0.94]))
    assert math.isnan(never)
    unwatched = dataclasses.replace(record([0.9]), histories=({"images_seen": [100], "loss/train": [0.1]},))
    assert math.isnan(steps_to_train.values(unwatched)[0])
    assert (slow, fast) == (pytest.approx(-math.log10(350)), pytest.approx(-math.log10(150)))


def test_the_goal_follows_logistic_regression() -> None:
    """The twin: with another optimum the same history crosses elsewhere."""
    same = record([0.6, 0.72, 0.9])
    assert steps_to_train.values(same) != steps_to_train.values(dataclasses.replace(same, linear_accuracy=(0.95,)))
