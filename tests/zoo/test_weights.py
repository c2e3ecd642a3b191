"""Initial weights, what a module returns, batch norm's two modes, and gradients at layer outputs."""

from collections.abc import Callable
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import Array

from cnnlab.geometry.cost import cost
from cnnlab.geometry.sizes import maps
from cnnlab.spec.invalid import InvalidError
from cnnlab.spec.net import ConvNet
from cnnlab.spec.network import (
    Conv,
    Dense,
    DepthToSpace,
    Elementwise,
    Flatten,
    GlobalAveragePool,
    Input,
    Network,
    Resize,
    TransposedConv,
)
from cnnlab.zoo import initialisers
from cnnlab.zoo.initialisers import icnr, kernel
from cnnlab.zoo.lowering import network
from cnnlab.zoo.module import Net
from cnnlab.zoo.operations import operate

KEY = jax.random.key(7)
Draw = Callable[[Network, Array], dict[str, Array]]


def small(**factors: Any) -> Network:
    settings = {"depth": 4, "width": 4, "pools": (2,), **factors}
    return network(ConvNet(**settings), 8, 2, 3)


def kernels(graph: Network, key: Array) -> dict[str, Array]:
    layers = Net(graph, key).layers
    return {name: layer.kernel[...] for name, layer in layers.items() if hasattr(layer, "kernel")}


def kernels_by_turn(graph: Network, key: Array) -> dict[str, Array]:
    """Planted fault: each layer splits the key that the one before left, as `nnx.Rngs` counts."""
    found = {}
    for name, drawn in kernels(graph, KEY).items():
        key, own = jax.random.split(key)
        found[name] = jax.random.bits(own, (drawn.size,))
    return found


