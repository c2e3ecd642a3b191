"""The feature pictures of one arm: members trained again, pictures of classes and of a layer's channels, and gates."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import jax
import numpy as np
from numpy.typing import NDArray

from cnnlab.data import Source
from cnnlab.modules.graph import zoo_network
from cnnlab.probes.ascent import ascend, gate, move, objective, parametrise
from cnnlab.probes.trained import down_samplings, sample
from cnnlab.probes.trained import source as before
from cnnlab.spec.arm import Arm
from cnnlab.spec.network import Activation, Add, Conv, Network, Norm, Pool
from cnnlab.spec.record import Record
from cnnlab.training.program import program
from cnnlab.training.shown import ShownMember, train_again
from cnnlab.zoo import native
from experiments.cli.errors import UsageError

REAL = 1024
"""At most so many of the member's own training images are what a picture is compared with."""
SHOWABLE = (Conv, Norm, Add, Activation, Pool)
TRAINED, UNTRAINED = "trained", "untrained"
Images = NDArray[np.float32]
Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is to be drawn.

    Attributes:
        layer: whose channels; empty for the net's last spatial map. parametrisation: see `probes.ascent.parametrise`.
        steps: of Adam. starts: random beginnings a unit, at least 2.
        seeds: of the record's members: the first is shown, the others read its class pictures.
    """

    layer: str = ""
    parametrisation: str = parametrise.DEFAULT
    steps: int = ascend.STEPS
    starts: int = 2
    seeds: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """The pictures of one class or channel of one state of the member.

    Attributes:
        state: `trained`, or `untrained` for the control, the same member before its first step.
        pictures: (starts, height, width, channels). best: the real image with the highest score.
        refused: why it is not shown; empty if it is. before_activation: whether the unit is dead on real images.
    """

    kind: Literal["class", "channel"]
    unit: int
    state: str
    facts: gate.Facts
    refused: str
    before_activation: bool
    pictures: Images
    best: Images


@dataclass(frozen=True, kw_only=True)
class Features:
    """All pictures of an arm, and how they were made.

    Attributes:
        layer: whose channels are drawn. path_layer: whose activations the path number compares.
        members: seed, accuracy now, accuracy in the record, and a sentence about both.
        real: images that scores are compared with. low, high: their range.
    """

    arm: str
    asked: Asked
    layer: str
    path_layer: str
    members: tuple[dict[str, Any], ...]
    moves: move.Moves
    real: int
    low: float
    high: float
    drawn: tuple[Drawn, ...]

    def of(self, kind: str, state: str) -> tuple[Drawn, ...]:
        """Those of classes or of channels, of the trained or the untrained member, in the order of units."""
        return tuple(one for one in self.drawn if (one.kind, one.state) == (kind, state))


def showable(graph: Network) -> tuple[str, ...]:
    """The layers whose channels can be drawn: those with a map."""
    return tuple(node.name for node in graph.nodes if isinstance(node, SHOWABLE))


def chosen_layer(arm: Arm, asked: str) -> str:
    """The layer to draw. Raises UsageError, naming the layers there are."""
    graph = _graph(arm)
    if asked and asked not in showable(graph):
        raise UsageError(f"--layer {asked} is not valid here: choose of {', '.join(showable(graph))}")
    return asked or graph.features


def feature_pictures(
    arm: Arm, record: Record | None, asked: Asked, source: Source, library: Any = None, say: Say = lambda line: None
) -> Features:
    """Train the members again and draw everything.

    Args:
        record: of the block that has the seeds; None trains at the recipe's learning rate.
        library: of our own convolutions, where the record was made with them. say: told what is being done.
    """
    if library is not None:
        native.use(library)
    strategy = "sequential" if library is None else "native"
    say(f"training {len(asked.seeds)} members of {arm.key} again")
    shown = [train_again(arm, seed, record, source, strategy) for seed in asked.seeds]
    studio = _Studio(arm, asked, shown)
    drawn: list[Drawn] = []
    for kind in ("class", "channel"):
        for state in (TRAINED, UNTRAINED):
            say(f"drawing {kind} pictures, {state}")
            drawn += studio.draw(kind, state)
    return Features(
        arm=arm.key,
        asked=asked,
        layer=studio.layer,
        path_layer=studio.path_layer,
        members=tuple(_told(member) for member in shown),
        moves=studio.moves,
        real=len(studio.real),
        low=float(studio.real.min()),
        high=float(studio.real.max()),
        drawn=tuple(drawn),
    )


def _told(member: ShownMember) -> dict[str, Any]:
    return {
        "seed": member.seed,
        "learning_rate": member.learning_rate,
        "test_accuracy": member.test_accuracy,
        "recorded": member.recorded,
        "equals_record": member.equals_record,
        "diverged": member.diverged,
        "sentence": member.sentence(),
    }


def _graph(arm: Arm) -> Network:
    return zoo_network(arm.net, arm.task.side, arm.task.channels, arm.task.classes)


class _Studio:
    """What all pictures of an arm share: the member, those who read, real images, how to write and move pictures."""

    def __init__(self, arm: Arm, asked: Asked, shown: Sequence[ShownMember]) -> None:
        self.arm, self.asked, self.graph = arm, asked, _graph(arm)
        self.layer = chosen_layer(arm, asked.layer)
        downs = down_samplings(self.graph)
        self.path_layer = before(self.graph, downs[0]).name if downs else self.graph.features
        self.real = sample(shown[0].train, REAL).images
        self.parametrisation = parametrise.parametrisation(asked.parametrisation, self.real)
        self.moves = move.sized(self.real)
        self.layers = program(arm).layers
        self.look = jax.jit(self.layers)
        self.states = {TRAINED: shown[0].last, UNTRAINED: shown[0].first}
        self.readers = [member.last for member in shown[1:]]
        self.objectives: dict[Any, objective.Objective] = {}

    def draw(self, kind: Any, state: str) -> list[Drawn]:
        """All pictures of one kind of one state."""
        net = ascend.with_weights(self.layers, self.states[state])
        aim, off = self.aim(kind, state)
        units, starts = aim.units, self.asked.starts
        aims = np.repeat(np.arange(units), starts)
        key = jax.random.key(self.asked.seeds[0])
        found = ascend.ascend(net, aim, self.parametrisation, self.moves, aims, key, self.asked.steps).pictures
        # the same moves for pictures and real images, other ones than those of the ascent
        judging = jax.random.fold_in(key, self.asked.steps)
        scores = ascend.score(net, aim, found, self.moves, judging)[np.arange(len(aims)), aims]
        real = ascend.score(net, aim, self.real, self.moves, judging)
        path = gate.path_numbers(
            self.outputs(state, found, self.path_layer), self.outputs(state, self.real, self.path_layer)
        )
        read = self.read(found, aims) if kind == "class" and self.readers else None
        facts = gate.gather(
            found.reshape(units, starts, *found.shape[1:]),
            scores.reshape(units, starts),
            real,
            path.reshape(units, starts),
            None if read is None else read.reshape(units, starts),
            len(self.readers),
        )
        passes = gate.class_gate if kind == "class" else gate.unit_gate
        return [
            Drawn(
                kind=kind,
                unit=unit,
                state=state,
                facts=facts[unit],
                refused=passes(facts[unit]),
                before_activation=off[unit],
                pictures=found[aims == unit],
                best=self.real[int(real[:, unit].argmax())],
            )
            for unit in range(units)
        ]

    def aim(self, kind: str, state: str) -> tuple[objective.Objective, tuple[bool, ...]]:
        """The objective of all units of a kind, and which of them are dead on real images."""
        if kind == "class":
            off = (False,) * self.arm.task.classes
            made = objective.label(self.graph.output, range(len(off)))
        else:
            off = tuple(bool(one) for one in objective.dead(self.outputs(state, self.real, self.layer)))
            made = objective.living_channel(self.graph, self.layer, off)
        # one object for both states where their units live alike, so that they share compiled steps
        return self.objectives.setdefault((kind, off), made), off

    def outputs(self, state: str, images: Images, layer: str) -> Images:
        """A layer's output for images."""
        return np.asarray(self.look(self.states[state], images)[layer])

    def read(self, pictures: Images, classes: NDArray[Any]) -> gate.Values:
        """Share of the other members that read each picture as its class."""
        logits = [np.asarray(self.look(state, pictures)[self.graph.output]) for state in self.readers]
        return gate.reading([one.argmax(1) for one in logits], classes)
