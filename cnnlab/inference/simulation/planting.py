"""What a simulation plants: tasks with a true effect, arms with a curve over learning rates, and a claim about them.

All errors are logs of the share of wrong answers; distances between learning rates are octaves (factors of 2).
"""

import math
from dataclasses import dataclass, field, replace

from cnnlab.inference.family import Family
from cnnlab.inference.rules.directional import Directional
from cnnlab.spec.verdict import Match


@dataclass(frozen=True, kw_only=True)
class ArmCurve:
    """How an arm's errors depend on its learning rate.

    Attributes:
        low, high: how much the log of the errors rises one octave below and above the best rate; it grows with the
            square of the octaves.
        best: octaves from the task's centre to the best rate, on average over replications.
        edge, edge_width: octaves above the best at which half of the members are lost, and how fast that rises (the
            scale of a logistic curve).
    """

    low: float = 0.1
    high: float = 0.1
    best: float = 0.0
    edge: float = 2.5
    edge_width: float = 0.3

    def rise(self, octaves: float) -> float:
        """Rise of the log of the errors, so many octaves from the best."""
        return (self.low if octaves < 0 else self.high) * octaves**2

    def lost(self, octaves: float) -> float:
        """Chance that a member is lost, so many octaves from the best."""
        return 1 / (1 + math.exp((self.edge - octaves) / self.edge_width))


@dataclass(frozen=True, kw_only=True)
class Planted:
    """The true effect and the noise of one task.

    Attributes:
        task: its name, also its construction. real: whether it counts as real data.
        effect: true log ratio of errors, worse over better, each at its best learning rate.
        sd: standard deviation of a member's log ratio where two equal arms are read at one rate. margin: delta.
        members: of each arm. error: share of wrong answers of the worse arm at its best rate.
        chance: accuracy of a guess. test_images, validation_images: what accuracies count.
        better, worse: the two arms' curves. spread: in every replication each arm's best rate lies anywhere within so
            many octaves of its average; what is drawn is the same for both arms, up to `apart` octaves either way.
        of_seed: share of a member's variance that both arms and all rates have in common. of_arm: share that all rates
            of an arm have in common; the rest is new at every rate.
        overlap: share of the wrong validation answers that a member gives at every rate.
        lasting: what is left of the effect after three times the training, as a share; None where nobody looks.
    """

    task: str
    effect: float
    sd: float
    margin: float
    members: int = 12
    real: bool = True
    error: float = 0.05
    chance: float = 0.1
    test_images: int = 4096
    validation_images: int = 4000
    better: ArmCurve = field(default_factory=ArmCurve)
    worse: ArmCurve = field(default_factory=ArmCurve)
    spread: float = 0.5
    apart: float = 0.25
    of_seed: float = 0.2
    of_arm: float = 0.2
    overlap: float = 0.5
    lasting: float | None = None

    @property
    def points(self) -> float:
        """The true difference of accuracy."""
        return self.error - self.error * math.exp(-self.effect)

    def swapped(self) -> "Planted":
        """Exchange better and worse."""
        return replace(
            self, effect=-self.effect, error=self.error * math.exp(-self.effect), better=self.worse, worse=self.better
        )


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """What is planted for one claim, and the family it stands in.

    The rest of the registered family is taken to have no data, which makes Holm as strict as it gets.

    Attributes:
        tasks: measured at the rule's own match. matched: the same tasks, or some of them, at another match.
        moderators: pairs of true effects at two levels of one factor, measured like the first task.
    """

    tasks: tuple[Planted, ...]
    family: Family
    rule: Directional = field(default_factory=Directional)
    matched: tuple[Planted, ...] = ()
    moderators: tuple[tuple[float, float], ...] = ()

    @property
    def other_match(self) -> Match:
        """The match that is not the rule's own."""
        return "macs" if self.rule.match == "none" else "none"

    def swapped(self) -> "Scenario":
        """Exchange better and worse everywhere."""
        return replace(
            self,
            tasks=tuple(task.swapped() for task in self.tasks),
            matched=tuple(task.swapped() for task in self.matched),
            moderators=tuple((-one, -other) for one, other in self.moderators),
        )
