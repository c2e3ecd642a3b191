"""What surely does not fit is refused by name before anything starts; what fits is not."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from cnnlab.records import Store
from cnnlab.spec.arm import Arm
from cnnlab.spec.invalid import InvalidError
from cnnlab.spec.recipe import Recipe
from cnnlab.spec.record import Record
from experiments import features, run
from experiments.config.grid import Grid
from experiments.config.resolve import Point
from experiments.paths import CONF
from experiments.training import memory, session
from experiments.training.estimate import Pace, require_time

Compose = Callable[..., Grid]
Door = Callable[..., Any]
SWEEPS = sorted(path.stem for path in (CONF / "sweep").glob("*.yaml"))
GIB = 2**30


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of 24 GiB with two cores."""
    monkeypatch.setattr(memory, "available", lambda: 24 * GIB)


def points(plan: Grid) -> tuple[Point, ...]:
    return (*plan.points, *plan.checks)


SHIPPED = [("pool_position", "smoke"), ("difficulty", "smoke")]
SHIPPED += [pytest.param(name, scale, marks=pytest.mark.slow) for name in SWEEPS for scale in ("quick", "full")]


@pytest.mark.parametrize(("name", "scale"), SHIPPED)
@pytest.mark.usefixtures("machine")
def test_no_shipped_sweep_is_refused(name: str, scale: str, composed: Compose) -> None:
    every = points(composed(name, scale))
    memory.require_memory(every, 2, "cpu")
    memory.require_memory(every, 16, "cpu")
    memory.require_memory(every, 1, "gpu")
    require_time(every, Pace(workers=2))


ABSURD = {
    "width": (["model.width=4096", "model.depth=100", "model.pools=[]"], "model=d100w4096"),
    "widths": (["model.depth=4", "model.pools=[2]", "model.widths=[65536,65536,65536,65536]"], "model=d4w65536"),
    "batch": (["data=cifar10", "train.batch_size=65536", "model.width=2048"], "train.batch_size=65536"),
    "side": (["data=vernier", "data.side=4096", "data.train_images=100000"], "data.train_images=100000"),
    "images": (["data=vernier", "data.train_images=100000000"], "data.train_images=100000000"),
    "workers": (["workers=1024"], "workers=1024"),
    "epochs": (["scale.members=1000", "train.rates=8", "train.epochs=10000", "model.width=512"], "train.epochs=10000"),
}


@pytest.mark.parametrize("case", ABSURD)
@pytest.mark.usefixtures("machine")
def test_what_no_machine_has_is_refused_by_name(case: str, door: Door, tmp_path: Path) -> None:
    words, said = ABSURD[case]
    done = door(run.main, *words)
    assert done.code == 2, done.err
    assert said in done.err
    assert done.err.count("\n") == 1
    assert "would take" in done.err
    assert done.out == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["model.width=100000"], "between 1 and 4096"),
        (["scale.members=1000000"], "between 1 and 1000"),
        (["data.side=100000"], "between 1 and 4096"),
        (["train.batch_size=1000000000"], "between 1 and 65536"),
        (["train.epochs=1000000000"], "between 1 and 10000"),
    ],
)
def test_what_is_out_of_range_is_told_by_its_range(words: list[str], said: str, door: Door) -> None:
    done = door(run.main, *words)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert said in done.err


