"""One arm from its config to its record: tune, then train every member at its own and at the common learning rate.

The arm is a generator: it yields batches of work and is sent their results, so that whoever drives it (a pool of
workers, or a plain loop in a test) decides where and in which order the work is done; the record cannot tell.
"""

from collections.abc import Generator, Sequence
from pathlib import Path

from cnnlab.geometry.measured import measured
from cnnlab.spec.arm import Arm, plain
from cnnlab.spec.record import COMMON, OWN, PROTOCOL, Finals, Record, Tried, Tuning
from cnnlab.training.run import LinearFit, MemberRun, Purpose, Result, tuning_seeds
from cnnlab.training.tuning import FACTOR, choose, extend
from cnnlab.zoo.lowering import network

Work = Sequence[MemberRun] | Sequence[LinearFit]
Answer = list[Result] | list[float]
Training = Generator[Work, Answer, Record]


def training(
    arm: Arm,
    block: int,
    seeds: tuple[int, ...],
    claims: dict[str, str],
    tuned: Tuning | None,
    checkpoints: Path | None = None,
) -> Training:
    """Generator that trains one block of an arm and returns its record.

    Args:
        seeds: the evaluation seeds of this block.
        claims: digest of every registered claim, kept in the record.
        tuned: the tuning of the arm's first block, which a later block takes over; None tunes.
        checkpoints: folder for what long trainings have reached; None: none are kept.
    """
    tuning = tuned or (yield from tune(arm, checkpoints))
    own = yield from evaluate(arm, seeds, tuning.chosen, "own", checkpoints)
    finals = {OWN: summary(tuning.chosen, own), COMMON: summary(tuning.chosen, own)}
    if tuning.chosen != arm.recipe.learning_rate:
        common = yield from evaluate(arm, seeds, arm.recipe.learning_rate, "common", checkpoints)
        finals[COMMON] = summary(arm.recipe.learning_rate, common)
    net = network(arm.net, arm.task.side, arm.task.channels, arm.task.classes)
    return Record(
        protocol=PROTOCOL,
        arm=arm.key,
        block=block,
        config=plain(arm),
        members=seeds,
        finals=finals,
        histories=tuple(result.history for result in own),
        probes=tuple(result.probes for result in own),
        geometry=measured(net, (arm.task.side, arm.task.side)),
        tuning=tuning,
        claims=claims,
    )


def evaluate(
    arm: Arm, seeds: Sequence[int], learning_rate: float, purpose: Purpose, checkpoints: Path | None = None
) -> Generator[Work, Answer, list[Result]]:
    """Train one member a seed at one learning rate."""
    answer = yield [
        MemberRun(arm=arm, seed=seed, learning_rate=learning_rate, purpose=purpose, checkpoints=checkpoints)
        for seed in seeds
    ]
    return [result for result in answer if isinstance(result, Result)]


def tune(arm: Arm, checkpoints: Path | None = None) -> Generator[Work, Answer, Tuning]:
    """Choose the arm's learning rate on validation draws of the tuning seeds; see `cnnlab.training.tuning`."""
    recipe, seeds = arm.recipe, tuning_seeds(arm.recipe.tuning_seeds)
    linear = yield [LinearFit(task=arm.task, seed=seed) for seed in seeds]
    bar = tuple(value for value in linear if isinstance(value, float))
    if recipe.tuning == "none":
        return Tuning(seeds=seeds, tried=(), chosen=recipe.learning_rate, capped=False, linear_accuracy=bar)
    below = (recipe.tuning_values - 1) // 2
    rates: Sequence[float] = [recipe.learning_rate * FACTOR ** (place - below) for place in range(recipe.tuning_values)]
    tried: list[Tried] = []
    while rates:
        runs = [(rate, seed) for rate in rates for seed in seeds]
        answer = yield [
            MemberRun(arm=arm, seed=seed, learning_rate=rate, purpose="tune", checkpoints=checkpoints)
            for rate, seed in runs
        ]
        results = [result for result in answer if isinstance(result, Result)]
        for place, rate in enumerate(rates):
            own = results[place * len(seeds) : (place + 1) * len(seeds)]
            accuracy = tuple(result.validation_accuracy for result in own)
            diverged = tuple(result.diverged for result in own)
            tried.append(Tried(learning_rate=rate, validation_accuracy=accuracy, diverged=diverged))
        tried.sort(key=lambda entry: entry.learning_rate)
        further = extend(tried)
        rates = () if further is None else (further,)
    choice = choose(tried, arm.task.validation_images)
    return Tuning(
        seeds=seeds, tried=tuple(tried), chosen=choice.learning_rate, capped=choice.capped, linear_accuracy=bar
    )


def summary(learning_rate: float, results: Sequence[Result]) -> Finals:
    """Results of all members at one learning rate, side by side."""
    return Finals(
        learning_rate=learning_rate,
        test_accuracy=tuple(_known(result.test_accuracy) for result in results),
        test_loss=tuple(result.test_loss for result in results),
        validation_accuracy=tuple(result.validation_accuracy for result in results),
        train_loss=tuple(result.train_loss for result in results),
        diverged=tuple(result.diverged for result in results),
    )


def _known(value: float | None) -> float:
    """A test accuracy, which every evaluated member has."""
    if value is None:
        raise ValueError("a member was evaluated without the test set")
    return value
