"""Records to track."""

from collections.abc import Callable

import pytest

from cnnlab.spec.curve import AtRate
from cnnlab.spec.record import Measured, Record


@pytest.fixture(autouse=True)
def _at_home(home_of_wandb: None) -> None:
    """Every test here may start W&B."""


def example(arm: str = "digits12-convnet-0123456789", offset: float = 0.0) -> Record:
    """Three members of which the first diverges; `offset` tells two records apart in every loss and norm."""
    best = AtRate(
        learning_rate=0.1,
        test_accuracy=(0.1, 0.7, 0.8),
        test_loss=(None, 0.75, 0.25),
        validation_accuracy=(0.1, 0.5, 0.6),
        train_loss=(None, 0.5, 0.25),
        diverged=(True, False, False),
    )
    slower = AtRate(**{**vars(best), "learning_rate": 0.05, "validation_accuracy": (0.1, 0.25, 0.25)})
    losses: list[list[float | None]] = [[4.0, None], [2.0, 1.0], [3.0, 0.5]]
    histories = tuple(
        {
            "images_seen": [100, 200],
            "loss/train": [loss if loss is None else loss + offset for loss in losses[member]],
            "accuracy/validation": [None, 0.25 * member],
            "stats": {
                "images_seen": [0, 50, 200],
                "grad_norm/conv1/kernel": [1.0 + member + offset, 4.0 + offset, None],
                "log2_histogram/conv1/kernel": [[member, 1, *[0] * 48], [0, 3, *[0] * 48], [5, *[0] * 49]],
            },
        }
        for member in range(3)
    )
    return Record(
        protocol=1,
        arm=arm,
        config={"net": {"width": 8}, "recipe": {"epochs": 2}, "task": {"name": "digits12"}},
        members=(12, 13, 14),
        rates=(slower, best),
        test_images=10,
        linear_accuracy=(0.4,),
        histories=histories,
        probes=({}, {"edge_index/share": 0.25}, {"edge_index/share": 0.75, "pair_auc/auc": 0.5}),
        geometry=Measured(params=10, macs=20, receptive_field=(5, 7), output_size=(2, 3), activation_elements=9),
    )


@pytest.fixture
def make() -> Callable[..., Record]:
    """The maker of example records."""
    return example
