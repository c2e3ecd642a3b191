"""A second opinion on traces: the pixels that a unit's gradient reaches are those of the traced network's window."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from cnnlab.geometry.sizes import sizes
from cnnlab.geometry.windows import window
from cnnlab.spec.network import Conv, Network, Pool
from cnnlab.tracing import trace

SIDE, CHANNELS = 64, 2
SEEDS = 10
SLACK = 8
"""Windows nearer to the border are not compared: a layer between may pad there, and padding has no gradient."""

Step = Callable[[Any, jax.Array], jax.Array]


class Chain(nnx.Module):
    """Linear steps drawn at random, one behind the other; all weights are 1, so that no gradient cancels."""

    def __init__(self, seed: int, steps: int = 4) -> None:
        draw = np.random.default_rng(seed)
        self.steps: list[Step] = nnx.static(
            [KINDS[draw.integers(len(KINDS))](self, place, draw) for place in range(steps)]
        )

    def __call__(self, x: jax.Array) -> jax.Array:
        for step in self.steps:
            x = step(self, x)
        return x


def _pair(draw: np.random.Generator, low: int, high: int) -> tuple[int, int]:
    return int(draw.integers(low, high + 1)), int(draw.integers(low, high + 1))


def _hold(chain: Chain, place: int, layer: nnx.Module) -> str:
    name = f"layer{place}"
    setattr(chain, name, layer)
    return name


def convolution(chain: Chain, place: int, draw: np.random.Generator) -> Step:
    padding = ("SAME", "VALID", ((2, 1), (0, 3)))[draw.integers(3)]
    layer = nnx.Conv(
        CHANNELS,
        CHANNELS,
        _pair(draw, 1, 4),
        strides=_pair(draw, 1, 2),
        padding=padding,
        kernel_dilation=_pair(draw, 1, 2),
        feature_group_count=int(draw.integers(1, 3)),
        rngs=ONES,
        kernel_init=nnx.initializers.ones,
    )
    name = _hold(chain, place, layer)
    return lambda m, x: getattr(m, name)(x)


def transposed(chain: Chain, place: int, draw: np.random.Generator) -> Step:
    kernel, stride = _pair(draw, 2, 4), _pair(draw, 1, 2)
    layer = nnx.ConvTranspose(
        CHANNELS,
        CHANNELS,
        kernel,
        strides=stride,
        padding=("SAME", "VALID")[draw.integers(2)],
        rngs=ONES,
        kernel_init=nnx.initializers.ones,
    )
    name = _hold(chain, place, layer)
    return lambda m, x: getattr(m, name)(x)


def average(chain: Chain, place: int, draw: np.random.Generator) -> Step:
    kernel, stride, padding = _pair(draw, 1, 4), _pair(draw, 1, 2), ("SAME", "VALID")[draw.integers(2)]
    include = bool(draw.integers(2))
    return lambda m, x: nnx.avg_pool(x, kernel, stride, padding, count_include_pad=include)


def average_by_slices(chain: Chain, place: int, draw: np.random.Generator) -> Step:
    stride = int(draw.integers(1, 3))
    return lambda m, x: sum(x[:, i : -3 + i : stride, j : -3 + j : stride] for i in range(2) for j in range(3)) / 6


def resized(chain: Chain, place: int, draw: np.random.Generator) -> Step:
    kind, times = ("nearest", "bilinear")[draw.integers(2)], int(draw.integers(2, 4))

    def step(m: Any, x: jax.Array) -> jax.Array:
        n, height, width, channels = (x := x[:, : x.shape[1] // 2 * 2]).shape
        return jax.image.resize(x, (n, times * height // (times - 1), width, channels), kind)

    return step


def padded(chain: Chain, place: int, draw: np.random.Generator) -> Step:
    mode = ("constant", "reflect", "wrap")[draw.integers(3)]
    rows, columns = _pair(draw, 0, 3), _pair(draw, 0, 3)
    return lambda m, x: jnp.pad(x, ((0, 0), rows, columns, (0, 0)), mode=mode)


def cropped(chain: Chain, place: int, draw: np.random.Generator) -> Step:
    (top, left), step = _pair(draw, 0, 3), int(draw.integers(1, 3))
    return lambda m, x: x[:, top:-1:step, left:]


def repeated(chain: Chain, place: int, draw: np.random.Generator) -> Step:
    axis = int(draw.integers(1, 3))
    return lambda m, x: jnp.repeat(x, 2, axis=axis)


def residual(chain: Chain, place: int, draw: np.random.Generator) -> Step:
    kernel = 1 + 2 * int(draw.integers(0, 3))
    layer = nnx.Conv(CHANNELS, CHANNELS, (kernel, 3), rngs=ONES, kernel_init=nnx.initializers.ones)
    name = _hold(chain, place, layer)
    return lambda m, x: x + getattr(m, name)(x)


def beside(chain: Chain, place: int, draw: np.random.Generator) -> Step:
    layer = nnx.Conv(CHANNELS, 1, (5, 1), rngs=ONES, kernel_init=nnx.initializers.ones)
    name = _hold(chain, place, layer)
    return lambda m, x: jnp.concatenate([x[..., :1], getattr(m, name)(x)], axis=-1)


KINDS = (
    convolution,
    convolution,
    transposed,
    average,
    average_by_slices,
    resized,
    padded,
    cropped,
    repeated,
    residual,
    beside,
)
ONES = nnx.Rngs(0)


def reached(module: Chain, units: list[tuple[int, int]]) -> list[list[tuple[int, int]]]:
    """First and last pixel, along both axes, on which each unit's output depends."""

    @jax.jit
    def gradient(image: jax.Array, row: jax.Array, column: jax.Array) -> jax.Array:
        return jax.grad(lambda x: module(x)[0, row, column].sum())(image)[0].sum(-1)

    found = []
    for unit in units:
        places = np.nonzero(np.asarray(gradient(jnp.ones((1, SIDE, SIDE, CHANNELS)), *unit)))
        found.append([(int(axis.min()), int(axis.max())) for axis in places])
    return found


