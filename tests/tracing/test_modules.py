"""Hand-written modules against numbers worked out by hand."""

import dataclasses
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from flax import linen, nnx

from cnnlab.geometry.cost import cost
from cnnlab.geometry.fields import AlignmentError, fields
from cnnlab.geometry.sizes import sizes
from cnnlab.spec.invalid import InvalidError
from cnnlab.spec.network import Conv, Network, Norm, Pool, TransposedConv
from cnnlab.tracing import trace, xla_macs

Forward = Callable[[Any, jax.Array], jax.Array]
SIZE = (16, 16)


class Hand(nnx.Module):
    """Named submodules and a forward pass."""

    def __init__(self, forward: Forward, parts: dict[str, Callable[[nnx.Rngs], Any]]) -> None:
        self.forward = forward
        for name, make in parts.items():
            setattr(self, name, make(nnx.Rngs(0)))

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.forward(self, x)


def hand(forward: Forward, **parts: Callable[[nnx.Rngs], Any]) -> Hand:
    return nnx.eval_shape(lambda: Hand(forward, parts))


def conv(before: int, after: int, kernel: int = 3, **settings: Any) -> Callable[[nnx.Rngs], nnx.Conv]:
    return lambda rngs: nnx.Conv(before, after, (kernel, kernel), rngs=rngs, **settings)


def made(kind: Callable[..., Any], *settings: Any, **named: Any) -> Callable[[nnx.Rngs], Any]:
    return lambda rngs: kind(*settings, rngs=rngs, **named)


def param(*shape: int) -> Callable[[nnx.Rngs], nnx.Param[jax.Array]]:
    return lambda rngs: nnx.Param(jnp.ones(shape))


def last(module: Any, size: tuple[int, int] = SIZE, channels: int = 3, tracer: Callable[..., Network] = trace) -> Any:
    """(output size, field, stride, padding along the height; params, MACs of the whole net)."""
    net = tracer(module, size, channels)
    field, price = fields(net, size)[net.output], cost(net, size)
    stride = None if field.stride is None else field.stride[0]
    assert field.rf is not None
    return sizes(net, size)[net.output], field.rf[0], stride, field.padding[0], price.params, price.macs


def residual(m: Any, x: jax.Array) -> jax.Array:
    y = m.stem(x)
    return nnx.relu(m.norm2(m.conv2(nnx.relu(m.norm1(m.conv1(y))))) + y)


def inception(m: Any, x: jax.Array) -> jax.Array:
    pooled = nnx.avg_pool(x, (3, 3), (1, 1), "SAME", count_include_pad=False)
    return jnp.concatenate([m.one(x), m.five(m.reduce(x)), m.pooled(pooled)], axis=-1)


def gated(m: Any, x: jax.Array) -> jax.Array:
    y = m.conv(x)
    return y * nnx.sigmoid(m.up(nnx.relu(m.down(y.mean((1, 2))))))[:, None, None, :]


def channels_first(m: Any, x: jax.Array) -> jax.Array:
    y = jax.lax.conv_general_dilated(
        x.transpose(0, 3, 1, 2), m.kernel[...], (2, 1), "VALID", dimension_numbers=("NCHW", "OIHW", "NCHW")
    )
    return nnx.max_pool(y.transpose(0, 2, 3, 1), (2, 2), (2, 2))


def handmade_norm(m: Any, x: jax.Array) -> jax.Array:
    y = m.conv(x)
    return (y - y.mean(-1, keepdims=True)) / jnp.sqrt(y.var(-1, keepdims=True) + 1e-5) * m.scale[...] + m.shift[...]


def shuffled(m: Any, x: jax.Array) -> jax.Array:
    y = m.conv(x)
    return m.last(y.reshape(*y.shape[:3], 2, 4).swapaxes(3, 4).reshape(y.shape))


def pixel_shuffle(m: Any, x: jax.Array) -> jax.Array:
    n, h, w, _ = (y := m.conv(x)).shape
    return m.last(y.reshape(n, h, w, 2, 2, 2).transpose(0, 1, 3, 2, 4, 5).reshape(n, 2 * h, 2 * w, 2))


def upscaled(kind: str, scale: int) -> Forward:
    def forward(m: Any, x: jax.Array) -> jax.Array:
        return m.conv(jax.image.resize(x, (x.shape[0], scale * x.shape[1], scale * x.shape[2], x.shape[3]), kind))

    return forward


def focus(m: Any, x: jax.Array) -> jax.Array:
    return m.conv(jnp.concatenate([x[:, i::2, j::2] for i in (0, 1) for j in (0, 1)], axis=-1))


