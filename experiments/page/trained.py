"""A trained member, and the same one before its first step: weights are trained again from the member's record."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
from cnnlab.probes.trained import down_samplings, source
from cnnlab.records import Store
from cnnlab.spec.arm import Arm
from cnnlab.spec.record import Record
from cnnlab.spec.task import Task
from cnnlab.training.program import State, split
from cnnlab.training.shown import ShownMember
from cnnlab.zoo.module import Net
from experiments.analysis.results import ArmResults, SweepResults
from experiments.cli.errors import UsageError
from experiments.config.resolve import Settings
from experiments.config.schema import XLA
from experiments.page.member import Floats, Image, Member
from experiments.page.untrained import SHOWN, look
from experiments.training import convolutions
from experiments.training.feature_pictures import Asked, Features, trained_again, walls
from experiments.training.provenance import convolutions as made_with

SWEEP, TASK = "pool_position", "digits12"
TITLE = "the judged reference net: six 3x3, max-pools after 2 and 4"
STRIDED_SWEEP, STRIDED_LEVEL = "stride_vs_pool", "stride"
STRIDED_TITLE = "the judged strided net: six 3x3, strides in place of the pools"
LEFT_OUT = "No trained net is shown: --fast leaves it out."
IMAGES = "Its images are those of its test set, with their noise."
NO_RECORD = f"No trained net is shown: there is no record of the reference of {SWEEP} on {TASK}."
Views = Mapping[str, SweepResults]
"""Results by sweep."""
MOST_WRONG = 2
"""Further images, which the trained member takes for another class."""


STEPS = 64
"""Of feature pictures: 64 reach .90 of the score at 192."""
READERS = 2
"""Further members, which read the class pictures."""


@dataclass(frozen=True, kw_only=True)
class Again:
    """What the process that trains gives back.

    Attributes:
        shown: the member. features: pictures by layer, classes with the last one. file: where its weights come from;
            empty where it was trained. title: of its net.
    """

    title: str = TITLE
    shown: ShownMember
    features: tuple[Features, ...] = ()
    file: str = ""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """One member in both states.

    Attributes:
        members: trained, and before training. told: whether it equals its record, in a sentence. features: see `Again`.
    """

    members: tuple[Member, ...]
    told: str
    features: tuple[Features, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is to be trained, and how; `train` of it runs in a process of its own.

    Attributes:
        seeds: the member that is shown, then those that read its pictures. layers: whose pictures are drawn.
        title: of the net.
    """

    title: str = TITLE
    arm: Arm
    record: Record
    seeds: tuple[int, ...]
    layers: tuple[str, ...]
    source: Source
    library: Path | None


def reference(views: Views) -> ArmResults | None:
    """The reference arm whose member is shown; None without a record of it."""
    view = views[SWEEP] if SWEEP in views else None
    tasks = () if view is None else [task for task in view.tasks() if view.named(task) == TASK]
    cell = None if view is None or not tasks else view.reference(tasks[0])
    return None if cell is None or cell.record is None else cell


def strided(views: Views) -> ArmResults | None:
    """The arm that strides where the reference pools; None without a record of it."""
    view = views[STRIDED_SWEEP] if STRIDED_SWEEP in views else None
    tasks = () if view is None else [task for task in view.tasks() if view.named(task) == TASK]
    cell = None if view is None or not tasks else view.cell(tasks[0], STRIDED_LEVEL, "none")
    return None if cell is None or cell.record is None else cell


def strided_job(views: Views, console: Console) -> Job | None:
    """What to train of the strided arm: the record's first member; None where there is no record of it."""
    cell = strided(views)
    if cell is None or cell.record is None:
        return None
    return _job(cell, cell.record, views[STRIDED_SWEEP].settings, console, cell.record.members[:1], STRIDED_TITLE)


def job(views: Views, console: Console, seed: int | None = None, draw: bool = True) -> Job | None:
    """What to train for the page; None where there is no record of the reference.

    Args:
        seed: of the member to show; None for the record's first. draw: whether feature pictures are drawn, too.

    Raises:
        UsageError: the record has no such member.
    """
    cell = reference(views)
    if cell is None or cell.record is None:
        if seed is not None:
            raise UsageError(f"--seed {seed} is not valid here: {NO_RECORD[0].lower()}{NO_RECORD[1:]}")
        return None
    there = cell.record.members
    if seed is not None and seed not in there:
        raise UsageError(f"--seed {seed} is not valid here: the record has the members {there[0]} to {there[-1]}")
    first = there[0] if seed is None else seed
    others = [one for one in there if one != first][:READERS] if draw else []
    layers = drawn_layers(cell.point.arm) if draw else ()
    return _job(cell, cell.record, views[SWEEP].settings, console, (first, *others), TITLE, layers)


def _job(
    cell: ArmResults,
    record: Record,
    places: Settings,
    console: Console,
    seeds: Sequence[int],
    title: str,
    layers: tuple[str, ...] = (),
) -> Job:
    library = None
    if made_with(Store(places.runs).provenance(record.arm)) != XLA:
        library = convolutions.library(places, places.cache / "native", console)
    return Job(
        title=title,
        arm=cell.point.arm,
        record=record,
        seeds=tuple(seeds),
        layers=layers,
        source=places.source,
        library=library,
    )


def drawn_layers(arm: Arm) -> tuple[str, ...]:
    """The layers before every down-sampling, and the last map."""
    task = arm.task
    graph = zoo_network(arm.net, task.side, task.channels, task.classes)
    return tuple(dict.fromkeys([*(source(graph, node).name for node in down_samplings(graph)), graph.features]))


def train(asked: Job) -> Again:
    """Train all members, and draw; in a process whose environment is `ONE_THREAD`, else roundings differ."""
    shown = trained_again(asked.arm, asked.record, asked.seeds, asked.source, asked.library)
    wanted = Asked(seeds=asked.seeds, steps=STEPS)
    features = walls(asked.arm, wanted, shown, asked.layers) if asked.layers else ()
    # what draws training images anew cannot leave this process
    first = dataclasses.replace(shown[0], train=Split(shown[0].train.images, shown[0].train.labels))
    return Again(title=asked.title, shown=first, features=features)


def pair(found: Again, own: Sequence[Image], both: bool = True) -> Pair:
    """A member in both states, or trained alone, looking at the same images: the reader's, and some of its test set.

    Args:
        own: the reader's images, on the canvas of the digits, from 0 to 1; the net reads them as its task scales them.
    """
    shown, task = found.shown, found.shown.arm.task
    theirs = (Image(title=one.title, pixels=standardised(one.pixels, task)) for one in own)
    seen = (*theirs, *tested(shown))
    stacked = np.stack([image.pixels for image in seen])
    empty = float(standardised(np.zeros(1), task)[0])
    samples = Split(shown.train.images, shown.train.labels), shown.test
    after = f"weights of {found.file}" if found.file else f"trained, seed {shown.seed}"
    states = (after, shown.last), (f"before training, seed {shown.seed}", shown.first)
    members = tuple(
        look(found.title, words, with_state(shown.arm, state), seen, stacked, empty, samples)
        for words, state in (states if both else states[:1])
    )
    told = f"Trained again from its record: {found.title}; {shown.sentence()}. {IMAGES}"
    if found.file:
        told = f"Weights of {found.file}, in {found.title}: test accuracy {shown.test_accuracy:.4f}. {IMAGES}"
    return Pair(members=members, told=told, features=found.features)


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
