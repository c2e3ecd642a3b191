"""Images of an arm for W&B: samples of its task, and maps of coverage and of gradients."""

import contextlib
import functools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing import connection, get_context

import numpy as np
import numpy.typing as npt

from cnnlab import data
from cnnlab.data import Source
from cnnlab.geometry.coverage import network_coverage
from cnnlab.modules.graph import graph
from cnnlab.report import maps, pixels
from cnnlab.report.samples import sheet
from cnnlab.spec.arm import Arm
from cnnlab.spec.network import Network, Pair
from cnnlab.spec.own_module import OwnModule
from cnnlab.spec.task import Task
from cnnlab.tracking import Picture, Pixels
from cnnlab.training.workers import ONE_THREAD, environment

Floats = npt.NDArray[np.float64]

SHOWN, SHOWN_MOSAICS = 5, 2
"""Samples of every class in a picture: of images as such, and of mosaics of more than three channels."""

NETS, IMAGES, SECONDS = 4, 16, 15.0
"""Untrained nets that an energy is the mean of, images each, and how long all energies of a picture may take."""

QUICK = {"XLA_FLAGS": f"{ONE_THREAD['XLA_FLAGS']} --xla_backend_optimization_level=0"}
"""Compiling takes longer than running."""


def of_arm(arm: Arm, source: Source) -> dict[str, Picture]:
    """Pictures of one arm by name; drawn when they are asked for."""
    shown: dict[str, Picture] = {"image/samples": functools.partial(samples, arm.task, source)}
    if followed(arm):
        shown["image/coverage"] = lambda: pixels.heat(coverage(arm))
    return shown


@functools.lru_cache(maxsize=4)
def samples(task: Task, source: Source) -> Pixels:
    """The first images of every class, one row a class."""
    return pixels.greys(sheet(first_samples(task, source)))


def first_samples(task: Task, source: Source) -> Floats:
    """The first images of every class that a seed can draw, (classes, samples, side, side, channels)."""
    pool, count = data.load(task, source).pool, SHOWN if task.channels <= 3 else SHOWN_MOSAICS
    return np.stack([pool.images[pool.labels == label][:count] for label in range(task.classes)]).astype(np.float64)


def coverage(arm: Arm) -> Floats:
    """Paths from each pixel to all units of the arm's last map, [height, width]; the net's graph must be known."""
    known, size = _graph(arm)
    assert known is not None, "asked for where the graph is known"
    return np.asarray(network_coverage(known, size, known.features), np.float64)


@dataclass(frozen=True, kw_only=True)
class Maps:
    """The picture of several arms' coverage and of the gradient energy that reaches their pixels before training.

    Attributes:
        arms: by the name that stands above. seconds: what measuring may take; what is not ready by then stays out.
    """

    title: str
    arms: Mapping[str, Arm]
    seconds: float = field(default=SECONDS)

    def __call__(self) -> Pixels:
        """Measure and draw."""
        known = {name: arm for name, arm in self.arms.items() if followed(arm)}
        # a user's own module begins with weights of its own, so that a net of the zoo says nothing of it
        zoo = [name for name, arm in known.items() if not isinstance(arm.net, OwnModule)]
        bound = [_graph(known[name]) for name in zoo]
        measured = energies([(graph, size) for graph, size in bound if graph is not None], self.seconds)
        found = dict(zip(zoo, measured, strict=True))
        columns = [
            maps.Column(name=name, coverage=coverage(arm), energy=found[name] if name in found else None)
            for name, arm in known.items()
        ]
        return pixels.drawn(maps.maps(columns, self.title))


def energies(graphs: Sequence[tuple[Network, Pair]], seconds: float) -> list[Floats | None]:
    """Mean gradient energy at each pixel of untrained nets; None for what is not measured within so many seconds.

    Measured in a process of its own: this one stays without JAX, and can be interrupted at any moment.
    """
    found: list[Floats | None] = [None] * len(graphs)
    context = get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_measure, args=(list(graphs), theirs), daemon=True)
    with environment(ONE_THREAD | QUICK):
        process.start()
    theirs.close()
    until = time.monotonic() + seconds
    try:
        for place in range(len(graphs)):
            if not ours.poll(max(0.0, until - time.monotonic())):
                break
            found[place] = ours.recv()
    except EOFError:  # it died: what it has measured so far is there
        pass
    finally:
        process.kill()
        process.join()
        ours.close()
    return found


def _measure(graphs: Sequence[tuple[Network, Pair]], answers: connection.Connection) -> None:
    """Body of the process that measures."""
    from cnnlab.probes.input_energy import input_energy

    with contextlib.suppress(Exception):  # what is missing says so in the picture
        for graph, size in graphs:
            answers.send(input_energy(graph, size, nets=NETS, images=IMAGES).mean(0))


def followed(arm: Arm) -> bool:
    """Whether the graph of an arm's net is known, and its paths meet."""
    task = arm.task
    return graph(arm.net, task.side, task.channels, task.classes).measured.receptive_field is not None


def _graph(arm: Arm) -> tuple[Network | None, Pair]:
    """The arm's net as a graph, if that is known, and its image's size."""
    task = arm.task
    return graph(arm.net, task.side, task.channels, task.classes).network, (task.side, task.side)
