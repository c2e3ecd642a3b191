"""The large nets of the literature: published parameters, fields and maps, aligned merges, and a forward pass."""

import dataclasses
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from cnnlab.geometry.cost import cost
from cnnlab.geometry.fields import AlignmentError, fields
from cnnlab.geometry.sizes import maps, sizes
from cnnlab.spec.net import Classic
from cnnlab.spec.network import Activation, Conv, Network, Norm, Pool
from cnnlab.zoo.lowering import network
from cnnlab.zoo.module import Net

pytestmark = pytest.mark.slow

CLASSES = 1000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Published:
    """What is published of a net on images of `side` pixels.

    Parameters are those of the papers' released code, torchvision or Keras; fields those of Araujo, Norris and Sim
    (Distill 2019), ResNet-50's with the stride on the 3x3 by the recurrence alone.
    """

    side: int
    params: int
    field: int
    last_map: int
    giga_macs: float


PUBLISHED = {
    ("alexnet", ""): Published(side=227, params=60_965_224, field=195, last_map=6, giga_macs=0.724),
    ("alexnet", "one_tower"): Published(side=224, params=61_100_840, field=195, last_map=6, giga_macs=0.714),
    ("vgg16", ""): Published(side=224, params=138_357_544, field=212, last_map=7, giga_macs=15.47),
    ("resnet18", ""): Published(side=224, params=11_689_512, field=435, last_map=7, giga_macs=1.814),
    ("resnet50", ""): Published(side=224, params=25_557_032, field=427, last_map=7, giga_macs=4.089),
    ("resnet50", "v1"): Published(side=224, params=25_557_032, field=483, last_map=7, giga_macs=3.858),
    ("mobilenet_v1", ""): Published(side=224, params=4_231_976, field=315, last_map=7, giga_macs=0.569),
    ("inception_v3", ""): Published(side=299, params=23_834_568, field=1311, last_map=8, giga_macs=5.713),
}
ALL = pytest.mark.parametrize(("name", "variant"), PUBLISHED, ids=["-".join(filter(None, key)) for key in PUBLISHED])


def build(name: str, variant: str, side: int = 0) -> Network:
    return network(Classic(name=name, variant=variant), side or PUBLISHED[name, variant].side, 3, CLASSES)


def is_published(graph: Network, expected: Published) -> bool:
    """Whether a graph has the published parameters, field, last map and multiply-accumulates."""
    size = (expected.side, expected.side)
    field, priced = fields(graph, size)[graph.features], cost(graph, size)
    return (
        priced.params == expected.params
        and field.rf == (expected.field, expected.field)
        and field.stride == (32, 32)
        and sizes(graph, size)[graph.features] == (expected.last_map, expected.last_map)
        and priced.macs / 1e9 == pytest.approx(expected.giga_macs, abs=6e-4 if expected.giga_macs < 10 else 6e-3)
    )


@ALL
def test_parameters_field_and_maps_are_the_published_ones(name: str, variant: str):
    assert is_published(build(name, variant), PUBLISHED[name, variant])


def without_one_norm(graph: Network) -> Network:
    """Planted fault: the last batch norm has no offset and scale; nets without norms lose a bias."""
    last = max(place for place, node in enumerate(graph.nodes) if isinstance(node, Norm | Conv))
    node = graph.nodes[last]
    other = Activation(name=node.name, inputs=node.inputs, kind="relu")
    bare = dataclasses.replace(node, bias=False) if isinstance(node, Conv) else other
    return dataclasses.replace(graph, nodes=(*graph.nodes[:last], bare, *graph.nodes[last + 1 :]))


def late_stride(graph: Network) -> Network:
    """Planted fault: the first stride stands one window later."""
    windows = [node for node in graph.nodes if isinstance(node, Conv | Pool) and max(node.kernel) > 1]
    place = next(place for place, node in enumerate(windows) if node.stride != (1, 1))
    early, late = windows[place : place + 2]
    strides = {early.name: (1, 1), late.name: (early.stride[0] * late.stride[0],) * 2}
    nodes = (dataclasses.replace(n, stride=strides[n.name]) if n.name in strides else n for n in graph.nodes)
    return dataclasses.replace(graph, nodes=tuple(nodes))


@ALL
@pytest.mark.parametrize("fault", [without_one_norm, late_stride])
def test_a_net_that_is_a_little_different_is_noticed(fault: Callable[[Network], Network], name: str, variant: str):
    assert not is_published(fault(build(name, variant)), PUBLISHED[name, variant])


def test_inception_without_scales_has_the_parameters_that_keras_counts():
    graph = build("inception_v3", "")
    nodes = (dataclasses.replace(node, scale=False) if isinstance(node, Norm) else node for node in graph.nodes)
    assert cost(dataclasses.replace(graph, nodes=tuple(nodes)), (299, 299)).params == 23_817_352


