"""Synthetic border: tell whether the pixel nearest to the edge has the sign of the bar beside it (1) or not (0).

A bar of three pixels lies parallel to one of the four edges; one further pixel, the discriminating one, touches its
middle on the side of the edge, at distance b from it (b = 0 is the outermost row). The bar is bright or dark at
random; the label says whether the pixel has the same sign. Mean images are therefore zero for both labels at every b:
a linear classifier is blind. Along the edge the bar's middle takes the same four central places at every b, so that
all distances are equally hard for the ideal observer, and b is the distance to the nearest edge.

Dials: `nearest` and `farthest`, between which b is uniform; `contrast` and `noise` (only their ratio matters). With
0 and 4, b is a stratum of one test set: `strata` gives it for every test image, each distance equally often with each
label. At side 12, contrast 1, noise 0.35 and distances 0 to 4 no classifier can exceed 99.2 %.
"""

from dataclasses import dataclass

import numpy as np

from cnnlab.data import generated
from cnnlab.data.arrays import Dataset, Source
from cnnlab.data.dials import positive, settings, whole
from cnnlab.data.generated import Floats, Ints, StimulusSample
from cnnlab.spec.invalid import require
from cnnlab.spec.task import Task

CLASSES, EDGES, ALONG = 2, 4, 4
DIALS = (
    positive("contrast", "grey level of the glyph, above or below the background"),
    whole("farthest", "largest distance of the discriminating pixel from the edge, in pixels", 0, 100),
    whole("nearest", "smallest distance of the discriminating pixel from the edge, in pixels", 0, 100),
    positive("noise", "standard deviation of the noise"),
)


@dataclass(frozen=True, kw_only=True)
class Border:
    """The stimulus in pixels and grey levels; see the module for the words."""

    side: int
    nearest: int
    farthest: int
    contrast: float
    noise: float

    @property
    def distances(self) -> range:
        """Distances of the discriminating pixel from the edge."""
        return range(self.nearest, self.farthest + 1)

    def glyphs(self) -> tuple[Floats, Floats]:
        """Draw the bar and the pixel at every place, at contrast 1.

        Returns:
            Two arrays (distances, 16, side, side): 16 places at each distance, four along each edge.
        """
        bars = np.zeros((len(self.distances), ALONG, self.side, self.side))
        pixels = np.zeros_like(bars)
        for index, distance in enumerate(self.distances):
            for place in range(ALONG):
                middle = self.side // 2 - ALONG // 2 + place
                bars[index, place, distance + 1, middle - 1 : middle + 2] = 1
                pixels[index, place, distance, middle] = 1
        bars, pixels = (
            np.concatenate([np.rot90(part, edge, axes=(2, 3)) for edge in range(EDGES)], axis=1)
            for part in (bars, pixels)
        )
        return bars, pixels

    def sample(self, n: int, random: np.random.RandomState) -> StimulusSample:
        """Draw `n` images; stratum: `distance`."""
        label = generated.labels(n, CLASSES)
        index = np.arange(n) // CLASSES % len(self.distances)
        place, sign = random.randint(0, EDGES * ALONG, size=n), 2 * random.randint(0, 2, size=n) - 1
        bars, pixels = (part[index, place] for part in self.glyphs())
        glyph = sign[:, None, None] * (bars + (2 * label - 1)[:, None, None] * pixels)
        images = self.contrast * glyph + self.noise * random.standard_normal(glyph.shape)
        return StimulusSample(images=images[..., None], labels=label, strata={"distance": self.nearest + index})

    def likelihoods(self, images: Floats) -> Floats:
        """Answer as the ideal observer: log-likelihood of unscaled images, (n, side, side, 1), by label, (n, 2)."""
        flat = self.contrast / self.noise**2 * images.reshape(len(images), -1)
        bars, pixels = (flat @ part.reshape(-1, self.side**2).T for part in self.glyphs())
        answers = [np.logaddexp(bars + sign * pixels, -bars - sign * pixels) for sign in (-1, 1)]
        return np.stack([generated.log_sum(answer) for answer in answers], axis=1)


def stimulus(task: Task) -> Border:
    """Read the task's stimulus off its dials. Raises `InvalidError`."""
    dials = settings(task, DIALS)
    require(task.side >= 6 and task.side % 2 == 0, "data.side", task.side, "must be even and at least 6")
    deepest = task.side // 2 - ALONG // 2
    nearest, farthest = int(dials["nearest"]), int(dials["farthest"])
    require(farthest <= deepest, "data.dials.farthest", farthest, f"must be at most {deepest} at side {task.side}")
    require(nearest <= farthest, "data.dials.nearest", nearest, f"must be at most data.dials.farthest={farthest}")
    return Border(side=task.side, nearest=nearest, farthest=farthest, contrast=dials["contrast"], noise=dials["noise"])


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
    """`distance` of the discriminating pixel from the edge, for every test image."""
    return generated.strata(task, stimulus(task).sample)
