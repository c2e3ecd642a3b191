"""Every value of every factor trains one step, and its activation, no other, stands at every site of the jaxpr."""

import dataclasses
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, get_type_hints

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from jax import Array
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

from cnnlab.spec import net as spec
from cnnlab.spec.net import Classic, ConvNet
from cnnlab.spec.network import Activation, Network, Node, Pool
from cnnlab.zoo.activations import TABLE, activation
from cnnlab.zoo.lowering import network, variants
from cnnlab.zoo.module import Net

SMALL = ConvNet(depth=2, width=4, pools=(1,))
SIDE, CHANNELS, CLASSES, BATCH = 8, 2, 3, 2
RATE = 0.1

VALUES: dict[str, tuple[Any, ...]] = {
    "depth": (1, 2, 3),
    "width": (1, 4),
    "width_schedule": spec.SCHEDULES,
    "widths": ((3, 5),),
    "kernel": tuple(range(1, 8)),
    "stride": (1, 2, 3, 7),
    "stem_kernel": (0, 1, 4, 7),
    "stem_stride": (0, 1, 3),
    "padding": spec.PADDINGS,
    "explicit_padding": ((1, 1), (2, 0)),
    "pools": ((), (0,), (1,), (2,), (0, 2)),
    "down": spec.DOWNS,
    "down_size": (1, 2, 3),
    "connectivity": spec.CONNECTIVITY,
    "groups": (1, 2, 4),
    "pointwise": spec.POINTWISE,
    "activation": spec.ACTIVATIONS,
    "activation_every": (1, 2),
    "norm": spec.NORMS,
    "block": spec.BLOCKS,
    "head": spec.HEADS,
    "init": spec.INITS,
    "init_scale": (0.5, 2.0),
}
NEEDS: dict[str, dict[str, Any]] = {
    "alternating": {"kernel": 2},
    "symmetric": {"kernel": 2},
    "grouped": {"groups": 2},
    "explicit_padding": {"padding": "explicit"},
    "groups": {"connectivity": "grouped"},
    "widths": {"connectivity": "dense"},
    "depth": {"pools": ()},
    "activation_every": {"depth": 2},
}


def cases(factor: str) -> list[ConvNet]:
    """Make a small net for every value of one factor."""
    found = []
    for level in VALUES[factor]:
        extra = {**NEEDS.get(factor, {}), **(NEEDS.get(level, {}) if isinstance(level, str) else {})}
        found.append(dataclasses.replace(SMALL, **{**extra, factor: level}))
    return found


def batch() -> tuple[Array, Array]:
    draw = np.random.default_rng(0)
    images = jnp.asarray(draw.normal(size=(BATCH, SIDE, SIDE, CHANNELS)), jnp.float32)
    return images, jax.nn.one_hot(jnp.arange(BATCH) % CLASSES, CLASSES)


def split(net: Net, images: Array) -> tuple[Any, Callable[[Any], Array]]:
    """Split off the parameters, and the logits in training as a function of them."""
    graph, params, statistics = nnx.split(net, nnx.Param, ...)
    # copied: the statistics are written at another trace level than the one they were made at
    return params, lambda params: nnx.merge(graph, params, statistics, copy=True)(images, mode="train")[0]


def step(logits: Callable[[Any], Array], params: Any, targets: Array) -> tuple[Array, Any]:
    """One step of SGD: the loss before it and the parameters after it."""
    value, grads = jax.value_and_grad(lambda p: optax.softmax_cross_entropy(logits(p), targets).mean())(params)
    return value, jax.tree.map(lambda weight, grad: weight - RATE * grad, params, grads)


def compiled(nets: list[Net], images: Array, targets: Array) -> tuple[list[Any], Any]:
    """Compile one program that trains each net a step (a third of the time of many); give each one's parameters too."""
    parts = [split(net, images) for net in nets]
    params = [own for own, _ in parts]
    program = jax.jit(lambda all_: [step(logits, own, targets) for own, (_, logits) in zip(all_, parts, strict=True)])
    # least optimisation: compiling is all this test's time
    return params, program.lower(params).compile(compiler_options={"xla_backend_optimization_level": 0})


