"""The digits that come with the package."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from cnnlab import data
from cnnlab.data import Source, arrays, digits, freeze_digits, registry
from cnnlab.spec.invalid import InvalidError
from cnnlab.spec.task import Task


def test_the_file_is_scikit_learns_digits() -> None:
    frozen, published = digits.frozen(), load_digits()
    assert np.array_equal(frozen.images, published.images)
    assert np.array_equal(frozen.labels, published.target)
    assert frozen.images.dtype == np.uint8
    assert frozen.images.max() == digits.BRIGHTEST
    assert "CC BY 4.0" in digits.FILE.with_suffix(".txt").read_text()


def test_freezing_again_gives_the_same_places_and_test_set() -> None:
    again = asdict(freeze_digits.frozen_anew())
    for key, array in asdict(digits.frozen()).items():
        assert np.array_equal(array, again[key]), key


def test_the_test_set_is_a_third_of_every_class() -> None:
    frozen = digits.frozen()
    share = np.bincount(frozen.labels[frozen.test]) / np.bincount(frozen.labels)
    assert frozen.test.sum() == digits.TEST_IMAGES
    assert (~frozen.test).sum() == digits.POOL_IMAGES
    assert np.all(np.abs(share - 1 / 3) < 0.005)


def test_places_cover_the_canvas_evenly() -> None:
    frozen = digits.frozen()
    counts = np.bincount(5 * frozen.row.astype(int) + frozen.column, minlength=25)
    assert counts.sum() == 1797
    assert counts.min() > 45  # 72 expected, standard deviation 8.3
    assert counts.max() < 105


def test_every_digit_stands_whole_on_its_canvas() -> None:
    frozen, canvas = digits.frozen(), digits.on_canvas(digits.frozen())
    for image, on, row, column in zip(frozen.images, canvas, frozen.row, frozen.column, strict=True):
        assert np.array_equal(on[row : row + 8, column : column + 8], image)
        assert on.sum() == image.sum()


@pytest.mark.parametrize(("name", "mean", "deviation"), [("digits8", 4.8783, 6.0099)])
def test_arrays_are_what_the_task_says(
    make_task: Callable[..., Task], nowhere: Source, name: str, mean: float, deviation: float
) -> None:
    task = make_task(name)
    dataset = data.load(task, nowhere)
    for split, n in ((dataset.pool, 1198), (dataset.test, 599)):
        assert split.images.shape == (n, task.side, task.side, 1)
        assert (split.images.dtype, split.labels.dtype) == (np.float32, np.int32)
        assert not split.images.flags.writeable
        assert split.images.min() == pytest.approx(-mean / deviation, abs=1e-3)
        assert split.images.max() == pytest.approx((16 - mean) / deviation, abs=1e-3)
        counts = np.bincount(split.labels, minlength=10)
        assert counts.max() <= 1.1 * counts.min()
    assert dataset.pool.images.mean() == pytest.approx(0, abs=1e-5)
    assert dataset.pool.images.std() == pytest.approx(1, abs=1e-5)
    again = data.load(task, nowhere)
    assert dataset.pool.images.tobytes() == again.pool.images.tobytes()
    assert dataset.test.images.tobytes() == again.test.images.tobytes()


def test_a_known_digit(make_task: Callable[..., Task], nowhere: Source) -> None:
    """The first digit is a zero, 13 the third pixel of its first row, and it is in the pool."""
    frozen = digits.frozen()
    assert frozen.labels[0] == 0
    assert frozen.images[0, 0].tolist() == [0, 0, 5, 13, 9, 1, 0, 0]
    dataset = data.load(make_task("digits8"), nowhere)
    split = dataset.test if frozen.test[0] else dataset.pool
    constants = arrays.moments(frozen.images[~frozen.test][..., None])
    assert np.array_equal(split.images[0], arrays.scaled(frozen.images[:1, ..., None], constants)[0])


def test_nothing_is_written(make_task: Callable[..., Task], nowhere: Source) -> None:
    for name in ("digits8", "vernier"):
        data.check(make_task(name), nowhere)
        data.load(make_task(name), nowhere)
    assert not nowhere.cache_dir.exists()


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"side": 12}, "data.side"),
        ({"channels": 3}, "data.channels"),
        ({"classes": 9}, "data.classes"),
        ({"real": False}, "data.real"),
        ({"train_images": 961, "validation_images": 238}, "data.train_images"),
        ({"validation_images": 9}, "data.validation_images"),
        ({"test_images": 100}, "data.test_images"),
        ({"dials": (("noise", 1.0),)}, "data.dials"),
    ],
)
def test_an_impossible_task_is_one_line(
    make_task: Callable[..., Task], nowhere: Source, changes: dict[str, object], key: str
) -> None:
    for step in (data.check, data.load):
        with pytest.raises(InvalidError, match=key) as caught:
            step(make_task("digits8", **changes), nowhere)
        assert "\n" not in str(caught.value)


def test_every_file_of_the_room_is_a_task() -> None:
    files = {path.stem for path in (Path(data.__file__).parent / "tasks").glob("*.py")} - {"__init__"}
    assert set(registry.names()) == files
    for name in files:
        module = registry.family(name)
        assert callable(module.check)
        assert callable(module.load)
    assert registry.family("fashion_mnist") is None


def corrupted(dataset: data.Dataset, what: str) -> data.Dataset:
    images, labels = dataset.test.images.copy(), dataset.test.labels.copy()
    if what == "nan":
        images[5, 3, 3] = np.nan
    elif what == "unscaled":
        images *= 16
    elif what == "label":
        labels[0] = 10
    elif what == "class lost":
        images, labels = images[labels != 4], labels[labels != 4]
    elif what == "unbalanced":
        images, labels = (
            images[(labels != 4) | (np.arange(len(labels)) < 200)],
            labels[(labels != 4) | (np.arange(len(labels)) < 200)],
        )
    else:
        images = images.astype(np.float64)
    return data.Dataset(dataset.pool, data.Split(images, labels))


@pytest.mark.parametrize("what", ["nan", "unscaled", "label", "class lost", "unbalanced", "dtype"])
def test_corrupt_arrays_are_refused(make_task: Callable[..., Task], nowhere: Source, what: str) -> None:
    task = make_task("digits8")
    dataset = data.load(task, nowhere)
    assert arrays.verified(dataset, task, imbalance=1.1) is dataset
    with pytest.raises(InvalidError, match="test set"):
        arrays.verified(corrupted(dataset, what), task, imbalance=1.1)
