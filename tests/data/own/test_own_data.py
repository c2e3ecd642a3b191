"""Own pictures from files to a task: what is read, what is left out, and that no test picture is trained on."""

import dataclasses
import io
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cnnlab import data
from cnnlab.data import MissingDataError, Source, cache
from cnnlab.data.own import content, parting
from cnnlab.data.own.asked import Asked
from cnnlab.data.own.card import Card
from cnnlab.spec.invalid import InvalidError
from cnnlab.spec.task import Task

SIDE = 10


@pytest.fixture(autouse=True)
def another_command() -> Iterator[None]:
    """Nothing that a test decoded is at hand in the next."""
    yield
    content.forget()
    content._unkept.clear()


def asked(path: Path, **changes: Any) -> Asked:
    folder = {"kind": "folder", "side": SIDE, "channels": 3}
    kind = {"kind": "npz", "side": 0, "channels": 0} if path.suffix == ".npz" else folder
    return Asked(**{"path": path, "labels": None, "test_share": 0.2, "split_seed": 0, **kind, **changes})


@pytest.fixture
def identify(tmp_path: Path) -> Callable[..., Card]:
    """Look at files as a new command does."""

    def looked(path: Path, **changes: Any) -> Card:
        content.forget()
        return content.identified(asked(path, **changes), tmp_path / "cache")

    return looked


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return Source(cache_dir=tmp_path / "cache")


@pytest.fixture
def pictures(sixty_pictures: Path, tmp_path: Path) -> Path:
    """A copy to change."""
    return Path(shutil.copytree(sixty_pictures, tmp_path / "shapes"))


def task_of(card: Card) -> Task:
    train = card.pool - 9
    sizes = {"side": card.side, "channels": card.channels, "classes": card.classes}
    return Task(name=card.name, train_images=train, validation_images=9, **sizes)


def arrays_of(card: Card) -> cache.Stacked:
    return content._unkept[card.name].arrays


def told(card: Card, what: str) -> str:
    return "; ".join(how for name, how in card.rows if name == what)


# Whole ways.


def test_a_folder_becomes_a_task(pictures: Path, identify: Callable[..., Card], source: Source) -> None:
    card = identify(pictures)
    assert content.serves(card.name)
    assert (card.side, card.channels, card.classes, card.pool, card.test) == (SIDE, 3, 3, 48, 12)
    assert not source.cache_dir.exists(), "nothing is written before a command is found to be right"
    task = task_of(card)
    data.check(task, source)
    loaded = data.load(task, source)
    assert np.bincount(loaded.test.labels).tolist() == [4, 4, 4]
    assert np.bincount(loaded.pool.labels).tolist() == [16, 16, 16]
    train, validation = data.draw(loaded, task, seed=1)
    assert (len(train), len(validation)) == (39, 9)
    assert "3 turned as EXIF says: bars/1.jpg" in told(card, "changed")
    assert "3 laid on white: bars/8.png" in told(card, "changed")


