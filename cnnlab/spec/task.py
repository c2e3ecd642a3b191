"""What a net is asked to learn: a dataset, its sizes and, for a synthetic task, its dials."""

import re
from dataclasses import dataclass
from typing import Annotated

from cnnlab.spec.invalid import require
from cnnlab.spec.ranges import MOST_IMAGES, Between, check

MOST_DIAL = 1_000_000
"""Of any dial of a generated task; each declares its own, narrower range (`cnnlab.data.dials`)."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """A classification task on square images.

    The test set belongs to the task and never moves; a seed draws `train_images` and
    `validation_images`, stratified by class, from what is left (`cnnlab.data`).

    Attributes:
        name: `digits12`, `vernier`, ..., or the name of a TFDS image classification dataset.
        side: height and width of an image in pixels.
        channels: colour channels of an image.
        classes: number of labels; 1 / classes is chance accuracy.
        train_images: how many images a seed draws to train on.
        validation_images: how many it draws to choose among learning rates by.
        test_images: size of a generated test set (synthetic tasks); 0 takes the task's whole fixed test set.
        dials: (name, value) pairs of a synthetic task, sorted by name.
        real: False for a generated task; a directional verdict needs one real task.
    """

    name: str
    side: Annotated[int, Between(1, 4096)]
    channels: Annotated[int, Between(1, 4096)]
    classes: Annotated[int, Between(2, 100_000)]
    train_images: Annotated[int, Between(1, MOST_IMAGES)]
    validation_images: Annotated[int, Between(1, MOST_IMAGES)]
    test_images: Annotated[int, Between(0, MOST_IMAGES)] = 0
    dials: tuple[tuple[str, Annotated[float, Between(-MOST_DIAL, MOST_DIAL)]], ...] = ()
    real: bool = True

    def __post_init__(self) -> None:
        # folders are named by it
        plain = re.fullmatch(r"[A-Za-z0-9_]{1,80}", self.name) is not None
        require(plain, "data.name", self.name, "must be the name of a task: letters, digits and underscores")
        check(self, "data")

    @property
    def chance(self) -> float:
        """Accuracy of a guess, a fraction in [0, 1]; what a diverged member counts as."""
        return 1.0 / self.classes

    def dial(self, name: str) -> float:
        """Value of one dial. Raises KeyError, naming the dials there are."""
        values = dict(self.dials)
        if name not in values:
            raise KeyError(f"task {self.name} has no dial {name}; it has {', '.join(values) or 'none'}")
        return values[name]
