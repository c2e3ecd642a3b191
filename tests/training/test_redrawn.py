"""Images that are drawn anew in every epoch: by seed and epoch alone, so that all arms see the same ones."""

import dataclasses
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from cnnlab.data import Dataset, Redrawn, Source, Split, draw
from cnnlab.spec.arm import Arm
from cnnlab.spec.task import Task
from cnnlab.training import checkpoints, members
from cnnlab.training.run import MemberRun, Result

EPOCHS, SEED = 3, 5
Seen = list[npt.NDArray[np.float32]]
"""The training images of each epoch, as a step was given them, and behind them the labels."""
Watch = Callable[..., Seen]


@pytest.fixture
def arm(arm: Arm) -> Arm:
    task = dataclasses.replace(arm.task, name="digits12", dials=(("noise", 0.4),))
    return Arm(net=arm.net, recipe=dataclasses.replace(arm.recipe, epochs=EPOCHS), task=task)


@pytest.fixture
def other_arm(arm: Arm) -> Arm:
    """Another net with another recipe on the same task."""
    net = dataclasses.replace(arm.net, pools=(2,), activation="tanh", width=3)
    recipe = dataclasses.replace(arm.recipe, optimizer="adam", batch_size=24, init_stream=1)
    return Arm(net=net, recipe=recipe, task=arm.task)


