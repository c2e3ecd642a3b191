"""The plain 8x8 digits. Logistic regression reaches about 96 %, so no design effect can be read on them."""

from cnnlab.data import digits
from cnnlab.data.arrays import Dataset, Source, require_fit, verified
from cnnlab.data.dials import Dial
from cnnlab.spec.task import Task

DIALS: tuple[Dial, ...] = ()


def check(task: Task, source: Source) -> None:
    """Raise `InvalidError` unless sizes fit; the images come with the package."""
    require_fit(task, side=digits.SIDE, channels=1, classes=digits.CLASSES, pool=digits.POOL_IMAGES)


def load(task: Task, source: Source) -> Dataset:
    """1198 images to draw from and 599 test images."""
    check(task, source)
    frozen = digits.frozen()
    return verified(digits.parted(frozen.images, frozen), task, imbalance=1.1)
