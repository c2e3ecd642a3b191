"""Synthetic aliasing pair: tell a grating of frequency f (label 0) from its stride-2 alias 0.5 - f (label 1).

A vertical grating fills the image, at a uniformly random phase, over iid Gaussian pixel noise. With column c,

    label 0: cos(2 pi f c + phase)
    label 1: cos(2 pi (0.5 - f) c - phase) = (-1)^c cos(2 pi f c + phase)

so both are the SAME in every even column. For equal phase and noise the images subsampled by [::2, ::2] are identical
to the last bit, and phase and noise are drawn alike for both labels: the subsampled image is independent of the label,
and no classifier of it exceeds 50 %. The phase makes both classes' mean images zero: a linear classifier is blind too.

Dials: `frequency` of label 0 in cycles per pixel, `contrast` and `noise` (only their ratio matters). At side 12,
frequency 0.3, contrast 1, noise 2.5 no classifier of the whole image can exceed 97.0 %.
"""

from dataclasses import dataclass

import numpy as np

from cnnlab.data import generated
from cnnlab.data.arrays import Dataset, Source
from cnnlab.data.dials import Dial, positive, settings
from cnnlab.data.generated import Floats, Ints, StimulusSample
from cnnlab.spec.invalid import require
from cnnlab.spec.task import Task

CLASSES, PHASES = 2, 64
"""`PHASES`: points on the circle over which the ideal observer averages."""
DIALS = (
    positive("contrast", "amplitude of the grating"),
    Dial(
        name="frequency",
        meaning="cycles per pixel of label 0; label 1 has 0.5 minus it",
        valid="above 0.25 and below 0.5",
        allows=lambda value: 0.25 < value < 0.5,
    ),
    positive("noise", "standard deviation of the noise"),
)


@dataclass(frozen=True, kw_only=True)
class AliasingPair:
    """The stimulus in pixels and grey levels; see the module for the words."""

    side: int
    frequency: float
    contrast: float
    noise: float

    def gratings(self, phase: Floats, label: Ints) -> Floats:
        """Draw one row of each grating at contrast 1; (n,) phases in radians and (n,) labels to (n, side)."""
        column = np.arange(self.side)
        waves = np.cos(2 * np.pi * self.frequency * column + phase[:, None])
        return np.where((label[:, None] == 1) & (column % 2 == 1), -waves, waves)

    def images(self, phase: Floats, label: Ints, noise: Floats) -> Floats:
        """Add the gratings to standard normal `noise`, (n, side, side, 1)."""
        return self.contrast * self.gratings(phase, label)[:, None, :, None] + self.noise * noise

    def sample(self, n: int, random: np.random.RandomState) -> StimulusSample:
        """Draw `n` images."""
        label, phase = generated.labels(n, CLASSES), 2 * np.pi * random.random_sample(n)
        noise = random.standard_normal((n, self.side, self.side, 1))
        return StimulusSample(images=self.images(phase, label, noise), labels=label)

    def likelihoods(self, images: Floats) -> Floats:
        """Answer as the ideal observer: log-likelihood of unscaled images, (n, side, side, 1), by label, (n, 2)."""
        phase, columns = 2 * np.pi * np.arange(PHASES) / PHASES, images[..., 0].sum(axis=1)
        answers = []
        for label in range(CLASSES):
            waves = self.contrast * self.gratings(phase, np.full(PHASES, label))
            energy = self.side * (waves**2).sum(axis=1)
            answers.append(generated.log_sum((columns @ waves.T - energy / 2) / self.noise**2))
        return np.stack(answers, axis=1)


def stimulus(task: Task) -> AliasingPair:
    """Read the task's stimulus off its dials. Raises `InvalidError`."""
    dials = settings(task, DIALS)
    require(task.side >= 8, "data.side", task.side, "must be at least 8: two frequencies need room to differ")
    return AliasingPair(side=task.side, **dials)


def check(task: Task, source: Source) -> None:
    """Raise `InvalidError` unless dials and sizes can be served; nothing needs to lie anywhere."""
    generated.require_sizes(task, channels=1, classes=CLASSES)
    stimulus(task)


def load(task: Task, source: Source) -> Dataset:
    """Generate pool and test set."""
    check(task, source)
    sample = stimulus(task).sample
    return generated.dataset(task, sample, sample)
