"""What all tests of commands share: composed grids, planted records, and a command's `main` called in this process."""

import base64
import dataclasses
import functools
import json
import os
import re
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnlab.geometry.measured import measured
from cnnlab.spec.arm import Arm, plain
from cnnlab.spec.curve import AtRate, first_rates
from cnnlab.spec.record import PROTOCOL, Measured, Record
from cnnlab.training.arm import Training
from cnnlab.training.workers import WorkerPool
from cnnlab.zoo import native
from cnnlab.zoo.lowering import network
from experiments.claims.registry import claim_digests
from experiments.config.grid import Grid, first_point, grid
from experiments.config.resolve import Point
from experiments.training import convolutions, session, suite_plan

Compose = Callable[..., Grid]
Plant = Callable[..., Record]
Door = Callable[..., "Ended"]
NOWHERE = Path(tempfile.gettempdir()) / "cnnlab-tests-nowhere"
"""Results folder of composed grids; nothing is ever written there."""
TEST_IMAGES = 5000
"""How many test images planted accuracies count."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a command ended: its exit code, and what it printed on standard output and standard error."""

    code: int
    out: str
    err: str


def page_data(page: str) -> Any:
    """What the scripts of a page read."""
    found = re.search(r'<script type="text/plain" id="data">([^<]*)</script>', page)
    assert found is not None
    return json.loads(zlib.decompress(base64.b64decode(found[1])))


@functools.cache
def grid_of(words: tuple[str, ...]) -> Grid:
    """The grid of a command line, composed once."""
    return grid(list(words))


@functools.cache
def first_point_of(words: tuple[str, ...]) -> Point | None:
    """The first point of a command line, composed once."""
    return first_point(list(words))


banks = functools.cache(suite_plan.banks)
"""The sweeps by bank, read once."""


def arms_of(words: Iterable[str]) -> tuple[str, ...]:
    """What of a command line bears on arms, in an order of its own: of a key that is set twice the last counts."""
    last = {word.partition("=")[0]: word for word in words}
    return tuple(
        last[key] for key in sorted(last) if key not in ("results", "cache", "force", "convolutions", "tracker")
    )


def compose_once(words: Sequence[str]) -> Grid:
    """Stands for `grid` where commands are called again and again: it composes anew only if arms may be others."""
    given = dict(word.split("=", 1) for word in words if "=" in word)
    made = grid_of(arms_of(words))
    places = {key: os.environ.get(f"CNNLAB_{key.upper()}", str(NOWHERE / key)) for key in ("results", "cache")} | given
    settings = dataclasses.replace(
        made.settings,
        results=Path(places["results"]),
        cache=Path(places["cache"]),
        force=given.get("force", "").lower() == "true",
        convolutions=given.get("convolutions", "auto"),
        tracker=given.get("tracker", "offline"),
    )
    return dataclasses.replace(made, settings=settings)


def first_point_once(words: Sequence[str]) -> Point | None:
    """Stands for `first_point` in the same way."""
    return first_point_of(arms_of(words))


@functools.cache
def composed_grid(sweep: str = "", scale: str = "quick", *overrides: str) -> Grid:
    """The grid of a sweep at a scale, composed once; no sweep where the name is empty.

    Its results and cache folders are not there, and there is no tracker, unless `overrides` say otherwise.
    """
    named = [f"+sweep={sweep}"] if sweep else []
    places = [f"results={NOWHERE / 'results'}", f"cache={NOWHERE / 'cache'}"]
    return compose_once([*named, f"scale={scale}", "tracker=off", *places, *overrides])


