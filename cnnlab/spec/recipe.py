"""How a net is trained: optimiser, schedule, length, and at which learning rates."""

from dataclasses import dataclass
from typing import Annotated

from cnnlab.spec.curve import MOST_RATES
from cnnlab.spec.ranges import MOST_EPOCHS, MOST_SEED, Between, OneOf, check

OPTIMIZERS = ("sgd", "adam")
SCHEDULES = ("one_cycle", "cosine", "constant")
PRECISIONS = ("highest", "high", "default")

Rate = Annotated[float, Between(0, 1000, above=True)]
"""A learning rate."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One way to train.

    Attributes:
        optimizer: `sgd` (Nesterov-free heavy ball, see `momentum`) or `adam`.
        learning_rate: the middle of the rates that every member trains at.
        rates: with how many rates, a factor 2 apart, all members start; more follow while the best of them stands at an
            end (`cnnlab.spec.curve`). 1 fixes the rate.
        momentum: heavy-ball momentum of `sgd`, in [0, 1); first-moment decay of `adam`.
        weight_decay: decoupled, applied to kernels only (never to biases or norms).
        schedule: `one_cycle` (linear warm-up over the first 30 %, then cosine to 0), `cosine` or `constant`.
        epochs: passes over the training images. Every image is seen once an epoch; the last batch may be smaller.
        batch_size: images a step.
        watched: whether gradient statistics and validation accuracies are taken along the way, and probes in the end.
        init_stream: 0, or another number to draw other initial weights from the same seed (the A/A check).
        precision: `jax.default_matmul_precision`; claims run at `highest` (GPUs default to TF32).
    """

    optimizer: Annotated[str, OneOf(OPTIMIZERS)] = "sgd"
    learning_rate: Rate = 0.1
    momentum: Annotated[float, Between(0, 1, below=True)] = 0.9
    weight_decay: Annotated[float, Between(0, 1000)] = 0.0
    schedule: Annotated[str, OneOf(SCHEDULES)] = "one_cycle"
    epochs: Annotated[int, Between(1, MOST_EPOCHS)] = 16
    batch_size: Annotated[int, Between(1, 65_536)] = 32
    rates: Annotated[int, Between(1, MOST_RATES)] = 3
    watched: bool = True
    init_stream: Annotated[int, Between(0, MOST_SEED)] = 0
    precision: Annotated[str, OneOf(PRECISIONS)] = "highest"

    def __post_init__(self) -> None:
        check(self, "train")
