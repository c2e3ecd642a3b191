"""Synthetic phase: tell whether the one bright pixel is in an even or odd row, and in an even or odd column.

One pixel of `contrast` over iid Gaussian pixel noise of standard deviation `noise`; its place is uniform. Label =
2 * (row parity) + (column parity).

Pooling 2x2 blocks before any convolution destroys the label EXACTLY: within its block the pixel stands anywhere with
equal probability and the noise is exchangeable, so the distribution of any symmetric function of the blocks (maximum,
average) is the same for all four labels, and no classifier of the pooled image exceeds 25 %. A convolution before the
pool keeps it: a map and its copy shifted by one pixel, both pooled, tell which half of the block was lit.

Dials: `contrast` and `noise`; images are scaled, so only their ratio matters. At side 12, contrast 1, noise
0.25 no classifier can exceed 92.3 %.
"""

from dataclasses import dataclass

import numpy as np

from cnnlab.data import generated
from cnnlab.data.arrays import Dataset, Source
from cnnlab.data.dials import positive, settings
from cnnlab.data.generated import Floats, Ints, StimulusSample
from cnnlab.spec.invalid import require
from cnnlab.spec.task import Task

CLASSES = 4
DIALS = (positive("contrast", "grey level of the bright pixel"), positive("noise", "standard deviation of the noise"))


@dataclass(frozen=True, kw_only=True)
class Phase:
    """The stimulus in pixels and grey levels; see the module for the words."""

    side: int
    contrast: float
    noise: float

    def sample(self, n: int, random: np.random.RandomState) -> StimulusSample:
        """Draw `n` images; strata: `row` and `column` of the bright pixel."""
        label = generated.labels(n, CLASSES)
        row = 2 * random.randint(0, self.side // 2, size=n) + label // 2
        column = 2 * random.randint(0, self.side // 2, size=n) + label % 2
        images = self.noise * random.standard_normal((n, self.side, self.side, 1))
        images[np.arange(n), row, column] += self.contrast
        return StimulusSample(images=images, labels=label, strata={"row": row, "column": column})

    def likelihoods(self, images: Floats) -> Floats:
        """Answer as the ideal observer: log-likelihood of unscaled images under each label, up to a common term.

        Args:
            images: (n, side, side, 1).

        Returns:
            (n, 4); the largest one is the best possible answer.
        """
        scores = self.contrast / self.noise**2 * images[..., 0]
        return np.stack([_joint(scores[:, row::2, column::2]) for row in (0, 1) for column in (0, 1)], axis=1)


def _joint(scores: Floats) -> Floats:
    return generated.log_sum(scores.reshape(len(scores), -1))


def stimulus(task: Task) -> Phase:
    """Read the task's stimulus off its dials. Raises `InvalidError`."""
    dials = settings(task, DIALS)
    even = task.side % 2 == 0 and task.side >= 4
    require(even, "data.side", task.side, "must be even and at least 4, so that 2x2 blocks tile the image")
    return Phase(side=task.side, contrast=dials["contrast"], noise=dials["noise"])


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
    """`row` and `column` of the bright pixel of every test image."""
    return generated.strata(task, stimulus(task).sample)
