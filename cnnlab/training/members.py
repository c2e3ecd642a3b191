"""Trains members of one arm: one after the other, or side by side, as suits the backend.

On CPU members run one after the other: XLA:CPU runs a convolution with a member axis many times slower than without.
On an accelerator, which one small net does not fill, they train side by side along a member axis. A stretch of steps is
one program, so that nothing waits for Python between them; only where a net has convolutions of XLA's on a CPU is each
step driven from Python: inside a loop those are many times slower, too.
"""

import functools
import itertools
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
from cnnlab.training.program import State, alone, program
from cnnlab.training.run import MemberRun, Result
from cnnlab.training.schedule import factors, log_spaced_steps

STRATEGIES = ("sequential", "native", "side_by_side")
"""Members one after the other, with XLA's convolutions or with our own (`cnnlab.zoo.native`), or all at once."""
SIDE_BY_SIDE = 12
"""Members that train side by side, a block of most sweeps. Fewer are filled up with copies of the last one, which cost
little where the device is not full: so all learning rates share one compiled program, whose bytes, for one member, do
not depend on how many others there are."""
EVALUATED_AT_ONCE = 256
AT_CHANCE = 2.33
"""A member whose validation accuracy is not this many binomial standard errors above chance (99 %, one-sided) has
learned nothing: it is counted as diverged, as if its loss were not finite."""

Journal = dict[str, Any]
OnEnd = Callable[[MemberRun, State], None]


def strategy_for(backend: str) -> str:
    """The strategy for a JAX backend name (`cpu`, `gpu`, `tpu`)."""
    return "sequential" if backend == "cpu" else "side_by_side"


def train(runs: Sequence[MemberRun], source: Source, strategy: str, on_end: OnEnd | None = None) -> list[Result]:
    """Train runs of ONE arm; results in their order. Raises InvalidError for an unknown strategy.

    Args:
        on_end: called with every run and its last state, without a member axis, as the run ends; it only reads it.
    """
    require_choice("strategy", strategy, STRATEGIES)
    if strategy != "side_by_side":
        return [result for run in runs for result in _train_together([run], source, strategy, on_end)]
    groups = [runs[first : first + SIDE_BY_SIDE] for first in range(0, len(runs), SIDE_BY_SIDE)]
    return [result for group in groups for result in _train_together(group, source, strategy, on_end)]


@functools.lru_cache(maxsize=8)
def dataset(task: Task, source: Source) -> Dataset:
    """The task's arrays, read once a process."""
    return load(task, source)


@dataclass(frozen=True)
class Compiled:
    """The jitted functions of a `Program`: for one member, or for several along a leading member axis.

    Attributes:
        many: takes steps of an epoch in one program; None where steps are not to be taken in a loop.
    """

    init: Callable[[int], State]
    step: Callable[..., Any]
    measure_step: Callable[..., Any]
    logits: Callable[..., Any]
    many: Callable[..., Any] | None

    def advance(
        self,
        state: State,
        images: Any,
        labels: Any,
        batches: Sequence[NDArray[Any]] | NDArray[Any],
        rates: NDArray[Any],
        steps: range,
    ) -> tuple[State, list[Any]]:
        """Take some consecutive steps of an epoch.

        Args:
            images, labels: of the whole training draw.
            batches: the places of every step's images, ([members,] batch); the last one may be smaller.
            rates: learning rate of every step, (steps [, members]).
            steps: those to take.

        Returns:
            The state, and the loss of each step taken: a scalar, maybe still being computed, or one a member.
        """
        losses: list[Any] = []
        if self.many is not None:
            whole = [batch for batch in batches if batch.shape == batches[0].shape]
            inside = range(steps.start, min(steps.stop, len(whole)))
            given = np.stack(whole), rates[: len(whole)]
            state, found = self.many(state, images, labels, *given, inside.start, inside.stop)
            losses, steps = list(np.asarray(found)[inside.start : inside.stop]), steps[len(inside) :]
        for place in steps:
            state, loss = self.step(state, images, labels, batches[place], rates[place])
            losses.append(loss)
        return state, losses


