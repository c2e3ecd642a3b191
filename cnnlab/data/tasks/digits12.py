"""The digits at a random place of a 12x12 canvas: logistic regression falls to about 31 %, a small net reaches 91-94 %.

Each image has ONE place, drawn once and stored with it: the dataset is as fixed as any other.
"""

from cnnlab.data import digits
from cnnlab.data.arrays import Dataset, Source, require_fit, verified
from cnnlab.data.dials import Dial
from cnnlab.spec.task import Task

DIALS: tuple[Dial, ...] = ()


def check(task: Task, source: Source) -> None:
    """Raise `InvalidError` unless sizes fit; the images come with the package."""
    require_fit(task, side=digits.CANVAS, channels=1, classes=digits.CLASSES, pool=digits.POOL_IMAGES)


def load(task: Task, source: Source) -> Dataset:
    """1198 images to draw from and 599 test images, the same ones as in `digits8`."""
    check(task, source)
    frozen = digits.frozen()
    return verified(digits.parted(digits.on_canvas(frozen), frozen), task, imbalance=1.1)
