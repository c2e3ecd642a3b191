"""Train one member again from its record's seed and learning rate, for instruments that need its weights.

Records keep no weights. Another processor or library may round otherwise, so a member that was trained again is not
taken for the one in the record: both accuracies are kept, and whether they are equal is reported.
"""

import dataclasses
from dataclasses import dataclass

import jax

from cnnlab.data import Source, Split, draw
from cnnlab.spec.arm import Arm
from cnnlab.spec.record import Record
from cnnlab.training import members
from cnnlab.training.program import State, program
from cnnlab.training.run import MemberRun


@dataclass(frozen=True, kw_only=True)
class ShownMember:
    """One member, trained again.

    Attributes:
        first, last: its state before the first and after the last step, without a member axis.
        test_accuracy: what it reaches now, a fraction. recorded: what its record says; None where there is no record.
        diverged: whether it learned nothing, see `cnnlab.training.run.Result`.
        train: its training draw. test: the task's test set.
    """

    arm: Arm
    seed: int
    learning_rate: float
    first: State
    last: State
    test_accuracy: float
    recorded: float | None
    diverged: bool
    train: Split
    test: Split

    @property
    def equals_record(self) -> bool | None:
        """Whether its test accuracy equals the record's to the last digit; None where there is no record."""
        return None if self.recorded is None else self.test_accuracy == self.recorded

    def sentence(self) -> str:
        """One line that says whether this is the member of the record."""
        now = f"member {self.seed}: test accuracy {self.test_accuracy:.4f}"
        if self.recorded is None:
            return f"{now}; there is no record of it"
        if self.equals_record:
            return f"{now}, equals the record"
        return f"{now}, NOT the record's {self.recorded:.4f}: other processors and libraries round otherwise"


def train_again(
    arm: Arm, seed: int, record: Record | None, source: Source, strategy: str = "sequential"
) -> ShownMember:
    """Train one member at the learning rate where it is read, or at the recipe's where there is no record.

    Args:
        record: of the arm. strategy: see `members.STRATEGIES`.

    Raises:
        ValueError: the record is of another arm, or does not have the seed.
        InvalidError: as `cnnlab.data.load`.
    """
    if record is not None and (record.arm != arm.key or seed not in record.members):
        raise ValueError(f"the record of {record.arm} has no member {seed} of {arm.key}")
    place = None if record is None else record.members.index(seed)
    rate = arm.recipe.learning_rate if record is None or place is None else record.finals.learning_rate[place]
    ends: list[State] = []

    def keep(run: MemberRun, state: State) -> None:
        # a copy: what a device holds may be given away
        ends.append(jax.device_get(state))

    # unwatched it takes the same steps, without looking at them
    unwatched = dataclasses.replace(arm, recipe=dataclasses.replace(arm.recipe, watched=False))
    run = MemberRun(arm=unwatched, seed=seed, learning_rate=rate)
    (result,) = members.train([run], source, strategy, keep)
    data = members.dataset(arm.task, source)
    return ShownMember(
        arm=arm,
        seed=seed,
        learning_rate=rate,
        first=jax.device_get(program(arm).init(seed)),
        last=ends[0],
        test_accuracy=result.test_accuracy,
        recorded=None if record is None or place is None else record.finals.test_accuracy[place],
        diverged=result.diverged,
        train=draw(data, arm.task, seed)[0],
        test=data.test,
    )
