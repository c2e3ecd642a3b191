"""The trained member on the page is that of the record, in both states, and looks at its task's images."""

import dataclasses
import os
import shutil
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from rich.console import Console

from cnnlab.data import Source, digits
from cnnlab.data.dials import settings
from cnnlab.data.redrawing import TEST_STREAM, at_random
from cnnlab.data.tasks import digits12
from cnnlab.records import Store
from cnnlab.spec.arm import Arm
from cnnlab.spec.network import Conv
from cnnlab.training import checkpoints
from cnnlab.training.checkpoints import Progress, keeper
from cnnlab.training.program import State, program
from cnnlab.training.run import MemberRun
from cnnlab.training.shown import ShownMember, train_again
from cnnlab.training.workers import ONE_THREAD, environment
from experiments.analysis.results import SweepResults, view
from experiments.analysis.selection import relocated
from experiments.cli.errors import UsageError
from experiments.page import building, trained, weights
from experiments.page.member import Image
from experiments.page.member_data import softmax
from experiments.page.trained import (
    MOST_WRONG,
    NO_RECORD,
    Again,
    Job,
    Pair,
    job,
    pair,
    reference,
    standardised,
    with_state,
)
from experiments.page.untrained import SHOWN
from experiments.page.view import Context
from experiments.page.views import network, shift, stepper
from experiments.page.weights import filled, from_file, named

from ..conftest import Compose, Plant

pytestmark = pytest.mark.slow

QUIET = Console(quiet=True)
OWN = (Image(title="own", pixels=np.linspace(0, 1, 144).reshape(12, 12, 1)),)


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory, composed: Compose, plant: Plant) -> dict[str, SweepResults]:
    """The sweep with small nets: a record of its reference alone."""
    root = tmp_path_factory.mktemp("results")
    few = ("model.width=2", "scale.max_train_images=64", "scale.max_epochs=1", "scale.members=3")
    plan = composed("pool_position", "smoke", *few)
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
    return pair(Again(shown=shown), OWN)


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
    assert f"NOT the record's {shown.recorded:.4f}" in pair(Again(shown=shown), OWN).told
    equal = dataclasses.replace(shown, recorded=shown.test_accuracy)
    assert pair(Again(shown=equal), OWN).told.endswith(f"equals the record. {trained.IMAGES}")


@pytest.fixture(scope="module")
def asked(views: dict[str, SweepResults]) -> Job:
    found = job(views, QUIET)
    assert found is not None
    return found


def test_the_job_is_the_records_first_member_and_two_that_read(views: dict[str, SweepResults], asked: Job) -> None:
    assert asked.seeds == asked.record.members[:3]
    assert asked.layers == ("act2", "act4", "act6")
    other = job(views, QUIET, seed=asked.record.members[1], draw=False)
    assert other is not None
    assert (other.seeds, other.layers) == (asked.record.members[1:2], ())


def test_a_seed_that_the_record_has_not_got_is_refused(views: dict[str, SweepResults]) -> None:
    with pytest.raises(UsageError, match="--seed 7 is not valid here: the record has the members"):
        job(views, QUIET, seed=7)
    with pytest.raises(UsageError, match="--seed 7 is not valid here: no trained net is shown"):
        job({}, QUIET, seed=7)


def test_it_trains_in_a_process_of_its_own_to_the_same_member(asked: Job, shown: ShownMember) -> None:
    alone = dataclasses.replace(asked, seeds=asked.seeds[:1], layers=())
    with environment(ONE_THREAD), ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        found = process.submit(trained.train, alone).result()
    assert (found.shown.seed, found.shown.test_accuracy) == (shown.seed, shown.test_accuracy)
    told = pair(found, OWN).told
    assert told.startswith(f"Trained again from its record: {trained.TITLE}; member {shown.seed}: test")