# ---- activations in a jaxpr ----

LINEAR = frozenset(
    [
        "add",
        "broadcast_in_dim",
        "concatenate",
        "conv_general_dilated",
        "convert_element_type",
        "copy",
        "div",
        "dot_general",
        "mul",
        "neg",
        "pad",
        "reduce_sum",
        "reshape",
        "rev",
        "rsqrt",
        "scatter",
        "slice",
        "square",
        "squeeze",
        "stop_gradient",
        "sub",
        "transpose",
    ]
)
"""Primitives of convolutions, pads, averages and norms. What is not here, and not named in `TABLE`, is reported.

`scatter` is how Flax writes the running statistics of batch norm, whole; compiled it is a copy."""


def activation_sites(jaxpr: ClosedJaxpr) -> Counter[str]:
    """Count the sites of each activation of the table in a jaxpr, by name.

    An elementwise non-linearity written by hand is counted too, under the name of its primitive: `tanh`, `logistic`,
    `select_n`, or `max` for a maximum with a constant. The maximum of two arrays is a pool's and is not counted.
    """
    return Counter(_sites(jaxpr.jaxpr))


def _sites(jaxpr: Jaxpr) -> Iterator[str]:
    """Name the sites in the order they run."""
    for equation in jaxpr.eqns:
        name, inner = equation.params.get("name"), list(_inner(equation.params))
        if name in TABLE and inner:
            yield name
        elif inner:
            for sub in inner:
                yield from _sites(sub)
        elif equation.primitive.name == "max":
            yield from ["max"] if any(isinstance(operand, Literal) for operand in equation.invars) else []
        elif equation.primitive.name not in LINEAR:
            yield equation.primitive.name


def _inner(params: dict[str, Any]) -> Iterator[Jaxpr]:
    """Find the jaxprs inside an equation: of a jit, a custom derivative, a branch."""
    for value in params.values():
        for entry in value if isinstance(value, (tuple, list)) else (value,):
            if isinstance(entry, ClosedJaxpr):
                yield entry.jaxpr
            elif isinstance(entry, Jaxpr):
                yield entry


def expected_sites(graph: Network) -> Counter[str]:
    return Counter({graph.activation: sum(isinstance(node, Activation) for node in graph.nodes)})


def scatters(compiled: str) -> list[str]:
    """Scatter instructions in the text of a compiled program."""
    return re.findall(r"\b(?:select-and-scatter|scatter)\(", compiled)


def kernels(params: Any) -> dict[str, Array]:
    layers = nnx.to_pure_dict(params)["layers"]
    return {name: layer["kernel"] for name, layer in layers.items() if "kernel" in layer}


def test_the_cases_cover_every_factor():
    assert set(VALUES) == set(get_type_hints(ConvNet)) - {"label"}


QUICK = ("norm", "block", "head", "padding", "activation_every")


@pytest.mark.parametrize(
    "factor", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in VALUES]
)
def test_every_value_of_every_factor_trains_a_step(factor: str):
    images, targets = batch()
    nets = [Net(network(case, SIDE, CHANNELS, CLASSES), jax.random.key(1)) for case in cases(factor)]
    params, program = compiled(nets, images, targets)
    assert not scatters(program.as_text())
    for net, before, level, (loss, after) in zip(nets, params, VALUES[factor], program(params), strict=True):
        assert np.isfinite(loss), level
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(after)), level
        for name, kernel in kernels(before).items():
            assert not np.array_equal(kernel, kernels(after)[name]), f"{factor}={level}: {name} did not move"
        own, logits = split(net, images)
        assert activation_sites(jax.make_jaxpr(logits)(own)) == expected_sites(net.network), level


CLASSICS = [Classic(name=name, variant=of[-1]) for name, of in variants().items()]
ROOMY = 75
"""Pixels that every classic can read."""


