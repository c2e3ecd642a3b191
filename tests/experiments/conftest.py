"""What all tests of commands share: composed grids, planted records, and a command's `main` called in this process."""

import functools
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from cnnlab.spec.arm import plain
from cnnlab.spec.record import PROTOCOL, Finals, Measured, Record, Tried, Tuning
from cnnlab.training.run import evaluation_seeds
from experiments.claims.registry import claim_digests
from experiments.config.grid import Grid, grid
from experiments.config.resolve import Point

Compose = Callable[..., Grid]
Plant = Callable[..., Record]
Door = Callable[..., "Ended"]
NOWHERE = Path(tempfile.gettempdir()) / "cnnlab-tests-nowhere"
"""Results folder of composed grids; nothing is ever written there."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a command ended: its exit code, and what it printed on standard output and standard error."""

    code: int
    out: str
    err: str


@functools.cache
def composed_grid(sweep: str = "", scale: str = "quick", *overrides: str) -> Grid:
    """The grid of a sweep at a scale, composed once; no sweep where the name is empty.

    Its results and cache folders are not there, and there is no tracker, unless `overrides` say otherwise.
    """
    named = [f"+sweep={sweep}"] if sweep else []
    given = {word.partition("=")[0] for word in overrides}
    places = {"tracker": "off", "results": str(NOWHERE / "results"), "cache": str(NOWHERE / "cache")}
    return grid([*named, f"scale={scale}", *(f"{key}={places[key]}" for key in places if key not in given), *overrides])


def planted_record(
    point: Point,
    mean: float,
    block: int = 0,
    noise: float = 0.003,
    lost: tuple[int, ...] = (),
    seed: int = 0,
    probes: Mapping[str, float] | None = None,
) -> Record:
    """A record of an arm that nobody trained, far above logistic regression, which has 30 %.

    Args:
        mean: accuracy around which members scatter, with a standard deviation of `noise`.
        lost: places of members that are at chance.
        seed: another seed scatters them otherwise.
        probes: means of probes by their path; a member is above or below them by as much as its accuracy is.
    """
    seeds = evaluation_seeds(point.blocks, block)
    draw = np.random.default_rng([block, int(point.arm.key[-8:], 16), seed])
    scatter = noise * draw.standard_normal(len(seeds))
    flags = tuple(place in lost for place in range(len(seeds)))
    shown = tuple(float(v) for v in np.where(flags, point.arm.task.chance, mean + scatter))
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
    probed = () if probes is None else tuple({path: float(probes[path] + one) for path in probes} for one in scatter)
    return Record(
        protocol=PROTOCOL,
        arm=point.arm.key,
        block=block,
        config=plain(point.arm),
        members=seeds,
        finals={"own": finals, "common": finals},
        histories=(),
        probes=probed,
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
def composed() -> Compose:
    """Compose a sweep, once a session: `composed(sweep, scale, *overrides)`, such as `composed("pool_position")`."""
    return composed_grid


@pytest.fixture(scope="session")
def plant() -> Plant:
    """Make a record of a point: `plant(point, mean, block, noise, lost, seed, probes)`."""
    return planted_record


@pytest.fixture
def door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Door:
    """Call a command in this process: `door(judge.main, "noise")` gives its code, its output and its errors.

    It writes to `tmp_path / "results"` and `tmp_path / "cache"`, unless the words or the environment say otherwise.
    """
    monkeypatch.setenv("CNNLAB_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("CNNLAB_CACHE", str(tmp_path / "cache"))

    def opened(main: Callable[[], int], *words: str) -> Ended:
        monkeypatch.setattr(sys, "argv", [main.__module__.removesuffix(".__main__").rpartition(".")[2], *words])
        capsys.readouterr()  # what was printed before is no part of it
        try:
            code = main()
        except SystemExit as left:  # after --help
            code = int(left.code or 0)
        out, err = capsys.readouterr()
        return Ended(code=int(code), out=out, err=err)

    return opened
