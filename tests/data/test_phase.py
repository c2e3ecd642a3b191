"""The phase task: pooling before any convolution leaves exactly chance, convolving first does not."""

from collections import Counter
from collections.abc import Callable
from itertools import product

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.neural_network import MLPClassifier

from cnnlab.data.generated import StimulusSample
from cnnlab.data.tasks.phase import CLASSES, Phase

Images = npt.NDArray[np.float64]
Down = Callable[[Images], Images]
SIDE = 4
"""Small enough to enumerate every image with noise of two grey levels."""


def blocks(images: Images) -> Images:
    """2x2 blocks of (n, side, side): (n, side/2, side/2, 4)."""
    half = images.shape[1] // 2
    return images.reshape(-1, half, 2, half, 2).transpose(0, 1, 3, 2, 4).reshape(-1, half, half, 4)


def max_pool(images: Images) -> Images:
    return blocks(images).max(axis=3)


def average_pool(images: Images) -> Images:
    return blocks(images).mean(axis=3)


def subsampled(images: Images) -> Images:
    return images[:, ::2, ::2]


def pooled_after_a_shift(images: Images) -> Images:
    """The simplest convolution first: a copy moved by one column, with a border of zeros."""
    return max_pool(np.pad(images, ((0, 0), (0, 0), (1, 0)))[:, :, :-1])


def pooled_by_overlapping_windows(images: Images) -> Images:
    columns = np.maximum(np.maximum(images[:, :, 0:-2], images[:, :, 1:-1]), images[:, :, 2:])
    return columns[:, ::2, ::2]


def every_noise_image() -> Images:
    return np.array(list(product((0.0, 1.0), repeat=SIDE**2))).reshape(-1, SIDE, SIDE)


def outcomes(label: int, down: Down, noise: Images) -> Counter[int]:
    """How often every down-sampled image occurs under a label: over all noise images and all places of the pixel."""
    counts: Counter[int] = Counter()
    for row, column in product(range(label // 2, SIDE, 2), range(label % 2, SIDE, 2)):
        images = noise.copy()
        images[:, row, column] += 1.0
        values = 4 * down(images).reshape(len(noise), -1)  # whole numbers below 16: the digits of one number
        codes, number = np.unique(values.astype(int) @ 16 ** np.arange(values.shape[1]), return_counts=True)
        counts.update(dict(zip(codes.tolist(), number.tolist(), strict=True)))
    return counts


def assert_the_label_is_gone(down: Down, noise: Images) -> None:
    """Fail unless the down-sampled image has exactly the same distribution under all four labels."""
    first, *others = (outcomes(label, down, noise) for label in range(CLASSES))
    equal = all(other == first for other in others)
    assert equal


@pytest.mark.parametrize("down", [max_pool, average_pool])
def test_pooling_first_leaves_the_same_distribution_for_every_label(down: Down) -> None:
    assert_the_label_is_gone(down, every_noise_image())


@pytest.mark.parametrize("down", [subsampled, pooled_after_a_shift, pooled_by_overlapping_windows])
def test_the_enumeration_sees_a_label_that_survives(down: Down) -> None:
    with pytest.raises(AssertionError):
        assert_the_label_is_gone(down, every_noise_image())


def test_the_enumeration_sees_noise_that_differs_from_column_to_column() -> None:
    noise = every_noise_image()
    noise[:, :, ::2] *= 2
    with pytest.raises(AssertionError):
        assert_the_label_is_gone(max_pool, noise)


def sample(n: int = 6_000, noise: float = 0.1) -> StimulusSample:
    return Phase(side=12, contrast=1.0, noise=noise).sample(n, np.random.RandomState(11))


def learned_accuracy(images: Images, labels: npt.NDArray[np.int64]) -> float:
    """A small multilayer perceptron, trained on the first half."""
    flat, half = images.reshape(len(images), -1), len(images) // 2
    net = MLPClassifier((32,), max_iter=30, random_state=0).fit(flat[:half], labels[:half])
    return float(net.score(flat[half:], labels[half:]))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # thirty epochs are enough here
def test_no_net_learns_the_label_from_pooled_images_but_it_does_from_whole_ones() -> None:
    drawn = sample(4_000)
    four_errors = 4 * np.sqrt(0.25 * 0.75 / 2_000)
    for down in (max_pool, average_pool):
        assert learned_accuracy(down(drawn.images[..., 0]), drawn.labels) < 0.25 + four_errors
    assert learned_accuracy(drawn.images[..., 0], drawn.labels) > 0.25 + 4 * four_errors, "the check can fail"


def test_convolving_before_pooling_keeps_the_label() -> None:
    """Two one-pixel shifts, pooled: at the brightest block they tell which half of it was lit."""
    drawn = sample()
    images = drawn.images[..., 0]
    here = max_pool(images).reshape(len(images), -1)
    right = pooled_after_a_shift(images).reshape(len(images), -1)
    down = pooled_after_a_shift(images.swapaxes(1, 2)).swapaxes(1, 2).reshape(len(images), -1)
    each, brightest = np.arange(len(images)), here.argmax(axis=1)
    odd = [shifted[each, brightest] < here[each, brightest] - 0.05 for shifted in (down, right)]
    answers = 2 * odd[0] + odd[1]
    assert np.mean(answers == drawn.labels) > 0.97


def test_labels_are_the_parities_of_the_pixels_place_and_places_are_even() -> None:
    drawn = sample(noise=0.001)
    row, column = (drawn.strata[name] for name in ("row", "column"))
    brightest = drawn.images.reshape(len(row), -1).argmax(axis=1)
    assert np.array_equal(brightest, 12 * row + column)
    assert np.array_equal(drawn.labels, 2 * (row % 2) + column % 2)
    counts = np.bincount(brightest, minlength=144)
    assert counts.min() > 15  # 41.7 expected, standard deviation 6.5
    assert counts.max() < 75