@pytest.mark.slow
def test_pictures_of_several_layers_come_from_one_ascent(asked: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trained, "STEPS", 3)
    found = trained.train(dataclasses.replace(asked, layers=asked.layers[1:])).features
    assert [one.layer for one in found] == list(asked.layers[1:])
    assert [{(one.kind, one.state) for one in wall.drawn} for wall in found] == [
        {("channel", "trained"), ("channel", "untrained")},
        {(kind, state) for kind in ("class", "channel") for state in ("trained", "untrained")},
    ]
    assert all(one.facts.readers == 2 for one in found[-1].of("class", "trained"))


@pytest.mark.parametrize(("fast", "told"), [(False, NO_RECORD), (True, trained.LEFT_OUT)])
def test_without_a_trained_net_the_page_says_why(fast: bool, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "members", lambda images: ())
    assert building.with_members(Context(fast=fast), OWN, None).trained == told


def test_a_strided_net_is_shown_where_it_has_a_record(
    composed: Compose, plant: Plant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: none is without."""
    few = ("model.width=2", "scale.max_train_images=64", "scale.max_epochs=1", "scale.members=3")
    plan = composed(trained.STRIDED_SWEEP, "smoke", *few)
    bare = view(relocated(plan, tmp_path))
    assert trained.strided_job({trained.STRIDED_SWEEP: bare}, QUIET) is None
    cell = bare.cell(bare.tasks()[0], trained.STRIDED_LEVEL, "none")
    assert cell is not None
    record = plant(cell.point, 0.9)
    Store(tmp_path / "runs").write(record, {"backend": "cpu"})
    found = trained.strided_job({trained.STRIDED_SWEEP: view(relocated(plan, tmp_path))}, QUIET)
    assert found is not None
    assert (found.arm, found.seeds) == (cell.point.arm, record.members[:1])
    monkeypatch.setattr(building, "members", lambda images: ())
    made = building.with_members(Context(), OWN, None, trained.train(found))
    (member,) = made.members
    assert (member.title, member.state) == (trained.STRIDED_TITLE, f"trained, seed {record.members[0]}")
    assert any(isinstance(node, Conv) and node.stride == (2, 2) for node in member.network.nodes)
    content = shift.make(made)
    assert content is not None
    assert [row["title"] for row in content.static["rows"]] == [trained.STRIDED_TITLE]
    assert "strides in place of the pools" in made.trained


def test_integrated_gradients_add_up_to_what_the_answer_gains(shown: ShownMember, made: Pair) -> None:
    task = shown.arm.task
    empty = float(standardised(np.zeros(1), task)[0])
    for member, state in zip(made.members, (shown.last, shown.first), strict=True):
        module = with_state(shown.arm, state)
        logits = jax.jit(lambda x, module=module: module(x)[0])
        images = np.stack([image.pixels for image in member.images]).astype(np.float32)
        answers = member.maps[member.network.output].argmax(-1)
        gains = np.asarray(logits(images) - logits(np.full_like(images, empty)))[range(len(images)), answers]
        assert member.integrated.sum((1, 2, 3)) == pytest.approx(gains, abs=0.02 * float(np.abs(gains).max()) + 1e-4)
        assert np.abs(member.gradient).max() > 0


def test_answers_under_shifts_are_the_nets_own(shown: ShownMember, made: Pair) -> None:
    member, module = made.members[0], with_state(shown.arm, shown.last)
    images = np.stack([image.pixels for image in member.images]).astype(np.float32)
    for down, right in ((0, 0), (3, 11)):
        logits = np.asarray(module(np.roll(images, (down, right), axis=(1, 2)))[0], np.float64)
        assert member.shifted[:, down, right] == pytest.approx(softmax(logits), abs=1e-5)
    other = softmax(np.asarray(module(np.roll(images, (11, 3), axis=(1, 2)))[0], np.float64))
    assert member.shifted[:, 3, 11] != pytest.approx(other, abs=1e-5)  # down and right are not mixed up


def test_the_strongest_images_of_a_channel_are_those_of_the_test_set(shown: ShownMember, made: Pair) -> None:
    member, module = made.members[0], with_state(shown.arm, shown.last)
    assert member.survey is not None
    images = shown.test.images[: member.survey.images]
    made_of = np.asarray(jax.jit(lambda x: module(x)[1]["act2"])(images), np.float64)
    for channel, tops in enumerate(member.survey.tops["act2"]):
        largest = made_of[..., channel].reshape(len(images), -1).max(1)
        assert [top.value for top in tops] == pytest.approx(np.sort(largest)[::-1][: len(tops)], abs=1e-5)
        for top in tops:
            own = member.survey.gallery[top.image].astype(np.float32)
            rows, columns = top.window[:2], top.window[2:]
            assert rows[1] - rows[0] <= 4  # two 3x3 layers see 5 pixels
            blind = np.zeros_like(own)
            seen = np.s_[rows[0] : rows[1] + 1, columns[0] : columns[1] + 1]
            blind[seen] = own[seen]
            again = np.asarray(module(blind[None])[1]["act2"][0, ..., channel]).max()
            assert again >= top.value - 1e-4  # what the unit sees is inside of its window


def test_depths_by_hand(shown: ShownMember, made: Pair) -> None:
    member, module = made.members[0], with_state(shown.arm, shown.last)
    assert member.survey is not None
    images = shown.test.images[: member.survey.images]
    found = {name: np.asarray(one) for name, one in jax.jit(lambda x: module(x)[1])(images).items()}
    assert [one.layer for one in member.survey.depth] == [f"act{place}" for place in range(1, 7)]
    for one in member.survey.depth:
        maps = found[one.layer]
        assert one.zero == pytest.approx((maps == 0).mean())
        assert one.dead == pytest.approx(np.mean([np.ptp(maps[..., channel]) == 0 for channel in range(maps.shape[3])]))
        assert one.saturated is None
        assert 0 <= one.readable <= 1


def test_weights_of_a_file_are_shown_without_training(
    views: dict[str, SweepResults], shown: ShownMember, tmp_path: Path
) -> None:
    arrays = {name: np.asarray(leaf) for name, leaf in named(shown.last.params).items()}
    np.savez(tmp_path / "mine.npz", **arrays)
    found = from_file(tmp_path / "mine.npz", views, None)
    logits = np.asarray(jax.jit(lambda x: with_state(shown.arm, shown.last)(x)[0])(shown.test.images))
    assert found.shown.test_accuracy == pytest.approx((logits.argmax(-1) == shown.test.labels).mean(), abs=0.001)
    made = pair(found, OWN)
    assert made.told.startswith(f"Weights of mine.npz, in {trained.TITLE}: test accuracy")
    assert made.members[0].state == "weights of mine.npz"
    kernel = made.members[0].weights["conv1"].kernel
    assert kernel == pytest.approx(arrays["conv1/kernel"], abs=1e-6)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda arrays: arrays.pop("conv2/bias"), "there is no conv2/bias in it"),
        (lambda arrays: arrays.update({"conv9/bias": np.zeros(2)}), "this net has no conv9/bias"),
        (lambda arrays: arrays.update({"conv2/bias": np.zeros(3)}), "conv2/bias has the shape"),
        (lambda arrays: arrays.update({"conv2/bias": np.full(16, np.nan)}), "conv2/bias must hold finite numbers"),
        (lambda arrays: arrays.update({"conv2/bias": np.full(16, 1e300)}), "conv2/bias must hold finite numbers"),
        (lambda arrays: arrays.update({"conv2/bias": np.full(16, 1j)}), "conv2/bias must hold finite numbers"),
        (lambda arrays: arrays.update({"conv2/bias": np.full(16, "x")}), "conv2/bias must hold finite numbers"),
        (lambda arrays: arrays.update({"conv2/bias": np.array([{}])}), "holds Python objects"),
    ],
)
def test_weights_of_another_net_are_refused(change: Any, told: str, shown: ShownMember, tmp_path: Path) -> None:
    arrays = {name: np.asarray(leaf) for name, leaf in named(shown.last.params).items()}
    change(arrays)
    np.savez(tmp_path / "mine.npz", **arrays)
    with pytest.raises(UsageError, match=told):
        filled(tmp_path / "mine.npz", shown.last.params)


def test_a_file_that_holds_no_arrays_is_refused(shown: ShownMember, tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    path.write_text("no archive")
    with pytest.raises(UsageError, match="must be a file that NumPy's savez wrote"):
        filled(path, shown.last.params)
    with pytest.raises(UsageError, match="must be a file that NumPy's savez wrote"):
        filled(tmp_path / "none.npz", shown.last.params)
    np.save(tmp_path / "one.npy", np.zeros(3))
    os.mkfifo(tmp_path / "pipe")
    for name in ("one.npy", "pipe"):
        with pytest.raises(UsageError, match="must be a file that NumPy's savez wrote"):
            filled(tmp_path / name, shown.last.params)


def test_weights_that_unpack_without_end_are_refused(
    shown: ShownMember, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "MOST_BYTES", 1 << 20)
    np.savez_compressed(tmp_path / "bomb.npz", **{"conv1/bias": np.zeros(1 << 18)})
    assert (tmp_path / "bomb.npz").stat().st_size < 10_000
    with pytest.raises(UsageError, match=r"its arrays are \d+ bytes, more than"):
        filled(tmp_path / "bomb.npz", shown.last.params)


def checkpoint(folder: Path, arm: Arm, states: dict[int, State]) -> Path:
    """A checkpoint of members that were trained side by side, as `experiments.run` leaves it."""
    runs = [MemberRun(arm=arm, seed=seed, learning_rate=0.03, checkpoints=folder) for seed in states]
    made = keeper(runs, "side_by_side")
    stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *jax.device_get(list(states.values())))
    made.keep(Progress(epochs=1, state=stacked, journals=[{} for _ in runs], looks=[]), final=True)
    assert made.folder is not None
    return made.folder


def test_a_checkpoint_of_a_run_is_shown(
    views: dict[str, SweepResults], shown: ShownMember, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each member of it; what is torn, of another arm, or none, is refused in one line."""
    monkeypatch.setattr(checkpoints, "EVERY", 0.0)
    seed = shown.seed
    folder = checkpoint(tmp_path / "kept", shown.arm, {seed: shown.first, seed + 1: shown.last})
    for asked, state in ((None, shown.first), (seed + 1, shown.last)):
        found = from_file(folder, views, asked)
        for own, given in zip(jax.tree.leaves(found.shown.last), jax.tree.leaves(state), strict=True):
            assert (np.asarray(own) == np.asarray(given)).all()
        assert found.file == f"{folder.name}, seed {found.shown.seed}, epoch 1 of 1"
    with pytest.raises(UsageError, match=f"has the members {seed}, {seed + 1}, not {seed + 2}"):
        from_file(folder, views, seed + 2)
    task = dataclasses.replace(shown.arm.task, train_images=128)
    other = checkpoint(tmp_path / "other", dataclasses.replace(shown.arm, task=task), {seed: shown.first})
    with pytest.raises(UsageError, match="it is a checkpoint of another arm"):
        from_file(other, views, None)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="must be a checkpoint, with a folder for its epoch"):
        from_file(tmp_path / "empty", views, None)
    facts = next(folder.glob("1/facts/metadata"))
    facts.write_text(facts.read_text().replace("0.03", "0.04"))
    with pytest.raises(UsageError, match="is torn or edited"):
        from_file(folder, views, None)
    shutil.rmtree(folder / "1" / "arrays")
    with pytest.raises(UsageError, match="must be a checkpoint that"):
        from_file(folder, views, None)


def test_both_views_print_what_is_said_of_the_member(made: Pair) -> None:
    context = Context(members=made.members, trained=made.told)
    for room in (network, stepper):
        content = room.make(context)
        assert content is not None
        assert content.static["trained"] == made.told
