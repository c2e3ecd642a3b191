"""The gradients of the net that runs count the paths that geometry counts."""

import dataclasses
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array
from numpy.typing import NDArray

from cnnlab.geometry.coverage import interior, network_coverage
from cnnlab.probes.sight import QUICK
from cnnlab.probes.skeleton import skeleton, upstream
from cnnlab.spec.invalid import InvalidError, require
from cnnlab.spec.net import Classic, ConvNet, Net
from cnnlab.spec.network import Blur, Conv, Input, Network, Node, Pair, Pool, Resize
from cnnlab.zoo.lowering import network
from cnnlab.zoo.operations import operate


def counting(network: Network) -> Network:
    """Put a window of equal weights in place of each blur, so that the skeleton's gradient counts paths.

    Raises:
        InvalidError: a layer interpolates; its weights are fractions and count nothing.
    """
    nodes: list[Node] = []
    for node in network.nodes:
        smooth = isinstance(node, Resize) and node.kind != "nearest"
        require(not smooth, f"network.{node.name}.kind", "bilinear", "its weights count no paths; choose nearest")
        if isinstance(node, Blur):
            window: dict[str, Any] = {"kernel": node.kernel, "stride": node.stride, "padding": node.padding}
            nodes.append(Pool(name=node.name, inputs=node.inputs, kind="avg", **window))
        else:
            nodes.append(node)
    return dataclasses.replace(network, nodes=tuple(nodes))


def measured_coverage(network: Network, size: Pair, name: str) -> NDArray[np.float64]:
    """Count the paths from each pixel of an image of (height, width) `size` to all units of a node, by one gradient.

    Returns:
        An array of that size: the gradient of the sum of the node's outputs, all weights being 1. Whole numbers, exact
        below 2**53.

    Raises:
        InvalidError: no such node, a layer interpolates, or as `cnnlab.geometry.sizes.sizes`.
    """
    part = upstream(network, name)
    with jax.enable_x64(True), jax.default_device(jax.local_devices(backend="cpu")[0]):
        net = skeleton(counting(part), size).net()
        gradient = jax.jit(jax.grad(lambda image: net(image)[1][name].sum()), compiler_options=QUICK)
        return np.asarray(gradient(jnp.zeros((1, *size, 1))))[0, :, :, 0]


def agree(graph: Network, size: Pair, name: str) -> bool:
    counted, measured = np.array(network_coverage(graph, size, name), float), measured_coverage(graph, size, name)
    return counted.shape == measured.shape and np.allclose(counted, measured, rtol=1e-9, atol=1e-9)


NETS: dict[str, tuple[Net, int, str]] = {
    "max": (ConvNet(), 12, "act6"),
    "head": (ConvNet(), 12, "logits"),
    "flatten": (ConvNet(head="flatten"), 12, "logits"),
    "strided": (ConvNet(depth=4, pools=(1, 2), down="strided_conv"), 17, "conv4"),
    "blur": (ConvNet(depth=3, pools=(1, 2), down="blur"), 16, "conv3"),
    "space_to_depth": (ConvNet(depth=3, pools=(1, 2), down="space_to_depth"), 19, "conv3"),
    "circular": (ConvNet(depth=3, padding="circular", pools=(2,), down="average"), 12, "conv3"),
    "reflect": (ConvNet(depth=2, kernel=5, padding="reflect", pools=(1,)), 12, "conv2"),
    "symmetric": (ConvNet(depth=2, kernel=4, padding="symmetric", pools=()), 12, "conv2"),
    "residual": (ConvNet(depth=4, block="residual", norm="layer", pools=(2,)), 12, "add4"),
    "separable": (ConvNet(depth=3, connectivity="separable", padding="valid", pools=()), 12, "conv3_mix"),
    "resnet18": (Classic(name="resnet18"), 64, "conv5_2_act"),
    "resnet50-v1": (Classic(name="resnet50", variant="v1"), 64, "conv4_1_act"),
    "mobilenet_v1": (Classic(name="mobilenet_v1"), 64, "point13"),
    "inception_v3": (Classic(name="inception_v3"), 80, "mixed4"),
}


SLOW = ("resnet18", "resnet50-v1", "inception_v3", "head", "strided", "space_to_depth", "circular", "separable")


@pytest.mark.parametrize(
    "case", [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in NETS]
)
def test_paths_are_counted_alike(case: str):
    net, side, name = NETS[case]
    # one channel: symmetric padding makes the shifts that its channel groups make, and the image has one
    assert agree(network(net, side, 1, 10), (side, side), name)


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_stacked_three_over_two_reads_some_pixels_as_often_as_fibonacci_says(depth: int):
    side = 2 ** (depth + 4)
    graph = network(ConvNet(depth=depth, stride=2, pools=()), side, 1, 10)
    measured = measured_coverage(graph, (side, side), graph.features)
    assert (measured == np.rint(measured)).all()
    inner = [interior(row, 2 ** (depth + 1)) for row in interior(measured.tolist(), 2 ** (depth + 1))]
    assert (np.min(inner), np.max(inner)) == (1, {1: 2, 2: 3, 3: 5, 4: 8}[depth] ** 2)


def edge_repeated(node: Node, weights: Any, *inputs: Array) -> Array:
    """Planted fault: convolutions find the edge pixel beyond the border, so that it is read more often."""
    if isinstance(node, Conv) and node.kernel == (3, 3):
        padded = jnp.pad(*inputs, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
        return operate(Conv(name=node.name, filters=1, kernel=(3, 3), padding="valid"), weights, padded)
    return operate(node, weights, *inputs)


def first_row_again(node: Node, weights: Any, *inputs: Array) -> Array:
    """Planted fault: every row of a pool's output is its first."""
    made = operate(node, weights, *inputs)
    return jnp.repeat(made[:, :1], made.shape[1], axis=1) if isinstance(node, Pool) else made


@pytest.mark.parametrize("fault", [edge_repeated, first_row_again])
def test_a_net_that_reads_otherwise_is_noticed(fault: Callable[..., Array], monkeypatch: pytest.MonkeyPatch):
    graph = network(ConvNet(), 12, 1, 10)
    assert agree(graph, (12, 12), "act6")
    monkeypatch.setattr("cnnlab.zoo.module.operate", fault)
    assert not agree(graph, (12, 12), "act6")


def test_interpolation_by_fractions_counts_nothing():
    def graph(kind: Any) -> Network:
        up = Resize(name="up", inputs=("image",), scale=(Fraction(2), Fraction(3, 2)), kind=kind)
        return Network(nodes=(Input(name="image", channels=1), up), output="up", features="up")

    assert measured_coverage(graph("nearest"), (2, 4), "up").tolist() == [[2, 4, 2, 4]] * 2
    with pytest.raises(InvalidError, match=r"network\.up\.kind=bilinear is not valid: its weights count no paths"):
        measured_coverage(graph("bilinear"), (2, 4), "up")
