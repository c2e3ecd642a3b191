"""Synthetic distractor channels: tell vertical (0) from horizontal (1) stripes in the INFORMATIVE channels.

The first `informative` channels show one object: stripes of period 6, vertical or horizontal by the label, at a random
phase, the same in all of them. The remaining, equally many channels show one background: stripes of the same kind
whose orientation and phase are their own. Every channel has its own iid Gaussian pixel noise. So every channel looks
alike, and which of them matter is known (`relevance`): the best first layer averages the informative channels and
gives the others weight zero. Phases are random, so mean images agree and a linear classifier is blind.

Dial `spurious`: in the POOL, which training and validation images come from, the background's orientation follows the
label with probability (1 + spurious) / 2; in the TEST SET it is always independent of it. 0 is plain nuisance, 1 a
perfect shortcut that leads nowhere. The test images are the same at every value, up to the scale, which is the pool's.

Further dials: `informative` (half of the channels), `contrast` and `noise` (only their ratio matters). At side 12,
four informative channels, contrast 1 and noise 5 no classifier can exceed 97.2 % on the test set.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cnnlab.data import generated
from cnnlab.data.arrays import Dataset, Source
from cnnlab.data.dials import positive, settings, share, whole
from cnnlab.data.generated import Floats, Ints, StimulusSample
from cnnlab.spec.invalid import require
from cnnlab.spec.task import Task

CLASSES, PERIOD, PHASES = 2, 6, 64
"""`PERIOD` in pixels; `PHASES` points on the circle over which the ideal observer averages."""
DIALS = (
    positive("contrast", "amplitude of the stripes"),
    whole("informative", "number of informative channels; as many more are nuisance", 1, 64),
    positive("noise", "standard deviation of the noise"),
    share("spurious", "how strongly the background follows the label in the pool; never in the test set"),
)


@dataclass(frozen=True, kw_only=True)
class DistractorChannels:
    """The stimulus in pixels and grey levels; see the module for the words."""

    side: int
    informative: int
    spurious: float
    contrast: float
    noise: float

    @property
    def channels(self) -> int:
        """Informative and nuisance channels together."""
        return 2 * self.informative

    def stripes(self, phase: Floats, horizontal: Ints) -> Floats:
        """Draw stripes at contrast 1; (n,) phases in radians, (n,) 0 or 1, to (n, side, side)."""
        wave = np.cos(2 * np.pi * np.arange(self.side) / PERIOD + phase[:, None])
        vertical = np.broadcast_to(wave[:, None, :], (len(wave), self.side, self.side))
        images: Floats = np.where(horizontal[:, None, None] == 1, vertical.swapaxes(1, 2), vertical)
        return images

    def pool_sample(self, n: int, random: np.random.RandomState) -> StimulusSample:
        """Draw `n` images whose background follows the label as `spurious` says."""
        return self._sample(n, random, self.spurious)

    def sample(self, n: int, random: np.random.RandomState) -> StimulusSample:
        """Draw `n` images whose background is independent of the label."""
        return self._sample(n, random, 0.0)

    def _sample(self, n: int, random: np.random.RandomState, spurious: float) -> StimulusSample:
        label = generated.labels(n, CLASSES)
        phases, toss = 2 * np.pi * random.random_sample((2, n)), random.random_sample(n)
        background = np.where(toss < (1 + spurious) / 2, label, 1 - label)
        images = self.noise * random.standard_normal((n, self.side, self.side, self.channels))
        images[..., : self.informative] += self.contrast * self.stripes(phases[0], label)[..., None]
        images[..., self.informative :] += self.contrast * self.stripes(phases[1], background)[..., None]
        return StimulusSample(images=images, labels=label, strata={"background": background})

    def likelihoods(self, images: Floats) -> Floats:
        """Answer as the ideal observer of the test set: log-likelihood by label, up to a common term.

        Args:
            images: (n, side, side, channels), before scaling; the nuisance channels are not looked at.
        """
        flat = images[..., : self.informative].sum(axis=3).reshape(len(images), -1)
        phase = 2 * np.pi * np.arange(PHASES) / PHASES
        answers = []
        for label in range(CLASSES):
            waves = self.contrast * self.stripes(phase, np.full(PHASES, label)).reshape(PHASES, -1)
            energy = self.informative * (waves**2).sum(axis=1)
            answers.append(generated.log_sum((flat @ waves.T - energy / 2) / self.noise**2))
        return np.stack(answers, axis=1)


def relevance(task: Task) -> npt.NDArray[np.bool_]:
    """The ground truth: which channels tell the label in the test set, (channels,)."""
    found = stimulus(task)
    return np.arange(found.channels) < found.informative


def stimulus(task: Task) -> DistractorChannels:
    """Read the task's stimulus off its dials. Raises `InvalidError`."""
    dials = settings(task, DIALS)
    require(task.side >= PERIOD, "data.side", task.side, f"must be at least {PERIOD}, the period of the stripes")
    return DistractorChannels(
        side=task.side,
        informative=int(dials["informative"]),
        spurious=dials["spurious"],
        contrast=dials["contrast"],
        noise=dials["noise"],
    )


def check(task: Task, source: Source) -> None:
    """Raise `InvalidError` unless dials and sizes can be served; nothing needs to lie anywhere."""
    generated.require_sizes(task, channels=stimulus(task).channels, classes=CLASSES)


def load(task: Task, source: Source) -> Dataset:
    """Generate pool and test set."""
    check(task, source)
    found = stimulus(task)
    return generated.dataset(task, found.pool_sample, found.sample)


def strata(task: Task, source: Source) -> dict[str, Ints]:
    """`background` orientation of every test image: 0 vertical, 1 horizontal."""
    return generated.strata(task, stimulus(task).sample)
