"""Synthetic linear or XOR: the same images, labelled by a linear rule or by the XOR of two patch detectors.

Two patches of 4x4 pixels lie left and right of the centre, at fixed places, over iid Gaussian pixel noise. The left
one shows pattern i, the right one pattern j, each uniform over as many patterns as there are classes. The rule is

    xor=0: label = i              best answered by a linear classifier, whose weights have rank `rank`
    xor=1: label = i + j modulo the number of classes (two classes: XOR)    every class has the same mean image

The class means are points of equal length in `rank` dimensions: a row of the discrete Fourier basis of the classes
times orthonormal patch patterns (low discrete cosines without the constant). Two classes (rank 1) are a patch and
its negative; rank 2 is a regular polygon; rank classes - 1 the regular simplex.

Dials: `xor`, `rank`, `contrast` (length of a pattern) and `noise` (only their ratio matters); the number of classes is
`data.classes`, 2 to 10. At side 12, contrast 1, no classifier can exceed: two classes, noise 0.45: 97.4 % (XOR), 98.7 %
(linear); ten classes in a plane (rank 2, linear), noise 0.15: 96.0 %.
"""

from dataclasses import dataclass

import numpy as np

from cnnlab.data import generated
from cnnlab.data.arrays import Dataset, Source
from cnnlab.data.dials import one_of, positive, settings, whole
from cnnlab.data.generated import Floats, Ints, StimulusSample
from cnnlab.spec.invalid import require
from cnnlab.spec.task import Task

PATCH, MOST_CLASSES = 4, 10
DIALS = (
    positive("contrast", "length of a pattern: root of the sum of its squared pixels"),
    positive("noise", "standard deviation of the noise"),
    whole("rank", "dimensions of the class means: even, or classes - 1", 1, MOST_CLASSES - 1),
    one_of("xor", "0: label from the left patch, linear; 1: from both patches, XOR", 0, 1),
)


@dataclass(frozen=True, kw_only=True)
class LinearXor:
    """The stimulus in pixels and grey levels; see the module for the words."""

    side: int
    classes: int
    rank: int
    xor: bool
    contrast: float
    noise: float

    def patterns(self) -> Floats:
        """The patterns of a patch at contrast 1, (classes, 4, 4), each of length 1."""
        patterns: Floats = np.tensordot(class_points(self.classes, self.rank), cosines(self.rank), axes=1)
        return patterns

    def embedded(self) -> Floats:
        """Every pattern at both places, (2, classes, side, side): left and right."""
        top, left = (self.side - PATCH) // 2, (self.side // 2 - PATCH) // 2
        images = np.zeros((2, self.classes, self.side, self.side))
        for place, column in enumerate((left, left + self.side // 2)):
            images[place, :, top : top + PATCH, column : column + PATCH] = self.patterns()
        return images

    def sample(self, n: int, random: np.random.RandomState) -> StimulusSample:
        """Draw `n` images, all pairs of patterns in turn, whatever the rule; strata: `left` and `right` pattern."""
        left, right = generated.labels(n, self.classes), np.arange(n) // self.classes % self.classes
        label = (left + right) % self.classes if self.xor else left
        patterns = self.embedded()
        images = self.contrast * (patterns[0, left] + patterns[1, right])
        images += self.noise * random.standard_normal(images.shape)
        return StimulusSample(images=images[..., None], labels=label, strata={"left": left, "right": right})

    def likelihoods(self, images: Floats) -> Floats:
        """Answer as the ideal observer: log-likelihood of unscaled images, (n, side, side, 1), by label."""
        flat = self.contrast / self.noise**2 * images.reshape(len(images), -1)
        left: Floats
        left, right = (flat @ part.reshape(self.classes, -1).T for part in self.embedded())
        if not self.xor:
            return left
        index = np.arange(self.classes)
        pairs = left[:, None, :] + right[:, (index[:, None] - index) % self.classes]
        return generated.log_sum(pairs)


def class_points(classes: int, rank: int) -> Floats:
    """Points of length 1 in `rank` dimensions, centred: rows of the real Fourier basis, (classes, rank)."""
    angle = 2 * np.pi * np.outer(np.arange(classes), np.arange(1, classes // 2 + 1)) / classes
    waves = np.stack([np.cos(angle), np.sin(angle)], axis=2).reshape(classes, -1)[:, : classes - 1]
    if classes % 2 == 0:
        waves[:, -1] /= np.sqrt(2)  # the alternating wave has no sine beside it
    chosen = waves[:, :rank]
    points: Floats = chosen / np.linalg.norm(chosen, axis=1, keepdims=True)
    return points


def cosines(count: int) -> Floats:
    """The first discrete cosine patterns of a patch after the constant, by frequency: orthonormal, (count, 4, 4)."""
    wave = np.cos(np.pi * np.outer(np.arange(PATCH), np.arange(PATCH) + 0.5) / PATCH)
    wave /= np.linalg.norm(wave, axis=1, keepdims=True)
    orders = sorted(((u, v) for u in range(PATCH) for v in range(PATCH)), key=lambda order: (sum(order), order))
    return np.stack([np.outer(wave[u], wave[v]) for u, v in orders[1 : count + 1]])


def stimulus(task: Task) -> LinearXor:
    """Read the task's stimulus off its dials. Raises `InvalidError`."""
    dials, classes = settings(task, DIALS), task.classes
    require(classes <= MOST_CLASSES, "data.classes", classes, f"must be 2 to {MOST_CLASSES}")
    fits = task.side >= 2 * PATCH and task.side % 2 == 0
    require(fits, "data.side", task.side, f"must be even and at least {2 * PATCH}")
    rank = int(dials["rank"])
    equal = rank == classes - 1 or (rank < classes and rank % 2 == 0)
    require(equal, "data.dials.rank", rank, f"must be {classes - 1}, or an even number below it, for {classes} classes")
    return LinearXor(
        side=task.side,
        classes=classes,
        rank=rank,
        xor=dials["xor"] == 1,
        contrast=dials["contrast"],
        noise=dials["noise"],
    )


def check(task: Task, source: Source) -> None:
    """Raise `InvalidError` unless dials and sizes can be served; nothing needs to lie anywhere."""
    stimulus(task)
    generated.require_sizes(task, channels=1, classes=task.classes)


def load(task: Task, source: Source) -> Dataset:
    """Generate pool and test set."""
    check(task, source)
    sample = stimulus(task).sample
    return generated.dataset(task, sample, sample)


def strata(task: Task, source: Source) -> dict[str, Ints]:
    """`left` and `right` pattern of every test image."""
    return generated.strata(task, stimulus(task).sample)
