"""A member whose loss is NaN from some step on is lost alone, whoever is trained beside it."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from cnnlab.data import Dataset, Source, Split, draw, epoch_orders
from cnnlab.spec.arm import Arm
from cnnlab.spec.task import Task
from cnnlab.training import members
from cnnlab.training.run import MemberRun, Result

SEEDS = (0, 1, 2)
SICK, STEP = 1, 2
"""Which member, and the first step that its NaN is in, of three an epoch."""


def trained(
    arm: Arm, source: Source, strategy: str, monkeypatch: pytest.MonkeyPatch, sick: tuple[int, ...] = ()
) -> list[Result]:
    """Members of which some draw a training image that is NaN, seen first in step `STEP`."""

    def spoilt(data: Dataset, task: Task, seed: int) -> tuple[Split, Split]:
        train, validation = draw(data, task, seed)
        if seed in sick:
            images = np.array(train.images)
            images[epoch_orders(task.train_images, arm.recipe.epochs, seed)[0, STEP * arm.recipe.batch_size]] = np.nan
            train = dataclasses.replace(train, images=images)
        return train, validation

    with monkeypatch.context() as patch:
        patch.setattr(members, "draw", spoilt)
        runs = [MemberRun(arm=arm, seed=seed, learning_rate=0.03) for seed in SEEDS]
        return members.train(runs, source, strategy)


def others(results: list[Result]) -> list[Result]:
    return [result for seed, result in zip(SEEDS, results, strict=True) if seed != SICK]


def test_it_is_lost_from_that_step_on_and_alone(
    learner: Arm, source: Source, monkeypatch: pytest.MonkeyPatch, strategy: str
) -> None:
    healthy = trained(learner, source, strategy, monkeypatch)
    results = trained(learner, source, strategy, monkeypatch, sick=(SICK,))
    lost = results[SICK]
    assert lost.diverged
    assert lost.validation_accuracy == lost.test_accuracy == learner.task.chance
    assert lost.test_loss is None
    assert lost.train_loss is None
    assert lost.probes == {}
    stats: dict[str, Any] = lost.history["stats"]
    norms = dict(zip(stats["images_seen"], stats["grad_norm/conv1/kernel"], strict=True))
    first = STEP * learner.recipe.batch_size
    # beside others it trains on, and ReLU passes no gradient where its input is not a number
    assert all((value in (None, 0.0)) == (seen >= first) for seen, value in norms.items()), norms
    assert {seen < first for seen in norms} == {True, False}, "looked at before and after"
    assert others(results) == others(healthy)
    assert not any(result.diverged for result in others(results))
    assert others(trained(learner, source, strategy, monkeypatch, sick=(0,))) != others(healthy), "the twin"
