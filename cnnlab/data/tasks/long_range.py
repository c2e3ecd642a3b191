"""Synthetic long range: tell whether two glyphs, `distance` columns apart, have one sign (1) or two (0).

Two plus signs of 3x3 pixels, each brighter or darker than the background with equal probability, stand beside each
other with their centres `distance` columns apart; the pair's place is uniform over all that fit. Each glyph alone is
as often bright as dark under either label, so mean images are zero and a linear classifier is blind.

A net none of whose units sees both glyphs scores them apart and adds: score(left) + score(right). By convexity the
best cross-entropy of a sum is that of a guess, and no threshold on a sum gets more than 75 % (bright-bright,
bright-dark and dark-dark are always in order). A receptive field below `distance` - 1 pixels touches only one glyph;
one of `distance` + 3 holds both.

Dials: `distance`, `contrast` and `noise` (only their ratio matters). At side 16, contrast 1,
noise 0.5 no classifier can exceed 99.8 % at distance 4, and 99.9 % or more further apart.
"""

from dataclasses import dataclass

import numpy as np

from cnnlab.data import generated
from cnnlab.data.arrays import Dataset, Source
from cnnlab.data.dials import positive, settings, whole
from cnnlab.data.generated import Floats, Ints, StimulusSample
from cnnlab.spec.invalid import require
from cnnlab.spec.task import Task

CLASSES, GLYPH = 2, 3
PLUS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.float64)
DIALS = (
    positive("contrast", "how much the glyphs are brighter or darker"),
    whole("distance", "columns between the centres of the glyphs", GLYPH, 100),
    positive("noise", "standard deviation of the noise"),
)


@dataclass(frozen=True, kw_only=True)
class LongRange:
    """The stimulus in pixels and grey levels; see the module for the words."""

    side: int
    distance: int
    contrast: float
    noise: float

    def draw(self, row: Ints, left: Ints, first: Ints, second: Ints) -> Floats:
        """Draw pairs at contrast 1.

        Args:
            row, left: of the first glyph's top left corner, (n,).
            first, second: sign of the left and of the right glyph, (n,).

        Returns:
            (n, side, side).
        """
        images = np.zeros((len(row), self.side, self.side))
        each, window = np.arange(len(row))[:, None, None], np.arange(GLYPH)
        rows = row[:, None, None] + window[:, None]
        for sign, column in ((first, left), (second, left + self.distance)):
            images[each, rows, column[:, None, None] + window] = sign[:, None, None] * PLUS
        return images

    def sample(self, n: int, random: np.random.RandomState) -> StimulusSample:
        """Draw `n` images; strata: sign of the `first` and of the `second` glyph."""
        label, free = generated.labels(n, CLASSES), self.side - GLYPH + 1
        row, left = random.randint(0, free, size=n), random.randint(0, free - self.distance, size=n)
        first = 2 * random.randint(0, 2, size=n) - 1
        second = first * (2 * label - 1)
        glyphs = self.draw(row, left, first, second)
        images = self.contrast * glyphs + self.noise * random.standard_normal(glyphs.shape)
        return StimulusSample(images=images[..., None], labels=label, strata={"first": first, "second": second})

    def likelihoods(self, images: Floats) -> Floats:
        """Answer as the ideal observer: log-likelihood of unscaled images, (n, side, side, 1), by label, (n, 2)."""
        windows = np.lib.stride_tricks.sliding_window_view(images[..., 0], PLUS.shape, axis=(1, 2))
        score = self.contrast / self.noise**2 * np.einsum("nrcij,ij->nrc", windows, PLUS)
        first, second = score[:, :, : -self.distance], score[:, :, self.distance :]
        answers = [np.logaddexp(first + sign * second, -first - sign * second) for sign in (-1, 1)]
        return np.stack([generated.log_sum(answer.reshape(len(images), -1)) for answer in answers], axis=1)


def stimulus(task: Task) -> LongRange:
    """Read the task's stimulus off its dials. Raises `InvalidError`."""
    dials = settings(task, DIALS)
    distance, farthest = int(dials["distance"]), task.side - GLYPH
    fits = distance <= farthest
    require(fits, "data.dials.distance", distance, f"must be at most {farthest} at side {task.side}")
    return LongRange(side=task.side, distance=distance, contrast=dials["contrast"], noise=dials["noise"])


def check(task: Task, source: Source) -> None:
    """Raise `InvalidError` unless dials and sizes can be served; nothing needs to lie anywhere."""
    generated.require_sizes(task, channels=1, classes=CLASSES)
    stimulus(task)


def load(task: Task, source: Source) -> Dataset:
    """Generate pool and test set."""
    check(task, source)
    sample = stimulus(task).sample
    return generated.dataset(task, sample, sample)


def strata(task: Task, source: Source) -> dict[str, Ints]:
    """Sign of the `first` and of the `second` glyph of every test image."""
    return generated.strata(task, stimulus(task).sample)