def test_what_is_kept_is_read_again_and_decoded_once(
    pictures: Path, identify: Callable[..., Card], source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = identify(pictures)
    task = task_of(first)
    before = data.load(task, source)
    monkeypatch.setattr("cnnlab.data.own.folder.decoded", None)
    again = identify(pictures)
    assert again == first
    assert not content._unkept
    np.testing.assert_array_equal(data.load(task, source).pool.images, before.pool.images)


def test_a_moved_or_renamed_folder_is_the_same_task(pictures: Path, identify: Callable[..., Card]) -> None:
    name = identify(pictures).name
    moved = pictures.rename(pictures.with_name("elsewhere"))
    assert identify(moved).name == name
    (moved / "bars" / "0.png").rename(moved / "bars" / "zero.png")
    (moved / "discs").rename(moved / "circles")  # between bars and noise, as before
    assert identify(moved).name == name


@pytest.mark.parametrize("change", ["pixel", "label", "less", "side", "split"])
def test_other_pictures_are_another_task(pictures: Path, identify: Callable[..., Card], change: str) -> None:
    name, more = identify(pictures).name, {}
    image = pictures / "bars" / "0.png"
    if change == "pixel":
        pixels = np.array(Image.open(image))
        pixels[: len(pixels) // 2] = 255 - pixels[: len(pixels) // 2]
        Image.fromarray(pixels).save(image)
    elif change == "label":
        image.rename(pictures / "discs" / "other.png")
    elif change == "less":
        image.unlink()
    else:
        more = {"side": 9} if change == "side" else {"split_seed": 1}
    assert identify(pictures, **more).name != name


def test_an_npz_of_the_same_pictures_holds_the_same_arrays(
    pictures: Path, identify: Callable[..., Card], tmp_path: Path
) -> None:
    arrays = arrays_of(identify(pictures))
    images = np.concatenate([arrays.pool_images, arrays.test_images])
    labels = np.concatenate([arrays.pool_labels, arrays.test_labels])
    shuffled = np.random.default_rng(0).permutation(len(labels))
    np.savez_compressed(tmp_path / "a.npz", images=images[shuffled], labels=labels[shuffled])
    card = identify(tmp_path / "a.npz")
    assert content.digest(arrays_of(card)) == content.digest(arrays)
    assert card.name.startswith("npz_")


def test_class_names_are_in_order_of_numbers_where_they_are_numbers(pictures: Path, identify: Any) -> None:
    for old, new in (("bars", "10"), ("discs", "9"), ("noise", "100")):
        (pictures / old).rename(pictures / new)
    assert "9 16+4, 10 16+4, 100 16+4" in told(identify(pictures), "classes")


# Parting.


def test_given_parts_stay_and_others_are_drawn_by_the_pictures_alone(
    pictures: Path, identify: Callable[..., Card], tmp_path: Path
) -> None:
    drawn = arrays_of(identify(pictures))
    parts = tmp_path / "parts"
    for kind in ("bars", "discs", "noise"):
        for part in ("train", "test"):
            (parts / part / kind).mkdir(parents=True)
        for place, file in enumerate(sorted((pictures / kind).iterdir())):
            shutil.copy(file, parts / ("test" if place < 5 else "train") / kind)
    card = identify(parts)
    assert (card.pool, card.test) == (45, 15)
    assert told(card, "test set") == "as given"
    # one picture more moves no other
    shutil.copy(pictures / "bars" / "0.png", pictures / "bars" / "more.png")
    image = Image.open(pictures / "bars" / "more.png").transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    image.rotate(90).save(pictures / "bars" / "more.png")
    more = arrays_of(identify(pictures))
    before, after = (set(map(bytes, arrays.test_images)) for arrays in (drawn, more))
    assert len(before - after) <= 1


def leaking(card: Card) -> int:
    """How many test pictures could be trained on."""
    arrays = arrays_of(card)
    return len(set(map(bytes, arrays.pool_images)) & set(map(bytes, arrays.test_images)))


@pytest.fixture
def copied(pictures: Path) -> Path:
    """Pictures of which some lie there twice: in their class, and in another."""
    for number in range(4, 14):
        shutil.copy(next((pictures / "bars").glob(f"{number}.*")), pictures / "bars" / f"copy{number}.png")
    for number in range(0, 3):
        shutil.copy(next((pictures / "noise").glob(f"{number}.*")), pictures / "discs" / f"torn{number}.png")
    return pictures


def test_no_test_picture_is_trained_on(copied: Path, identify: Callable[..., Card]) -> None:
    card = identify(copied)
    assert leaking(card) == 0
    left = told(card, "left out")
    assert "10 the same as another of its class: bars/copy10.png, " in left
    assert "6 the same as one of another class: discs/torn0.png, " in left
    assert card.pool + card.test == 57


def test_a_split_that_leaks_is_noticed(
    copied: Path, identify: Callable[..., Card], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: copies are kept, and test pictures are drawn by their places."""
    monkeypatch.setattr(parting, "_distinct", lambda found, digests: (np.ones(len(digests), bool), ()))
    monkeypatch.setattr(parting, "_drawn", lambda labels, *rest: np.arange(len(labels)) % 5 == 0)
    assert leaking(identify(copied)) > 0


def test_of_copies_in_both_parts_the_test_picture_stays(tmp_path: Path, identify: Callable[..., Card]) -> None:
    images = np.random.default_rng(0).integers(0, 256, (40, 6, 6), np.uint8)
    labels = np.arange(40) % 2
    file = tmp_path / "a.npz"
    np.savez(file, images=images, labels=labels, test_images=images[:6], test_labels=labels[:6])
    card = identify(file)
    assert (card.pool, card.test) == (34, 6)
    assert leaking(card) == 0
    assert "6 the same as another of its class: images[0], images[1], images[2], ..." in told(card, "left out")


def test_floats_are_rounded_to_levels(tmp_path: Path, identify: Callable[..., Card]) -> None:
    levels = np.random.default_rng(0).integers(0, 256, (30, 5, 5, 2), np.uint8)
    labels = np.arange(30) % 3
    np.savez(tmp_path / "bytes.npz", images=levels, labels=labels)
    np.savez(tmp_path / "floats.npz", images=np.asfortranarray(levels / np.float32(255)), labels=labels)
    assert identify(tmp_path / "bytes.npz").name == identify(tmp_path / "floats.npz").name
    assert "rounded to 256 levels" in told(identify(tmp_path / "floats.npz"), "read")


# The cache.


@pytest.fixture
def kept(pictures: Path, identify: Callable[..., Card], source: Source) -> tuple[Task, Path]:
    """A task whose arrays and card are kept."""
    task = task_of(identify(pictures))
    data.load(task, source)
    return task, cache.path(task.name, source.cache_dir)


def test_kept_arrays_of_other_pictures_are_refused(kept: tuple[Task, Path], source: Source) -> None:
    task, file = kept
    with np.load(file) as old:
        arrays = dict(old)
    arrays["test_images"] = arrays["test_images"] ^ 1
    with file.open("wb") as handle:
        np.savez(handle, **arrays)
    for step in (data.check, data.load):
        with pytest.raises(MissingDataError, match=r"which holds other pictures: delete it and run again"):
            step(task, source)


def test_without_the_look_at_the_digest_a_stale_file_would_be_used(
    kept: tuple[Task, Path], source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin."""
    task, _ = kept
    other = dataclasses.replace(task, name=f"folder_{'0' * content.DIGITS}")
    shutil.copytree(source.cache_dir / task.name, source.cache_dir / other.name)
    with pytest.raises(MissingDataError, match="holds other pictures"):
        data.check(other, source)
    monkeypatch.setattr(content, "digest", lambda arrays: "0" * 64)
    data.check(other, source)


def test_arrays_that_are_not_there_are_one_line(kept: tuple[Task, Path], source: Source) -> None:
    task, file = kept
    file.unlink()
    with pytest.raises(MissingDataError, match=r"name its pictures, data=folder data\.path=\.\.\., and run again"):
        data.check(task, source)


def test_kept_arrays_that_went_are_made_again(
    kept: tuple[Task, Path], pictures: Path, identify: Callable[..., Card], source: Source
) -> None:
    task, file = kept
    before = file.read_bytes()
    file.unlink()
    assert identify(pictures).name == task.name
    data.load(task, source)
    with np.load(file) as again, np.load(io.BytesIO(before)) as old:
        for name in old.files:
            np.testing.assert_array_equal(again[name], old[name])


@pytest.mark.parametrize("spoil", ["text", "types", "name", "link", "others"])
def test_a_spoiled_card_is_one_line(
    kept: tuple[Task, Path], pictures: Path, identify: Callable[..., Card], source: Source, spoil: str
) -> None:
    (file,) = (source.cache_dir / content.CARDS).iterdir()
    told = json.loads(file.read_text())
    if spoil == "link":
        file.rename(file.with_name("elsewhere"))
        file.symlink_to(file.with_name("elsewhere"))
    elif spoil == "others":
        file.chmod(0o666)
    else:
        told |= {"types": {"pool": "48"}, "name": {"name": "../../x"}, "text": {}}[spoil]
        file.write_text("{" if spoil == "text" else json.dumps(told))
    with pytest.raises(MissingDataError, match=r"data=folder is described in .*: delete it and run again") as caught:
        identify(pictures)
    assert "\n" not in str(caught.value)


def test_a_picture_that_changes_while_it_is_read_is_noticed(
    pictures: Path, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes = []

    def change_between(files: Any) -> Any:
        passes.append(len(files))
        if len(passes) == 2:
            (pictures / "noise" / "9.jpg").write_bytes((pictures / "noise" / "13.jpg").read_bytes())
        return iter(files)

    with pytest.raises(InvalidError, match=r"noise/9\.jpg is not valid: has changed while it was read"):
        content.identified(asked(pictures), source.cache_dir, change_between)
    assert passes == [60, 60]
    assert list(pictures.parent.iterdir()) == [pictures]
