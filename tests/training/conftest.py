"""A tiny arm on real digits, small enough to train in a second, and sources for it."""

from pathlib import Path

import pytest

from cnnlab.data import Source
from cnnlab.spec.arm import Arm
from cnnlab.spec.net import ConvNet
from cnnlab.spec.recipe import Recipe
from cnnlab.spec.task import Task
from cnnlab.training import members

TASK = Task(
    name="digits12", side=12, channels=1, classes=10, train_images=96, validation_images=50, dials=(("noise", 0.5),)
)
NET = ConvNet(depth=2, width=4, pools=(1,))
RECIPE = Recipe(epochs=2, batch_size=32, learning_rate=0.05, rates=1)


@pytest.fixture(autouse=True)
def few_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    """A CPU takes members along an axis one by one."""
    monkeypatch.setattr(members, "SIDE_BY_SIDE", 4)


@pytest.fixture
def arm() -> Arm:
    return Arm(net=NET, recipe=RECIPE, task=TASK)


@pytest.fixture
def learner() -> Arm:
    """An arm that learns within a second: its members are not at chance, so that there is something to look into."""
    task = Task(name="digits8", side=8, channels=1, classes=10, train_images=96, validation_images=50)
    recipe = Recipe(epochs=6, batch_size=32, learning_rate=0.03, optimizer="adam", rates=1)
    return Arm(net=ConvNet(depth=2, width=4, pools=(1,), head="flatten"), recipe=recipe, task=task)


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return Source(cache_dir=tmp_path)


@pytest.fixture(
    params=[name if name == "sequential" else pytest.param(name, marks=pytest.mark.slow) for name in members.STRATEGIES]
)
def strategy(request: pytest.FixtureRequest) -> str:
    """Every way in which members are trained, in turn."""
    if request.param == "native":
        request.getfixturevalue("natively")
    return str(request.param)
