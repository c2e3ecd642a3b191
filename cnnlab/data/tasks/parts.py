"""Synthetic parts: eight channels, each the map of one part; four pairs of parts, and the label is a pair.

A part is a pixel in its own channel, brighter or darker by `contrast` at random, over iid Gaussian pixel noise. Parts
stand at random places, no two at the same one, but for the label's pair:

    together=1: every part occurs four times. The label's two parts share their four places, with the same sign. A 1x1
                layer with an activation can merge two channels into a detector of "both here".
    together=0 (control): the label's two parts occur eight times each, the others four times, and no two parts EVER
                share a place. Both parts of a pair speak for the same label, but they are never found together.

Signs are random, so all class means are zero and a linear classifier is blind under both. If a 1x1 layer groups the
pairs under the control too, it groups what serves the same label, not what is found together.

Dials: `together`, `contrast` and `noise` (only their ratio matters). At side 12, contrast 1,
noise 0.25 a nearly ideal observer gets 100.0 % (together) and 99.9 % (control); at noise 0.35 99.1 and 90.1 %.
"""

from dataclasses import dataclass

import numpy as np

from cnnlab.data import generated
from cnnlab.data.arrays import Dataset, Source
from cnnlab.data.dials import one_of, positive, settings
from cnnlab.data.generated import Floats, StimulusSample
from cnnlab.spec.invalid import require
from cnnlab.spec.task import Task

PAIRS = ((0, 5), (1, 3), (2, 6), (4, 7))
"""Which two channels belong together: the ground truth for a 1x1 layer's weights."""
CLASSES, PARTS, COPIES = len(PAIRS), 2 * len(PAIRS), 4
DIALS = (
    positive("contrast", "how much a part is brighter or darker"),
    positive("noise", "standard deviation of the noise"),
    one_of("together", "1: the label's parts share their places; 0: they occur more often, never at one place", 0, 1),
)


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The stimulus in pixels and grey levels; see the module for the words."""

    side: int
    together: bool
    contrast: float
    noise: float

    def sample(self, n: int, random: np.random.RandomState) -> StimulusSample:
        """Draw `n` images."""
        label = generated.labels(n, CLASSES)
        order = random.random_sample((n, self.side**2)).argsort(axis=1)
        places = order[:, : PARTS * 2 * COPIES].reshape(n, PARTS, 2 * COPIES)
        signs = 2.0 * random.randint(0, 2, size=places.shape) - 1
        for pair, (one, other) in enumerate(PAIRS):
            chosen = (label == pair)[:, None]
            if self.together:
                for array in (places, signs):
                    array[:, other] = np.where(chosen, array[:, one], array[:, other])
            more = chosen & (not self.together)
            signs[:, [one, other], COPIES:] *= more[:, :, None]
        images = self.noise * random.standard_normal((n, self.side**2, PARTS))
        images[np.arange(n)[:, None, None], places, np.arange(PARTS)[:, None]] += self.contrast * signs
        return StimulusSample(images=images.reshape(n, self.side, self.side, PARTS), labels=label)

    def likelihoods(self, images: Floats) -> Floats:
        """Answer as a nearly ideal observer: log-likelihood of unscaled images, (n, side, side, 8), by label, (n, 4).

        Pairs (and, under the control, parts) are taken as independent: that they never share a place is not made use
        of.
        """
        scores = self.contrast / self.noise**2 * images.reshape(len(images), -1, PARTS)
        return np.stack([self._pair_score(scores[..., one], scores[..., other]) for one, other in PAIRS], axis=1)

    def _pair_score(self, one: Floats, other: Floats) -> Floats:
        """Log-likelihood of a pair if it is the label's, less that if it is not; (n, places) each, to (n,)."""
        alone = [np.logaddexp(part, -part) for part in (one, other)]  # over both signs
        if self.together:
            shared = np.logaddexp(one + other, -one - other)
            return generated.log_mean_of_products(shared, COPIES) - _log_apart(*alone)
        often, seldom = (
            sum((generated.log_mean_of_products(part, count) for part in alone), np.zeros(len(one)))
            for count in (2 * COPIES, COPIES)
        )
        return often - seldom


def _log_apart(one: Floats, other: Floats) -> Floats:
    """Log of the sum over all ways to put either part at `COPIES` places, none shared; (n, places) each, to (n,)."""
    table = np.full((COPIES + 1, COPIES + 1, len(one)), -np.inf)
    table[0, 0] = 0
    for here, there in zip(one.T, other.T, strict=True):
        before = table.copy()
        table[1:] = np.logaddexp(table[1:], before[:-1] + here)
        table[:, 1:] = np.logaddexp(table[:, 1:], before[:, :-1] + there)
    result: Floats = table[COPIES, COPIES]
    return result


def stimulus(task: Task) -> Parts:
    """Read the task's stimulus off its dials. Raises `InvalidError`."""
    dials = settings(task, DIALS)
    require(task.side >= 8, "data.side", task.side, "must be at least 8: the parts need 64 places")
    return Parts(side=task.side, together=dials["together"] == 1, contrast=dials["contrast"], noise=dials["noise"])


def check(task: Task, source: Source) -> None:
    """Raise `InvalidError` unless dials and sizes can be served; nothing needs to lie anywhere."""
    generated.require_sizes(task, channels=PARTS, classes=CLASSES)
    stimulus(task)


def load(task: Task, source: Source) -> Dataset:
    """Generate pool and test set."""
    check(task, source)
    sample = stimulus(task).sample
    return generated.dataset(task, sample, sample)
