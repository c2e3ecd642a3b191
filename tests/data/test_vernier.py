"""The vernier task: its invariants, its bound, and that a linear classifier cannot do it."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.linear_model import LogisticRegression

from cnnlab import data
from cnnlab.data import Source
from cnnlab.data.tasks.vernier import POOL_IMAGES, TEST_IMAGES, Vernier
from cnnlab.spec.invalid import InvalidError
from cnnlab.spec.task import Task

BOUND = {1: 0.973, 2: 0.974, 3: 0.976}
"""Stated in the task's module, at side 12, contrast 1, noise 0.5."""


def stimulus(offset_px: int = 1, noise: float = 0.5, kind: type[Vernier] = Vernier) -> Vernier:
    return kind(side=12, offset_px=offset_px, contrast=1.0, noise=noise)


def unscaled(vernier: Vernier, n: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    random = np.random.default_rng(5)
    label = np.arange(n) % 2
    row = random.integers(0, vernier.side - 2 * vernier.bar + 1, n)
    left = random.integers(0, vernier.side - vernier.offset_px, n)
    bars = vernier.contrast * vernier.bars(row, left, label)
    return bars + vernier.noise * random.standard_normal(bars.shape), label


def assert_mirror_flips_the_label(vernier: Vernier) -> None:
    """Fail unless the mirror images of one label's templates are exactly those of the other, each as often."""
    left, right = (sorted(image.tobytes() for image in vernier.templates(label)) for label in (0, 1))
    mirrored = sorted(np.ascontiguousarray(image[:, ::-1]).tobytes() for image in vernier.templates(0))
    same = mirrored == right  # apart from the assert: pytest would spell out thousands of bytes where CI is set
    assert same
    assert not set(left) & set(right)


def assert_reaches_the_bound(vernier: Vernier, bound: float) -> None:
    images, label = unscaled(vernier, 20_000)
    accuracy = float(np.mean(vernier.likelihoods(images).argmax(axis=1) == label))
    assert accuracy == pytest.approx(bound, abs=0.005)  # four standard errors of 20 000 images


def linear_accuracy(images: npt.NDArray[np.float64], label: npt.NDArray[np.int64]) -> float:
    flat = images.reshape(len(images), -1)
    model = LogisticRegression(C=0.01, max_iter=300).fit(flat[:1600], label[:1600])
    return float(model.score(flat[1600:], label[1600:]))


@pytest.mark.parametrize("offset_px", [1, 2, 3])
def test_a_mirrored_image_has_the_other_label(offset_px: int) -> None:
    assert_mirror_flips_the_label(stimulus(offset_px))


def test_the_mirror_check_sees_bars_aligned_for_one_label() -> None:
    class Lopsided(Vernier):
        def bars(
            self, row: npt.NDArray[np.int64], left: npt.NDArray[np.int64], label: npt.NDArray[np.int64]
        ) -> npt.NDArray[np.float64]:
            return super().bars(row, left + (label == 0), label)

    with pytest.raises(AssertionError):
        assert_mirror_flips_the_label(stimulus(kind=Lopsided))


@pytest.mark.parametrize("offset_px", [1, 2, 3])
def test_the_ideal_observer_reaches_the_stated_bound(offset_px: int) -> None:
    assert_reaches_the_bound(stimulus(offset_px), BOUND[offset_px])


def test_the_bound_check_sees_other_noise() -> None:
    with pytest.raises(AssertionError):
        assert_reaches_the_bound(stimulus(noise=0.45), BOUND[1])
    with pytest.raises(AssertionError):
        assert_reaches_the_bound(stimulus(noise=0.55), BOUND[1])


def test_the_ideal_observer_is_certain_without_noise() -> None:
    vernier = stimulus(noise=0.05)
    images, label = unscaled(vernier, 500)
    assert np.array_equal(vernier.likelihoods(images).argmax(axis=1), label)


def test_a_linear_classifier_stays_near_chance_because_the_place_is_random() -> None:
    vernier = stimulus()
    images, label = unscaled(vernier, 5600)
    assert linear_accuracy(images, label) < 0.58
    here = np.zeros(5600, int)
    pinned = vernier.bars(here + 2, here + 5, label) + 0.5 * np.random.default_rng(1).standard_normal(images.shape)
    assert linear_accuracy(pinned, label) > 0.9, "with the place pinned the label is linear: the check can fail"


def test_arrays_are_what_the_task_says(make_task: Callable[..., Task], nowhere: Source) -> None:
    dataset = data.load(make_task("vernier"), nowhere)
    for split, n in ((dataset.pool, POOL_IMAGES), (dataset.test, TEST_IMAGES)):
        assert split.images.shape == (n, 12, 12, 1)
        assert (split.images.dtype, split.labels.dtype) == (np.float32, np.int32)
        assert np.bincount(split.labels).tolist() == [n // 2, n // 2]
        assert split.images.mean() == pytest.approx(0, abs=0.01)
        assert split.images.std() == pytest.approx(1, abs=0.01)
    assert not np.array_equal(dataset.pool.images[:TEST_IMAGES], dataset.test.images)


def test_labels_say_which_side_the_upper_bar_is_on(make_task: Callable[..., Task], nowhere: Source) -> None:
    quiet = (("contrast", 1.0), ("noise", 0.001), ("offset_px", 2.0))
    split = data.load(make_task("vernier", dials=quiet), nowhere).test
    for image, label in zip(split.images[:200, :, :, 0], split.labels[:200], strict=True):
        rows, columns = np.nonzero(image > 1)
        upper, lower = columns[np.argsort(rows)].reshape(2, 3)
        assert (np.ptp(upper), np.ptp(lower)) == (0, 0)
        assert upper[0] - lower[0] == (2 if label else -2)


def test_the_stream_is_the_recorded_one(make_task: Callable[..., Task], nowhere: Source) -> None:
    """If this fails, recorded numbers change: raise the protocol."""
    dataset = data.load(make_task("vernier"), nowhere)
    assert dataset.pool.images[0, 0, :4, 0] == pytest.approx(POOL_PIXELS, abs=1e-5)
    assert dataset.test.images[-1, -1, -4:, 0] == pytest.approx(TEST_PIXELS, abs=1e-5)


def test_a_smaller_test_set_is_the_beginning_of_the_whole(make_task: Callable[..., Task], nowhere: Source) -> None:
    whole = data.load(make_task("vernier"), nowhere).test
    part = data.load(make_task("vernier", test_images=500, train_images=900), nowhere).test
    assert np.array_equal(part.images, whole.images[:500])


def test_only_the_ratio_of_contrast_to_noise_matters(make_task: Callable[..., Task], nowhere: Source) -> None:
    doubled = (("contrast", 2.0), ("noise", 1.0), ("offset_px", 1.0))
    one = data.load(make_task("vernier"), nowhere).test.images
    other = data.load(make_task("vernier", dials=doubled), nowhere).test.images
    assert np.allclose(one, other, atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"dials": (("contrast", 1.0), ("noise", 0.5))}, "data.dials"),
        ({"dials": (("contrast", 1.0), ("noise", 0.5), ("offset", 1.0))}, "data.dials"),
        ({"dials": (("contrast", 1.0), ("noise", 0.5), ("offset_px", 1.5))}, "data.dials.offset_px"),
        ({"dials": (("contrast", 1.0), ("noise", 0.5), ("offset_px", 12.0))}, "data.dials.offset_px"),
        ({"dials": (("contrast", 1.0), ("noise", 0.0), ("offset_px", 1.0))}, "data.dials.noise"),
        ({"dials": (("contrast", -1.0), ("noise", 0.5), ("offset_px", 1.0))}, "data.dials.contrast"),
        ({"real": True}, "data.real"),
        ({"side": 3}, "data.side"),
        ({"test_images": 5000}, "data.test_images"),
        ({"train_images": 16_380}, "data.train_images"),
    ],
)
def test_impossible_dials_are_one_line(
    make_task: Callable[..., Task], nowhere: Source, changes: dict[str, object], key: str
) -> None:
    with pytest.raises(InvalidError, match=key) as caught:
        data.check(make_task("vernier", **changes), nowhere)
    assert "\n" not in str(caught.value)


POOL_PIXELS = [-0.50499, -1.4548, -0.57537, -0.88011]
TEST_PIXELS = [-0.86602, 0.48126, -1.26143, -0.73293]