@pytest.mark.parametrize("case", [*CLASSICS, Classic(name="lenet5", activation="gelu")], ids=lambda case: case.label)
def test_classics_carry_one_activation_at_every_site(case: Classic):
    graph = network(case, ROOMY, CHANNELS, CLASSES)
    # shapes only: the largest has over a hundred million weights
    parts, state = nnx.split(nnx.eval_shape(lambda: Net(graph, jax.random.key(0))))
    images = jax.ShapeDtypeStruct((1, ROOMY, ROOMY, CHANNELS), jnp.float32)
    jaxpr = jax.make_jaxpr(lambda state, images: nnx.merge(parts, state)(images)[0])(state, images)
    assert activation_sites(jaxpr) == expected_sites(graph)


# ---- planted faults: the checks above must see them ----


class StemRelu(Net):
    """The first activation is a ReLU whatever was asked (the stem of Flax's ImageNet example)."""

    def _forward(self, node: Node, mode: Any, *inputs: Array) -> Array:
        return jax.nn.relu(*inputs) if node.name == "act1" else super()._forward(node, mode, *inputs)


class StemMaximum(Net):
    """The first activation is a ReLU written by hand."""

    def _forward(self, node: Node, mode: Any, *inputs: Array) -> Array:
        return jnp.maximum(*inputs, 0.0) if node.name == "act1" else super()._forward(node, mode, *inputs)


class SkippedSite(Net):
    """One site has no activation at all."""

    def _forward(self, node: Node, mode: Any, *inputs: Array) -> Array:
        return inputs[0] if node.name == "act2" else super()._forward(node, mode, *inputs)


class SquashedHead(Net):
    """A second non-linearity hides behind the head."""

    def _forward(self, node: Node, mode: Any, *inputs: Array) -> Array:
        value = super()._forward(node, mode, *inputs)
        return jnp.tanh(value) if node.name == "logits" else value


class ScaledTanhForTanh(Net):
    """One site carries the near relative."""

    def _forward(self, node: Node, mode: Any, *inputs: Array) -> Array:
        return activation("scaled_tanh")(*inputs) if node.name == "act2" else super()._forward(node, mode, *inputs)


@pytest.mark.parametrize("fault", [StemRelu, StemMaximum, SkippedSite, SquashedHead, ScaledTanhForTanh])
@pytest.mark.parametrize("kind", ["gelu", "tanh", "leaky_relu", "identity"])
def test_the_jaxpr_check_sees_a_site_the_factor_did_not_reach(fault: type[Net], kind: str):
    graph = network(dataclasses.replace(SMALL, activation=kind), SIDE, CHANNELS, CLASSES)
    net = fault(graph, jax.random.key(0))
    jaxpr = jax.make_jaxpr(lambda images: net(images)[0])(batch()[0])
    assert activation_sites(jaxpr) != expected_sites(graph)


@pytest.mark.parametrize(("every", "sites"), [(1, [1, 2, 3, 4, 5]), (2, [2, 4, 5]), (3, [3, 5]), (9, [5])])
def test_activations_can_stand_after_every_second_convolution_and_always_after_the_last(every: int, sites: list[int]):
    graph = network(ConvNet(depth=5, activation_every=every), SIDE, CHANNELS, CLASSES)
    assert [node.name for node in graph.nodes if isinstance(node, Activation)] == [f"act{place}" for place in sites]


class WindowPool(Net):
    """Max-pools as Flax writes them."""

    def _forward(self, node: Node, mode: Any, *inputs: Array) -> Array:
        if isinstance(node, Pool):
            return nnx.max_pool(*inputs, node.kernel, node.stride)
        return super()._forward(node, mode, *inputs)


@pytest.mark.slow
def test_a_train_step_of_the_default_net_has_no_scatter_and_a_window_pool_would_show():
    images, targets = jnp.ones((4, 12, 12, 1)), jax.nn.one_hot(jnp.arange(4), 10)
    graph = network(ConvNet(), 12, 1, 10)
    assert not scatters(compiled([Net(graph, jax.random.key(0))], images, targets)[1].as_text())
    assert scatters(compiled([WindowPool(graph, jax.random.key(0))], images, targets)[1].as_text())
