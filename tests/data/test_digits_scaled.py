"""Digits at three sizes: resampled by area, at one place each, the test set that of the plain digits."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from cnnlab import data
from cnnlab.data import Source, digits
from cnnlab.data.tasks.digits_scaled import on_canvas, resampled
from cnnlab.spec.task import Task

Images = npt.NDArray[np.uint8]
SCALES = (0.5, 1.0, 1.5)


def assert_resampled_by_area(resample: Callable[[Images, float], Images]) -> None:
    """Fail unless ink grows with the area, exactly, and scale 1 changes nothing (in quarter grey levels)."""
    images = digits.frozen().images
    for scale in SCALES:
        found = resample(images, scale)
        side = int(8 * scale)
        assert found.shape == (len(images), side, side)
        assert np.array_equal(found.sum(axis=(1, 2), dtype=float), 4 * scale**2 * images.sum(axis=(1, 2), dtype=float))
    assert np.array_equal(resample(images, 1.0), 4 * images)
    means = images.reshape(-1, 4, 2, 4, 2).mean(axis=(2, 4))
    assert np.array_equal(resample(images, 0.5), 4 * means)


def test_digits_are_resampled_by_area() -> None:
    assert_resampled_by_area(resampled)


def test_the_area_check_sees_the_nearest_pixel_taken() -> None:
    def nearest(images: Images, scale: float) -> Images:
        place = (np.arange(int(8 * scale)) / scale).astype(int)
        return 4 * images[:, place][:, :, place]

    with pytest.raises(AssertionError):
        assert_resampled_by_area(nearest)


@pytest.mark.parametrize("scale", SCALES)
def test_every_scaled_digit_stands_whole_on_its_canvas_at_places_all_over_it(scale: float) -> None:
    images = resampled(digits.frozen().images, scale)
    canvas, size = on_canvas(np.full_like(images, 1), 16), images.shape[1]
    assert np.all(canvas.sum(axis=(1, 2)) == size**2)
    assert np.array_equal(on_canvas(images, 16).sum(axis=(1, 2)), images.sum(axis=(1, 2)))
    tops, lefts = (canvas.any(axis=axis).argmax(axis=1) for axis in (2, 1))
    free = 16 - size + 1
    counts = np.bincount(free * tops + lefts, minlength=free**2)
    expected = 1797 / free**2
    assert np.all(np.abs(counts - expected) < 5 * np.sqrt(expected) + 1)


def test_a_digits_place_is_the_same_fraction_of_the_free_room_at_every_scale() -> None:
    corners = []
    for scale in SCALES:
        size = int(8 * scale)
        canvas = on_canvas(np.ones((1797, size, size), np.uint8), 16)
        corners.append(canvas.any(axis=2).argmax(axis=1) / (16 - size + 1))
    assert np.abs(corners[0] - corners[2]).max() < 1 / 5 + 1e-9
    assert np.corrcoef(corners[0], corners[2])[0, 1] > 0.9


@pytest.mark.parametrize("name", ["digits_scaled_half", "digits_scaled", "digits_scaled_large"])
def test_the_scaled_digits_are_those_of_the_plain_test_set(
    shipped: Callable[..., Task], nowhere: Source, name: str
) -> None:
    task, frozen = shipped(name), digits.frozen()
    dataset = data.load(task, nowhere)
    assert task.real
    assert dataset.pool.images.shape == (digits.POOL_IMAGES, 16, 16, 1)
    assert np.array_equal(dataset.test.labels, frozen.labels[frozen.test])
    ink = dataset.test.images.sum(axis=(1, 2, 3))
    assert np.corrcoef(ink, frozen.images[frozen.test].sum(axis=(1, 2)))[0, 1] > 0.999


def test_the_places_are_the_recorded_ones() -> None:
    """If this fails, recorded numbers change: raise the protocol."""
    canvas = on_canvas(np.ones((1797, 8, 8), np.uint8), 16)
    assert canvas.any(axis=2).argmax(axis=1)[:8].tolist() == TOPS


TOPS = [4, 6, 2, 4, 8, 8, 1, 1]
