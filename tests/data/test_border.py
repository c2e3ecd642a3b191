"""The border task: where the discriminating pixel stands, and that no distance is harder than another."""

from collections import Counter

import numpy as np
import numpy.typing as npt
import pytest

from cnnlab.data.tasks.border import Border

Floats = npt.NDArray[np.float64]


def border(nearest: int = 0, farthest: int = 4, noise: float = 0.35, kind: type[Border] = Border) -> Border:
    return kind(side=12, nearest=nearest, farthest=farthest, contrast=1.0, noise=noise)


def assert_the_pixel_stands_at_its_distance(stimulus: Border) -> None:
    """Fail unless, at every place, one pixel at the stated distance from the nearest edge touches a bar of three."""
    bars, pixels = stimulus.glyphs()
    for distance, bars_there, pixels_there in zip(stimulus.distances, bars, pixels, strict=True):
        places = set()
        for bar, pixel in zip(bars_there, pixels_there, strict=True):
            ((row, column),) = np.argwhere(pixel)
            assert min(row, column, 11 - row, 11 - column) == distance
            assert bar.sum() == 3
            assert np.abs(np.argwhere(bar) - (row, column)).sum(axis=1).min() == 1
            assert not np.any(bar * pixel)
            places.add(bar.tobytes() + pixel.tobytes())
        assert len(places) == 16


@pytest.mark.parametrize(("nearest", "farthest"), [(0, 4), (0, 0), (2, 3)])
def test_the_discriminating_pixel_stands_at_its_distance(nearest: int, farthest: int) -> None:
    assert_the_pixel_stands_at_its_distance(border(nearest, farthest))


def test_the_distance_check_sees_a_glyph_one_pixel_off() -> None:
    class Off(Border):
        def glyphs(self) -> tuple[Floats, Floats]:
            bars, pixels = super().glyphs()
            return np.roll(bars, 1, axis=2), np.roll(pixels, 1, axis=2)

    with pytest.raises(AssertionError):
        assert_the_pixel_stands_at_its_distance(border(kind=Off))


def test_the_stratum_is_the_distance_of_the_drawn_pixel_and_the_label_its_sign() -> None:
    sample = border(noise=1e-6).sample(1_000, np.random.RandomState(4))
    bars, pixels = border().glyphs()
    for image, distance, label in zip(sample.images[..., 0], sample.strata["distance"], sample.labels, strict=True):
        known = [
            (place, sign)
            for place in range(16)
            for sign in (-1, 1)
            if np.allclose(image, sign * (bars + (2 * label - 1) * pixels)[distance, place], atol=1e-4)
        ]
        assert len(known) == 1


def test_every_distance_is_as_frequent_with_each_label() -> None:
    sample = border().sample(1_000, np.random.RandomState(4))
    counts = Counter(zip(sample.strata["distance"].tolist(), sample.labels.tolist(), strict=True))
    assert counts == {(distance, label): 100 for distance in range(5) for label in (0, 1)}


def test_all_distances_are_equally_hard_for_the_ideal_observer() -> None:
    hard = border(noise=0.5)
    sample = hard.sample(15_000, np.random.RandomState(4))
    right = hard.likelihoods(sample.images).argmax(axis=1) == sample.labels
    by_distance = [right[sample.strata["distance"] == distance].mean() for distance in range(5)]
    assert np.ptp(by_distance) < 5 * np.sqrt(0.9 * 0.1 / 3_000) * np.sqrt(2)