@pytest.fixture
def seen(source: Source, monkeypatch: pytest.MonkeyPatch) -> Watch:
    """What a run shows its net: the images and labels of every epoch, as they reach the training step."""

    def watch(arm: Arm, seed: int = SEED, strategy: str = "sequential") -> Seen:
        shown: dict[int, npt.NDArray[np.float32]] = {}
        honest = members.compiled(arm, strategy)
        labels: list[npt.NDArray[Any]] = []

        def step(state: Any, images: Any, given: Any, index: Any, rate: Any) -> Any:
            shown[len(labels) // -(-arm.task.train_images // arm.recipe.batch_size)] = np.array(images)
            labels.append(np.array(given))
            return honest.step(state, images, given, index, rate)

        with monkeypatch.context() as patch:
            patch.setattr(members, "compiled", lambda *_: dataclasses.replace(honest, step=step))
            members.train([MemberRun(arm=arm, seed=seed, learning_rate=0.02)], source, strategy)
        assert all(np.array_equal(one, labels[0]) for one in labels), "labels moved"
        return [*(shown[epoch] for epoch in sorted(shown)), labels[0]]

    return watch


def same(one: Seen, other: Seen) -> bool:
    return len(one) == len(other) and all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def assert_paired(seen: Watch, arm: Arm, other: Arm) -> None:
    """Fail unless two arms see the same images in every epoch, other ones in each, and another seed others again."""
    first = seen(arm)
    assert len(first) == EPOCHS + 1
    for epoch, images in enumerate(seen(other)[:-1]):
        assert np.array_equal(images, first[epoch]), f"epoch {epoch} of another arm shows other images"
    images = first[:-1]
    assert not any(np.array_equal(a, b) for a, b in itertools.pairwise(images)), "an epoch repeats"
    assert not any(np.array_equal(a, b) for a, b in zip(images, seen(arm, seed=SEED + 1)[:-1], strict=True))


def test_two_arms_see_the_same_images_in_every_epoch(seen: Watch, arm: Arm, other_arm: Arm) -> None:
    assert_paired(seen, arm, other_arm)


def test_a_longer_run_or_an_unwatched_one_or_another_rate_sees_the_same_first_epochs(seen: Watch, arm: Arm) -> None:
    longer = dataclasses.replace(arm, recipe=dataclasses.replace(arm.recipe, epochs=EPOCHS + 2, learning_rate=0.7))
    assert same([*seen(longer)[:EPOCHS], seen(longer)[-1]], seen(arm))
    assert same(seen(arm), seen(dataclasses.replace(arm, recipe=dataclasses.replace(arm.recipe, watched=True))))


def test_the_pairing_check_sees_images_drawn_by_arm(
    seen: Watch, arm: Arm, other_arm: Arm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fault: what an arm has drawn before moves what it draws next, so that its recipe reaches its images."""
    drawing = iter(range(10_000))

    def by_arm(dataset: Dataset, task: Task, seed: int) -> tuple[Split, Split]:
        train, validation = draw(dataset, task, seed)
        assert isinstance(train, Redrawn)
        honest, arm = train.anew, next(drawing)
        return dataclasses.replace(train, anew=lambda epoch: honest(epoch + 100 * arm)), validation

    monkeypatch.setattr(members, "draw", by_arm)
    with pytest.raises(AssertionError, match="epoch 0 of another arm"):
        assert_paired(seen, arm, other_arm)


@pytest.mark.parametrize("fault", ["never anew", "whatever the seed"])
def test_the_pairing_check_sees_images_that_stay(
    seen: Watch, arm: Arm, other_arm: Arm, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    def staying(dataset: Dataset, task: Task, seed: int) -> tuple[Split, Split]:
        train, validation = draw(dataset, task, SEED if fault == "whatever the seed" else seed)
        return (train if fault == "whatever the seed" else Split(train.images, train.labels)), validation

    monkeypatch.setattr(members, "draw", staying)
    with pytest.raises(AssertionError):
        assert_paired(seen, arm, other_arm)


def test_a_fixed_task_shows_the_same_images_in_every_epoch_and_puts_them_on_the_device_once(
    seen: Watch, arm: Arm, monkeypatch: pytest.MonkeyPatch, source: Source
) -> None:
    fixed = dataclasses.replace(arm, task=dataclasses.replace(arm.task, name="digits8", side=8, dials=()))
    images = seen(fixed)[:-1]
    assert all(np.array_equal(one, images[0]) for one in images)
    train, _ = draw(members.dataset(fixed.task, source), fixed.task, SEED)
    assert np.array_equal(images[0], train.images)
    shown = members.Shown([train], members.only)
    assert shown.in_epoch(0) is shown.in_epoch(7)
    anew = members.Shown([draw(members.dataset(arm.task, source), arm.task, SEED)[0]], members.only)
    assert anew.in_epoch(0) is not anew.in_epoch(1)


def losses(arm: Arm, source: Source, strategy: str) -> list[list[float]]:
    """Mean training loss in every epoch, by member."""
    runs = [MemberRun(arm=arm, seed=seed, learning_rate=0.02) for seed in (SEED, SEED + 1)]
    return [result.history["loss/train"] for result in members.train(runs, source, strategy)]


def test_every_strategy_trains_on_the_same_images(
    arm: Arm, source: Source, strategy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = losses(arm, source, "sequential")
    np.testing.assert_allclose(losses(arm, source, strategy), alone, rtol=2e-5)
    # the twin: were the first epoch's images shown in all, it would be seen
    monkeypatch.setattr(Redrawn, "in_epoch", lambda train, epoch: train.images)
    fixed = np.array(losses(arm, source, strategy))
    np.testing.assert_allclose(fixed[:, 0], np.array(alone)[:, 0], rtol=2e-5)
    assert not np.allclose(fixed[:, 1:], np.array(alone)[:, 1:], rtol=1e-3)


def test_an_epochs_images_do_not_depend_on_those_drawn_before(arm: Arm, source: Source) -> None:
    train, _ = draw(members.dataset(arm.task, source), arm.task, SEED)
    in_turn = [train.in_epoch(epoch) for epoch in range(EPOCHS)]
    again, _ = draw(members.dataset(arm.task, source), arm.task, SEED)
    assert np.array_equal(again.in_epoch(EPOCHS - 1), in_turn[-1])


def test_a_killed_training_goes_on_with_the_images_it_has_not_seen(
    arm: Arm, source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train(folder: Path | None) -> Result:
        (result,) = members.train(
            [MemberRun(arm=arm, seed=SEED, learning_rate=0.02, checkpoints=folder)], source, "sequential"
        )
        return result

    whole, honest = train(None), Redrawn.in_epoch
    monkeypatch.setattr(checkpoints, "EVERY", 0.0)
    monkeypatch.setattr(checkpoints, "SHARE", np.inf)
    asked: list[int] = []

    def killed(train: Redrawn, epoch: int) -> npt.NDArray[np.float32]:
        asked.append(epoch)
        if len(asked) == EPOCHS:
            raise KeyboardInterrupt
        return honest(train, epoch)

    monkeypatch.setattr(Redrawn, "in_epoch", killed)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "kept")
    assert train(tmp_path / "kept") == whole
    assert asked == [*range(EPOCHS), EPOCHS - 1]
