"""Real tasks whose training images are drawn anew in every epoch: the frozen files, what is drawn, and what stays."""

import dataclasses
import gzip
import hashlib
import io
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from cnnlab import data
from cnnlab.data import Dataset, Redrawn, Source, Split, digits, freeze_fashion12, freeze_textures12, raw, redrawing
from cnnlab.data.redrawing import at_random, corners, placed, with_noise
from cnnlab.data.tasks import fashion12, textures12
from cnnlab.spec.invalid import InvalidError
from cnnlab.spec.task import Task

Shipped = Callable[..., Task]
Cut = Callable[..., npt.NDArray[np.uint8]]

TESTS = {"digits12": 5_990, "fashion12": 10_000, "textures12": 16_384}
NAMES = tuple(TESTS)
SHA256 = {
    "pool_images": "2ca0fca0511bab1bae47ff44e19dfb53ff027dc8a35d108a240f733c822420d4",
    "pool_labels": "7b2b5b86d09a1cdcf445d8b0bf0f37e931956e304e6f36ef07b819e9b8310340",
    "test_images": "bbf5237ed757a6e761fdea899111f6f6e7d220f65a97fe7994666765a2ad8f2b",
    "test_labels": "3d0e6c6ea990b53b6f8f500a41cac93881d981b315f84578b7d915342ade01e9",
    "brick": "664a145c5253f0d66db1a12776785f0ea35a44cc7447ffc933f6d6118dc58643",
    "grass": "b18dae4c68bf850a7a7b28a29d1846c76be890665117b57fd125fe29c4d4ede6",
    "gravel": "3d51ad45f789cd8b98534b7af6bce774e499ead45421135afd757358c7230009",
}
"""Of the bytes of every frozen array: if one changes, recorded numbers change."""
RECORDED = {
    "digits12": (
        [-0.5879, 0.5942, 0.8808, -0.8282],
        [-0.0492, -0.7704, 0.8861, 2.7671],
        [-0.1922, -0.1931, 0.4908, 2.4895],
    ),
    "fashion12": (
        [2.1139, 2.3761, 2.0173, 2.4451],
        [0.3888, 0.237, 0.3198, 0.3612],
        [-0.6049, -0.4531, 0.9408, 0.8304],
    ),
    "textures12": (
        [-0.2948, -0.8215, -1.2283, -0.6341],
        [0.6193, -0.5171, -0.5689, -0.8274],
        [-0.4844, 0.3181, 0.7811, 2.0588],
    ),
}
"""Four pixels of the first pool image, of the last test image, and of seed 0's first training image of epoch 1."""


def sha256(*arrays: npt.NDArray[np.generic]) -> str:
    return hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)).hexdigest()


def drawn(task: Task, source: Source, seed: int = 0) -> tuple[Redrawn, Split, Dataset]:
    dataset = data.load(task, source)
    train, validation = data.draw(dataset, task, seed)
    assert isinstance(train, Redrawn)
    return train, validation, dataset


def test_the_frozen_clothing_is_what_was_frozen() -> None:
    arrays = fashion12.frozen()
    assert {name: sha256(array) for name, array in arrays.items()} == {name: SHA256[name] for name in arrays}
    assert {array.dtype for array in arrays.values()} == {np.dtype(np.uint8)}
    assert (arrays["pool_images"].shape, arrays["test_images"].shape) == ((14_000, 9, 9), (10_000, 9, 9))
    assert arrays["test_images"].min() == 0
    assert arrays["test_images"].max() > 250
    assert np.bincount(arrays["pool_labels"]).tolist() == [1400] * 10
    assert np.bincount(arrays["test_labels"]).tolist() == [1000] * 10
    assert fashion12.FILE.stat().st_size < 2e6
    assert "MIT" in fashion12.FILE.with_suffix(".txt").read_text()


def test_a_known_piece_of_clothing() -> None:
    """The first training image of Fashion-MNIST is an ankle boot, label 9."""
    arrays = fashion12.frozen()
    assert arrays["pool_labels"][:10].tolist() == [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]
    assert arrays["pool_images"][0, 6].tolist() == BOOT


def test_the_frozen_photographs_are_what_was_frozen() -> None:
    photos = textures12.frozen()
    assert (photos.shape, photos.dtype) == ((3, 512, 512), np.uint8)
    for name, photo in zip(textures12.CLASSES, photos, strict=True):
        assert sha256(photo) == SHA256[name], name
        assert photo.std() > 20
    assert photos[:, 0, :4].tolist() == CORNER
    assert "CC0" in textures12.FILE.with_suffix(".txt").read_text()