def check(module: Chain, tracer: Callable[..., Network]) -> int:
    """Compare two units in the middle; returns how many windows lay well inside the image."""
    net = tracer(module, (SIDE, SIDE), CHANNELS)
    size = sizes(net, (SIDE, SIDE))[net.output]
    assert size is not None
    compared, units = 0, [(size[0] // 2 + shift, size[1] // 2 + shift) for shift in (0, 1)]
    for unit, arrived in zip(units, reached(module, units), strict=True):
        for found, measured in zip(window(net, (SIDE, SIDE), net.output, unit), arrived, strict=True):
            if found is not None and found[0] >= SLACK and found[1] < SIDE - SLACK:
                assert found == measured, net.nodes
                compared += 1
    return compared


@pytest.mark.parametrize(
    "seed", [seed if seed < 3 else pytest.param(seed, marks=pytest.mark.slow) for seed in range(SEEDS)]
)
def test_a_traced_window_is_where_the_gradient_arrives(seed: int) -> None:
    assert check(Chain(seed), trace) > 0


@pytest.mark.slow
def test_a_tracer_that_ignores_dilation_or_strides_is_noticed() -> None:
    def faulty(module: Chain, size: tuple[int, int], channels: int) -> Network:
        net = trace(module, size, channels)
        nodes = [dataclasses.replace(node, dilation=(1, 1)) if isinstance(node, Conv) else node for node in net.nodes]
        nodes = [dataclasses.replace(node, kernel=(1, 1)) if isinstance(node, Pool) else node for node in nodes]
        return dataclasses.replace(net, nodes=tuple(nodes))

    noticed = 0
    for seed in range(6):
        try:
            check(Chain(seed), faulty)
        except (AssertionError, ValueError, IndexError):
            noticed += 1
    assert noticed >= 3
