"""Pairing: what a seed draws depends on the seed, and the test set on nothing."""

from collections.abc import Callable

import numpy as np
import pytest

from cnnlab import data
from cnnlab.data import Dataset, Source, Split
from cnnlab.data.drawing import quotas
from cnnlab.spec.task import Task

Draw = Callable[[Dataset, Task, int], tuple[Split, Split]]
Seen = Callable[[int], tuple[Split, Split, Split]]


@pytest.fixture
def task(make_task: Callable[..., Task]) -> Task:
    return make_task("digits8", train_images=960, validation_images=238)


@pytest.fixture
def dataset(task: Task, nowhere: Source) -> Dataset:
    return data.load(task, nowhere)


def same(one: Split, other: Split) -> bool:
    return np.array_equal(one.images, other.images) and np.array_equal(one.labels, other.labels)


def rows(split: Split) -> set[bytes]:
    return {image.tobytes() for image in split.images}


def assert_test_set_stays(seen: Seen) -> None:
    """`seen` gives the (train, validation, test) that a seed sees."""
    first = seen(0)
    for seed in range(1, 4):
        train, validation, test = seen(seed)
        assert same(test, first[2]), "the test set moved with the seed"
        assert not same(train, first[0])
        assert not same(validation, first[1])
        assert not rows(test) & (rows(train) | rows(validation)), "a test image was trained on"


def assert_draws_by_seed(draw: Draw, dataset: Dataset, task: Task) -> None:
    one, again, other = draw(dataset, task, 3), draw(dataset, task, 3), draw(dataset, task, 4)
    for a, b, c in zip(one, again, other, strict=True):
        assert same(a, b), "the same seed drew other images"
        assert not same(a, c), "another seed drew the same images"


def assert_stratified(draw: Draw, dataset: Dataset, task: Task) -> None:
    """Sizes exact, parts disjoint, and every class within one image of its share of the pool."""
    train, validation = draw(dataset, task, 0)
    assert (len(train), len(validation)) == (task.train_images, task.validation_images)
    assert not rows(train) & rows(validation), "an image is in both parts"
    assert rows(train) | rows(validation) <= rows(dataset.pool)
    pool = np.bincount(dataset.pool.labels, minlength=task.classes)
    for part in (train, validation):
        counts = np.bincount(part.labels, minlength=task.classes)
        assert np.all(np.abs(counts - len(part) * pool / pool.sum()) < 2), counts


def test_the_test_set_never_moves(dataset: Dataset, task: Task, nowhere: Source) -> None:
    small = Task(**{**vars(task), "train_images": 100, "validation_images": 50})
    assert_test_set_stays(lambda seed: (*data.draw(data.load(small, nowhere), small, seed), dataset.test))


def test_the_test_set_check_sees_a_reshuffled_test_set(dataset: Dataset, task: Task) -> None:
    everything = Split(
        np.concatenate([dataset.pool.images, dataset.test.images]),
        np.concatenate([dataset.pool.labels, dataset.test.labels]),
    )

    def reshuffled(seed: int) -> tuple[Split, Split, Split]:
        order = np.random.default_rng(seed).permutation(len(everything))
        parts = np.split(order, [960, 1198])
        train, validation, test = (Split(everything.images[part], everything.labels[part]) for part in parts)
        return train, validation, test

    with pytest.raises(AssertionError, match="the test set moved"):
        assert_test_set_stays(reshuffled)


def test_a_draw_depends_on_the_seed_alone(dataset: Dataset, task: Task) -> None:
    np.random.seed(1)  # the global stream must not matter
    assert_draws_by_seed(data.draw, dataset, Task(**{**vars(task), "train_images": 300}))