def test_every_frozen_file_is_part_of_the_package_and_says_where_it_comes_from() -> None:
    package = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert "data/files/*" in package["tool"]["setuptools"]["package-data"]["cnnlab"]
    files = {path.name for path in fashion12.FILE.parent.iterdir()}
    assert {f"{name}.npz" for name in ("digits", "fashion12", "textures12")} <= files
    for name in files:
        text = fashion12.FILE.with_name(name).with_suffix(".txt").read_text()
        assert all(f"\n{key} " in text for key in ("Data", "Licence", "Taken", "Changed", "Made by")), name


def test_clothing_is_averaged_by_thirds() -> None:
    image = np.zeros((1, 28, 28), np.uint8)
    image[0, 0], image[0, :, 0] = 255, 255  # left out
    image[0, 1:4, 1:4] = np.arange(9).reshape(3, 3)
    image[0, 25:, 25:] = 255
    found = freeze_fashion12.thirds(image)
    assert (found.shape, found.dtype) == ((1, 9, 9), np.uint8)
    assert (found[0, 0, 0], found[0, 8, 8], found.astype(int).sum()) == (4, 255, 259)
    labels = np.array([*range(10), *range(10), 3, 3], np.uint8)
    assert freeze_fashion12.first_of_each(labels, 1).tolist() == list(range(10))