THIRD, HALF, QUARTER = Fraction(1, 3), Fraction(1, 2), Fraction(1, 4)
CONV3 = 3 * 3 * 3 * 8 + 8
PIXELS = 16 * 16

CASES: dict[str, tuple[Any, Any]] = {
    "strided": (hand(lambda m, x: m.conv(x), conv=conv(3, 8, 5, strides=2)), ((8, 8), 5, 2, 1, 608, 64 * 600)),
    "dilated": (
        hand(lambda m, x: m.conv(x), conv=conv(3, 8, 3, kernel_dilation=3)),
        ((16, 16), 7, 1, 3, CONV3, PIXELS * 216),
    ),
    "no padding": (
        hand(lambda m, x: m.conv(x), conv=conv(3, 8, 4, padding="VALID")),
        ((13, 13), 4, 1, 0, 392, 169 * 384),
    ),
    "grouped": (
        hand(lambda m, x: m.conv(x), conv=conv(3, 9, 3, feature_group_count=3, use_bias=False)),
        ((16, 16), 3, 1, 1, 81, PIXELS * 81),
    ),
    "depthwise separable": (
        hand(lambda m, x: m.point(m.depth(x)), depth=conv(3, 3, feature_group_count=3), point=made(nnx.Linear, 3, 8)),
        ((16, 16), 3, 1, 1, 30 + 32, PIXELS * (27 + 24)),
    ),
    "residual with batch norm": (
        hand(
            residual,
            stem=conv(3, 8),
            conv1=conv(8, 8, use_bias=False),
            norm1=made(nnx.BatchNorm, 8),
            conv2=conv(8, 8, use_bias=False),
            norm2=made(nnx.BatchNorm, 8, use_scale=False),
        ),
        ((16, 16), 7, 1, 3, CONV3 + 2 * 576 + 16 + 8, PIXELS * (216 + 2 * 576)),
    ),
    "inception": (
        hand(inception, one=conv(3, 4, 1), reduce=conv(3, 2, 1), five=conv(2, 4, 5), pooled=conv(3, 4, 1)),
        ((16, 16), 5, 1, 2, 16 + 8 + 204 + 16, PIXELS * (12 + 6 + 200 + 12)),
    ),
    "decoder": (
        hand(
            lambda m, x: m.up(m.down(x)),
            down=conv(3, 8, 3, strides=2, padding=((1, 1), (1, 1))),
            up=made(nnx.ConvTranspose, 8, 4, (4, 4), strides=(2, 2)),
        ),
        ((16, 16), 5, 1, Fraction(5, 2), CONV3 + 516, 64 * (216 + 512)),
    ),
    "nearest": (hand(upscaled("nearest", 2), conv=conv(3, 8)), ((32, 32), 2, HALF, 3 * QUARTER, CONV3, 1024 * 216)),
    "bilinear": (hand(upscaled("bilinear", 3), conv=conv(3, 8, 1)), ((48, 48), 2, THIRD, 5 * THIRD / 2, 32, 2304 * 24)),
    "layer norm": (
        hand(lambda m, x: m.norm(m.conv(x)), conv=conv(3, 8), norm=made(nnx.LayerNorm, 8)),
        ((16, 16), 3, 1, 1, CONV3 + 16, PIXELS * 216),
    ),
    "group norm": (
        hand(lambda m, x: m.norm(m.conv(x)), conv=conv(3, 8), norm=made(nnx.GroupNorm, 8, num_groups=2)),
        ((16, 16), 3, 1, 1, CONV3 + 16, PIXELS * 216),
    ),
    "norm by hand": (
        hand(handmade_norm, conv=conv(3, 8), scale=param(8), shift=param(8)),
        ((16, 16), 3, 1, 1, CONV3 + 16, PIXELS * 216),
    ),
    "dropout": (
        hand(lambda m, x: m.drop(m.conv(x)), conv=conv(3, 8), drop=made(nnx.Dropout, 0.5)),
        ((16, 16), 3, 1, 1, CONV3, PIXELS * 216),
    ),
    "average pool": (
        hand(lambda m, x: nnx.avg_pool(m.conv(x), (3, 3), (2, 2), "SAME", count_include_pad=False), conv=conv(3, 8)),
        ((8, 8), 5, 2, 1, CONV3, PIXELS * 216),
    ),
    "average by reshape": (
        hand(lambda m, x: m.conv(x.reshape(x.shape[0], 4, 4, 4, 4, 3).mean((2, 4))), conv=conv(3, 8)),
        ((4, 4), 12, 4, 4, CONV3, 16 * 216),
    ),
    "flatten and dense": (
        hand(
            lambda m, x: m.dense(nnx.max_pool(m.conv(x), (2, 2), (2, 2)).reshape(x.shape[0], -1)),
            conv=conv(3, 8),
            dense=made(nnx.Linear, 512, 10),
        ),
        ((1, 1), 16, None, 0, CONV3 + 5130, PIXELS * 216 + 5120),
    ),
    "flattened by the weights": (
        hand(lambda m, x: m.dense(x), dense=made(nnx.LinearGeneral, (16, 16, 3), 10, axis=(-3, -2, -1))),
        ((1, 1), 16, None, 0, 7690, 7680),
    ),
    "global average": (
        hand(lambda m, x: m.dense(m.conv(x).mean((1, 2))), conv=conv(3, 8), dense=made(nnx.Linear, 8, 10)),
        ((1, 1), 16, None, 0, CONV3 + 90, PIXELS * 216 + 80),
    ),
    "gate": (
        hand(gated, conv=conv(3, 8), down=made(nnx.Linear, 8, 2), up=made(nnx.Linear, 2, 8)),
        ((16, 16), 16, None, 0, CONV3 + 18 + 24, PIXELS * 216 + 32),
    ),
    "channels first": (hand(channels_first, kernel=param(5, 3, 3, 3)), ((3, 7), 5, 4, 0, 135, 7 * 14 * 135)),
    "circular": (
        hand(lambda m, x: m.conv(x), conv=conv(3, 8, padding="CIRCULAR")),
        ((16, 16), 3, 1, 1, CONV3, PIXELS * 216),
    ),
    "reflected": (
        hand(lambda m, x: m.conv(x), conv=conv(3, 8, padding="REFLECT")),
        ((16, 16), 3, 1, 1, CONV3, PIXELS * 216),
    ),
    "shuffled channels": (
        hand(shuffled, conv=conv(3, 8), last=conv(8, 8, feature_group_count=8)),
        ((16, 16), 5, 1, 2, CONV3 + 80, PIXELS * (216 + 72)),
    ),
    "pixel shuffle": (
        hand(pixel_shuffle, conv=conv(3, 8), last=conv(2, 8)),
        ((32, 32), 4, HALF, 7 * QUARTER, CONV3 + 152, PIXELS * 216 + 1024 * 144),
    ),
    "space to depth": (hand(focus, conv=conv(12, 8)), ((8, 8), 6, 2, 2, 872, 64 * 864)),
    "repeated pixels": (
        hand(lambda m, x: m.conv(jnp.repeat(jnp.repeat(nnx.relu(x), 2, axis=1), 2, axis=2)), conv=conv(3, 8)),
        ((32, 32), 2, HALF, 3 * QUARTER, CONV3, 1024 * 216),
    ),
    "cropped": (
        hand(lambda m, x: m.conv(x[:, 2:-1, 1:-1]), conv=conv(3, 8, padding="VALID")),
        ((11, 12), 3, 1, -2, CONV3, 132 * 216),
    ),
    "layer scale": (
        hand(lambda m, x: x + m.scale[...] * m.conv(x), conv=conv(3, 3), scale=param(3)),
        ((16, 16), 3, 1, 1, 84 + 3, PIXELS * 81),
    ),
    "rematerialised": (
        hand(lambda m, x: nnx.remat(lambda part, y: nnx.relu(part(y)))(m.conv, x), conv=conv(3, 8)),
        ((16, 16), 3, 1, 1, CONV3, PIXELS * 216),
    ),
    "mapped over the batch": (
        hand(lambda m, x: jax.vmap(m.conv)(x), conv=conv(3, 8)),
        ((16, 16), 3, 1, 1, CONV3, PIXELS * 216),
    ),
    "first of two outputs": (
        hand(lambda m, x: (m.conv(x), jnp.sort(x)), conv=conv(3, 8)),
        ((16, 16), 3, 1, 1, CONV3, PIXELS * 216),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_module_is_traced_to_the_numbers_worked_out_by_hand(name: str) -> None:
    module, expected = CASES[name]
    assert last(module) == expected


def forgetful(**values: Any) -> Callable[..., Network]:
    """A tracer with a fault: it reads these values into every layer that has such a field."""

    def tracer(module: Any, size: tuple[int, int], channels: int) -> Network:
        net = trace(module, size, channels)
        return dataclasses.replace(net, nodes=tuple(_with(node, values) for node in net.nodes))

    return tracer


def _with(node: Any, values: dict[str, Any]) -> Any:
    own = {key: value for key, value in values.items() if hasattr(node, key) and isinstance(node, Conv | Norm | Pool)}
    return dataclasses.replace(node, **own)


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("dilated", forgetful(dilation=(1, 1))),
        ("strided", forgetful(stride=(3, 3))),
        ("strided", forgetful(padding=((2, 1), (2, 1)))),
        ("grouped", forgetful(groups=1)),
        ("strided", forgetful(bias=False)),
        ("residual with batch norm", forgetful(scale=True)),
        ("average pool", forgetful(kernel=(2, 2))),
        ("flatten and dense", forgetful(stride=(1, 1))),
    ],
)
def test_a_tracer_that_forgets_something_is_noticed(name: str, fault: Callable[..., Network]) -> None:
    module, expected = CASES[name]
    try:
        same = last(module, tracer=fault) == expected
    except (InvalidError, AlignmentError):
        same = False
    assert not same


