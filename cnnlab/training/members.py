"""Where members go: one call that trains a batch of members of one arm, by the strategy that suits the backend.

On CPU members run one after the other, each step driven from Python: XLA:CPU runs a convolution inside a loop, or
with a member axis, many times slower than alone. On an accelerator members share one program along a member axis.
"""

import functools
import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from cnnlab.data import Dataset, Source, Split, draw, epoch_orders, load
from cnnlab.spec.arm import Arm
from cnnlab.spec.invalid import require_choice
from cnnlab.spec.task import Task
from cnnlab.training.checkpoints import Look, Progress, keeper
from cnnlab.training.probing import probed
from cnnlab.training.program import State, program
from cnnlab.training.run import Result, Run
from cnnlab.training.schedule import factors, recorded

STRATEGIES = ("sequential", "vmap")
EVALUATED_AT_ONCE = 256
AT_CHANCE = 2.33
"""A member whose validation accuracy is not this many binomial standard errors above chance (99 %, one-sided) has
learned nothing: it is counted as diverged, as if its loss were not finite."""

Journal = dict[str, Any]


def strategy_for(backend: str) -> str:
    """The strategy for a JAX backend name (`cpu`, `gpu`, `tpu`)."""
    return "sequential" if backend == "cpu" else "vmap"


def train(runs: Sequence[Run], source: Source, strategy: str) -> list[Result]:
    """Train runs of ONE arm and one purpose; results in their order. Raises Invalid for an unknown strategy."""
    require_choice("strategy", strategy, STRATEGIES)
    if strategy == "sequential":
        return [result for run in runs for result in _train_together([run], source, lone=True)]
    return _train_together(runs, source, lone=False)


@functools.lru_cache(maxsize=8)
def dataset(task: Task, source: Source) -> Dataset:
    """The task's arrays, read once a process."""
    return load(task, source)


@dataclass(frozen=True)
class Compiled:
    """The functions of a `Program`, jitted: for a lone member, or along a leading member axis."""

    init: Callable[[int], State]
    step: Callable[..., Any]
    look: Callable[..., Any]
    logits: Callable[..., Any]


@functools.lru_cache(maxsize=4)
def compiled(arm: Arm, lone: bool) -> Compiled:
    """The functions of an arm; each is compiled when it is called first."""
    built = program(arm)
    step, look, logits = built.step, built.look, built.logits
    if not lone:
        step, look, logits = jax.vmap(step), jax.vmap(look), jax.vmap(logits)
    return Compiled(built.init, jax.jit(step, donate_argnums=0), jax.jit(look), jax.jit(logits))


