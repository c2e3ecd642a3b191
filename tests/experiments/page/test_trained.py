"""The trained member on the page is the one of the record, in both states, looking at images as its task scales them."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np
import pytest
from rich.console import Console

from cnnlab.data import Source, digits
from cnnlab.records import Store
from cnnlab.training.program import program
from cnnlab.training.shown import ShownMember, train_again
from experiments.analysis.results import SweepResults, view
from experiments.analysis.selection import relocated
from experiments.page import building, trained
from experiments.page.trained import MOST_WRONG, NO_RECORD, Pair, pair, reference, standardised
from experiments.page.untrained import digit_images
from experiments.page.view import Context
from experiments.page.views import network, stepper

from ..conftest import Compose, Plant

QUIET = Console(quiet=True)


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
    return pair(shown, digit_images())


def test_both_states_answer_as_the_training_program_does(shown: ShownMember, made: Pair) -> None:
    layers = jax.jit(program(shown.arm).layers)
    for member, state in zip(made.members, (shown.last, shown.first), strict=True):
        stacked = np.stack([image.pixels for image in member.images]).astype(np.float32)
        for name, values in layers(state, stacked).items():
            assert member.maps[name] == pytest.approx(np.asarray(values), abs=1e-5), name
    before, after = (member.weights["conv1"].kernel for member in made.members)
    assert np.abs(before - after).max() > 0


def test_images_are_scaled_as_the_test_set_is(shown: ShownMember) -> None:
    frozen = digits.frozen()
    canvas = digits.on_canvas(frozen)[frozen.test] / digits.BRIGHTEST
    for place in (0, 7, 100):
        assert standardised(canvas[place][..., None]) == pytest.approx(shown.test.images[place], abs=1e-5)


def test_images_that_are_mistaken_stand_beside_the_others(made: Pair) -> None:
    member = made.members[0]
    mistaken = member.images[-MOST_WRONG:]
    answers = member.maps[member.network.output].argmax(-1)[-MOST_WRONG:]
    for image, answer in zip(mistaken, answers, strict=True):
        assert image.label != answer
        assert image.title == f"digit {image.label}, mistaken"
    assert len(member.images) == len(digit_images()) + MOST_WRONG


def test_the_page_says_whether_it_is_the_recorded_member(shown: ShownMember) -> None:
    assert f"NOT the record's {shown.recorded:.4f}" in pair(shown, digit_images()).told
    equal = dataclasses.replace(shown, recorded=shown.test_accuracy)
    assert pair(equal, digit_images()).told.endswith("equals the record.")


def test_it_trains_in_a_process_of_its_own_to_the_same_member(
    views: dict[str, SweepResults], shown: ShownMember, made: Pair
) -> None:
    settings = views["pool_position"].settings
    assert not settings.cache.exists()
    found = trained.trained(views, digit_images(), QUIET)
    assert found is not None
    assert [member.state for member in found.members] == [
        f"trained, seed {shown.seed}",
        f"before training, seed {shown.seed}",
    ]
    assert found.told.startswith(f"{trained.TITLE}, trained again from its record: member {shown.seed}: test accuracy")


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No untrained nets, and no process that trains."""
    monkeypatch.setattr(building, "members", lambda images: ())

    def no_training(*_: object) -> ShownMember:
        raise AssertionError("nothing is to be trained")

    monkeypatch.setattr(trained, "apart", no_training)
    yield


@pytest.mark.usefixtures("alone")
def test_without_a_record_and_with_fast_nothing_is_trained_and_the_page_says_why(
    views: dict[str, SweepResults],
) -> None:
    without = building.with_members(Context(), digit_images(), {}, QUIET)
    assert without.trained == NO_RECORD
    fast = building.with_members(Context(fast=True), digit_images(), views, QUIET)
    assert "--fast" in fast.trained
    with pytest.raises(AssertionError, match="nothing is to be trained"):
        building.with_members(Context(), digit_images(), views, QUIET)


def test_both_views_print_what_is_said_of_the_member(made: Pair) -> None:
    context = Context(members=made.members, trained=made.told)
    for room in (network, stepper):
        content = room.make(context)
        assert content is not None
        assert content.static["trained"] == made.told