def test_clothing_is_frozen_from_the_published_files_alone(
    small_idx: Path, small_contents: dict[str, str], small_known: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(freeze_fashion12, "POOL_IMAGES", 30)
    arrays = freeze_fashion12.frozen_anew(small_idx)
    assert arrays["pool_images"].shape == (30, 9, 9)
    assert np.bincount(arrays["pool_labels"]).tolist() == [3] * 10
    assert arrays["test_images"].shape == (20, 9, 9)
    for name in small_contents:
        (tmp_path / name).write_bytes((small_idx / name).read_bytes())
    path = tmp_path / raw.IDX["test"][0]
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[-1] ^= 1
    path.write_bytes(gzip.compress(bytes(content)))
    with pytest.raises(InvalidError, match="t10k-images"):
        freeze_fashion12.frozen_anew(tmp_path)


def test_photographs_are_frozen_from_the_registered_files_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel, photos = tmp_path / "photos.whl", textures12.frozen()
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, photo in zip(textures12.CLASSES, photos, strict=True):
            png = io.BytesIO()
            Image.fromarray(photo).save(png, "png")
            archive.writestr(f"skimage/data/{name}.png", png.getvalue())
            if name != "gravel":
                monkeypatch.setitem(freeze_textures12.CONTENT, name, hashlib.sha256(png.getvalue()).hexdigest())
    with pytest.raises(InvalidError, match=r"gravel\.png"):
        freeze_textures12.frozen_anew(wheel)
    monkeypatch.setitem(freeze_textures12.CONTENT, "gravel", hashlib.sha256(png.getvalue()).hexdigest())
    again = freeze_textures12.frozen_anew(wheel)
    assert all(np.array_equal(again[name], photo) for name, photo in zip(textures12.CLASSES, photos, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_arrays_are_what_the_task_says(shipped: Shipped, nowhere: Source, name: str) -> None:
    task = shipped(name)
    assert task.real
    train, validation, dataset = drawn(task, nowhere)
    sizes = (len(train), len(validation), len(dataset.test))
    assert sizes == (task.train_images, dataset.views * task.validation_images, TESTS[name])
    assert dataset.views == (10 if name == "digits12" else 1)
    for images in (train.images, train.in_epoch(1), validation.images, dataset.pool.images, dataset.test.images):
        assert images.shape[1:] == (12, 12, 1)
        assert images.dtype == np.float32
        assert not images.flags.writeable
        assert abs(images.mean()) < 0.15
        assert 0.85 < images.std() < 1.15
    for split in (train, validation, dataset.test):
        counts = np.bincount(split.labels, minlength=task.classes)
        assert counts.max() <= 1.1 * counts.min()
    assert not nowhere.cache_dir.exists()


@pytest.mark.parametrize("name", NAMES)
def test_draws_are_the_recorded_ones(shipped: Shipped, nowhere: Source, name: str) -> None:
    """If this fails, recorded numbers change: raise the protocol."""
    task = shipped(name)
    dials = {"noise": 0.4} if task.dials else {}
    train, _, dataset = drawn(shipped(name, dials=dials), nowhere)
    images = (dataset.pool.images[0], dataset.test.images[-1], train.in_epoch(1)[0])
    np.testing.assert_allclose([image[6, 3:7, 0] for image in images], RECORDED[name], atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_every_epoch_and_every_seed_shows_other_images_with_the_same_labels(
    shipped: Shipped, nowhere: Source, name: str
) -> None:
    task = shipped(name)
    train, validation, _ = drawn(task, nowhere)
    again, same_validation, _ = drawn(task, nowhere)
    other, _, _ = drawn(task, nowhere, seed=1)
    seen = [train.in_epoch(epoch) for epoch in range(3)]
    assert np.array_equal(train.images, seen[0])
    assert np.array_equal(validation.images, same_validation.images)
    for epoch in (2, 0, 1):  # in another turn
        assert np.array_equal(again.in_epoch(epoch), seen[epoch])
        assert not np.array_equal(other.in_epoch(epoch), seen[epoch])
    rows = [{image.tobytes() for image in images} for images in seen]
    assert len(rows[0] & rows[1]) <= 0.1 * len(train)  # clothing without noise: one place in 16 comes again


@pytest.mark.parametrize("name", NAMES)
def test_a_label_noise_moves_labels_alone(shipped: Shipped, nowhere: Source, name: str) -> None:
    clean, noisy = (drawn(shipped(name, dials=dials), nowhere)[0] for dials in ({}, {"label_noise": 0.2}))
    assert np.sum(clean.labels != noisy.labels) == round(0.2 * len(clean))
    assert np.array_equal(clean.in_epoch(2), noisy.in_epoch(2))


def same_pixels(train: Redrawn, epochs: int) -> set[tuple[float, ...]]:
    """The sorted pixels of every image of some epochs: an image that is only put elsewhere keeps them."""
    seen = (train.in_epoch(epoch) for epoch in range(epochs))
    return {tuple(np.sort(image, axis=None)) for images in seen for image in images}


def test_an_epoch_puts_the_same_clothing_at_other_places(shipped: Shipped, nowhere: Source) -> None:
    train, _, _ = drawn(shipped("fashion12", train_images=200, validation_images=10), nowhere)
    assert len(same_pixels(train, 1)) == len(same_pixels(train, 4)) == 200


def test_an_epoch_puts_the_same_digits_at_other_places(shipped: Shipped, nowhere: Source) -> None:
    """All but without noise, an image's ink is that of its digit in every epoch."""
    train, _, _ = drawn(shipped("digits12", train_images=200, dials={"noise": 1e-6}), nowhere)
    ink = [train.in_epoch(epoch).sum(axis=(1, 2, 3)) for epoch in range(3)]
    assert np.allclose(ink[0], ink[1], atol=1e-2)
    assert np.allclose(ink[0], ink[2], atol=1e-2)


def test_every_test_digit_stands_at_ten_places(shipped: Shipped, nowhere: Source) -> None:
    frozen = digits.frozen()
    test = data.load(shipped("digits12", dials={"noise": 1e-6}), nowhere).test
    assert np.array_equal(test.labels, np.tile(frozen.labels[frozen.test], 10))
    images = test.images.reshape(10, 599, -1)
    assert np.allclose(images.sum(axis=2), images[0].sum(axis=1), atol=1e-2)
    assert len({image.tobytes() for image in np.round(images[:, 0], 3)}) > 5


def test_images_stand_whole_at_places_all_over_the_canvas() -> None:
    random = np.random.default_rng(0)
    images = random.integers(1, 255, (4_000, 9, 9), np.uint8)
    canvas = at_random(images, 12, random)[..., 0]
    tops, lefts = (canvas.any(axis=axis).argmax(axis=1) for axis in (2, 1))
    assert np.array_equal(placed(images, np.stack([tops, lefts]), 12), canvas)
    for image, on, top, left in zip(images, canvas, tops, lefts, strict=True):
        assert np.array_equal(on[top : top + 9, left : left + 9], image)
    assert canvas.sum() == images.sum()
    counts = np.bincount(4 * tops + lefts, minlength=16)
    assert np.all(np.abs(counts - 250) < 5 * np.sqrt(250))


@pytest.mark.parametrize("random", [np.random.default_rng(1), np.random.RandomState(1)])
def test_noise_has_the_deviation_that_is_asked_for(random: redrawing.Random) -> None:
    images = np.random.default_rng(2).standard_normal((500, 12, 12, 1)).astype(np.float32)
    before = images.copy()
    noisy = with_noise(images, 0.4, random)
    added = noisy * np.sqrt(1 + 0.4**2) - images
    assert added.std() == pytest.approx(0.4, abs=0.01)
    assert added.mean() == pytest.approx(0, abs=0.01)
    assert abs(np.corrcoef(added.ravel(), images.ravel())[0, 1]) < 0.02
    assert noisy.std() == pytest.approx(1, abs=0.01)
    assert np.array_equal(images, before)


def assert_no_pixel_in_two_parts(cut: Cut, monkeypatch: pytest.MonkeyPatch, load: Callable[[], Redrawn]) -> None:
    """Cut from photographs whose pixels say in which column they lie; fail if two parts share a column."""
    columns = np.broadcast_to(np.arange(512) // 3, (3, 512, 512)).astype(np.uint8)
    seen: list[set[int]] = []

    def watching(photos: npt.NDArray[np.uint8], *rest: object) -> npt.NDArray[np.uint8]:
        patches = cut(photos, *rest)
        seen.append(set(np.unique(patches).tolist()))
        return patches

    with monkeypatch.context() as patch:
        patch.setattr(textures12, "frozen", lambda: columns)
        patch.setattr(textures12, "verified", lambda dataset, *_, **__: dataset)
        patch.setattr(textures12, "cut", watching)
        load().in_epoch(3)
    validation, test, *training = seen
    assert len(training) == 2
    trained = set[int]().union(*training)
    assert len(trained) > 80
    assert len(validation) > 20
    assert len(test) > 50
    # columns 255 and 256 have the same grey level here, and so have 340 and 341
    assert not (trained - {85}) & (validation - {85}), "validation shares pixels with training"
    assert not trained & test, "the test set shares pixels with training"
    assert not (validation - {113}) & (test - {113}), "the test set shares pixels with validation"


def test_no_pixel_is_in_two_parts(shipped: Shipped, nowhere: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_no_pixel_in_two_parts(textures12.cut, monkeypatch, lambda: drawn(shipped("textures12"), nowhere)[0])


@pytest.mark.parametrize(("part", "columns"), [("TRAINING", slice(0, 400)), ("VALIDATION", slice(200, 341))])
def test_the_pixel_check_sees_parts_that_overlap(
    shipped: Shipped, nowhere: Source, monkeypatch: pytest.MonkeyPatch, part: str, columns: slice
) -> None:
    monkeypatch.setattr(textures12, part, columns)
    with pytest.raises(AssertionError, match="shares pixels"):
        assert_no_pixel_in_two_parts(textures12.cut, monkeypatch, lambda: drawn(shipped("textures12"), nowhere)[0])


def test_a_patch_is_a_window_of_its_own_photograph_anywhere_in_it() -> None:
    photos = np.stack([np.full((30, 40), label, np.uint8) for label in range(3)])
    labels = np.arange(3_000) % 3
    patches = textures12.cut(photos, labels, np.random.default_rng(0))
    assert (patches.shape, patches.dtype) == ((3_000, 12, 12, 1), np.uint8)
    assert np.array_equal(patches[:, 0, 0, 0], labels)
    row, column = corners(3_000, 30 - 12 + 1, 40 - 12 + 1, np.random.default_rng(0))
    assert (row.min(), row.max(), column.min(), column.max()) == (0, 18, 0, 28)
    ramp = np.broadcast_to(np.arange(40, dtype=np.uint8), (3, 30, 40))
    assert np.array_equal(textures12.cut(ramp, labels, np.random.default_rng(0))[:, 5, 0, 0], column)


@pytest.mark.parametrize(
    ("name", "changes", "key"),
    [
        ("digits12", {"side": 8}, "data.side"),
        ("digits12", {"test_images": 599}, "data.test_images"),
        ("digits12", {"dials": {"noise": -1.0}}, "data.dials.noise"),
        ("digits12", {"train_images": 961}, "data.train_images"),
        ("fashion12", {"dials": {"noise": 0.4}}, "data.dials"),
        ("fashion12", {"train_images": 10_001}, "data.train_images"),
        ("textures12", {"classes": 4}, "data.classes"),
        ("textures12", {"real": False}, "data.real"),
    ],
)
def test_an_impossible_task_is_one_line(
    shipped: Shipped, nowhere: Source, name: str, changes: dict[str, object], key: str
) -> None:
    with pytest.raises(InvalidError, match=key) as caught:
        data.check(shipped(name, **changes), nowhere)
    assert "\n" not in str(caught.value)


BOOT = [205, 209, 212, 207, 189, 194, 209, 205, 170]
CORNER = [[99, 98, 99, 99], [113, 114, 99, 116], [171, 159, 128, 104]]


def test_validation_digits_are_shown_at_ten_places_that_the_seed_alone_decides(
    shipped: Callable[..., Task], nowhere: Source
) -> None:
    task = shipped("digits12")
    dataset = data.load(task, nowhere)
    (_, first), (_, again), (_, other) = (data.draw(dataset, task, seed) for seed in (1, 1, 2))
    assert np.array_equal(first.images, again.images)
    assert not np.array_equal(first.images, other.images)
    views = first.images.reshape(10, task.validation_images, 12, 12)
    assert np.array_equal(first.labels, np.tile(first.labels[: task.validation_images], 10))
    assert not any(np.array_equal(views[0], view) for view in views[1:])
    train, _ = data.draw(dataset, task, 1)
    once = data.draw(dataclasses.replace(dataset, views=1), task, 1)
    assert np.array_equal(once[0].images, train.images), "validation views move no training image"
    assert np.array_equal(once[1].labels, first.labels[: task.validation_images])
