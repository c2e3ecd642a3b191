"""Tracing the module that runs a zoo net gives back the network it was built from."""

import dataclasses
from collections import Counter

import jax
import pytest
from flax import nnx

from cnnlab.geometry.cost import cost
from cnnlab.geometry.fields import AlignmentError, fields
from cnnlab.geometry.sizes import sizes
from cnnlab.spec import net as words
from cnnlab.spec.invalid import InvalidError
from cnnlab.spec.net import Classic, ConvNet
from cnnlab.spec.network import Conv, Dense, Network, Norm, Pool, TransposedConv
from cnnlab.tracing import trace
from cnnlab.zoo.lowering import network, variants
from cnnlab.zoo.module import Net

LEARNED = (Conv, Dense, Norm, TransposedConv)
SIDES = {"alexnet": 227, "inception_v3": 299, "vgg16": 224, "resnet18": 224, "resnet50": 224, "mobilenet_v1": 224}
CLASSICS = [Classic(name=name, variant=variant) for name, found in variants().items() for variant in found]

BASE = ConvNet(depth=4, width=8, pools=(2,))
FACTORS = {
    "down": words.DOWNS,
    "padding": [value for value in words.PADDINGS if value not in words.EVEN_ONLY],
    "activation": words.ACTIVATIONS,
    "norm": words.NORMS,
    "block": words.BLOCKS,
    "head": words.HEADS,
    "connectivity": [value for value in words.CONNECTIVITY if value != "grouped"],
    "pointwise": words.POINTWISE,
    "kernel": [1, 2, 4, 5],
    "stride": [2],
    "down_size": [3],
}
NETS = [dataclasses.replace(BASE, **{key: value}) for key, found in FACTORS.items() for value in found] + [
    dataclasses.replace(BASE, connectivity="grouped", groups=4),
    dataclasses.replace(BASE, kernel=4, padding="alternating"),
    dataclasses.replace(BASE, kernel=4, padding="symmetric"),
    dataclasses.replace(BASE, kernel=2, padding="symmetric", norm="batch", block="residual"),
]


def traced(spec: Network, channels: int) -> Network:
    """The network that the zoo's module for `spec` computes; its arrays are never drawn."""
    module = nnx.eval_shape(lambda: Net(spec, jax.random.key(0)))
    assert spec.size is not None
    return trace(module, spec.size, channels)


def check(spec: Network, found: Network) -> None:
    """Every layer that learns, the last map, the totals, and how many layers of each kind there are."""
    size = spec.size
    wanted, seen = fields(spec, size), fields(found, size)
    prices, costs = cost(spec, size), cost(found, size)
    for node in spec.nodes:
        if isinstance(node, LEARNED):
            name = f"layers.{node.name}"
            assert seen[name] == wanted[node.name], node.name
            assert costs.nodes[name] == prices.nodes[node.name], node.name
            assert sizes(found, size)[name] == sizes(spec, size)[node.name], node.name
    assert seen[found.features] == wanted[spec.features]
    assert (costs.params, costs.macs) == (prices.params, prices.macs)
    assert _kinds(found) == _kinds(spec)


def _kinds(net: Network) -> Counter[str]:
    """Layers by kind. A blur is a pool with weights of its own, identity is nothing, a 1 x 1 map is flat already."""
    kinds = [type(node).__name__ for node in net.nodes if getattr(node, "kind", "") != "identity"]
    return Counter("Pool" if kind == "Blur" else kind for kind in kinds if kind not in ("Pad", "Flatten"))


SLOW = ("inception_v3", "resnet50", "resnet50-v1")


@pytest.mark.parametrize(
    "net",
    [pytest.param(net, marks=pytest.mark.slow) if net.label in SLOW else net for net in CLASSICS],
    ids=lambda net: net.label,
)
def test_a_classic_is_traced_back_to_its_graph(net: Classic) -> None:
    spec = network(net, SIDES[net.name] if net.name in SIDES else 32, 3, 10)
    check(spec, traced(spec, 3))


@pytest.mark.parametrize("net", NETS, ids=lambda net: f"{net.label}-{net.padding}-{net.connectivity}-k{net.kernel}")
def test_every_factor_is_traced_back_to_its_graph(net: ConvNet) -> None:
    spec = network(net, 21, 3, 10)
    check(spec, traced(spec, 3))


def changed(net: Network, kind: type, **values: object) -> Network:
    """The network as a tracer would give it that reads these values into the first layer of a kind."""
    first = next(node for node in net.nodes if isinstance(node, kind))
    nodes = tuple(dataclasses.replace(node, **values) if node is first else node for node in net.nodes)
    return dataclasses.replace(net, nodes=nodes)


FAULTS = {
    "stride 2 read as 3": lambda net: changed(net, Pool, stride=(3, 3)),
    "sides of a padding swapped": lambda net: changed(net, Conv, padding=((1, 0), (0, 1))),
    "bias forgotten": lambda net: changed(net, Dense, bias=False),
    "scale of a norm forgotten": lambda net: changed(net, Norm, scale=False),
    "window of a pool widened": lambda net: changed(net, Pool, kernel=(3, 3), padding=((0, 1), (0, 1))),
    "filters doubled": lambda net: changed(net, Conv, filters=16),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_tracer_with_a_fault_is_noticed(fault: str) -> None:
    # colour: the zoo convolves grey images as a matrix product, in which no tracer finds a convolution
    spec = network(dataclasses.replace(BASE, kernel=2, norm="batch"), 20, 3, 10)
    found = traced(spec, 3)
    check(spec, found)
    with pytest.raises((AssertionError, InvalidError, AlignmentError)):
        check(spec, FAULTS[fault](found))
