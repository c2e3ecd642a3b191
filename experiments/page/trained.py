"""A trained member, and the same one before its first step: weights are trained again from the member's record."""

import dataclasses
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import jax
import numpy as np
from flax import nnx
from rich.console import Console

from cnnlab.data import Source, digits
from cnnlab.data.arrays import Split, moments
from cnnlab.data.dials import settings
from cnnlab.data.tasks import digits12
from cnnlab.modules.graph import zoo_network
from cnnlab.records import Store
from cnnlab.spec.arm import Arm
from cnnlab.spec.record import Record
from cnnlab.spec.task import Task
from cnnlab.training.program import State, split
from cnnlab.training.shown import ShownMember, train_again
from cnnlab.training.workers import ONE_THREAD, environment
from cnnlab.zoo.module import Net
from experiments.analysis.results import ArmResults, SweepResults
from experiments.config.resolve import XLA
from experiments.page.member import Floats, Image, Member
from experiments.page.untrained import SHOWN, look
from experiments.training import convolutions
from experiments.training.provenance import convolutions as made_with

SWEEP, TASK = "pool_position", "digits12"
TITLE = "the judged reference net: six 3x3, max-pools after 2 and 4"
LEFT_OUT = "No trained net is shown: --fast leaves it out."
IMAGES = "Its images are those of its test set, with their noise."
NO_RECORD = f"No trained net is shown: there is no record of the reference of {SWEEP} on {TASK}."
Views = Mapping[str, SweepResults]
"""Results by sweep."""
MOST_WRONG = 2
"""Further images, which the trained member takes for another class."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """One member in both states.

    Attributes:
        members: trained, and before training. told: whether it equals its record, in a sentence.
    """

    members: tuple[Member, ...]
    told: str


def reference(views: Views) -> ArmResults | None:
    """The reference arm whose member is shown; None without a record of it."""
    view = views[SWEEP] if SWEEP in views else None
    tasks = () if view is None else [task for task in view.tasks() if view.named(task) == TASK]
    cell = None if view is None or not tasks else view.reference(tasks[0])
    return None if cell is None or cell.record is None else cell


def trained(views: Views, own: Sequence[Image], console: Console) -> Pair | None:
    """The first member of the reference arm, trained again, and before; None where there is no record of it.

    Args:
        own: the reader's images, on the canvas of the digits, from 0 to 1; the net reads them as its task scales them.
            Beside them stand images of the test set.
    """
    cell = reference(views)
    if cell is None or cell.record is None:
        return None
    places = views[SWEEP].settings
    library = None
    if made_with(Store(places.runs).provenance(cell.record.arm)) != XLA:
        library = convolutions.library(places, places.cache / "native", console)
    return pair(apart(cell.point.arm, cell.record, places.source, library), own)


def apart(arm: Arm, record: Record, source: Source, library: Path | None) -> ShownMember:
    """Train in a process of its own, on one thread of the CPU as a worker trains: else roundings differ."""
    with environment(ONE_THREAD), ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(_again, arm, record, source, library).result()


def _again(arm: Arm, record: Record, source: Source, library: Path | None) -> ShownMember:
    if library is not None:
        from cnnlab.zoo import native  # here, since only the process that trains needs it

        native.use(library)
    found = train_again(arm, record.members[0], record, source, "sequential" if library is None else "native")
    # what draws training images anew cannot leave this process
    return dataclasses.replace(found, train=Split(found.train.images, found.train.labels))


def pair(shown: ShownMember, own: Sequence[Image]) -> Pair:
    """Both states of a member, looking at the same images: the reader's, and some of the task's test set."""
    task = shown.arm.task
    theirs = (Image(title=one.title, pixels=standardised(one.pixels, task)) for one in own)
    seen = (*theirs, *tested(shown))
    stacked = np.stack([image.pixels for image in seen])
    states = (f"trained, seed {shown.seed}", shown.last), (f"before training, seed {shown.seed}", shown.first)
    members = tuple(look(TITLE, words, with_state(shown.arm, state), seen, stacked) for words, state in states)
    return Pair(members=members, told=f"Trained again from its record: {TITLE}; {shown.sentence()}. {IMAGES}")


def standardised(pixels: Floats, task: Task) -> Floats:
    """An image on the canvas, from 0 to 1, as nets of the task read it, but for its noise."""
    frozen = digits.frozen()
    mean, deviation = moments(digits.on_canvas(frozen)[~frozen.test][..., None])
    noise = settings(task, digits12.DIALS)["noise"]
    found: Floats = (pixels * digits.BRIGHTEST - mean) / deviation / np.sqrt(1 + noise**2)
    return found


def tested(shown: ShownMember) -> tuple[Image, ...]:
    """Images of the test set: the first of some classes, and the first that the trained member takes for another."""
    module, labels = with_state(shown.arm, shown.last), shown.test.labels
    logits, _ = jax.jit(lambda x: module(x))(shown.test.images)
    answers = np.asarray(logits).argmax(-1)
    first = [int(np.flatnonzero(labels == label)[0]) for label in SHOWN]
    mistaken = [int(place) for place in np.flatnonzero(answers != labels) if place not in first][:MOST_WRONG]
    return tuple(
        Image(
            title=f"digit {labels[place]}" + (", mistaken" if answers[place] != labels[place] else ""),
            pixels=np.asarray(shown.test.images[place], np.float64),
            label=int(labels[place]),
        )
        for place in (*first, *mistaken)
    )


def with_state(arm: Arm, state: State) -> Net:
    """The net of an arm with the weights of a state."""
    task = arm.task
    made = Net(zoo_network(arm.net, task.side, task.channels, task.classes), jax.random.key(0))
    graph, params, statistics = split(made)
    nnx.replace_by_pure_dict(params, state.params)
    nnx.replace_by_pure_dict(statistics, state.statistics)
    merged: Net = nnx.merge(graph, params, statistics)
    return merged