def test_the_stride_of_a_bottleneck_sits_where_the_variant_says():
    strides = {
        variant: [build("resnet50", variant)[f"conv3_1_conv{place}"].stride for place in (1, 2)]  # type: ignore[attr-defined]
        for variant in ("", "v1")
    }
    assert strides == {"": [(1, 1), (2, 2)], "v1": [(2, 2), (1, 1)]}


def aligned(graph: Network, size: int) -> bool:
    try:
        fields(graph, (size, size))
    except AlignmentError:
        return False
    return True


def all_same(graph: Network) -> Network:
    """Planted fault: every window is padded by JAX's rule."""
    moved = (dataclasses.replace(n, padding="same") if isinstance(n, Conv | Pool) else n for n in graph.nodes)
    return dataclasses.replace(graph, nodes=tuple(moved))


def aside(name: str, graph: Network) -> Network:
    """Planted fault: one 3x3 window is padded by two pixels at the top and left."""
    moved = dataclasses.replace(graph[name], padding=((2, 0), (2, 0)))  # type: ignore[call-arg]
    return dataclasses.replace(graph, nodes=tuple(moved if n.name == name else n for n in graph.nodes))


# with both strides of a block on 1x1 convolutions, JAX's rule would move no path against another
MERGING = {
    ("resnet18", ""): all_same,
    ("resnet50", ""): all_same,
    ("resnet50", "v1"): partial(aside, "conv5_3_conv2"),
    ("inception_v3", ""): partial(aside, "mixed5_pool"),
}


@pytest.mark.parametrize(("name", "variant"), MERGING)
def test_merges_are_aligned_on_maps_of_even_and_odd_size(name: str, variant: str):
    graph = build(name, variant)
    assert all(aligned(graph, size) for size in (224, 225, 250, 299))
    assert not aligned(MERGING[name, variant](graph), 224)


@ALL
def test_the_module_has_the_maps_and_parameters_of_the_graph(name: str, variant: str):
    graph, side = build(name, variant), PUBLISHED[name, variant].side
    net = nnx.eval_shape(lambda: Net(graph, jax.random.key(0)))
    parts, state = nnx.split(net)
    images = jax.ShapeDtypeStruct((2, side, side, 3), jnp.float32)
    logits, outputs = jax.eval_shape(lambda state, images: nnx.merge(parts, state)(images), state, images)
    assert logits.shape == (2, CLASSES)
    for layer, found in maps(graph, (side, side)).items():
        assert outputs[layer].size == 2 * (found.elements or 0), layer
    trainable = sum(leaf.size for leaf in jax.tree.leaves(nnx.state(net, nnx.Param)))
    assert trainable == PUBLISHED[name, variant].params
    if name == "mobilenet_v1":
        running = sum(leaf.size for leaf in jax.tree.leaves(nnx.state(net, nnx.BatchStat)))
        assert trainable + running == 4_253_864, "as Keras counts, with the running statistics"


SMALLEST = {"alexnet": 67, "vgg16": 32, "resnet18": 32, "resnet50": 32, "mobilenet_v1": 32, "inception_v3": 75}


@pytest.mark.parametrize(
    "name",
    [name if name in ("resnet18", "mobilenet_v1") else pytest.param(name, marks=pytest.mark.slow) for name in SMALLEST],
)
def test_a_forward_pass_tells_images_apart(name: str):
    side = SMALLEST[name]
    graph = network(Classic(name=name), side, 3, 10)
    parts, state = nnx.split(nnx.eval_shape(lambda: Net(graph, jax.random.key(0))))
    # weights of one size a layer: drawing a hundred million is no part of the test
    draw = np.random.default_rng(0)
    filled = jax.tree.map(lambda leaf: _drawn(draw, leaf.shape), state)
    images = jnp.asarray(draw.normal(size=(2, side, side, 3)), jnp.float32)
    run = jax.jit(
        lambda state, images: nnx.merge(parts, state)(images)[0], compiler_options={"xla_backend_optimization_level": 0}
    )
    first, second = np.asarray(run(filled, images))
    assert np.isfinite([first, second]).all()
    assert np.abs(first - second).max() > 1e-3 * np.abs(first).max() > 0


def _drawn(draw: np.random.Generator, shape: tuple[int, ...]) -> jax.Array:
    """Fill a kernel as `he` would, anything else with ones."""
    if len(shape) < 2:
        return jnp.ones(shape, jnp.float32)
    return jnp.asarray(draw.standard_normal(shape, np.float32) * np.float32((2 / np.prod(shape[:-1])) ** 0.5))
