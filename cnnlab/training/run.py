"""The units of work: one member to train or one linear baseline to fit, and their results."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cnnlab.spec.arm import Arm
from cnnlab.spec.task import Task

FIRST_EVALUATION_SEED, FIRST_TUNING_SEED = 1_000, 1_000_000
"""Evaluation and tuning seeds count up from here, so that no member is ever judged on a tuning draw. Seeds below the
first belong to the pilots that recipes and tasks were chosen with: they are never evidence."""

Purpose = Literal["tune", "common", "own"]


@dataclass(frozen=True, kw_only=True)
class MemberRun:
    """One member of an arm at one learning rate.

    Attributes:
        seed: fixes the train/validation draw, the data order and the initial weights, whatever the arm.
        purpose: `tune` never sees the test set; `own` also records histories, statistics and probes.
        checkpoints: folder for the checkpoints of a long training; None: no checkpoints.
    """

    arm: Arm
    seed: int
    learning_rate: float
    purpose: Purpose
    checkpoints: Path | None = None


@dataclass(frozen=True, kw_only=True)
class LinearFit:
    """Logistic regression on the draw of one seed: the linear baseline of a task."""

    task: Task
    seed: int


@dataclass(frozen=True, kw_only=True)
class Result:
    """The result of one run.

    Attributes:
        test_accuracy, test_loss: null for a tuning run. Losses are null where diverged; accuracies are then chance.
        diverged: a loss was not finite, or the validation accuracy was no better than a guess.
        history: series by name, see `cnnlab.spec.record.Record`; empty unless the purpose is `own`.
        probes: values of the probes of the trained net by path (`cnnlab.probes.final`); empty unless the purpose is
            `own`, and where diverged.
    """

    validation_accuracy: float
    test_accuracy: float | None
    test_loss: float | None
    train_loss: float | None
    diverged: bool
    history: dict[str, Any]
    probes: dict[str, float]


def evaluation_seeds(blocks: tuple[int, ...], block: int) -> tuple[int, ...]:
    """Seeds of one block: consecutive, disjoint between blocks, the same for every arm.

    >>> evaluation_seeds((3, 2), 1)
    (1003, 1004)
    """
    first = FIRST_EVALUATION_SEED + sum(blocks[:block])
    return tuple(range(first, first + blocks[block]))


def tuning_seeds(count: int) -> tuple[int, ...]:
    """The first `count` tuning seeds."""
    return tuple(range(FIRST_TUNING_SEED, FIRST_TUNING_SEED + count))
