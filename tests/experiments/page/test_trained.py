"""The trained member on the page is that of the record, in both states, and looks at its task's images."""

import dataclasses
from pathlib import Path

import jax
import numpy as np
import pytest
from rich.console import Console

from cnnlab.data import Source, digits
from cnnlab.data.dials import settings
from cnnlab.data.redrawing import TEST_STREAM, at_random
from cnnlab.data.tasks import digits12
from cnnlab.records import Store
from cnnlab.training.program import program
from cnnlab.training.shown import ShownMember, train_again
from experiments.analysis.results import SweepResults, view
from experiments.analysis.selection import relocated
from experiments.page import building, trained
from experiments.page.member import Image
from experiments.page.trained import MOST_WRONG, NO_RECORD, Pair, pair, reference, standardised
from experiments.page.untrained import SHOWN
from experiments.page.view import Context
from experiments.page.views import network, stepper

from ..conftest import Compose, Plant

QUIET = Console(quiet=True)
OWN = (Image(title="own", pixels=np.linspace(0, 1, 144).reshape(12, 12, 1)),)


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory, composed: Compose, plant: Plant) -> dict[str, SweepResults]:
    """The sweep with small nets: a record of its reference alone."""
    root = tmp_path_factory.mktemp("results")
    plan = composed("pool_position", "smoke", "model.width=2", "scale.max_train_images=64", "scale.max_epochs=1")
    bare = view(relocated(plan, root))
    cell = bare.reference(bare.tasks()[0])
    assert cell is not None
    Store(root / "runs").write(plant(cell.point, 0.9), {"backend": "cpu"})
    return {"pool_position": view(relocated(plan, root))}


@pytest.fixture(scope="module")
def shown(views: dict[str, SweepResults]) -> ShownMember:
    cell = reference(views)
    assert cell is not None
    assert cell.record is not None
    source = Source(cache_dir=Path("none"), raw_dir=None)
    return train_again(cell.point.arm, cell.record.members[0], cell.record, source)


@pytest.fixture(scope="module")
def made(shown: ShownMember) -> Pair:
    return pair(shown, OWN)


def test_both_states_answer_as_the_training_program_does(shown: ShownMember, made: Pair) -> None:
    layers = jax.jit(program(shown.arm).layers)
    for member, state in zip(made.members, (shown.last, shown.first), strict=True):
        stacked = np.stack([image.pixels for image in member.images]).astype(np.float32)
        for name, values in layers(state, stacked).items():
            assert member.maps[name] == pytest.approx(np.asarray(values), abs=1e-5), name
    before, after = (member.weights["conv1"].kernel for member in made.members)
    assert np.abs(before - after).max() > 0


def test_a_readers_image_is_scaled_as_the_test_set_is(shown: ShownMember) -> None:
    """Its noise is left out: over all test images nothing else differs."""
    task, frozen = shown.arm.task, digits.frozen()
    tests = np.tile(frozen.images[frozen.test], (digits12.PLACES, 1, 1))
    canvas = at_random(tests, digits.CANVAS, np.random.RandomState(TEST_STREAM)) / digits.BRIGHTEST
    noise = shown.test.images - standardised(canvas, task)
    level = settings(task, digits12.DIALS)["noise"]
    assert noise.mean() == pytest.approx(0, abs=0.005)
    assert noise.std() == pytest.approx(level / np.sqrt(1 + level**2), rel=0.01)
    assert np.std(shown.test.images - canvas) > 1.1 * noise.std()


def test_images_are_the_readers_and_those_of_the_test_set_with_some_mistaken(shown: ShownMember, made: Pair) -> None:
    member = made.members[0]
    own, *others = member.images
    assert (own.title, own.label) == ("own", None)
    answers = member.maps[member.network.output].argmax(-1)[1:]
    assert [image.label for image in others[: len(SHOWN)]] == list(SHOWN)
    assert len(others) == len(SHOWN) + MOST_WRONG
    for image, answer in zip(others, answers, strict=True):
        assert image.title == f"digit {image.label}{'' if image.label == answer else ', mistaken'}"
        at = next(place for place, pixels in enumerate(shown.test.images) if (pixels == image.pixels).all())
        assert shown.test.labels[at] == image.label
    assert all(image.label != answer for image, answer in list(zip(others, answers, strict=True))[len(SHOWN) :])


def test_the_page_says_whether_it_is_the_recorded_member(shown: ShownMember) -> None:
    assert f"NOT the record's {shown.recorded:.4f}" in pair(shown, OWN).told
    equal = dataclasses.replace(shown, recorded=shown.test_accuracy)
    assert pair(equal, OWN).told.endswith(f"equals the record. {trained.IMAGES}")


def test_it_trains_in_a_process_of_its_own_to_the_same_member(
    views: dict[str, SweepResults], shown: ShownMember
) -> None:
    found = trained.trained(views, OWN, QUIET)
    assert found is not None
    assert [member.state for member in found.members] == [
        f"trained, seed {shown.seed}",
        f"before training, seed {shown.seed}",
    ]
    assert found.told.startswith(f"Trained again from its record: {trained.TITLE}; member {shown.seed}: test")


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No untrained nets, and no process that trains."""
    monkeypatch.setattr(building, "members", lambda images: ())

    def no_training(*_: object) -> ShownMember:
        raise AssertionError("nothing is to be trained")

    monkeypatch.setattr(trained, "apart", no_training)


@pytest.mark.usefixtures("alone")
def test_without_a_record_and_with_fast_nothing_is_trained_and_the_page_says_why(
    views: dict[str, SweepResults],
) -> None:
    without = building.with_members(Context(), OWN, {}, QUIET)
    assert without.trained == NO_RECORD
    fast = building.with_members(Context(fast=True), OWN, views, QUIET)
    assert "--fast" in fast.trained
    with pytest.raises(AssertionError, match="nothing is to be trained"):
        building.with_members(Context(), OWN, views, QUIET)


def test_both_views_print_what_is_said_of_the_member(made: Pair) -> None:
    context = Context(members=made.members, trained=made.told)
    for room in (network, stepper):
        content = room.make(context)
        assert content is not None
        assert content.static["trained"] == made.told