def record_of(arm: Arm, seeds: Sequence[int], accuracy: Sequence[float], lost: tuple[int, ...] = ()) -> Record:
    """A record of an arm that nobody trained, far above logistic regression, which has 30 %.

    All members do best at the recipe's own rate, and are read there: at the smaller one a twentieth of what they know
    is lost, at the larger one a tenth.

    Args:
        accuracy: of every member at the best rate, rounded to whole test images.
        lost: places of members that are at chance instead, at every rate.
    """
    flags = tuple(place in lost for place in range(len(seeds)))
    best, chance = np.where(flags, arm.task.chance, accuracy), arm.task.chance
    rates = []
    for rate in first_rates(arm.recipe.learning_rate, arm.recipe.rates):
        kept = 1.0 if rate == arm.recipe.learning_rate else 0.95 if rate < arm.recipe.learning_rate else 0.9
        right = np.rint(TEST_IMAGES * (chance + kept * (best - chance)))
        shown = tuple((np.clip(right, 0, TEST_IMAGES) / TEST_IMAGES).tolist())
        at = AtRate(
            learning_rate=rate,
            validation_accuracy=shown,
            test_accuracy=shown,
            test_loss=tuple(None if flag else 0.5 for flag in flags),
            train_loss=tuple(None if flag else 0.1 for flag in flags),
            diverged=flags,
        )
        rates.append(at)
    return Record(
        protocol=PROTOCOL,
        arm=arm.key,
        config=plain(arm),
        members=tuple(seeds),
        rates=tuple(rates),
        test_images=TEST_IMAGES,
        linear_accuracy=(0.3,),
        histories=({},) * len(seeds),
        probes=({},) * len(seeds),
        claims=dict(claim_digests()),
        geometry=Measured(params=1, macs=1, receptive_field=(1, 1), output_size=(1, 1), activation_elements=1),
    )


def planted_record(
    point: Point,
    mean: float,
    noise: float = 0.003,
    lost: tuple[int, ...] = (),
    seed: int = 0,
    probes: Mapping[str, float] | None = None,
) -> Record:
    """A record of a point whose members scatter around an accuracy.

    Args:
        mean: accuracy around which members scatter, with a standard deviation of `noise`.
        lost: places of members that are at chance, at every learning rate.
        seed: another seed scatters them otherwise.
        probes: means of probes by their path; a member is above or below them by as much as its accuracy is.
    """
    draw = np.random.default_rng([int(point.arm.key[-8:], 16), seed])
    scatter = noise * draw.standard_normal(len(point.seeds))
    made = record_of(point.arm, point.seeds, (mean + scatter).tolist(), lost)
    means = probes or {}
    probed = tuple({path: float(means[path] + one) for path in means} for one in scatter)
    return dataclasses.replace(made, probes=probed)


def invented(arm: Arm, seeds: Sequence[int], claims: Mapping[str, str], checkpoints: Path | None = None) -> Training:
    """A training that takes no time, as `cnnlab.training.arm.training`: the same arm always has the same record."""
    accuracy = np.random.default_rng(list(seeds)).uniform(0.5, 0.9, len(seeds))
    made = record_of(arm, seeds, accuracy.tolist())
    net = network(arm.net, arm.task.side, arm.task.channels, arm.task.classes)
    size = measured(net, (arm.task.side, arm.task.side))
    return dataclasses.replace(made, geometry=size, claims=dict(claims))
    yield


class Idle:
    """A worker that is never given anything: invented arms ask for no work."""

    busy = None


@pytest.fixture(autouse=True, scope="module")
def nothing_published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What comes with the suite decides no test, unless it says so."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CNNLAB_PUBLISHED", str(tmp_path_factory.mktemp("published")))
        yield


@pytest.fixture(scope="session")
def composed() -> Compose:
    """Compose a sweep, once a session: `composed(sweep, scale, *overrides)`, such as `composed("pool_position")`."""
    return composed_grid


@pytest.fixture(scope="session")
def plant() -> Plant:
    """Make a record of a point: `plant(point, mean, noise, lost, seed, probes)`."""
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


@pytest.fixture
def untrained(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Sessions whose training takes no time; the keys of the arms that they trained, in order."""
    trained: list[str] = []

    def training(arm: Arm, *rest: Any) -> Training:
        trained.append(arm.key)
        return (yield from invented(arm, *rest))

    train_nothing(monkeypatch, training)
    return trained


def train_nothing(patch: pytest.MonkeyPatch, training: Callable[..., Training] = invented) -> None:
    """Have sessions make records without workers, and take our own convolutions for compiled."""
    patch.setattr(session, "training", training)
    patch.setattr(WorkerPool, "_worker", lambda self, number: Idle())
    patch.setattr(convolutions, "accelerator", lambda: "cpu")
    patch.setattr(native, "compiler", list)
    patch.setattr(native, "build", lambda folder: folder / "native-0123.so")


@pytest.fixture
def composed_once() -> Callable[[Sequence[str]], Grid]:
    """A stand-in for `grid` that remembers what it composed."""
    return compose_once