def test_the_same_fits_a_machine_that_has_it(composed: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: what is refused is refused for the machine's size."""
    every = points(composed("", "quick", "workers=1024"))
    monkeypatch.setattr(memory, "available", lambda: 24 * GIB)
    with pytest.raises(InvalidError, match="workers=1024"):
        memory.require_memory(every, 1024, "cpu")
    monkeypatch.setattr(memory, "available", lambda: 1024 * GIB)
    memory.require_memory(every, 1024, "cpu")


def test_the_least_that_is_counted_is_no_more_than_a_worker_takes(composed: Compose) -> None:
    """A worker that has trained the reference net took 400 MiB, by /proc/<pid>/status."""
    (point,) = composed("", "quick").points
    assert 200 * 2**20 < memory.need(point, 1, "cpu").bytes < 300 * 2**20
    assert memory.need(point, 2, "cpu").bytes < 600 * 2**20


def test_a_step_grows_with_the_batch_and_weights_with_the_optimiser(composed: Compose) -> None:
    (point,) = composed("", "quick").points
    large = dataclasses.replace(point.arm.recipe, batch_size=960, optimizer="sgd")
    net, other = memory._net(point.arm), memory._net(dataclasses.replace(point.arm, recipe=large))
    assert other.weights == net.weights * 3 // 4
    assert net.step == 4 * (16 * (2 * 144 + 2 * 36 + 2 * 9) + 10)
    assert net.largest == 4 * 16 * 144
    small, more = (memory.need(dataclasses.replace(point, arm=one), 1, "cpu").bytes for one in changed(point, large))
    scored = "256 images are scored at once, more than a batch of 32"
    assert more - small == 960 * net.step - 256 * net.largest - net.weights // 4, scored


def changed(point: Point, recipe: Recipe) -> tuple[Arm, Arm]:
    return point.arm, dataclasses.replace(point.arm, recipe=recipe)


def test_a_container_allows_less_than_the_machine_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = tmp_path / "cgroup" / "job" / "step"
    inner.mkdir(parents=True)
    (tmp_path / "own").write_text("0::/job/step\n")
    monkeypatch.setattr(memory, "CGROUP", tmp_path / "cgroup")
    monkeypatch.setattr(memory, "OWN_CGROUP", tmp_path / "own")
    assert memory.available() == psutil.virtual_memory().total
    (inner / "memory.max").write_text("max\n")
    (inner.parent / "memory.max").write_text(f"{10**9}\n")
    assert memory.available() == 10**9


def test_what_training_takes_is_said_first_and_nothing_where_all_is_done(
    composed: Compose, plant: Callable[..., Record], tmp_path: Path
) -> None:
    plan = composed("", "smoke", f"results={tmp_path}", f"cache={tmp_path}")
    line = run.check_feasible(plan)
    assert line.startswith("1 arm to train: some ")
    assert "GiB of memory" in line
    Store(plan.settings.runs).write(plant(plan.points[0], 0.8), {})
    assert run.check_feasible(plan) == ""


def test_workers_are_as_many_as_cores_unless_told(composed: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "cores", lambda: 7)
    monkeypatch.setattr(session, "devices", lambda: ("0", "1"))
    settings = composed("", "quick").settings
    assert session.workers_of(settings, "cpu") == 7
    assert session.workers_of(settings, "gpu") == 2
    assert session.workers_of(dataclasses.replace(settings, workers=3), "cpu") == 3


def test_years_are_refused_and_hours_are_not(composed: Compose) -> None:
    every = points(composed("pool_position", "smoke"))
    require_time(every, Pace(workers=2))
    with pytest.raises(InvalidError, match=r"train\.epochs=4 .* years"):
        require_time(every, Pace(workers=2, factor=10**8))
    require_time(every, Pace(workers=2, factor=10**3))


FEATURES = ["data=digits8", "scale=smoke"]
TOO_MANY = {
    "starts": (["model.width=2048", "--starts", "100"], "--starts=100"),
    "members": (["model.width=4096", "model.pools=[]", "--seeds", ",".join(map(str, range(1000)))], "--seeds=1000"),
}


@pytest.mark.parametrize("case", TOO_MANY)
@pytest.mark.usefixtures("machine")
def test_pictures_that_do_not_fit_are_one_line_before_anything_trains(
    case: str, door: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: a machine with more memory begins."""

    def begins(*_: Any) -> Any:
        raise AssertionError("begins")

    words, key = TOO_MANY[case]
    monkeypatch.setattr(features, "apart", begins)
    done = door(features.main, *FEATURES, *words)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"error: {key} is not valid: drawing would take at least")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(memory, "available", lambda: 2**60)
    with pytest.raises(AssertionError, match="begins"):
        door(features.main, *FEATURES, *words)
