"""How a net is trained: optimiser, schedule, length, and at which learning rates."""

import math
from dataclasses import dataclass

from cnnlab.spec.curve import MOST_RATES
from cnnlab.spec.invalid import require, require_choice

OPTIMIZERS = ("sgd", "adam")
SCHEDULES = ("one_cycle", "cosine", "constant")
PRECISIONS = ("highest", "high", "default")


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

    optimizer: str = "sgd"
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 0.0
    schedule: str = "one_cycle"
    epochs: int = 16
    batch_size: int = 32
    rates: int = 3
    watched: bool = True
    init_stream: int = 0
    precision: str = "highest"

    def __post_init__(self) -> None:
        require_choice("train.optimizer", self.optimizer, OPTIMIZERS)
        require_choice("train.schedule", self.schedule, SCHEDULES)
        require_choice("train.precision", self.precision, PRECISIONS)
        positive = self.learning_rate > 0 and math.isfinite(self.learning_rate)
        require(positive, "train.learning_rate", self.learning_rate, "must be positive and finite")
        require(0 <= self.momentum < 1, "train.momentum", self.momentum, "must lie in [0, 1)")
        require(self.weight_decay >= 0, "train.weight_decay", self.weight_decay, "must not be negative")
        for key, low, high in (("epochs", 1, 10_000), ("batch_size", 1, 65_536), ("rates", 1, MOST_RATES)):
            value = getattr(self, key)
            require(low <= value <= high, f"train.{key}", value, f"must lie between {low} and {high}")
        require(self.init_stream >= 0, "train.init_stream", self.init_stream, "must not be negative")
