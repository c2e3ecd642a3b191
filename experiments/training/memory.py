"""Whether arms fit into this machine's memory: the least that training them takes, and what there is.

What is counted is surely needed, so that nothing is refused that fits: a worker's own programs and libraries, the
images held, weights with their gradients and the optimiser's moments, the outputs of layers with weights that the
backward pass reads. What XLA needs beside it is not.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from cnnlab.geometry.cost import FLOAT32_BYTES
from cnnlab.geometry.sizes import maps
from cnnlab.modules.graph import graph
from cnnlab.spec.arm import Arm
from cnnlab.spec.invalid import InvalidError
from cnnlab.spec.network import Conv, Dense, Input, TransposedConv
from experiments.config.resolve import Point

WORKER = 250 * 2**20
"""Bytes of a worker that has trained the smallest net; measured at 400 MiB."""
MOMENTS = {"sgd": 1, "adam": 2}
SCORED = 256
"""Images that are scored at once."""
KEPT_STATES = 2
"""Of a member whose pictures are drawn: before its first step, and after its last."""
NUMBER = 32
"""Bytes of a number in a list of Python's, in a history."""
CGROUP, OWN_CGROUP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
LIMITS = ("memory.max", "memory/memory.limit_in_bytes")


@dataclass(frozen=True, kw_only=True)
class Need:
    """The least bytes of main memory that an arm takes, and what takes the most of them.

    Attributes:
        key, value: of the configuration, that the largest part depends on.
    """

    bytes: int
    key: str
    value: object


def need(point: Point, workers: int, backend: str) -> Need:
    """What an arm takes on so many workers: all of them, where it has as many runs."""
    arm, runs = point.arm, len(point.seeds) * point.arm.recipe.rates
    busy = min(workers, runs) if backend == "cpu" else workers
    parts: dict[tuple[str, object], int] = {
        ("workers", workers): workers * WORKER,
        ("data.train_images", arm.task.train_images): busy * _images(arm),
        ("train.epochs", arm.recipe.epochs): runs * arm.recipe.epochs * NUMBER,
    }
    if backend == "cpu":  # else they lie in the accelerator's own memory
        net = _net(arm)
        parts["model", arm.net.label] = busy * net.weights
        batch = min(arm.recipe.batch_size, arm.task.train_images)
        parts["train.batch_size", arm.recipe.batch_size] = busy * max(batch * net.step, SCORED * net.largest)
    return _whole(parts)


def need_of_pictures(arm: Arm, members: int, starts: int, layer: str) -> Need:
    """What pictures take: members that are trained one by one and kept, then one ascent of all pictures of a kind.

    Args:
        members: that are trained. starts: beginnings of every picture. layer: whose channels are drawn.
    """
    net, task = _net(arm), arm.task
    image = FLOAT32_BYTES * task.side**2 * task.channels
    kept = net.params * KEPT_STATES + image * task.train_images
    pictures = starts * max(task.classes, net.channels.get(layer, 1))
    return _whole(
        {
            ("workers", 1): WORKER,
            ("data.train_images", task.train_images): _images(arm),
            ("model", arm.net.label): net.weights,
            ("--seeds", members): members * kept,
            ("--starts", starts): pictures * (net.step + image * (1 + MOMENTS["adam"])),
        }
    )


def _whole(parts: Mapping[tuple[str, object], int]) -> Need:
    (key, value), _ = max(parts.items(), key=lambda item: item[1])
    return Need(bytes=sum(parts.values()), key=key, value=value)


def _images(arm: Arm) -> int:
    """Bytes of the images that a worker holds: those of the task, and the draw of one member."""
    task = arm.task
    images = 2 * (task.train_images + task.validation_images) + task.test_images
    return FLOAT32_BYTES * task.side**2 * task.channels * images


@dataclass(frozen=True, kw_only=True)
class _Net:
    """Bytes that a net takes.

    Attributes:
        params: its weights. weights: these with their gradients and the optimiser's moments.
        step: outputs of layers with weights, an image. largest: the largest output, an image.
        channels: of every layer, by its name.
    """

    params: int
    weights: int
    step: int = 0
    largest: int = 0
    channels: Mapping[str, int] = field(default_factory=dict)


def _net(arm: Arm) -> _Net:
    task = arm.task
    found = graph(arm.net, task.side, task.channels, task.classes)
    params = FLOAT32_BYTES * found.measured.params
    weights = params * (2 + MOMENTS[arm.recipe.optimizer])
    if found.network is None:  # a user's module whose layers cannot be followed
        return _Net(params=params, weights=weights)
    every = maps(found.network, (task.side, task.side))
    weighted = {node.name for node in found.network.nodes if isinstance(node, (Conv, Dense, TransposedConv))}
    made = {node.name for node in found.network.nodes if not isinstance(node, Input)}
    elements = {name: one.elements or 0 for name, one in every.items() if name in made}
    return _Net(
        params=params,
        weights=weights,
        step=FLOAT32_BYTES * sum(count for name, count in elements.items() if name in weighted),
        largest=FLOAT32_BYTES * max(elements.values()),
        channels={name: one.channels for name, one in every.items() if one.channels is not None},
    )


def largest(points: Iterable[Point], workers: int, backend: str) -> Need:
    """What the arm takes that takes the most."""
    distinct = {(point.arm, len(point.seeds)): point for point in points}.values()
    return max((need(point, workers, backend) for point in distinct), key=lambda one: one.bytes)


def require_memory(points: Iterable[Point], workers: int, backend: str) -> None:
    """Raise InvalidError, naming the key that takes the most, if an arm surely does not fit into this machine."""
    _require(largest(points, workers, backend), f"training on {workers} worker{'s' * (workers > 1)}")


def require_pictures(arm: Arm, members: int, starts: int, layer: str) -> None:
    """Raise InvalidError as `require_memory`. Arguments as `need_of_pictures`."""
    _require(need_of_pictures(arm, members, starts, layer), "drawing")


def _require(wanted: Need, what: str) -> None:
    there = available()
    if wanted.bytes > there:
        why = f"{what} would take at least {spoken(wanted.bytes)} of memory, and this machine has {spoken(there)}"
        raise InvalidError(wanted.key, wanted.value, f"{why}; choose less")


def available() -> int:
    """Bytes of this machine's memory, or fewer if a batch system or a container allows no more."""
    return min(int(psutil.virtual_memory().total), *_allowed())


def _allowed() -> Iterator[int]:
    """The limits of this process's control groups, of whichever version."""
    groups = {Path("/")}
    with contextlib.suppress(OSError):
        for line in OWN_CGROUP.read_text().splitlines():
            own = Path(line.rpartition(":")[2])
            groups |= {own, *own.parents}
    yield 2**63
    for group in groups:
        for name in LIMITS:
            with contextlib.suppress(OSError, ValueError):  # there is none, or it is `max`
                yield int((CGROUP / group.relative_to("/") / name).read_text())


def spoken(count: int) -> str:
    """Bytes in words.

    >>> spoken(3 * 2**30), spoken(300 * 2**20), spoken(5 * 2**50)
    ('3.0 GiB', '0.3 GiB', '5,242,880 GiB')
    """
    amount = count / 2**30
    return f"{amount:.1f} GiB" if amount < 1000 else f"{amount:,.0f} GiB"
