"""One arm from its config to its record: every member is trained at every learning rate, until the best is no end.

The arm is a generator: it yields batches of work and is sent their results, so that whoever drives it (a pool of
workers, or a plain loop in a test) decides where and in which order the work is done; the record cannot tell.
"""

from collections.abc import Generator, Mapping, Sequence
from pathlib import Path

from cnnlab.modules.graph import graph
from cnnlab.spec.arm import Arm, plain
from cnnlab.spec.curve import AtRate, first_rates, next_rate, reading
from cnnlab.spec.record import PROTOCOL, Record
from cnnlab.training.run import LinearFit, MemberRun, Result

LINEAR_FITS = 2
"""On the draws of how many members logistic regression is fitted."""

Work = Sequence[MemberRun] | Sequence[LinearFit]
Answer = list[Result] | list[float]
Training = Generator[Work, Answer, Record]


def training(arm: Arm, seeds: Sequence[int], claims: Mapping[str, str], checkpoints: Path | None = None) -> Training:
    """Generator that trains an arm and returns its record.

    Args:
        seeds: of the members.
        claims: digest of every registered claim, kept in the record.
        checkpoints: folder for what long trainings have reached; None: none are kept.
    """
    linear = yield [LinearFit(task=arm.task, seed=seed) for seed in seeds[:LINEAR_FITS]]
    trained: dict[float, list[Result]] = {}
    wanted: Sequence[float] = first_rates(arm.recipe.learning_rate, arm.recipe.rates)
    while wanted:
        answer = yield [
            MemberRun(arm=arm, seed=seed, learning_rate=rate, checkpoints=checkpoints)
            for rate in wanted
            for seed in seeds
        ]
        results = [result for result in answer if isinstance(result, Result)]
        for place, rate in enumerate(wanted):
            trained[rate] = results[place * len(seeds) : (place + 1) * len(seeds)]
        curve = tuple(at_rate(rate, trained[rate]) for rate in sorted(trained))
        further = next_rate(curve)
        wanted = () if further is None else (further,)
    read = [trained[curve[place].learning_rate][member] for member, place in enumerate(reading(curve))]
    return Record(
        protocol=PROTOCOL,
        arm=arm.key,
        config=plain(arm),
        members=tuple(seeds),
        rates=curve,
        test_images=read[0].test_images,
        linear_accuracy=tuple(value for value in linear if isinstance(value, float)),
        histories=tuple(result.history for result in read),
        probes=tuple(result.probes for result in read),
        geometry=graph(arm.net, arm.task.side, arm.task.channels, arm.task.classes).measured,
        claims=dict(claims),
    )


def at_rate(learning_rate: float, results: Sequence[Result]) -> AtRate:
    """Results of all members at one learning rate, side by side."""
    return AtRate(
        learning_rate=learning_rate,
        validation_accuracy=tuple(result.validation_accuracy for result in results),
        test_accuracy=tuple(result.test_accuracy for result in results),
        test_loss=tuple(result.test_loss for result in results),
        train_loss=tuple(result.train_loss for result in results),
        diverged=tuple(result.diverged for result in results),
    )
