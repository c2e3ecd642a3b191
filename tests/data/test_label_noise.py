"""Label noise: which training labels are wrong, and that nothing else is."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from cnnlab import data
from cnnlab.data import Dataset, Source, Split
from cnnlab.spec.invalid import InvalidError
from cnnlab.spec.task import Task

Draw = Callable[[Dataset, Task, int], tuple[Split, Split]]


@pytest.fixture
def clean(shipped: Callable[..., Task]) -> Task:
    return shipped("digits8")


def noisy(task: Task, share: float) -> Task:
    return replace(task, dials=(("label_noise", share),))


def assert_only_training_labels_are_wrong(draw: Draw, clean: Task, source: Source) -> None:
    """Fail unless exactly a fifth of the training labels differ from the clean draw, and no image or other label."""
    dataset = data.load(clean, source)
    before, after = data.draw(dataset, clean, 5), draw(dataset, noisy(clean, 0.2), 5)
    for one, other in zip(before, after, strict=True):
        assert np.array_equal(one.images, other.images)
    assert np.sum(before[0].labels != after[0].labels) == round(0.2 * clean.train_images)
    assert np.array_equal(before[1].labels, after[1].labels), "the validation labels are wrong too"


def test_a_fifth_of_the_training_labels_is_wrong_and_nothing_else(clean: Task, nowhere: Source) -> None:
    assert_only_training_labels_are_wrong(data.draw, clean, nowhere)


def test_the_noise_check_sees_wrong_validation_labels_and_redrawn_ones(clean: Task, nowhere: Source) -> None:
    def both(dataset: Dataset, task: Task, seed: int) -> tuple[Split, Split]:
        train, validation = data.draw(dataset, task, seed)
        return train, Split(validation.images, np.roll(validation.labels, 1))

    def redrawn(dataset: Dataset, task: Task, seed: int) -> tuple[Split, Split]:
        train, validation = data.draw(dataset, clean, seed)
        random, labels = np.random.default_rng(0), train.labels.copy()
        labels[:192] = random.integers(0, 10, 192)  # one in ten is right by chance
        return Split(train.images, labels), validation

    with pytest.raises(AssertionError, match="validation"):
        assert_only_training_labels_are_wrong(both, clean, nowhere)
    with pytest.raises(AssertionError):
        assert_only_training_labels_are_wrong(redrawn, clean, nowhere)


def test_wrong_labels_depend_on_the_seed_alone_and_spread_over_all_classes(clean: Task, nowhere: Source) -> None:
    dataset, task = data.load(clean, nowhere), noisy(clean, 0.5)
    one, again, other = (data.draw(dataset, task, seed)[0] for seed in (1, 1, 2))
    assert np.array_equal(one.labels, again.labels)
    truth = data.draw(dataset, clean, 1)[0].labels
    assert not np.array_equal(one.labels != truth, other.labels != data.draw(dataset, clean, 2)[0].labels)
    shift = (one.labels - truth)[one.labels != truth] % 10
    assert np.bincount(shift, minlength=10)[1:].min() > 25  # 53 expected of each


def test_more_noise_keeps_the_labels_that_less_noise_made_wrong(clean: Task, nowhere: Source) -> None:
    dataset = data.load(clean, nowhere)
    truth, little, much = (
        data.draw(dataset, task, 3)[0].labels for task in (clean, noisy(clean, 0.1), noisy(clean, 0.4))
    )
    wrong = little != truth
    assert np.array_equal(little[wrong], much[wrong])


def test_label_noise_leaves_the_test_set_alone(clean: Task, nowhere: Source) -> None:
    one, other = (data.load(task, nowhere).test for task in (clean, noisy(clean, 0.2)))
    assert np.array_equal(one.labels, other.labels)
    assert np.array_equal(one.images, other.images)


def test_every_task_takes_label_noise_and_the_other_dials_stay_required(
    settings: dict[str, Task], nowhere: Source
) -> None:
    for name in ("vernier", "phase", "digits12", "digits_scaled"):
        task = settings[name]
        data.check(replace(task, dials=tuple(sorted((*dict(task.dials).items(), ("label_noise", 0.1))))), nowhere)
        if "label_noise" not in dict(task.dials) and task.dials:
            with pytest.raises(InvalidError, match="label_noise may be added"):
                data.check(replace(task, dials=(("label_noise", 0.1),)), nowhere)
