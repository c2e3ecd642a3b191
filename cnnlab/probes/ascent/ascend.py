"""The ascent itself: one compiled step, called in a Python loop.

Inside `lax.scan` XLA's convolutions are many times slower on a CPU, so the loop stays outside.
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from jax.tree_util import Partial
from numpy.typing import NDArray

from cnnlab.probes.ascent.move import Moves, moved
from cnnlab.probes.ascent.objective import Objective
from cnnlab.probes.ascent.parametrise import Parametrisation

STEPS, RATE = 192, 0.05
"""Adam steps and their learning rate: 64 steps reach .90 of the score at 192, 128 reach .995."""
AT_ONCE = 256
DRAWS = 9
"""Moves over which a jittered score is the mean."""

Net = Partial
"""images (n, height, width, channels) -> output of every layer by name; its weights are arguments, so that two states
of one arm share a compiled step."""


def with_weights(layers: Callable[[Any, Array], Mapping[str, Array]], state: Any) -> Net:
    """The net of (state, images) -> output of every layer by name, with one state."""
    bind: Any = Partial
    net: Net = bind(layers, state)
    return net


@dataclass(frozen=True)
class Ascent:
    """Pictures and how they came about.

    Attributes:
        pictures: float32 (n, height, width, channels), in the units of the task's images.
        scores: (steps, n), the moved pictures' scores before each step.
    """

    pictures: NDArray[np.float32]
    scores: NDArray[np.float32]


def ascend(
    net: Net,
    objective: Objective,
    parametrisation: Parametrisation,
    moves: Moves,
    aims: NDArray[np.integer[Any]],
    key: Array,
    steps: int = STEPS,
    rate: float = RATE,
) -> Ascent:
    """Raise an objective from a random beginning. The same key gives the same bytes on one machine.

    Args:
        aims: (n,), the unit of the objective that each picture is to raise.
    """
    begin, along = jax.random.split(key)
    numbers = parametrisation.begin(begin, len(aims))
    moments = optax.adam(rate).init(numbers)
    wanted = jax.nn.one_hot(aims, objective.units)
    step = stepper(objective, parametrisation, moves, rate)
    scores = []
    for place in range(steps):
        numbers, moments, score = step(net, numbers, moments, wanted, jax.random.fold_in(along, place))
        scores.append(score)
    pictures = np.asarray(jax.jit(parametrisation.picture)(numbers))
    return Ascent(pictures, np.asarray(jax.device_get(scores)).reshape(steps, len(aims)))


@functools.lru_cache(maxsize=16)
def stepper(objective: Objective, parametrisation: Parametrisation, moves: Moves, rate: float) -> Any:
    """The compiled step: (net, numbers, moments, wanted, key) -> (numbers, moments, scores before it (n,))."""
    adam = optax.adam(rate)

    def lost(numbers: Any, net: Net, wanted: Array, key: Array) -> tuple[Array, Array]:
        shown = moved(parametrisation.picture(numbers), moves, key)
        scores = (objective.value(net(shown)) * wanted).sum(1)
        return -scores.sum(), scores

    def step(net: Net, numbers: Any, moments: Any, wanted: Array, key: Array) -> tuple[Any, Any, Array]:
        gradient, scores = jax.grad(lost, has_aux=True)(numbers, net, wanted, key)
        updates, moments = adam.update(gradient, moments)
        return optax.apply_updates(numbers, updates), moments, scores

    return jax.jit(step)


def score(
    net: Net, objective: Objective, images: NDArray[np.float32], moves: Moves, key: Array, draws: int = DRAWS
) -> NDArray[np.float32]:
    """Mean score of images under random moves, for every unit: (images, units). Without moves it is taken once."""
    taken = 1 if moves.still else draws
    one = scorer(objective, moves)
    size = min(AT_ONCE, len(images))
    parts = []
    for first in range(0, len(images), size):
        some = images[first : first + size]
        # the last ones are filled up: another number of images would be compiled anew, which takes seconds
        whole = jnp.asarray(np.resize(some, (size, *some.shape[1:])))
        found = [np.asarray(one(net, whole, jax.random.fold_in(key, place))) for place in range(taken)]
        parts.append(np.mean(found, axis=0)[: len(some)])
    return np.concatenate(parts)


@functools.lru_cache(maxsize=16)
def scorer(objective: Objective, moves: Moves) -> Any:
    """Compiled: (net, images, key) -> scores (images, units) after one random move of every image."""
    return jax.jit(lambda net, images, key: objective.value(net(moved(images, moves, key))))