def test_layers_are_named_by_the_modules_that_hold_them() -> None:
    net = trace(CASES["residual with batch norm"][0], SIZE, 3)
    names = [node.name for node in net.nodes]
    assert names == ["image", "stem", "conv1", "norm1", "relu_1", "conv2", "norm2", "add_1", "relu_2"]
    assert net["norm2"] == Norm(name="norm2", inputs=("conv2",), kind="batch", scale=False)
    assert net["add_1"].inputs in (("norm2", "stem"), ("stem", "norm2"))
    assert (net.output, net.features) == ("relu_2", "relu_2")


def test_a_transposed_convolution_keeps_its_crop() -> None:
    module = hand(lambda m, x: m.up(x), up=made(nnx.ConvTranspose, 3, 4, (3, 3), strides=(2, 2), padding="VALID"))
    node = trace(module, (5, 7), 3)["up"]
    assert isinstance(node, TransposedConv)
    assert (node.kernel, node.stride, node.padding) == ((3, 3), (2, 2), ((0, 0), (0, 0)))


class Scanned(nnx.Module):
    """Three equal blocks, their weights in one array each."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        @nnx.split_rngs(splits=3)
        @nnx.vmap(in_axes=(0,), out_axes=0)
        def make(rngs: nnx.Rngs) -> Hand:
            parts = {"conv": conv(4, 4), "norm": made(nnx.BatchNorm, 4)}
            return Hand(lambda m, x: x + nnx.relu(m.norm(m.conv(x))), parts)

        self.blocks = make(rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        def step(block: Hand, x: jax.Array) -> jax.Array:
            return block(x)

        return nnx.scan(step, in_axes=(0, nnx.Carry), out_axes=nnx.Carry)(self.blocks, x)


def test_a_scan_over_layers_is_followed_turn_by_turn() -> None:
    assert last(nnx.eval_shape(lambda: Scanned(nnx.Rngs(0))), channels=4) == (
        (16, 16),
        7,
        1,
        3,
        3 * (148 + 8),
        3 * PIXELS * 144,
    )


class Block(linen.Module):
    """A Linen block."""

    @linen.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        y = linen.BatchNorm(use_running_average=True)(linen.Conv(8, (3, 3), use_bias=False)(x))
        y = linen.GroupNorm(2)(linen.LayerNorm()(linen.relu(y)))
        return linen.Dropout(0.5, deterministic=False)(y)


class Linen(linen.Module):
    """A Linen net."""

    @linen.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = Block()(x)
        x = linen.max_pool(x + Block()(x), (2, 2), (2, 2))
        return linen.Dense(10)(linen.ConvTranspose(4, (2, 2), (2, 2))(x).reshape(x.shape[0], -1))


def test_a_linen_module_is_traced_too() -> None:
    block = 16 * 3
    weights = (216 + block) + (576 + block) + (128 + 4) + (1024 * 10 + 10)
    macs = PIXELS * (216 + 576) + 64 * 128 + 10240
    assert last(Linen()) == ((1, 1), 16, None, 0, weights, macs)
    held = jax.eval_shape(lambda: Linen().init({"params": jax.random.key(0), "dropout": jax.random.key(0)}, IMAGES))
    assert weights == sum(leaf.size for leaf in jax.tree.leaves(held["params"]))
    assert "Block_1.BatchNorm_0" in {node.name for node in trace(Linen(), SIZE, 3).nodes}


IMAGES = jnp.zeros((1, 16, 16, 3))


def test_xla_counts_the_same_where_no_tap_falls_on_padding_and_nothing_else_is_computed() -> None:
    module = hand(lambda m, x: m.conv(x), conv=conv(3, 8, padding="VALID", use_bias=False))
    assert xla_macs(module, SIZE, 3) == last(module)[-1] == 14 * 14 * 216
    padded = hand(lambda m, x: m.conv(x), conv=conv(3, 8, use_bias=False))
    assert xla_macs(padded, SIZE, 3) == (16 * 3 - 2) ** 2 * 24 < last(padded)[-1]
