"""Draw both arms of a planted task, as records have them: every member at every learning rate, extended as runs are."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from cnnlab.inference.effects import Sample
from cnnlab.inference.intervals import Floats
from cnnlab.inference.simulation.planting import ArmCurve, Planted
from cnnlab.spec.curve import AtRate, Finals, finals, first_rates, next_rate

CENTRE = 0.01
FIRST_RATES = 3
Reader = Callable[[Sequence[AtRate]], Finals]
LONG = 0.5
"""Share of the members that train three times as long."""


@dataclass(frozen=True, kw_only=True)
class _Net:
    """One arm's members before they train: where the arm's curve lies, and the noise that all rates have in common.

    Attributes:
        level: log of the errors at the best rate. best: octaves from the centre to it. noise: of each member [members].
    """

    level: float
    curve: ArmCurve
    best: float
    noise: Floats


@dataclass(frozen=True, kw_only=True)
class ArmDrawn:
    """One arm: its curve, and its members as they are read."""

    curve: tuple[AtRate, ...]
    finals: Finals
    test_images: int

    @property
    def sample(self) -> Sample:
        """-log(errors + 1/2) of every member."""
        errors = [round((1 - accuracy) * self.test_images) for accuracy in self.finals.test_accuracy]
        return _sample([-math.log(count + 0.5) for count in errors], self.finals)

    @property
    def accuracies(self) -> Sample:
        """Test accuracy of every member."""
        return _sample(self.finals.test_accuracy, self.finals)

    @property
    def at_chance(self) -> bool:
        """Whether every member was lost at every rate."""
        return all(all(at.diverged) for at in self.curve)


@dataclass(frozen=True, kw_only=True)
class PairDrawn:
    """Both arms of a task, and where asked for, half of the members again after three times the training."""

    better: ArmDrawn
    worse: ArmDrawn
    longer: tuple[Sample, Sample] | None = None


def draw(task: Planted, random: np.random.Generator, reader: Reader = finals) -> PairDrawn:
    """Draw one replication of a task."""
    ours, theirs = _nets(task, random)
    better, worse = (_train(task, net, random, reader) for net in (ours, theirs))
    if task.lasting is None:
        return PairDrawn(better=better, worse=worse)
    faded = (1 - task.lasting) * task.effect
    longer = (_long(task, ours, better, faded, random), _long(task, theirs, worse, 0.0, random))
    return PairDrawn(better=better, worse=worse, longer=longer)


def _nets(task: Planted, random: np.random.Generator) -> tuple[_Net, _Net]:
    """Both arms: noise of the seed that they share, and noise and a place of the curve of their own."""
    member_sd = task.sd / math.sqrt(2 * (1 - task.of_seed))
    seeds = math.sqrt(task.of_seed) * member_sd * random.standard_normal(task.members)
    place = random.uniform(-task.spread, task.spread)
    made = []
    for curve, level in ((task.better, math.log(task.error) - task.effect), (task.worse, math.log(task.error))):
        own = math.sqrt(task.of_arm) * member_sd * random.standard_normal(task.members)
        best = curve.best + place + random.uniform(-task.apart, task.apart)
        made.append(_Net(level=level, curve=curve, best=best, noise=seeds + own))
    return made[0], made[1]


def _train(task: Planted, net: _Net, random: np.random.Generator, reader: Reader) -> ArmDrawn:
    """Train all members at the first rates, and on while the curve asks for it; then read them."""
    share = task.overlap * math.exp(net.level)
    always = random.binomial(task.validation_images, share, task.members).astype(float)
    curve = [_at(task, net, rate, always, random) for rate in first_rates(CENTRE, FIRST_RATES)]
    while (further := next_rate(curve)) is not None:
        curve = sorted([*curve, _at(task, net, further, always, random)], key=lambda at: at.learning_rate)
    return ArmDrawn(curve=tuple(curve), finals=reader(curve), test_images=task.test_images)


def _at(task: Planted, net: _Net, rate: float, always: Floats, random: np.random.Generator) -> AtRate:
    """All members at one learning rate: whole images are counted, on the test and on the validation set."""
    octaves = math.log2(rate / CENTRE) - net.best
    level = net.level + net.curve.rise(octaves)
    logs = level + net.noise + _fresh_sd(task) * random.standard_normal(task.members)
    wrong = np.minimum(np.exp(logs), 1 - task.chance)
    lost = random.random(task.members) < net.curve.lost(octaves)
    test = np.where(lost, task.chance, 1 - np.rint(wrong * task.test_images) / task.test_images)
    missed = always + random.binomial(
        task.validation_images, np.maximum(0.0, wrong - task.overlap * math.exp(net.level))
    )
    valid = np.where(lost, task.chance, 1 - np.minimum(missed / task.validation_images, 1 - task.chance))
    losses = tuple(None if bad else value for bad, value in zip(lost.tolist(), wrong.tolist(), strict=True))
    return AtRate(
        learning_rate=rate,
        validation_accuracy=tuple(valid.tolist()),
        test_accuracy=tuple(test.tolist()),
        test_loss=losses,
        train_loss=losses,
        diverged=tuple(lost.tolist()),
    )


def _long(task: Planted, net: _Net, drawn: ArmDrawn, faded: float, random: np.random.Generator) -> Sample:
    """The first half of the members at the rates where they are read, trained on: `faded` of the lead is gone."""
    half = slice(0, max(2, round(LONG * task.members)))
    octaves = [math.log2(rate / CENTRE) - net.best for rate in drawn.finals.learning_rate[half]]
    rises = np.array([net.curve.rise(at) for at in octaves])
    logs = net.level + faded + rises + net.noise[half] + _fresh_sd(task) * random.standard_normal(len(octaves))
    errors = np.rint(np.exp(logs) * task.test_images)
    return Sample(
        seeds=tuple(range(len(octaves))),
        values=tuple((-np.log(errors + 0.5)).tolist()),
        diverged=drawn.finals.diverged[half],
    )


def _fresh_sd(task: Planted) -> float:
    """Standard deviation of what is new to a member at every rate."""
    variance = task.sd**2 / 2
    return math.sqrt(variance - task.of_arm * variance / (1 - task.of_seed))


def _sample(values: Sequence[float], read: Finals) -> Sample:
    return Sample(seeds=tuple(range(len(values))), values=tuple(values), diverged=read.diverged)
