"""The aliasing pair: identical in every second column, to the last bit."""

import numpy as np
import numpy.typing as npt
import pytest

from cnnlab.data.tasks.aliasing_pair import AliasingPair

Floats = npt.NDArray[np.float64]


def pair(frequency: float = 0.3, kind: type[AliasingPair] = AliasingPair) -> AliasingPair:
    return kind(side=12, frequency=frequency, contrast=1.0, noise=2.5)


def latents(n: int = 500) -> tuple[Floats, Floats]:
    random = np.random.default_rng(2)
    return 2 * np.pi * random.random(n), random.standard_normal((n, 12, 12, 1))


def assert_subsampled_alike(stimulus: AliasingPair) -> None:
    """Fail unless images of equal phase and noise are identical after [::2, ::2], and differ before."""
    phase, noise = latents()
    zeros = np.zeros(len(phase), int)
    one, other = (stimulus.images(phase, label, noise) for label in (zeros, zeros + 1))
    alike = one[:, ::2, ::2].tobytes() == other[:, ::2, ::2].tobytes()
    assert alike
    assert np.abs(one - other).max(axis=(1, 2, 3)).min() > 0.5


@pytest.mark.parametrize("frequency", [0.26, 0.3, 0.375, 0.45])
def test_the_pair_is_identical_after_subsampling_by_two(frequency: float) -> None:
    assert_subsampled_alike(pair(frequency))


def test_the_identity_check_sees_phases_that_do_not_match() -> None:
    class Unmatched(AliasingPair):
        def gratings(self, phase: Floats, label: npt.NDArray[np.int64]) -> Floats:
            column = np.arange(self.side)
            cycles = np.where(label == 1, 0.5 - self.frequency, self.frequency)
            return np.cos(2 * np.pi * cycles[:, None] * column + phase[:, None])  # should be minus the phase

    with pytest.raises(AssertionError):
        assert_subsampled_alike(pair(kind=Unmatched))


def test_the_identity_check_sees_a_frequency_that_is_no_alias() -> None:
    class NoAlias(AliasingPair):
        def gratings(self, phase: Floats, label: npt.NDArray[np.int64]) -> Floats:
            column = np.arange(self.side)
            other = np.cos(2 * np.pi * (0.49 - self.frequency) * column - phase[:, None])
            return np.where(label[:, None] == 1, other, super().gratings(phase, 0 * label))

    with pytest.raises(AssertionError):
        assert_subsampled_alike(pair(kind=NoAlias))


@pytest.mark.parametrize(("label", "cycles", "sign"), [(0, 0.3, 1), (1, 0.2, -1)])
def test_the_gratings_have_the_stated_frequencies(label: int, cycles: float, sign: int) -> None:
    phase, _ = latents(50)
    direct = np.cos(2 * np.pi * cycles * np.arange(12) + sign * phase[:, None])
    assert np.allclose(pair().gratings(phase, np.full(50, label)), direct, atol=1e-12)


def test_the_ideal_observer_of_every_second_pixel_cannot_tell() -> None:
    """Its two likelihoods are the same numbers, whatever the image."""
    phase = 2 * np.pi * np.arange(64) / 64
    one, other = (pair().gratings(phase, np.full(64, label))[:, ::2] for label in (0, 1))
    assert np.array_equal(one, other)


def test_phases_are_drawn_alike_for_both_labels() -> None:
    quiet = AliasingPair(side=12, frequency=0.3, contrast=1.0, noise=1e-9)
    sample = quiet.sample(4_000, np.random.RandomState(3))
    first = [np.sort(sample.images[sample.labels == label, 0, 0, 0]) for label in (0, 1)]
    assert np.abs(first[0] - first[1]).max() < 0.25  # quantiles of two samples of 2000 cosines
