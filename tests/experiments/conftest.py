"""Planted records: arms whose members scatter around an accuracy that a test chooses."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from cnnlab.spec.arm import plain
from cnnlab.spec.record import PROTOCOL, Finals, Measured, Record, Tried, Tuning
from cnnlab.training.run import evaluation_seeds
from experiments.claims.registry import claim_digests
from experiments.config.resolve import Point

Plant = Callable[..., Record]


def planted_record(
    point: Point, mean: float, block: int = 0, noise: float = 0.003, lost: tuple[int, ...] = ()
) -> Record:
    """A record of an arm: members around a mean, those in `lost` at chance, well above logistic regression."""
    seeds = evaluation_seeds(point.blocks, block)
    draw = np.random.default_rng([block, int(point.arm.key[-8:], 16)])
    values = mean + noise * draw.standard_normal(len(seeds))
    flags = tuple(place in lost for place in range(len(seeds)))
    shown = tuple(float(v) for v in np.where(flags, point.arm.task.chance, values))
    rate = point.arm.recipe.learning_rate
    finals = Finals(
        learning_rate=rate,
        test_accuracy=shown,
        test_loss=(0.5,) * len(seeds),
        validation_accuracy=shown,
        train_loss=(0.1,) * len(seeds),
        diverged=flags,
    )
    tuning = Tuning(
        seeds=(1_000_000,),
        tried=(Tried(learning_rate=rate, validation_accuracy=(0.9,), diverged=(False,)),),
        chosen=rate,
        capped=False,
        linear_accuracy=(0.3,),
    )
    return Record(
        protocol=PROTOCOL,
        arm=point.arm.key,
        block=block,
        config=plain(point.arm),
        members=seeds,
        finals={"own": finals, "common": finals},
        histories=(),
        probes=(),
        tuning=tuning,
        claims=dict(claim_digests()),
        geometry=Measured(params=1, macs=1, receptive_field=(1, 1), output_size=(1, 1), activation_elements=1),
    )


@pytest.fixture(autouse=True, scope="module")
def nothing_published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What comes with the suite decides no test, unless it says so."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CNNLAB_PUBLISHED", str(tmp_path_factory.mktemp("none") / "published"))
        yield


@pytest.fixture(scope="session")
def plant() -> Plant:
    """Make a record of a point: `plant(point, mean, block, noise, lost)`."""
    return planted_record
