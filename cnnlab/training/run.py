"""The units of work: one member to train or one linear baseline to fit, and their results."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnnlab.spec.arm import Arm
from cnnlab.spec.task import Task


@dataclass(frozen=True, kw_only=True)
class MemberRun:
    """One member of an arm at one learning rate.

    Attributes:
        seed: fixes the train/validation draw, the data order and the initial weights, whatever the arm.
        checkpoints: folder for the checkpoints of a long training; None: no checkpoints.
    """

    arm: Arm
    seed: int
    learning_rate: float
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
        test_accuracy: over `test_images` images. test_loss, train_loss: null where diverged; accuracies: then chance.
        diverged: a loss was not finite, or the validation accuracy was no better than a guess.
        history: series by name, see `cnnlab.spec.record.Record`.
        probes: values of the probes of the trained net by path (`cnnlab.probes.final`); empty unless the arm is
            watched, and where diverged.
    """

    validation_accuracy: float
    test_accuracy: float
    test_images: int
    test_loss: float | None
    train_loss: float | None
    diverged: bool
    history: dict[str, Any]
    probes: dict[str, float]
