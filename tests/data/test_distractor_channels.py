"""Distractor channels: which channels matter, and a shortcut that is there in the pool and gone in the test set."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from cnnlab import data
from cnnlab.data import Source
from cnnlab.data.generated import Sampler, StimulusSample
from cnnlab.data.tasks import distractor_channels
from cnnlab.data.tasks.distractor_channels import DistractorChannels, relevance
from cnnlab.spec.task import Task

N = 3_000


def stimulus(spurious: float = 0.0, noise: float = 5.0) -> DistractorChannels:
    return DistractorChannels(side=12, informative=4, spurious=spurious, contrast=1.0, noise=noise)


def assert_agreement(sampler: Sampler, share: float) -> None:
    """Fail unless the background has the label's orientation in that share of the images, within four errors."""
    sample = sampler(N, np.random.RandomState(9))
    found = np.mean(sample.strata["background"] == sample.labels)
    assert found == pytest.approx(share, abs=4 * np.sqrt(0.25 / N))


@pytest.mark.parametrize("spurious", [0.0, 0.5, 1.0])
def test_the_background_follows_the_label_in_the_pool_only(spurious: float) -> None:
    assert_agreement(stimulus(spurious, noise=0.1).pool_sample, (1 + spurious) / 2)
    assert_agreement(stimulus(spurious, noise=0.1).sample, 0.5)


def test_the_agreement_check_sees_a_shortcut_left_in_the_test_set() -> None:
    with pytest.raises(AssertionError):
        assert_agreement(stimulus(0.5, noise=0.1).pool_sample, 0.5)


def test_the_recorded_background_is_what_the_nuisance_channels_show() -> None:
    sample = stimulus(noise=1e-6).sample(200, np.random.RandomState(9))
    for channels, orientation in ((slice(4), sample.labels), (slice(4, 8), sample.strata["background"])):
        images = sample.images[..., channels]
        assert np.allclose(images, images[..., :1], atol=1e-4)
        horizontal = np.ptp(images[..., 0], axis=1).mean(axis=1) > np.ptp(images[..., 0], axis=2).mean(axis=1)
        assert np.array_equal(horizontal, orientation == 1)


def accuracy(observer: DistractorChannels, sample: StimulusSample) -> float:
    return float(np.mean(observer.likelihoods(sample.images).argmax(axis=1) == sample.labels))


def swapped(sample: StimulusSample, channels: npt.NDArray[np.bool_]) -> StimulusSample:
    """Every image with those channels taken from the next image, whose label is the other one."""
    images = sample.images.copy()
    images[..., channels] = np.roll(images, 1, axis=0)[..., channels]
    return replace(sample, images=images)


def assert_only_relevant_channels_matter(relevant: npt.NDArray[np.bool_]) -> None:
    """Fail unless swapping the others between images changes no answer, and swapping these ruins them."""
    observer = stimulus()
    sample = observer.sample(N, np.random.RandomState(9))
    assert accuracy(observer, swapped(sample, ~relevant)) == accuracy(observer, sample)
    assert accuracy(observer, swapped(sample, relevant)) < 0.1


def test_the_relevant_channels_are_the_ones_that_matter(shipped: Callable[..., Task]) -> None:
    assert relevance(shipped("distractor_channels")).tolist() == [True] * 4 + [False] * 4
    assert_only_relevant_channels_matter(relevance(shipped("distractor_channels")))


def test_the_relevance_check_sees_one_channel_too_few() -> None:
    with pytest.raises(AssertionError):
        assert_only_relevant_channels_matter(np.arange(8) < 3)


def test_the_test_images_do_not_depend_on_the_shortcut(shipped: Callable[..., Task], nowhere: Source) -> None:
    plain, spurious = (
        data.load(shipped(name), nowhere).test for name in ("distractor_channels", "distractor_channels_spurious")
    )
    assert np.abs(plain.images - spurious.images).max() < 0.01, "up to the pool's scale"
    assert np.array_equal(plain.labels, spurious.labels)
    pools = [
        distractor_channels.stimulus(shipped(name)).pool_sample(100, np.random.RandomState(1)).images
        for name in ("distractor_channels", "distractor_channels_spurious")
    ]
    assert not np.allclose(pools[0], pools[1])
