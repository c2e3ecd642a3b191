"""What one block of an arm's members produced, as plain values: the content of `record.json`."""

from dataclasses import dataclass, field
from typing import Any, Final

PROTOCOL = 3
"""Raised whenever recorded numbers may change; part of every record, and never pooled over.

1: finals, histories and tuning. 2: also probes of every trained member. 3: convolutions of grey images are computed
as a matrix product, statistics apart from the step: other roundings.
"""

OWN: Final = "own"
COMMON: Final = "common"
"""The two learning rates an arm is evaluated at: its own tuned one, and the recipe's `learning_rate` for all."""


@dataclass(frozen=True, kw_only=True)
class Finals:
    """Every member's results at one learning rate, in the order of `Record.members`.

    Accuracies are fractions in [0, 1]; losses are mean cross-entropies in nats. A diverged member (a loss
    that is not finite, or a validation accuracy no better than guessing) has chance accuracies and null losses.
    """

    learning_rate: float
    test_accuracy: tuple[float, ...]
    test_loss: tuple[float | None, ...]
    validation_accuracy: tuple[float, ...]
    train_loss: tuple[float | None, ...]
    diverged: tuple[bool, ...]


@dataclass(frozen=True, kw_only=True)
class Tried:
    """One learning rate of the tuning grid: validation accuracy per tuning seed (chance where diverged)."""

    learning_rate: float
    validation_accuracy: tuple[float, ...]
    diverged: tuple[bool, ...]


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """How the learning rate was chosen: the tried grid, ascending, and the choice.

    Attributes:
        seeds: tuning seeds, disjoint from every evaluation seed.
        tried: the grid, by ascending learning rate. Empty when the recipe does not tune.
        chosen: the smallest learning rate within one standard error of the best.
        capped: True if the best stands at an end that could not be extended and beats its neighbour by over one
            standard error: the arm's own best may lie outside.
        linear_accuracy: validation accuracy of logistic regression on the same training draws, per tuning seed.
    """

    seeds: tuple[int, ...]
    tried: tuple[Tried, ...]
    chosen: float
    capped: bool
    linear_accuracy: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Exact properties of the arm's net on the task's image size (`cnnlab.geometry`).

    Attributes:
        params: trainable parameters. macs: multiply-accumulates of conv and dense weights, per sample.
        receptive_field: [height, width] in pixels of a unit of the last spatial map, not clipped to the image.
        output_size: [height, width] of the last spatial map before the head.
        activation_elements: elements of all layer outputs, per sample.
    """

    params: int
    macs: int
    receptive_field: tuple[int, int]
    output_size: tuple[int, int]
    activation_elements: int


@dataclass(frozen=True, kw_only=True)
class Record:
    """One (arm, block): what config, seeds and versions determine, and nothing else.

    Attributes:
        protocol: `PROTOCOL` of the code that wrote it.
        arm: the arm's key, also its folder. block: 0 or 1.
        config: `plain(arm)`: net, recipe, task.
        members: evaluation seeds of this block.
        finals: results at the `own` and at the `common` learning rate.
        histories: per member, at its own learning rate: series by name, each as long as `images_seen`
            (`loss/...`, `accuracy/...`, and `<statistic>/<layer>/<parameter>`).
        probes: per member, after training at its own learning rate: values by path (`linear_probe/pool_after4/drop`,
            see `cnnlab.probes.final`). Empty for a diverged member; a value that is not finite has no path.
        geometry, tuning: see `Measured` and `Tuning`.
        claims: digest of every claim that was registered when the record was made, by id.
        status: always `complete`; an arm that failed has no record but a `failure.txt` that says why.
    """

    protocol: int
    arm: str
    block: int
    config: dict[str, Any]
    members: tuple[int, ...]
    finals: dict[str, Finals]
    histories: tuple[dict[str, Any], ...]
    probes: tuple[dict[str, float], ...]
    geometry: Measured
    tuning: Tuning
    claims: dict[str, str] = field(default_factory=dict)
    status: str = "complete"