@pytest.mark.parametrize("init", ["he", pytest.param("normal", marks=pytest.mark.slow)])
@pytest.mark.parametrize("shortest", [1, 1 << 10, pytest.param(1 << 17, marks=pytest.mark.slow)])
def test_how_many_numbers_are_drawn_at_least_changes_no_byte(
    init: str, shortest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes = (1, 1, 1, 1), (3, 3, 1, 16), (5, 5, 7, 3), (3, 3, 64, 64)
    before = [np.asarray(kernel(KEY, "conv1", shape, init, 1.0)) for shape in shapes]
    monkeypatch.setattr(initialisers, "SHORTEST", shortest)
    for shape, drawn in zip(shapes, before, strict=True):
        np.testing.assert_array_equal(kernel(KEY, "conv1", shape, init, 1.0), drawn)


def unmoved(draw: Draw) -> bool:
    """Whether every kernel keeps its bytes as layers are added around it."""
    plain = draw(small(), KEY)
    others = [
        small(pools=(1,)),
        small(pools=(1, 3), down="conv_strided_conv"),
        small(depth=5, pools=()),
        small(pointwise="per_conv"),
        small(norm="layer", block="residual"),
        small(down="blur", activation="tanh"),
    ]
    return all(
        np.array_equal(weights, plain[name])
        for other in others
        for name, weights in draw(other, KEY).items()
        if name in plain
    )


def test_another_layer_changes_no_other_layers_weights():
    assert unmoved(kernels)


def test_the_check_sees_keys_drawn_in_turn():
    assert not unmoved(kernels_by_turn)


def test_the_key_the_name_and_nothing_else_decides():
    shape = (3, 3, 4, 4)
    drawn = kernel(KEY, "conv1", shape, "he", 1.0)
    assert np.array_equal(drawn, kernel(KEY, "conv1", shape, "he", 1.0))
    assert not np.array_equal(drawn, kernel(KEY, "conv2", shape, "he", 1.0))
    assert not np.array_equal(drawn, kernel(jax.random.key(8), "conv1", shape, "he", 1.0))
    assert np.array_equal(jax.jit(lambda key: kernel(key, "conv1", shape, "he", 1.0))(KEY), drawn)
    # arms that differ in init alone differ by a factor alone
    np.testing.assert_allclose(kernel(KEY, "conv1", shape, "lecun", 1.0) * 2**0.5, drawn, rtol=1e-6)


@pytest.mark.parametrize(
    ("init", "std"), [("he", (2 / 576) ** 0.5), ("xavier", (2 / (576 + 288)) ** 0.5), ("lecun", 1 / 24), ("normal", 1)]
)
def test_spread_of_the_drawn_weights(init: str, std: float):
    drawn = kernel(KEY, "conv", (3, 3, 64, 32), init, 1.0)
    assert float(drawn.std()) == pytest.approx(std, rel=0.02)
    assert abs(float(drawn.mean())) < 0.03 * std
    doubled = kernel(KEY, "conv", (3, 3, 64, 32), init, 2.0)
    np.testing.assert_allclose(doubled, 2 * drawn, rtol=1e-6)
    assert (float(jnp.abs(drawn).max()) <= 2.001 * std / 0.8796) == (init != "normal")


def test_orthogonal_kernels_are():
    drawn = kernel(KEY, "conv", (3, 3, 4, 8), "orthogonal", 2.0).reshape(36, 8)
    np.testing.assert_allclose(drawn.T @ drawn, 4 * np.eye(8), atol=1e-5)
    delta = kernel(KEY, "conv", (3, 3, 4, 8), "delta_orthogonal", 1.0)
    np.testing.assert_allclose(delta[1, 1] @ delta[1, 1].T, np.eye(4), atol=1e-5)
    assert int((delta != 0).sum()) == 32
    dense = kernel(KEY, "dense", (8, 4), "delta_orthogonal", 1.0)
    np.testing.assert_allclose(dense.T @ dense, np.eye(4), atol=1e-5)
    with pytest.raises(InvalidError, match="layer conv has 4 for 8"):
        kernel(KEY, "conv", (3, 3, 8, 4), "delta_orthogonal", 1.0)
    with pytest.raises(InvalidError, match="choose one of he, xavier"):
        kernel(KEY, "conv", (3, 3, 8, 4), "kaiming", 1.0)


def test_biases_begin_at_zero_and_the_output_layer_begins_alike_whatever_the_init():
    plain, loud = (Net(small(init=init, init_scale=scale), KEY) for init, scale in (("he", 1.0), ("normal", 9.0)))
    assert all(not layer.bias[...].any() for layer in plain.layers.values())
    assert np.array_equal(plain.layers["logits"].kernel[...], loud.layers["logits"].kernel[...])
    assert not np.array_equal(plain.layers["conv1"].kernel[...], loud.layers["conv1"].kernel[...])


def test_nets_of_one_network_share_their_graph_definition_so_one_compilation_serves_all_members():
    first, other = (nnx.split(Net(small(norm="batch"), jax.random.key(seed)))[0] for seed in (0, 1))
    assert first == other
    assert hash(first) == hash(other)
    assert first != nnx.split(Net(small(norm="layer"), KEY))[0]


@pytest.mark.parametrize("factors", [{}, {"norm": "batch"}, {"connectivity": "separable", "head": "flatten"}])
def test_outputs_are_named_and_sized_and_parameters_are_counted_as_geometry_says(factors: dict[str, Any]):
    graph = small(**factors)
    net = Net(graph, KEY)
    logits, outputs = net(jnp.ones((5, 8, 8, 2)))
    assert logits.shape == (5, 3)
    assert logits is outputs["logits"]
    assert list(outputs) == [node.name for node in graph.nodes]
    for name, found in maps(graph, (8, 8)).items():
        assert outputs[name].size == 5 * (found.elements or 0), name
    trainable = sum(leaf.size for leaf in jax.tree.leaves(nnx.state(net, nnx.Param)))
    assert trainable == cost(graph, (8, 8)).params


def test_batch_norm_normalises_by_the_batch_in_training_and_by_its_memory_in_evaluation():
    graph = small(norm="batch", depth=1, pools=())
    net = Net(graph, KEY)
    images = 3 + 2 * jax.random.normal(KEY, (16, 8, 8, 2))
    before = np.asarray(net.layers["norm1"].mean[...])
    _, evaluated = net(images, mode="evaluate")
    assert np.array_equal(net.layers["norm1"].mean[...], before), "evaluation moved the statistics"
    np.testing.assert_allclose(evaluated["norm1"], evaluated["conv1"] / (1 + 1e-5) ** 0.5, rtol=1e-5)
    _, trained = net(images, mode="train")
    np.testing.assert_allclose(trained["norm1"].mean((0, 1, 2)), np.zeros(4), atol=1e-5)
    np.testing.assert_allclose(trained["norm1"].std((0, 1, 2)), np.ones(4), atol=1e-3)
    np.testing.assert_allclose(net.layers["norm1"].mean[...], 0.1 * trained["conv1"].mean((0, 1, 2)), rtol=1e-4)


def test_layer_norm_normalises_each_pixel_over_its_channels_in_either_mode():
    net = Net(small(norm="layer", depth=1, pools=()), KEY)
    images = jax.random.normal(KEY, (2, 8, 8, 2))
    outputs = net(images, mode="train")[1]
    np.testing.assert_allclose(outputs["norm1"].mean(-1), np.zeros((2, 8, 8)), atol=1e-5)
    np.testing.assert_allclose(outputs["norm1"], net(images)[1]["norm1"])


def test_a_perturbation_gives_the_gradient_at_a_layers_output():
    net = Net(small(head="flatten"), KEY)
    images = jax.random.normal(KEY, (2, 8, 8, 2))

    @jax.jit
    def first_logit(nudges: dict[str, Array]) -> tuple[Array, tuple[Array, dict[str, Array]]]:
        logits, outputs = net(images, perturbations=nudges)
        return logits[:, 0].sum(), (logits, outputs)

    nudges = {"act1": jnp.zeros((2, 8, 8, 4)), "conv4": jnp.zeros((2, 4, 4, 4)), "act4": jnp.zeros((2, 4, 4, 4))}
    gradients, (logits, outputs) = jax.jit(jax.grad(first_logit, has_aux=True))(nudges)
    head = net.layers["logits"].kernel[...]
    np.testing.assert_allclose(gradients["act4"], np.tile(head[:, 0].reshape(4, 4, 4), (2, 1, 1, 1)))
    # before the activation its derivative comes in; after it, it does not
    np.testing.assert_allclose(gradients["conv4"], np.where(outputs["conv4"] > 0, gradients["act4"], 0))
    assert not np.allclose(gradients["conv4"], gradients["act4"])
    # a shift of one output of one image moves that image's logits as its gradient says, and no other's
    place = np.unravel_index(np.argmax(np.abs(gradients["act1"][0])), (8, 8, 4))
    shifted = {**nudges, "act1": nudges["act1"].at[0, *place].set(1e-2)}
    moved = first_logit(shifted)[1][0] - logits
    assert float(moved[0, 0]) == pytest.approx(1e-2 * float(gradients["act1"][0, *place]), rel=0.05)
    assert not moved[1].any()
    with pytest.raises(InvalidError, match="perturbations=act9 is not valid: choose of the layers image, conv1"):
        net(images, perturbations={"act9": nudges["act1"]})


def phases_start_equal(draw: Callable[..., Array]) -> bool:
    """Whether a sub-pixel convolution with these weights is a convolution and a nearest-neighbour resize."""
    images = jax.random.normal(KEY, (2, 5, 6, 3))
    for block in (2, 3):
        learned: Any = SimpleNamespace(kernel=draw(KEY, "up", (3, 3, 3, 4 * block**2), "he", 1.0, block), bias=None)
        conv = Conv(name="up", filters=4 * block**2, kernel=(3, 3))
        fine = operate(DepthToSpace(name="d", block=block), None, operate(conv, learned, images))
        one: Any = SimpleNamespace(kernel=kernel(KEY, "up", (3, 3, 3, 4), "he", 1.0), bias=None)
        coarse = operate(Conv(name="up", filters=4, kernel=(3, 3)), one, images)
        factor = Fraction(block)
        resized = operate(Resize(name="r", scale=(factor, factor), kind="nearest"), None, coarse)
        if not np.allclose(fine, resized, atol=1e-5):
            return False
    return True


def by_channel(key: Array, name: str, shape: tuple[int, ...], init: str, scale: float, block: int) -> Array:
    """Planted fault: phases repeated in the order of PyTorch's `pixel_shuffle`."""
    return jnp.repeat(kernel(key, name, (*shape[:-1], shape[-1] // block**2), init, scale), block**2, axis=-1)


def plain_draw(key: Array, name: str, shape: tuple[int, ...], init: str, scale: float, block: int) -> Array:
    """Planted fault: no ICNR at all."""
    return kernel(key, name, shape, init, scale)


def test_icnr_starts_as_a_convolution_and_a_nearest_resize():
    assert phases_start_equal(icnr)
    assert not phases_start_equal(by_channel)
    assert not phases_start_equal(plain_draw)
    with pytest.raises(InvalidError, match=r"network\.up\.filters=6 is not valid: must be a multiple of 4"):
        icnr(KEY, "up", (3, 3, 1, 6), "he", 1.0, 2)


def upsampling() -> Network:
    """A net with every kind of layer that the parametric net never has."""
    nodes = (
        Input(name="image", channels=2),
        TransposedConv(name="up", inputs=("image",), filters=5, kernel=(4, 3), stride=(2, 2)),
        Resize(name="half", inputs=("up",), scale=(Fraction(1, 2), Fraction(3, 2)), kind="bilinear"),
        Elementwise(name="drop", inputs=("half",), kind="dropout"),
        GlobalAveragePool(name="mean", inputs=("drop",)),
        Dense(name="logits", inputs=("mean",), units=3),
    )
    return Network(nodes=nodes, output="logits", features="drop", size=(6, 7))


def test_an_upsampling_net_has_the_parameters_and_maps_that_geometry_says():
    graph = upsampling()
    net = Net(graph, KEY)
    _, outputs = net(jnp.ones((2, 6, 7, 2)))
    assert outputs["up"].shape == (2, 12, 14, 5)
    assert outputs["half"].shape == (2, 6, 21, 5)
    trainable = sum(leaf.size for leaf in jax.tree.leaves(nnx.state(net, nnx.Param)))
    assert trainable == cost(graph, (6, 7)).params == 4 * 3 * 2 * 5 + 5 + 5 * 3 + 3


def test_dropout_passes_in_evaluation_and_refuses_to_train():
    net = Net(upsampling(), KEY)
    images = jnp.ones((1, 6, 7, 2))
    _, outputs = net(images)
    assert np.array_equal(outputs["drop"], outputs["half"])
    with pytest.raises(InvalidError, match=r"network\.drop\.kind=dropout is not valid: acts in training"):
        net(images, mode="train")


def test_a_net_that_needs_a_size_says_so():
    nodes = (
        Input(name="image", channels=1),
        Flatten(name="flat", inputs=("image",)),
        Dense(name="out", units=2, inputs=("flat",)),
    )
    with pytest.raises(InvalidError, match=r"network\.size=None is not valid: layer out needs"):
        Net(Network(nodes=nodes, output="out", features="image"), KEY)