def _train_together(runs: Sequence[Run], source: Source, lone: bool) -> list[Result]:
    """Train members side by side (`lone`: exactly one, without a member axis)."""
    arm, seeds = runs[0].arm, [run.seed for run in runs]
    data = dataset(arm.task, source)
    draws = [draw(data, arm.task, seed) for seed in seeds]
    run = compiled(arm, lone)
    join: Callable[[Sequence[Any]], Any] = _first if lone else _stack
    state = join([run.init(seed) for seed in seeds])
    train_images = join([jnp.asarray(train.images) for train, _ in draws])
    train_labels = join([jnp.asarray(train.labels) for train, _ in draws])
    orders = join([epoch_orders(arm.task.train_images, arm.recipe.epochs, seed) for seed in seeds])
    rates = join([np.float32(run.learning_rate) for run in runs])
    checkpoints = keeper(runs, lone)
    journals: list[Journal] = [{"images_seen": [], "loss/train": [], "accuracy/validation": []} for _ in runs]
    looks: list[Look] = []
    begin = 0
    reached = checkpoints.found(state)
    if reached is not None:
        begin, state, journals, looks = reached.epochs, reached.state, reached.journals, reached.looks

    steps_per_epoch = -(-arm.task.train_images // arm.recipe.batch_size)
    factor = factors(arm.recipe.schedule, steps_per_epoch * arm.recipe.epochs)
    watched = set(recorded(len(factor))) if runs[0].purpose == "own" else set()
    checked = set(recorded(arm.recipe.epochs))
    validation = [validation for _, validation in draws]
    for epoch in range(begin, arm.recipe.epochs):
        losses = []
        for index in range(steps_per_epoch):
            place, first = epoch * steps_per_epoch + index, index * arm.recipe.batch_size
            batch = orders[..., epoch, first : first + arm.recipe.batch_size]
            given = (train_images, train_labels, batch, rates * factor[place])
            if place in watched:
                looks.append((epoch * arm.task.train_images + first, run.look(state, *given)))
            state, loss = run.step(state, *given)
            losses.append(loss)
        by_member = np.asarray(jax.device_get(losses)).reshape(len(losses), -1).mean(0)
        accuracy = (
            _score(run.logits, state, validation, lone)[0] if epoch in checked and watched else [None] * len(runs)
        )
        for member, journal in enumerate(journals):
            journal["images_seen"].append((epoch + 1) * arm.task.train_images)
            journal["loss/train"].append(_finite(by_member[member]))
            journal["accuracy/validation"].append(accuracy[member])
        if not np.isfinite(by_member).any():
            break
        reached = Progress(epochs=epoch + 1, state=state, journals=journals, looks=looks)
        checkpoints.keep(reached, final=reached.epochs == arm.recipe.epochs)
    for member, journal in enumerate(journals):
        journal["stats"] = _series(looks, member, lone)
    return _finish(runs, data, draws, run.logits, state, journals, lone)


def _finish(
    runs: Sequence[Run], data: Dataset, draws: Sequence[tuple[Split, Split]], logits: Any, state: State,
    journals: list[Journal], lone: bool,
) -> list[Result]:  # fmt: skip
    """Score every member; the test set is read here, once, and not at all for a tuning run."""
    task = runs[0].arm.task
    validation_accuracy, _ = _score(logits, state, [validation for _, validation in draws], lone)
    test = None if runs[0].purpose == "tune" else data.test
    unseen: list[Any] = [None] * len(runs)
    test_accuracy, test_loss = (unseen, unseen) if test is None else _score(logits, state, [test] * len(runs), lone)
    results = []
    for member, run in enumerate(runs):
        train_loss = journals[member]["loss/train"][-1]
        diverged = train_loss is None or at_chance(validation_accuracy[member], task)
        probes: dict[str, float] = {}
        if test is not None and run.purpose == "own" and not diverged:
            own = state if lone else jax.tree.map(operator.itemgetter(member), state)
            probes = probed(run.arm, own, draws[member][0], test)
        results.append(
            Result(
                validation_accuracy=task.chance if diverged else validation_accuracy[member],
                test_accuracy=None if test is None else task.chance if diverged else test_accuracy[member],
                test_loss=None if diverged else test_loss[member],
                train_loss=None if diverged else train_loss,
                diverged=diverged,
                history=journals[member] if run.purpose == "own" else {},
                probes=probes,
            )
        )
    return results


def at_chance(validation_accuracy: float, task: Task) -> bool:
    """Whether a validation accuracy is what guessing may reach."""
    error = math.sqrt(task.chance * (1 - task.chance) / task.validation_images)
    return validation_accuracy <= task.chance + AT_CHANCE * error


def _score(logits: Any, state: State, splits: Sequence[Split], lone: bool) -> tuple[list[Any], list[Any]]:
    """Accuracy and mean cross-entropy of every member on its split; every image counts, none is dropped."""
    join: Callable[[Sequence[Any]], Any] = _first if lone else _stack
    count = len(splits[0].labels)
    chunk = min(EVALUATED_AT_ONCE, count)
    outputs = []
    for first in range(0, count, chunk):
        # the last chunk starts earlier, so that one batch shape is compiled; its repeats are cut off below
        start = min(first, count - chunk)
        images = join([jnp.asarray(split.images[start : start + chunk]) for split in splits])
        out = np.asarray(logits(state, images))
        outputs.append((out[None] if lone else out)[:, first - start :])
    scores = np.concatenate(outputs, axis=1).astype(np.float64)
    accuracies, losses = [], []
    for member, split in enumerate(splits):
        shifted = scores[member] - scores[member].max(1, keepdims=True)
        likelihood = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
        accuracies.append(float((scores[member].argmax(1) == split.labels).mean()))
        losses.append(_finite(-likelihood[np.arange(count), split.labels].mean()))
    return accuracies, losses


def _series(looks: list[Look], member: int, lone: bool) -> Journal:
    """Statistics of one member as series by name, fetched from the device once."""
    series: Journal = {"images_seen": [seen for seen, _ in looks]}
    for _, values in jax.device_get(looks):
        for name, value in values.items():
            own: NDArray[Any] = np.asarray(value if lone else value[member])
            plain = _finite(own) if own.ndim == 0 else [int(entry) for entry in own]
            series.setdefault(name, []).append(plain)
    return series


def _finite(value: Any) -> float | None:
    """Six significant digits, or None where the number is not finite (JSON has no NaN)."""
    return float(f"{float(value):.6g}") if np.isfinite(value) else None


def _first(values: Sequence[Any]) -> Any:
    """The one value of a lone member."""
    (value,) = values
    return value


def _stack(values: Sequence[Any]) -> Any:
    """Values of all members along a new leading axis."""
    arrays: list[Array | NDArray[Any]] = list(values)
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *arrays)
