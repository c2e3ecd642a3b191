"""Runs the probes of a trained member after its last step, so that they cannot change the training."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from cnnlab.data import Split
from cnnlab.probes.measuring import measure
from cnnlab.probes.trained import Layers, TrainedMember, Values, sample, watched
from cnnlab.spec.arm import Arm
from cnnlab.training.program import State, program
from cnnlab.zoo.lowering import network

TRAIN_IMAGES, TEST_IMAGES = 256, 256
"""Size of the samples that are probed."""

AT_ONCE = 256

QUICKLY_COMPILED = {"xla_backend_optimization_level": 0}
"""The input gradient is computed twice a member: an optimised program takes longer to compile than it saves."""

Instruments = tuple[Callable[..., dict[str, Array]], Callable[..., Array]]


def probed(arm: Arm, state: State, train: Split, test: Split) -> dict[str, float]:
    """Run every probe of one trained member: values by path, six significant digits, only those that are finite.

    Args: see `member`.
    """
    found = measure(member(arm, state, train, test))
    return {path: float(f"{value:.6g}") for path, value in found.items() if np.isfinite(value)}


def member(arm: Arm, state: State, train: Split, test: Split) -> TrainedMember:
    """Make the input of the probes from one member.

    Args:
        arm: net, recipe and task.
        state: of one member, without a member axis, trained or as it begins; it is only read.
        train: the member's training draw.
        test: the test set.
    """
    look, back = instruments(arm)
    net = network(arm.net, arm.task.side, arm.task.channels, arm.task.classes)

    def layers(images: Values) -> Layers:
        return _in_chunks(functools.partial(look, state), images)

    def pull(name: str, images: Values, sent: Values) -> Values:
        shapes = jax.eval_shape(look, state, images)
        every = {at: np.zeros(shapes[at].shape, np.float32) for at in (net.output, net.features)}
        return np.asarray(back(state, images, {**every, name: sent}))

    return TrainedMember(
        network=net,
        size=(arm.task.side, arm.task.side),
        task=arm.task,
        params=jax.device_get(state.params["layers"]),
        layers=layers,
        pull=pull,
        train=sample(train, TRAIN_IMAGES),
        test=sample(test, TEST_IMAGES),
    )


@functools.lru_cache(maxsize=4)
def instruments(arm: Arm) -> Instruments:
    """Compile an arm's functions of weights and images: outputs of the watched layers, and an input gradient.

    The latter pulls back through the logits and the last map at once: what is sent from one of them is zero elsewhere.
    """
    built = program(arm)
    names = watched(network(arm.net, arm.task.side, arm.task.channels, arm.task.classes))

    def look(state: State, images: Array) -> dict[str, Array]:
        outputs = built.layers(state, images)
        return {name: outputs[name] for name in names}

    def back(state: State, images: Array, sent: dict[str, Array]) -> Array:
        def sources(shown: Array) -> dict[str, Array]:
            outputs = built.layers(state, shown)
            return {name: outputs[name] for name in sent}

        (gradient,) = jax.vjp(sources, jnp.asarray(images))[1](sent)
        found: Array = gradient
        return found

    return jax.jit(look), jax.jit(back, compiler_options=QUICKLY_COMPILED)


def _in_chunks(look: Callable[[Values], dict[str, Any]], images: Values) -> Layers:
    """Outputs by layer for any number of images, of which one batch shape is compiled."""
    count = len(images)
    chunk = min(AT_ONCE, count)
    parts: list[dict[str, Values]] = []
    for first in range(0, count, chunk):
        # the last chunk starts earlier; its repeats are cut off
        start = min(first, count - chunk)
        found = jax.device_get(look(images[start : start + chunk]))
        parts.append({name: values[first - start :] for name, values in found.items()})
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