@functools.lru_cache(maxsize=4)
def compiled(arm: Arm, strategy: str) -> Compiled:
    """The functions of an arm; each is compiled when it is called first."""
    if strategy == "side_by_side":
        built = program(arm, jax.vmap, "crowded" if jax.default_backend() == "gpu" else "xla")
    else:
        built = program(arm, alone, "native" if strategy == "native" else "xla")

    def many(
        state: State, images: Array, labels: Array, batches: Array, rates: Array, begin: Array, end: Array
    ) -> tuple[State, Array]:
        """Take the steps from `begin` to `end` - 1, any number by one program; losses of other steps are 0."""

        def one(place: Array, carried: tuple[State, Array]) -> tuple[State, Array]:
            state, losses = carried
            state, loss = built.step(state, images, labels, batches[place], rates[place])
            return state, jax.lax.dynamic_update_index_in_dim(losses, loss, place, 0)

        reached: tuple[State, Array] = jax.lax.fori_loop(begin, end, one, (state, jnp.zeros(rates.shape)))
        return reached

    return Compiled(
        built.init,
        jax.jit(built.step, donate_argnums=0),
        jax.jit(built.measure_step),
        jax.jit(built.logits),
        jax.jit(many, donate_argnums=0) if built.loops else None,
    )


@dataclass
class Shown:
    """The members' training images on the device: those of one epoch, put there anew only where others are drawn.

    Attributes:
        trains: the training draw of every member. join: of many arrays makes one.
    """

    trains: Sequence[Split]
    join: Callable[[Sequence[Any]], Any]
    drawn: Sequence[Any] = ()
    images: Any = None

    def in_epoch(self, epoch: int) -> Any:
        """The images of an epoch, ([members,] n, side, side, channels)."""
        drawn = [train.in_epoch(epoch) for train in self.trains]
        if [id(one) for one in drawn] != [id(one) for one in self.drawn]:
            self.drawn, self.images = drawn, jax.device_put(self.join(drawn))
        return self.images


