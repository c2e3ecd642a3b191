"""Synthetic sparse or diffuse evidence: tell a signal in noise (label 1) from noise alone (label 0).

The signal is `pixels` pixels, a random choice of all, each brighter or darker by `contrast` (its sign random), over
iid Gaussian pixel noise. With one pixel the evidence is sparse: a single outlier. With all pixels it is diffuse: the
image is slightly more uneven everywhere. Signs are random, so both mean images are zero and a linear classifier is
blind at every setting.

Dials: `pixels`, `contrast` and `noise` (only their ratio matters). Equal signal-to-noise ratio means here: equally
hard for the ideal observer. The contrasts of conf/data/sparse_diffuse*.yaml are chosen for that:
at side 12, contrast / noise 5.2, 1.98, 0.67 on 1, 16, 144 pixels, no classifier can exceed 95.1, 95.1, 94.8 %.
"""

from dataclasses import dataclass

import numpy as np

from cnnlab.data import generated
from cnnlab.data.arrays import Dataset, Source
from cnnlab.data.dials import positive, settings, whole
from cnnlab.data.generated import Floats, StimulusSample
from cnnlab.spec.invalid import require
from cnnlab.spec.task import Task

CLASSES = 2
DIALS = (
    positive("contrast", "how much a signal pixel is brighter or darker"),
    positive("noise", "standard deviation of the noise"),
    whole("pixels", "number of signal pixels", 1, 100_000),
)


@dataclass(frozen=True, kw_only=True)
class SparseDiffuse:
    """The stimulus in pixels and grey levels; see the module for the words."""

    side: int
    pixels: int
    contrast: float
    noise: float

    def sample(self, n: int, random: np.random.RandomState) -> StimulusSample:
        """Draw `n` images."""
        label, shape = generated.labels(n, CLASSES), (n, self.side**2)
        chosen = random.random_sample(shape).argsort(axis=1).argsort(axis=1) < self.pixels
        signs = 2 * random.randint(0, 2, size=shape) - 1
        images = self.noise * random.standard_normal(shape)
        images += self.contrast * (label[:, None] * chosen * signs)
        return StimulusSample(images=images.reshape(n, self.side, self.side, 1), labels=label)

    def likelihoods(self, images: Floats) -> Floats:
        """Answer as the ideal observer: log-likelihood of unscaled images, (n, side, side, 1), by label, (n, 2).

        The likelihood ratio is the mean, over all choices of `pixels` of the N pixels, of the product of the chosen
        pixels' ratios: an elementary symmetric polynomial over the number of choices, by its recursion.
        """
        flat = images.reshape(len(images), -1)
        gain = self.contrast / self.noise**2
        ratios = np.logaddexp(gain * flat, -gain * flat) - np.log(2) - self.contrast * gain / 2
        present = generated.log_mean_of_products(ratios, self.pixels)
        return np.stack([np.zeros_like(present), present], axis=1)


def stimulus(task: Task) -> SparseDiffuse:
    """Read the task's stimulus off its dials. Raises `InvalidError`."""
    dials = settings(task, DIALS)
    pixels, most = int(dials["pixels"]), task.side**2
    require(pixels <= most, "data.dials.pixels", pixels, f"must be at most {most} at side {task.side}")
    return SparseDiffuse(side=task.side, pixels=pixels, contrast=dials["contrast"], noise=dials["noise"])


def check(task: Task, source: Source) -> None:
    """Raise `InvalidError` unless dials and sizes can be served; nothing needs to lie anywhere."""
    generated.require_sizes(task, channels=1, classes=CLASSES)
    stimulus(task)


def load(task: Task, source: Source) -> Dataset:
    """Generate pool and test set."""
    check(task, source)
    sample = stimulus(task).sample
    return generated.dataset(task, sample, sample)