def test_the_seed_check_sees_a_draw_from_the_global_stream_and_a_constant_one(dataset: Dataset, task: Task) -> None:
    small = Task(**{**vars(task), "train_images": 300})

    def from_global_stream(dataset: Dataset, task: Task, seed: int) -> tuple[Split, Split]:
        return data.draw(dataset, task, int(np.random.randint(1 << 30)))

    with pytest.raises(AssertionError, match="the same seed drew other"):
        assert_draws_by_seed(from_global_stream, dataset, small)
    with pytest.raises(AssertionError, match="another seed drew the same"):
        assert_draws_by_seed(lambda dataset, task, seed: data.draw(dataset, task, 0), dataset, small)


@pytest.mark.parametrize("sizes", [(960, 238), (300, 100), (11, 13)])
def test_draws_are_stratified_and_disjoint(dataset: Dataset, task: Task, sizes: tuple[int, int]) -> None:
    assert_stratified(
        data.draw, dataset, Task(**{**vars(task), "train_images": sizes[0], "validation_images": sizes[1]})
    )


def test_the_stratification_check_sees_an_unstratified_and_an_overlapping_draw(dataset: Dataset, task: Task) -> None:
    def first_ones(dataset: Dataset, task: Task, seed: int) -> tuple[Split, Split]:
        order = np.argsort(dataset.pool.labels, kind="stable")
        parts = np.split(order, [task.train_images])
        return tuple(Split(dataset.pool.images[part], dataset.pool.labels[part]) for part in parts)  # type: ignore[return-value]

    def overlapping(dataset: Dataset, task: Task, seed: int) -> tuple[Split, Split]:
        twice = Task(**{**vars(task), "validation_images": 1})
        return data.draw(dataset, task, seed)[0], data.draw(dataset, twice, seed)[0]

    small = Task(**{**vars(task), "train_images": 960, "validation_images": 238})
    with pytest.raises(AssertionError):
        assert_stratified(first_ones, dataset, small)
    even = Task(**{**vars(task), "train_images": 300, "validation_images": 300})
    with pytest.raises(AssertionError, match="both parts"):
        assert_stratified(overlapping, dataset, even)


def test_class_counts_do_not_depend_on_the_seed(dataset: Dataset, task: Task) -> None:
    counts = {tuple(np.bincount(data.draw(dataset, task, seed)[0].labels)) for seed in range(5)}
    assert len(counts) == 1


def test_quotas_are_exact_and_never_exceed_what_is_there() -> None:
    random = np.random.default_rng(0)
    for _ in range(300):
        counts = random.integers(1, 40, size=random.integers(2, 12))
        total = int(random.integers(0, counts.sum() + 1))
        shares = quotas(total, counts)
        assert shares.sum() == total
        assert np.all((shares >= 0) & (shares <= counts))
        assert np.all(np.abs(shares - total * counts / counts.sum()) < 1)


def test_orders_are_permutations_from_the_seed_alone() -> None:
    orders = data.epoch_orders(50, 4, seed=7)
    assert (orders.shape, orders.dtype) == ((4, 50), np.int32)
    assert np.array_equal(np.sort(orders, axis=1), np.tile(np.arange(50), (4, 1)))
    assert len({row.tobytes() for row in orders}) == 4
    assert np.array_equal(data.epoch_orders(50, 9, seed=7)[:4], orders), "a longer run must begin as the shorter one"
    assert not np.array_equal(data.epoch_orders(50, 4, seed=8), orders)


def test_streams_are_the_recorded_ones(dataset: Dataset, task: Task) -> None:
    """If this fails, recorded numbers change: raise the protocol."""
    assert data.epoch_orders(10, 1, seed=0)[0].tolist() == ORDER_OF_SEED_0
    train, _ = data.draw(dataset, Task(**{**vars(task), "train_images": 20, "validation_images": 10}), 0)
    assert train.labels.tolist() == LABELS_OF_SEED_0


ORDER_OF_SEED_0 = [9, 2, 4, 5, 7, 6, 3, 0, 1, 8]
LABELS_OF_SEED_0 = [5, 3, 6, 2, 5, 0, 2, 7, 0, 6, 9, 8, 1, 7, 8, 1, 9, 3, 4, 4]
