"""Runs the probes of a trained member after its last step, so that they cannot change the training."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from cnnlab.data import Split
from cnnlab.modules.graph import graph
from cnnlab.probes.measuring import measure, probes
from cnnlab.probes.trained import Layers, TrainedMember, Values, sample, watched
from cnnlab.spec.arm import Arm
from cnnlab.spec.network import Conv, Elementwise, Input, Network, Node
from cnnlab.spec.own_module import OwnModule
from cnnlab.training.program import Program, State, program
from cnnlab.zoo.chain import IMAGE

TRAIN_IMAGES, TEST_IMAGES = 256, 256
"""Size of the samples that are probed."""

AT_ONCE = 256

QUICKLY_COMPILED = {"xla_backend_optimization_level": 0}
"""The input gradient is computed twice a member: an optimised program takes longer to compile than it saves."""

Weights = Mapping[str, Mapping[str, Values]]
Instruments = tuple[Callable[..., dict[str, Array]], Callable[..., Array]]

UNTRACED = ("effective_receptive_field", "shift_consistency")
"""The probes that ask nothing of a net's graph."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """What probes may ask of an arm's net.

    Attributes:
        network: its graph; of a user's module its last map is the last one whose output is known.
        layers: those whose outputs are known, among them the logits.
        probes: names of those that can be asked; None for all.
    """

    network: Network
    layers: tuple[str, ...]
    probes: tuple[str, ...] | None = None


def probed(arm: Arm, state: State, train: Split, test: Split) -> dict[str, float]:
    """Run every probe of one trained member: values by path, six significant digits, only those that are finite.

    A probe that asks for a layer which is not known of a user's module gives none.

    Args: see `member`.
    """
    asked, whole = member(arm, state, train, test), not isinstance(arm.net, OwnModule)
    found: dict[str, float] = {}
    for name in known(arm).probes or probes():
        with contextlib.nullcontext() if whole else contextlib.suppress(LookupError):
            found |= measure(asked, (name,))
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
    net = known(arm).network

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
        params=_as_graph(jax.device_get(probed_program(arm).net.parameters(state.params)), net),
        layers=layers,
        pull=pull,
        train=sample(train, TRAIN_IMAGES),
        test=sample(test, TEST_IMAGES),
    )


def _as_graph(params: Weights, net: Network) -> Weights:
    """Weights shaped as the graph has their layers: a dense layer on a map is a 1x1 convolution."""
    convolutions = {node.name for node in net.nodes if isinstance(node, Conv)}
    return {
        layer: {
            name: value[None, None] if layer in convolutions and name == "kernel" and value.ndim == 2 else value
            for name, value in own.items()
        }
        for layer, own in params.items()
    }


@functools.lru_cache(maxsize=4)
def probed_program(arm: Arm) -> Program:
    """The program of an arm, for one member."""
    return program(arm)


@functools.lru_cache(maxsize=4)
def known(arm: Arm) -> Known:
    """What probes may ask of an arm's net."""
    task = arm.task
    found = graph(arm.net, task.side, task.channels, task.classes).network
    if not isinstance(arm.net, OwnModule):
        assert found is not None, "a net of the zoo has a graph"
        return Known(network=found, layers=watched(found))
    net = probed_program(arm).net
    images = jnp.zeros((1, task.side, task.side, task.channels))
    shapes = jax.eval_shape(lambda: net.evaluate(*net.init(jax.random.key(0)), images))
    maps = [name for name in net.sites if name in shapes and len(shapes[name].shape) == 4]
    if found is not None:
        followed = [name for name in maps if name in {node.name for node in found.nodes}]
        if followed:
            graph_ = dataclasses.replace(found, features=followed[-1])
            return Known(network=graph_, layers=(followed[-1], found.output))
    nodes: list[Node] = [Input(name=IMAGE, channels=task.channels)]
    for name, channels in (*((name, shapes[name].shape[-1]) for name in maps[-1:]), (net.output, task.classes)):
        nodes.append(Elementwise(name=name, inputs=(nodes[-1].name,), kind="unknown", channels=channels))
    features = nodes[-2].name if maps else net.output
    return Known(
        network=Network(nodes=tuple(nodes), output=net.output, features=features),
        layers=tuple(dict.fromkeys((features, net.output))),
        probes=UNTRACED if maps else UNTRACED[1:],
    )


@functools.lru_cache(maxsize=4)
def instruments(arm: Arm) -> Instruments:
    """Compile an arm's functions of weights and images: outputs of the known layers, and an input gradient.

    The latter pulls back through the logits and the last map at once: what is sent from one of them is zero elsewhere.
    """
    built, asked = probed_program(arm), known(arm)

    def look(state: State, images: Array) -> dict[str, Array]:
        outputs = built.layers(state, images)
        # a trace calls the logits of a user's module by the layer that gives them
        return {name: outputs[built.net.output if name == asked.network.output else name] for name in asked.layers}

    def back(state: State, images: Array, sent: dict[str, Array]) -> Array:
        def sources(shown: Array) -> dict[str, Array]:
            outputs = look(state, shown)
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