def _train_together(
    runs: Sequence[MemberRun], source: Source, strategy: str, on_end: OnEnd | None = None
) -> list[Result]:
    """Train members side by side, or exactly one without a member axis."""
    arm, lone = runs[0].arm, strategy != "side_by_side"
    filled = [*runs, *[runs[-1]] * (0 if lone else SIDE_BY_SIDE - len(runs))]
    data = dataset(arm.task, source)
    drawn = {seed: draw(data, arm.task, seed) for seed in {run.seed for run in runs}}
    draws = [drawn[run.seed] for run in filled]
    run = compiled(arm, strategy)
    join: Callable[[Sequence[Any]], Any] = only if lone else stack
    state = join([run.init(one.seed) for one in filled])
    shown = Shown([train for train, _ in draws], join)
    train_labels = jax.device_put(join([train.labels for train, _ in draws]))
    orders = [epoch_orders(arm.task.train_images, arm.recipe.epochs, one.seed) for one in filled]
    rates = _joined([np.float32(one.learning_rate) for one in filled], lone)
    checkpoints = keeper(runs, strategy)
    names = ("images_seen", "loss/train", *(("accuracy/validation",) if arm.recipe.watched else ()))
    journals: list[Journal] = [{name: [] for name in names} for _ in runs]
    looks: list[Look] = []
    begin = 0
    reached = checkpoints.found(state)
    if reached is not None:
        begin, state, journals, looks = reached.epochs, reached.state, reached.journals, reached.looks

    steps_per_epoch = -(-arm.task.train_images // arm.recipe.batch_size)
    factor = factors(arm.recipe.schedule, steps_per_epoch * arm.recipe.epochs)
    watched = set(log_spaced_steps(len(factor))) if arm.recipe.watched else set()
    validation = [validation for _, validation in draws]
    for epoch in range(begin, arm.recipe.epochs):
        train_images = shown.in_epoch(epoch)
        order = _joined([own[epoch] for own in orders], lone)
        batches = np.split(order, range(arm.recipe.batch_size, arm.task.train_images, arm.recipe.batch_size), axis=-1)
        first = epoch * steps_per_epoch
        paces = np.stack([rates * factor[first + place] for place in range(steps_per_epoch)])
        watch = [place for place in range(steps_per_epoch) if first + place in watched]
        losses: list[Any] = []
        for start, stop in itertools.pairwise(sorted({0, *watch, steps_per_epoch})):
            if start in watch:
                given = train_images, train_labels, batches[start], paces[start]
                seen = epoch * arm.task.train_images + start * arm.recipe.batch_size
                looks.append((seen, run.measure_step(state, *given)))
            state, found = run.advance(state, train_images, train_labels, batches, paces, range(start, stop))
            losses += found
        by_member = np.asarray(jax.device_get(losses)).reshape(len(losses), -1).mean(0)
        accuracy = _score(run.logits, state, validation, lone)[0] if watched else []
        for member, journal in enumerate(journals):
            journal["images_seen"].append((epoch + 1) * arm.task.train_images)
            journal["loss/train"].append(_finite(by_member[member]))
            if watched:
                journal["accuracy/validation"].append(accuracy[member])
        if not np.isfinite(by_member).any():
            break
        reached = Progress(epochs=epoch + 1, state=state, journals=journals, looks=looks)
        checkpoints.keep(reached, final=reached.epochs == arm.recipe.epochs)
    for member, journal in enumerate(journals if watched else ()):
        journal["stats"] = _series(looks, member, lone)
    if on_end is not None:
        ends = jax.device_get(state)
        for member, one in enumerate(runs):
            on_end(one, ends if lone else jax.tree.map(operator.itemgetter(member), ends))
    return _finish(runs, data, draws, run.logits, state, journals, lone)


def _finish(
    runs: Sequence[MemberRun],
    data: Dataset,
    draws: Sequence[tuple[Split, Split]],
    logits: Any,
    state: State,
    journals: list[Journal],
    lone: bool,
) -> list[Result]:
    """Score every member; the test set is read here, once."""
    task = runs[0].arm.task
    validation_accuracy, _ = _score(logits, state, [validation for _, validation in draws], lone)
    test_accuracy, test_loss = _score(logits, state, [data.test] * len(draws), lone)
    results = []
    ends = state if lone else jax.device_get(state)
    for member, run in enumerate(runs):
        train_loss = journals[member]["loss/train"][-1]
        diverged = train_loss is None or at_chance(validation_accuracy[member], task)
        probes: dict[str, float] = {}
        if run.arm.recipe.watched and not diverged:
            own = ends if lone else jax.tree.map(operator.itemgetter(member), ends)
            probes = probed(run.arm, own, draws[member][0], data.test)
        results.append(
            Result(
                validation_accuracy=task.chance if diverged else validation_accuracy[member],
                test_accuracy=task.chance if diverged else test_accuracy[member],
                test_images=len(data.test.labels),
                test_loss=None if diverged else test_loss[member],
                train_loss=None if diverged else train_loss,
                diverged=diverged,
                history=journals[member],
                probes=probes,
            )
        )
    return results


def at_chance(validation_accuracy: float, task: Task) -> bool:
    """Whether a validation accuracy is too close to chance to show that anything was learned (see `AT_CHANCE`)."""
    error = math.sqrt(task.chance * (1 - task.chance) / task.validation_images)
    return validation_accuracy <= task.chance + AT_CHANCE * error


def _score(logits: Any, state: State, splits: Sequence[Split], lone: bool) -> tuple[list[Any], list[Any]]:
    """Accuracy and mean cross-entropy of every member on its split; every image counts, none is dropped."""
    join: Callable[[Sequence[Any]], Any] = only if lone else stack
    count = len(splits[0].labels)
    outputs = []
    for first in range(0, count, EVALUATED_AT_ONCE):
        # the last batch goes on at the first image, so that one batch shape is compiled for every set of images
        places = np.arange(first, first + EVALUATED_AT_ONCE) % count
        out = np.asarray(logits(state, join([split.images[places] for split in splits])))
        outputs.append(out[None] if lone else out)
    scores = np.concatenate(outputs, axis=1)[:, :count].astype(np.float64)
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


def only(values: Sequence[Any]) -> Any:
    """The one value of a lone member."""
    (value,) = values
    return value


def _joined(values: Sequence[Any], lone: bool) -> NDArray[Any]:
    """The one value of a lone member, or those of all along a new leading axis; on the host."""
    return only(values) if lone else np.stack(values)


def stack(values: Sequence[Any]) -> Any:
    """Values of all members along a new leading axis; on the host, since a GPU would compile a program a shape."""
    return jax.tree.map(lambda *leaves: jax.device_put(np.stack(leaves)), *jax.device_get(list(values)))
