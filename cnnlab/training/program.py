"""The compiled part of an arm: initial weights, one training step, and the logits of a batch."""

import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax import Array

from cnnlab.gradients import Snapshot, measure
from cnnlab.modules.making import ImageSizes
from cnnlab.modules.own import trainable as own_trainable
from cnnlab.spec.arm import Arm
from cnnlab.spec.network import Activation, Conv, Node, TransposedConv
from cnnlab.spec.own_module import OwnModule
from cnnlab.spec.recipe import Recipe
from cnnlab.zoo.lowering import network
from cnnlab.zoo.module import Net
from cnnlab.zoo.operations import ConvBackend, convolving, native_can
from cnnlab.zoo.trainable import Layers, Trainable, Tree

Each = Callable[[Callable[..., Any]], Callable[..., Any]]
"""How a function of one member becomes one of all: `alone` for a single one, `jax.vmap` for members side by side."""


def alone(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function unchanged: for one member, without a member axis."""
    return function


@dataclass(frozen=True)
class State:
    """The training state: trainable weights, what else a net carries (batch statistics), the optimiser's moments."""

    params: Tree
    statistics: Tree
    moments: Tree


jax.tree_util.register_dataclass(State, ["params", "statistics", "moments"], [])


@dataclass(frozen=True)
class Program:
    """Functions of one arm, to be compiled once a batch shape and shared by all its members and learning rates.

    Side by side, every argument and result but `init`'s has a leading member axis.

    Attributes:
        init: seed -> `State`. Draws each layer's weights from the seed and the layer's name alone.
        step: (state, images, labels, index, rate) -> (state, loss). `images` and `labels` are the whole training draw,
            `index` (batch,) picks from it; `rate` is this step's learning rate.
        measure_step: the same arguments -> statistics of the step that would be taken. It changes nothing, so that no
            run can depend on what is measured.
        layers: (state, images) -> output of every layer by name, with batch norm at its running statistics.
        logits: (state, images) -> (batch, classes), of the same.
        loops: whether steps may be taken in a loop inside a program: side by side, or where every convolution is our
            own; XLA has no quick ones in a loop on a CPU.
        net: what they are made of.
    """

    init: Callable[[int], State]
    step: Callable[..., tuple[State, Array]]
    measure_step: Callable[..., dict[str, Array]]
    layers: Callable[[State, Array], dict[str, Array]]
    logits: Callable[[State, Array], Array]
    loops: bool
    net: Trainable


@dataclass(frozen=True)
class Frame:
    """The structure of a net without its arrays, which travel as plain dicts.

    `conv_backend`: see `zoo.operations.convolving`.

    A step is called hundreds of times a second, and JAX walks plain dicts in C++ but `nnx.State` in Python.
    """

    graph: Any
    params: Tree
    statistics: Tree
    conv_backend: ConvBackend = "xla"

    def net(self, params: Tree, statistics: Tree) -> Any:
        """The net with these arrays."""
        return nnx.merge(self.graph, _filled(self.params, params), _filled(self.statistics, statistics), copy=True)

    def outputs(self, model: Any, images: Array, **how: Any) -> Any:
        """The net's outputs for images, (batch, height, width, channels), with convolutions by `conv_backend`."""
        with convolving(self.conv_backend):
            return model(images, **how)


def _filled(template: Tree, arrays: Tree) -> Tree:
    """A copy of an `nnx.State` with other arrays."""
    state = jax.tree.map(lambda leaf: leaf, template)
    nnx.replace_by_pure_dict(state, arrays)
    return state


def split(net: nnx.Module) -> tuple[Any, Tree, Tree]:
    """Structure, trainable weights and batch statistics of a net."""
    parts: Any = nnx.split(net, nnx.Param, ...)
    graph, params, statistics = parts
    return graph, params, statistics


def arrays(net: nnx.Module) -> tuple[Tree, Tree]:
    """Trainable weights and batch statistics of a net as plain dicts."""
    _, params, statistics = split(net)
    return nnx.to_pure_dict(params), nnx.to_pure_dict(statistics)


def program(arm: Arm, each: Each = alone, conv_backend: ConvBackend = "xla") -> Program:
    """Build the program of an arm; nothing is compiled before the first call.

    Args:
        each: whether there is one member or many
        conv_backend: how it convolves, see `zoo.operations.convolving`.
    """
    net = trainable(arm, conv_backend)
    optimizer = make_optimizer(arm.recipe)

    def init(seed: int) -> State:
        key = jax.random.fold_in(jax.random.key(seed), arm.recipe.init_stream)
        params, statistics = net.init(key)
        return State(params, statistics, zero_opt_state(optimizer, params))

    def layers(state: State, images: Array) -> Layers:
        with jax.default_matmul_precision(arm.recipe.precision):
            return net.evaluate(state.params, state.statistics, images)

    def logits(state: State, images: Array) -> Array:
        return layers(state, images)[net.output]

    step, measure_step = make_step(net, arm.recipe, each)
    return Program(init, step, measure_step, each(layers), each(logits), each is not alone or net.loops, net)


def trainable(arm: Arm, conv_backend: ConvBackend) -> Trainable:
    """What the step needs of an arm's net. Raises InvalidError for a user's module that cannot be trained."""
    task = arm.task
    if isinstance(arm.net, OwnModule):
        return own_trainable(arm.net, ImageSizes(side=task.side, channels=task.channels, classes=task.classes))
    net = network(arm.net, task.side, task.channels, task.classes)
    # the structure of the module is the same for every key, so one frame serves all members
    frame = Frame(*split(Net(net, jax.random.key(0))), conv_backend)

    def train(params: Tree, nudges: Layers, statistics: Tree, images: Array) -> tuple[Array, Layers, Tree]:
        model = frame.net(params, statistics)
        logits, layers = frame.outputs(model, images, mode="train", perturbations=nudges)
        return logits, layers, arrays(model)[1]

    def evaluate(params: Tree, statistics: Tree, images: Array) -> Layers:
        layers: Layers = frame.outputs(frame.net(params, statistics), images, mode="evaluate")[1]
        return layers

    sites = tuple(node.name for node in net.nodes if isinstance(node, Activation))
    return Trainable(
        init=lambda key: arrays(Net(net, key)),
        train=train,
        evaluate=evaluate,
        parameters=operator.itemgetter("layers"),
        output=net.output,
        sites=sites,
        activations=sites,
        activation=net.activation,
        loops=conv_backend == "native" and all(map(native_throughout, net.nodes)),
    )


def native_throughout(node: Node) -> bool:
    """Whether no part of a layer is a convolution of XLA's where `native` ones are used."""
    return native_can(node) if isinstance(node, Conv) else not isinstance(node, TransposedConv)


def make_optimizer(recipe: Recipe) -> optax.GradientTransformation:
    """The optimiser without its learning rate: updates that a step multiplies by minus the rate.

    Weight decay is decoupled (Loshchilov & Hutter 2019) and acts on kernels only.
    """
    moments = optax.trace(recipe.momentum) if recipe.optimizer == "sgd" else optax.scale_by_adam(b1=recipe.momentum)
    if recipe.weight_decay == 0:
        return moments
    return optax.chain(moments, optax.add_decayed_weights(recipe.weight_decay, mask=is_kernel))


def zero_opt_state(optimizer: optax.GradientTransformation, params: Tree) -> Tree:
    """The optimiser's initial state: zeros, made by NumPy, since XLA would compile one program for each shape."""
    shapes = jax.eval_shape(optimizer.init, params)
    return jax.tree.map(lambda leaf: jax.device_put(np.zeros(leaf.shape, leaf.dtype)), shapes)


def is_kernel(params: Tree) -> Tree:
    """True at every leaf named `kernel`."""
    return jax.tree_util.tree_map_with_path(lambda path, _: "kernel" in jax.tree_util.keystr(path), params)


def make_step(
    net: Trainable, recipe: Recipe, each: Each
) -> tuple[Callable[..., tuple[State, Array]], Callable[..., dict[str, Array]]]:
    """The one training step, to be compiled with its state donated, and the program that measures it.

    They are two programs: statistics in the step itself, though under a condition, kept XLA from fusing the backward
    pass of every step, 3 to 13 % of it, for the sake of the few that are measured (`results/bench/NOTES.md`).

    Members side by side share nothing, so that the gradient of the SUM of their losses holds each one's own. It is
    taken, rather than each gradient along the member axis, because the weight gradient of a convolution then stays one
    that cuDNN has a kernel for; the other is a convolution with a kernel of the image's size, 1.3 to 5.8 times slower.
    """
    optimizer = make_optimizer(recipe)

    def loss(params: Tree, nudges: Layers, statistics: Tree, images: Array, labels: Array) -> Any:
        logits, layers, after = net.train(params, nudges, statistics, images)
        # one-hot, since the gradient of picking by label is a scatter, a serial loop on CPU
        value = optax.softmax_cross_entropy(logits, jax.nn.one_hot(labels, logits.shape[-1])).mean()
        return value, (layers, after)

    def total(*given: Any) -> tuple[Array, Any]:
        values, (layers, statistics) = each(loss)(*given)
        return values.sum(), (values, layers, statistics)

    def shown(images: Array, labels: Array, index: Array) -> tuple[Array, Array]:
        return images[index], labels[index]

    def updated(state: State, grads: Tree, rate: Array) -> tuple[Tree, Tree]:
        updates, moments = optimizer.update(grads, state.moments, state.params)
        return jax.tree.map(lambda update: -rate * update, updates), moments

    def step(state: State, images: Array, labels: Array, index: Array, rate: Array) -> tuple[State, Array]:
        with jax.default_matmul_precision(recipe.precision):
            batch, target = each(shown)(images, labels, index)
            differentiate = jax.grad(total, has_aux=True)
            grads, (values, _, statistics) = differentiate(state.params, {}, state.statistics, batch, target)
            updates, moments = each(updated)(state, grads, rate)
            return State(optax.apply_updates(state.params, updates), statistics, moments), values

    def measure_step(state: State, images: Array, labels: Array, index: Array, rate: Array) -> dict[str, Array]:
        def measured(params: Tree, grads: Tree, updates: Tree, layers: Tree, nudge_grads: Tree) -> dict[str, Array]:
            snapshot = Snapshot(
                params=net.parameters(params),
                grads=net.parameters(grads),
                updates=net.parameters(updates),
                activations={name: layers[name] for name in net.activations},
                activation_grads=nudge_grads,
                activation_name=net.activation,
            )
            return measure(snapshot)

        with jax.default_matmul_precision(recipe.precision):
            batch, target = each(shown)(images, labels, index)
            shapes = site_shapes(each(net.evaluate), state, batch, net.sites)
            nudges = {name: jnp.zeros(shape) for name, shape in shapes.items()}
            differentiate = jax.grad(total, argnums=(0, 1), has_aux=True)
            (grads, nudge_grads), (_, layers, _) = differentiate(state.params, nudges, state.statistics, batch, target)
            updates, _ = each(updated)(state, grads, rate)
            found: dict[str, Array] = each(measured)(state.params, grads, updates, layers, nudge_grads)
            return found

    return step, measure_step


def site_shapes(
    layers: Callable[..., Any], state: State, batch: Array, sites: Iterable[str]
) -> dict[str, tuple[int, ...]]:
    """Shapes of the activation outputs for this batch, by layer name; traced, never computed."""
    shapes = jax.eval_shape(layers, state.params, state.statistics, batch)
    return {name: shapes[name].shape for name in sites}
