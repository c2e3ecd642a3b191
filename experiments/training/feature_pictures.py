"""The feature pictures of one arm: members trained again, pictures of classes and of a layer's channels, and gates."""

import dataclasses
import itertools
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

Kind = Literal["class", "channel"]
KINDS: tuple[Kind, ...] = ("class", "channel")
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
        still: whether pictures are not moved between steps.
    """

    layer: str = ""
    parametrisation: str = parametrise.DEFAULT
    steps: int = ascend.STEPS
    starts: int = 2
    seeds: tuple[int, ...]
    still: bool = False


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """The pictures of one class or channel of one state of the member.

    Attributes:
        state: `trained`, or `untrained` for the control, the same member before its first step.
        pictures: (starts, height, width, channels). best: the real image with the highest score.
        refused: why it is not shown; empty if it is. before_activation: whether the unit is dead on real images.
    """

    kind: Kind
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
    say(f"training {len(asked.seeds)} members of {arm.key} again")
    return drawn(arm, asked, trained_again(arm, record, asked.seeds, source, library), say)


def trained_again(
    arm: Arm, record: Record | None, seeds: Sequence[int], source: Source, library: Any = None
) -> list[ShownMember]:
    """Members by their seeds; arguments as `feature_pictures`."""
    if library is not None:
        native.use(library)
    strategy = "sequential" if library is None else "native"
    return [train_again(arm, seed, record, source, strategy) for seed in seeds]


def drawn(arm: Arm, asked: Asked, shown: Sequence[ShownMember], say: Say = lambda line: None) -> Features:
    """Draw the pictures of the first of these members; the others read those of classes."""
    studio = _Studio(arm, asked, shown)
    layer = chosen_layer(arm, asked.layer)
    pictures: list[Drawn] = []
    for kind in KINDS:
        for state in (TRAINED, UNTRAINED):
            say(f"drawing {kind} pictures, {state}")
            pictures += studio.draw([(kind, layer)], state)[0]
    return studio.features(layer, pictures)


def compared(
    arm: Arm, record: Record | None, asked: Asked, source: Source, library: Any = None, say: Say = lambda line: None
) -> tuple[Features, ...]:
    """The class pictures alone, in every parametrisation, moved and still; arguments as `feature_pictures`."""
    say(f"training {len(asked.seeds)} members of {arm.key} again")
    shown = trained_again(arm, record, asked.seeds, source, library)
    layer = chosen_layer(arm, asked.layer)
    found: list[Features] = []
    for name, still in itertools.product(parametrise.NAMES, (False, True)):
        studio = _Studio(arm, dataclasses.replace(asked, parametrisation=name, still=still), shown)
        say(f"drawing class pictures, {name}{', still' if still else ''}")
        parts = [studio.draw([("class", layer)], state)[0] for state in (TRAINED, UNTRAINED)]
        found.append(studio.features(layer, [one for part in parts for one in part]))
    return tuple(found)


def walls(arm: Arm, asked: Asked, shown: Sequence[ShownMember], layers: Sequence[str]) -> tuple[Features, ...]:
    """As `drawn`, for several layers: all pictures of a state in one ascent, which is compiled once.

    Classes stand with the last of the layers. A picture is another one than that of `drawn`: its beginning is drawn
    together with those of all others.
    """
    studio = _Studio(arm, asked, shown)
    groups: list[tuple[Kind, str]] = [("class", layers[-1]), *(("channel", layer) for layer in layers)]
    classes, *channels = zip(*(studio.draw(groups, state) for state in (TRAINED, UNTRAINED)), strict=True)
    found: list[Features] = []
    for layer, pair in zip(layers, channels, strict=True):
        pictures = [one for part in (*(classes if layer == layers[-1] else ()), *pair) for one in part]
        found.append(studio.features(layer, pictures))
    return tuple(found)


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
        self.arm, self.asked, self.shown, self.graph = arm, asked, shown, _graph(arm)
        downs = down_samplings(self.graph)
        self.path_layer = before(self.graph, downs[0]).name if downs else self.graph.features
        self.real = sample(shown[0].train, REAL).images
        self.parametrisation = parametrise.parametrisation(asked.parametrisation, self.real)
        self.moves = move.Moves() if asked.still else move.sized(self.real)
        self.layers = program(arm).layers
        self.look = jax.jit(self.layers)
        self.states = {TRAINED: shown[0].last, UNTRAINED: shown[0].first}
        self.readers = [member.last for member in shown[1:]]
        self.objectives: dict[Any, objective.Objective] = {}

    def draw(self, groups: Sequence[tuple[Kind, str]], state: str) -> list[list[Drawn]]:
        """All pictures of some groups, (kind, layer), of one state, in one ascent; a list a group."""
        net = ascend.with_weights(self.layers, self.states[state])
        parts = [self.aim(kind, layer, state) for kind, layer in groups]
        names = tuple((group, off) for group, (_, off) in zip(groups, parts, strict=True))
        # one object for both states where their units live alike, so that they share compiled steps
        aim = self.objectives.setdefault(names, objective.together([part for part, _ in parts]))
        aims = np.repeat(np.arange(aim.units), self.asked.starts)
        key = jax.random.key(self.asked.seeds[0])
        found = ascend.ascend(net, aim, self.parametrisation, self.moves, aims, key, self.asked.steps).pictures
        # the same moves for pictures and real images, other ones than those of the ascent
        judging = jax.random.fold_in(key, self.asked.steps)
        scores = ascend.score(net, aim, found, self.moves, judging)[np.arange(len(aims)), aims]
        real = ascend.score(net, aim, self.real, self.moves, judging)
        path = gate.path_numbers(
            self.outputs(state, found, self.path_layer), self.outputs(state, self.real, self.path_layer)
        )
        made, first = [], 0
        for (kind, _), (part, off) in zip(groups, parts, strict=True):
            own = slice(first * self.asked.starts, (first + part.units) * self.asked.starts)
            best = real[:, first : first + part.units]
            made.append(self.judged(kind, state, off, found[own], scores[own], best, path[own]))
            first += part.units
        return made

    def judged(
        self,
        kind: Kind,
        state: str,
        off: tuple[bool, ...],
        found: Images,
        scores: gate.Values,
        real: gate.Values,
        path: gate.Values,
    ) -> list[Drawn]:
        """What the gate says of the pictures of one group; see `gate.gather` for the arguments."""
        units, starts = len(off), self.asked.starts
        read = None
        if kind == "class" and self.readers:
            read = self.read(found, np.repeat(np.arange(units), starts)).reshape(units, starts)
        pictures = found.reshape(units, starts, *found.shape[1:])
        each = (scores.reshape(units, starts), real, path.reshape(units, starts), read)
        facts = gate.gather(pictures, *each, len(self.readers))
        passes = gate.class_gate if kind == "class" else gate.unit_gate
        return [
            Drawn(
                kind=kind,
                unit=unit,
                state=state,
                facts=facts[unit],
                refused=passes(facts[unit]),
                before_activation=off[unit],
                pictures=pictures[unit],
                best=self.real[int(real[:, unit].argmax())],
            )
            for unit in range(units)
        ]

    def aim(self, kind: Kind, layer: str, state: str) -> tuple[objective.Objective, tuple[bool, ...]]:
        """The objective of all units of a kind, and which of them are dead on real images."""
        if kind == "class":
            off = (False,) * self.arm.task.classes
            return objective.label(self.graph.output, range(len(off))), off
        off = tuple(bool(one) for one in objective.dead(self.outputs(state, self.real, layer)))
        return objective.living_channel(self.graph, layer, off), off

    def features(self, layer: str, drawn: Sequence[Drawn]) -> Features:
        """Pictures with how they were made."""
        return Features(
            arm=self.arm.key,
            asked=self.asked,
            layer=layer,
            path_layer=self.path_layer,
            members=tuple(_told(member) for member in self.shown),
            moves=self.moves,
            real=len(self.real),
            low=float(self.real.min()),
            high=float(self.real.max()),
            drawn=tuple(drawn),
        )

    def outputs(self, state: str, images: Images, layer: str) -> Images:
        """A layer's output for images."""
        return np.asarray(self.look(self.states[state], images)[layer])

    def read(self, pictures: Images, classes: NDArray[Any]) -> gate.Values:
        """Share of the other members that read each picture as its class."""
        logits = [np.asarray(self.look(state, pictures)[self.graph.output]) for state in self.readers]
        return gate.reading([one.argmax(1) for one in logits], classes)
