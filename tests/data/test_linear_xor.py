"""Linear or XOR: one set of images, two rules; class means of the stated rank."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.linear_model import LogisticRegression

from cnnlab.data.tasks.linear_xor import LinearXor, class_points, cosines

Floats = npt.NDArray[np.float64]
Points = Callable[[int, int], Floats]
SHAPES = [(2, 1), (3, 2), (5, 2), (5, 4), (10, 2), (10, 4), (10, 9)]


def linear_xor(xor: bool, classes: int = 2, rank: int = 1, noise: float = 0.45) -> LinearXor:
    return LinearXor(side=12, classes=classes, rank=rank, xor=xor, contrast=1.0, noise=noise)


def assert_equal_centred_and_of_rank(points: Points) -> None:
    """Fail unless class means have length 1, sum to zero, have the stated rank, and lie alike around every class."""
    for classes, rank in SHAPES:
        found = points(classes, rank)
        assert found.shape == (classes, rank)
        assert np.allclose(np.linalg.norm(found, axis=1), 1)
        assert np.allclose(found.sum(axis=0), 0)
        assert np.linalg.matrix_rank(found) == rank
        distances = np.sort(np.linalg.norm(found[:, None] - found, axis=2), axis=1)
        assert np.allclose(distances, distances[0])
        if rank == classes - 1:
            assert np.allclose(found @ found.T, (classes * np.eye(classes) - 1) / (classes - 1)), "a regular simplex"


def test_class_means_are_alike_and_of_the_stated_rank() -> None:
    assert_equal_centred_and_of_rank(class_points)


def test_the_point_check_sees_one_hot_and_uneven_points() -> None:
    with pytest.raises(AssertionError):
        assert_equal_centred_and_of_rank(lambda classes, rank: np.eye(classes)[:, :rank])
    random = np.random.default_rng(3)
    with pytest.raises(AssertionError):
        assert_equal_centred_and_of_rank(lambda classes, rank: random.normal(size=(classes, rank)))


def test_patch_patterns_are_orthonormal_and_sum_to_zero() -> None:
    patterns = cosines(9).reshape(9, -1)
    assert np.allclose(patterns @ patterns.T, np.eye(9))
    assert np.allclose(patterns.sum(axis=1), 0)


def linear_map(task: LinearXor) -> Floats:
    """Weights of the ideal observer of the linear rule, (classes, side * side)."""
    return task.contrast / task.noise**2 * task.embedded()[0].reshape(task.classes, -1)


@pytest.mark.parametrize(("classes", "rank"), SHAPES)
def test_the_best_linear_map_has_the_stated_rank(classes: int, rank: int) -> None:
    assert np.linalg.matrix_rank(linear_map(linear_xor(False, classes, rank))) == rank


def test_the_linear_map_is_the_ideal_observer_of_the_linear_rule() -> None:
    stimulus = linear_xor(False, 10, 9, 0.25)
    images = stimulus.sample(300, np.random.RandomState(6)).images
    assert np.allclose(images.reshape(300, -1) @ linear_map(stimulus).T, stimulus.likelihoods(images))


@pytest.mark.parametrize(("classes", "rank"), SHAPES)
def test_the_rule_changes_labels_and_no_image(classes: int, rank: int) -> None:
    one, other = (linear_xor(xor, classes, rank).sample(500, np.random.RandomState(6)) for xor in (False, True))
    assert np.array_equal(one.images, other.images)
    assert np.array_equal(one.labels, one.strata["left"])
    assert np.array_equal(other.labels, (one.strata["left"] + one.strata["right"]) % classes)


def class_means(stimulus: LinearXor) -> Floats:
    """Noise-free mean image of every class, over all pairs of patterns exactly once."""
    quiet = LinearXor(**{**vars(stimulus), "noise": 1e-12})
    sample = quiet.sample(quiet.classes**2, np.random.RandomState(1))
    return np.stack([sample.images[sample.labels == label].mean(axis=0) for label in range(quiet.classes)])


@pytest.mark.parametrize(("classes", "rank"), SHAPES)
def test_under_xor_every_class_has_the_same_mean_image(classes: int, rank: int) -> None:
    assert np.allclose(class_means(linear_xor(True, classes, rank)), 0, atol=1e-9)
    means = class_means(linear_xor(False, classes, rank))
    assert np.abs(means - means.mean(axis=0)).max() > 0.1, "the linear rule's differ: the check can fail"


def test_a_linear_classifier_does_the_linear_rule_and_not_the_other() -> None:
    accuracy = []
    for xor in (False, True):
        sample = linear_xor(xor).sample(4_000, np.random.RandomState(6))
        flat = sample.images.reshape(4_000, -1)
        model = LogisticRegression(C=0.1).fit(flat[:2_000], sample.labels[:2_000])
        accuracy.append(model.score(flat[2_000:], sample.labels[2_000:]))
    assert accuracy[0] > 0.96
    assert accuracy[1] < 0.5 + 4 * np.sqrt(0.25 / 2_000)
