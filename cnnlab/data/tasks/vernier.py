"""Synthetic vernier acuity: the upper of two vertical bars is left (label 0) or right (1) of the lower one.

Two bars of one pixel by a quarter of the side stand one above the other at a random place, `offset_px` columns apart,
at `contrast` over iid Gaussian pixel noise of standard deviation `noise`. The place is uniform over all that fit, for
both labels alike, so hardly any single pixel tells the label (only the outermost columns do), and a linear classifier
stays near chance. Mirroring an image left to right gives exactly as probable an image of the other label.

Dials: `offset_px` (1, 2, 3: the detail to keep), `contrast` and `noise`. Images are scaled, so only contrast / noise
matters. At side 12, contrast 1, noise 0.5 no classifier can exceed 97.3, 97.4, 97.6 % at offset 1, 2, 3 (`likelihoods`
is the optimal one: equal energies, equally likely places); logistic regression on 2000 images gets 51, 54, 55 %.
At noise 0.3 the bound is 99.99 %, at noise 0.7 it is 85.3 % (offset 1).

Pool and test set are fixed by the dials and the side. Their stream is NumPy's legacy generator, the one whose
numbers are promised never to change (NEP 19).
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cnnlab.data import generated
from cnnlab.data.arrays import Dataset, Source, Split, require_fit, verified
from cnnlab.data.dials import positive, settings, whole
from cnnlab.data.generated import StimulusSample
from cnnlab.spec.invalid import require
from cnnlab.spec.task import Task

POOL_IMAGES, TEST_IMAGES = 16_384, 4_096
CLASSES = 2
DIALS = (
    positive("contrast", "grey level of the bars"),
    positive("noise", "standard deviation of the noise"),
    whole("offset_px", "columns between the two bars", 1, 100),
)


@dataclass(frozen=True, kw_only=True)
class Vernier:
    """The stimulus in pixels and grey levels; see the module for the words."""

    side: int
    offset_px: int
    contrast: float
    noise: float

    @property
    def bar(self) -> int:
        """Height of one bar in pixels."""
        return self.side // 4

    def templates(self, label: int) -> npt.NDArray[np.float64]:
        """Draw every noise-free image of that label at contrast 1, (places, side, side)."""
        rows, lefts = self.side - 2 * self.bar + 1, self.side - self.offset_px
        row, left = (axis.ravel() for axis in np.mgrid[:rows, :lefts])
        return self.bars(row, left, np.full(row.shape, label))

    def bars(
        self, row: npt.NDArray[np.int64], left: npt.NDArray[np.int64], label: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float64]:
        """Draw noise-free images at contrast 1.

        Args:
            row: top row of the upper bar, (n,).
            left: column of the left bar, (n,).
            label: 0 or 1, (n,).

        Returns:
            (n, side, side), 1 on the bars and 0 elsewhere.
        """
        below = np.arange(self.side)[:, None] - row[:, None, None]
        column = np.arange(self.side)[None, :]
        upper_column = (left + self.offset_px * label)[:, None, None]
        lower_column = (left + self.offset_px * (1 - label))[:, None, None]
        upper = (below >= 0) & (below < self.bar) & (column == upper_column)
        lower = (below >= self.bar) & (below < 2 * self.bar) & (column == lower_column)
        images: npt.NDArray[np.float64] = (upper | lower).astype(np.float64)
        return images

    def sample(self, n: int, random: np.random.RandomState) -> StimulusSample:
        """Draw `n` images, labels alternating."""
        label = generated.labels(n, CLASSES)
        row = random.randint(0, self.side - 2 * self.bar + 1, size=n)
        left = random.randint(0, self.side - self.offset_px, size=n)
        images = self.contrast * self.bars(row, left, label)
        images += self.noise * random.standard_normal(images.shape)
        return StimulusSample(images=images[..., None], labels=label)

    def scaled(self, sample: StimulusSample) -> Split:
        """Scale pixels by their exact mean and standard deviation."""
        lit = 2 * self.bar / self.side**2
        deviation = math.sqrt(self.noise**2 + self.contrast**2 * lit * (1 - lit))
        images = (sample.images - self.contrast * lit) / deviation
        return Split(images.astype(np.float32), sample.labels.astype(np.int32))

    def likelihoods(self, images: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Answer as the ideal observer: log-likelihood of unscaled images under each label, up to a common term.

        A matched filter at every place, summed over places as probabilities.

        Args:
            images: (n, side, side) or (n, side, side, 1), before scaling.

        Returns:
            (n, 2); the larger one is the best possible answer.
        """
        gain = self.contrast / self.noise**2
        flat = images.reshape(len(images), -1)
        scores = [gain * flat @ self.templates(label).reshape(-1, self.side**2).T for label in (0, 1)]
        return np.stack([np.logaddexp.reduce(score, axis=1) for score in scores], axis=1)


def stimulus(task: Task) -> Vernier:
    """Read the task's stimulus off its dials.

    Raises `InvalidError` for a dial that is unknown, missing or out of range.
    """
    dials = settings(task, DIALS)
    offset, most = int(dials["offset_px"]), task.side - 1
    require(offset <= most, "data.dials.offset_px", offset, f"must be at most {most} at side {task.side}")
    return Vernier(side=task.side, offset_px=offset, contrast=dials["contrast"], noise=dials["noise"])


def check(task: Task, source: Source) -> None:
    """Raise `InvalidError` unless dials and sizes can be served; nothing needs to lie anywhere."""
    require(task.side >= 4, "data.side", task.side, "must be at least 4: a bar is a quarter of it")
    require_fit(task, side=task.side, channels=1, classes=CLASSES, pool=POOL_IMAGES, real=False)
    test = task.test_images
    require(test == 0 or 2 <= test <= TEST_IMAGES, "data.test_images", test, f"must be 0 (all) or 2..{TEST_IMAGES}")
    stimulus(task)


def load(task: Task, source: Source) -> Dataset:
    """Generate a pool of 16 384 images and the first `test_images` (0: all) of 4096 others."""
    check(task, source)
    vernier = stimulus(task)
    pool, test = (
        vernier.scaled(vernier.sample(n, np.random.RandomState(stream)))
        for n, stream in ((POOL_IMAGES, generated.POOL_STREAM), (TEST_IMAGES, generated.TEST_STREAM))
    )
    kept = task.test_images or TEST_IMAGES
    return verified(Dataset(pool, Split(test.images[:kept], test.labels[:kept])), task, imbalance=1.5)
