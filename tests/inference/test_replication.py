"""Replication: honest effects come back within their intervals, and what was chosen by its own result does not."""

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pytest

from cnnlab.inference.effects import Sample, effect
from cnnlab.inference.replication import Replicated, Replication, paired, standard_error
from cnnlab.spec.curve import AtRate, Curve, finals
from cnnlab.spec.invalid import InvalidError
from cnnlab.spec.verdict import Effect, Setting

IMAGES, MEMBERS, SPREAD = 6000, 12, 0.08
SETTING = Setting(task="digits12", real=True, construction="digits12", margin=math.log(1.15), headroom=0.5)
Read = Callable[[Curve], tuple[float, ...]]


def curve(random: np.random.Generator, log_errors: float) -> Curve:
    """Members of one arm at three rates that do equally well, their errors spread log-normally."""
    found = []
    for place in range(3):
        errors = np.exp(log_errors + SPREAD * random.standard_normal(MEMBERS))
        validation = errors * np.exp(0.05 * random.standard_normal(MEMBERS))
        found.append(
            AtRate(
                learning_rate=0.01 * 2.0**place,
                validation_accuracy=tuple((1 - validation / IMAGES).tolist()),
                test_accuracy=tuple((1 - errors / IMAGES).tolist()),
                test_loss=(0.1,) * MEMBERS,
                train_loss=(0.1,) * MEMBERS,
                diverged=(False,) * MEMBERS,
            )
        )
    return found


def honest(made: Curve) -> tuple[float, ...]:
    return finals(made).test_accuracy


def leaking(made: Curve) -> tuple[float, ...]:
    """The fault: every member is read where its own test accuracy is highest."""
    return tuple(max(at.test_accuracy[member] for at in made) for member in range(MEMBERS))


def sample(accuracies: tuple[float, ...], first_seed: int) -> Sample:
    values = tuple(-math.log((1 - accuracy) * IMAGES + 0.5) for accuracy in accuracies)
    return Sample(seeds=tuple(range(first_seed, first_seed + MEMBERS)), values=values, diverged=(False,) * MEMBERS)


def measured(random: np.random.Generator, first_seed: int, read: Read) -> Effect:
    """An arm as good as the reference against it, read in some way; the reference honestly."""
    better, worse = (curve(random, 6.0) for _ in range(2))
    return effect(sample(read(better), first_seed), sample(honest(worse), first_seed), SETTING)


def replicated(read: Read, seed: int, candidates: int = 1) -> Replication:
    """Sixty effects and their honest replications; of `candidates` first measurements the largest was published."""
    random = np.random.default_rng(seed)
    first = [
        max((measured(random, 2000, read) for _ in range(candidates)), key=lambda one: one.estimate) for _ in range(60)
    ]
    return paired(first, [measured(random, 3000, honest) for _ in range(60)])


def test_honest_effects_come_back() -> None:
    found = replicated(honest, 1)
    assert len(found.apart) <= 6
    assert found.share_apart.low < 0.05
    assert len(found.apart) + len(found.changed) <= 6


def test_twin_a_reading_that_leaks_test_accuracies_shows_up() -> None:
    assert replicated(leaking, 1).share_apart.low > 0.05


def test_twin_arms_that_were_chosen_after_the_fact_show_up() -> None:
    """Of sixteen tries of two equal arms the largest difference: replications call it otherwise, or lie apart."""
    found = replicated(honest, 1, candidates=16)
    assert len(found.apart) + len(found.changed) > 10


def one(estimate: float, low: float, high: float, call: str, first_seed: int = 0) -> Effect:
    found = measured(np.random.default_rng(0), first_seed, honest)
    interval = dataclasses.replace(found.interval95, low=low, high=high)
    return dataclasses.replace(found, estimate=estimate, interval95=interval, call=call)  # type: ignore[arg-type]


def test_z_is_the_difference_in_standard_errors_and_sides_are_compared() -> None:
    quantile = 2.200985160082949  # Student's, 11 degrees of freedom, .975
    pair = Replicated(
        first=one(0.1, 0.1 - quantile * 0.03, 0.1 + quantile * 0.03, "pos"),
        again=one(0.3, 0.3 - quantile * 0.04, 0.3 + quantile * 0.04, "null", 100),
    )
    assert standard_error(pair.first) == pytest.approx(0.03)
    assert pair.z == pytest.approx(0.2 / 0.05)
    assert pair.changed_side
    assert not Replicated(first=pair.first, again=dataclasses.replace(pair.again, call="open")).changed_side
    assert not Replicated(first=pair.first, again=dataclasses.replace(pair.again, call="pos")).changed_side


def test_an_unbounded_interval_is_not_compared() -> None:
    pair = Replicated(first=one(0.1, -math.inf, math.inf, "open"), again=one(0.3, 0.2, 0.4, "pos", 100))
    assert math.isnan(pair.z)
    found = Replication(effects=(pair,))
    assert (found.apart, found.comparable) == ((), ())


def test_the_same_members_or_another_task_are_no_replication() -> None:
    first = one(0.1, 0.0, 0.2, "pos")
    with pytest.raises(InvalidError, match="other seeds"):
        Replicated(first=first, again=first)
    elsewhere = one(0.1, 0.0, 0.2, "pos", 100)
    elsewhere = dataclasses.replace(elsewhere, setting=dataclasses.replace(SETTING, task="textures12"))
    with pytest.raises(InvalidError, match="digits12"):
        Replicated(first=first, again=elsewhere)
