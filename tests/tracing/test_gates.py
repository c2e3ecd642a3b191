"""The receptive field behind a gate is the largest window of the module's own gradient, also where some is unread."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from cnnlab.geometry import fields as geometry
from cnnlab.geometry.fields import fields
from cnnlab.tracing import trace

SIDE = 12
Forward = Callable[[Any, jax.Array], jax.Array]


class Gated(nnx.Module):
    """A convolution, then whatever a case does with it; weights are positive, so that no gradient cancels."""

    def __init__(self, forward: Forward) -> None:
        rngs, ones = nnx.Rngs(0), nnx.initializers.ones
        self.first = nnx.Conv(1, 2, (3, 3), rngs=rngs, kernel_init=ones)
        self.last = nnx.Conv(2, 2, (3, 3), rngs=rngs, kernel_init=ones)
        self.forward = nnx.static(forward)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.forward(self, x)


def gate(x: jax.Array) -> jax.Array:
    return nnx.sigmoid(x.mean((1, 2), keepdims=True) / 9)


def of_a_crop(m: Gated, x: jax.Array) -> jax.Array:
    x = m.first(x[:, 2:-3, 1:-1])
    return m.last(x * gate(x))


def from_a_crop_onto_the_map(m: Gated, x: jax.Array) -> jax.Array:
    return m.first(x) * gate(m.first(x[:, 4:-3, 5:-1]))


def from_a_crop_and_one_convolution_more(m: Gated, x: jax.Array) -> jax.Array:
    return m.last(m.first(x) * gate(x[:, 4:-3, 5:-1]))


def of_windows_that_leave_pixels_out(m: Gated, x: jax.Array) -> jax.Array:
    x = nnx.avg_pool(m.first(x), (3, 2), strides=(4, 6))
    return x * gate(x)


def of_a_map_rolled_round(m: Gated, x: jax.Array) -> jax.Array:
    x = jnp.roll(x, (3, -2), (1, 2))
    return m.last(m.first(x) * gate(x))


def of_all(m: Gated, x: jax.Array) -> jax.Array:
    x = m.first(x)
    return m.last(x * gate(x))


CASES: dict[str, tuple[Forward, tuple[int, int]]] = {
    "a crop": (of_a_crop, (7, 10)),
    "a crop, onto the map": (from_a_crop_onto_the_map, (9, 11)),
    "a crop, one convolution more": (from_a_crop_and_one_convolution_more, (9, 11)),
    "windows that leave pixels out": (of_windows_that_leave_pixels_out, (12, 9)),
    "a rolled map": (of_a_map_rolled_round, (12, 12)),
    "all": (of_all, (12, 12)),
}


def by_gradient(module: Gated) -> tuple[int, int]:
    """The largest window of any unit, (height, width)."""
    graph, state = nnx.split(module)

    def total(image: jax.Array) -> jax.Array:
        return nnx.merge(graph, state)(image[None])[0].sum(-1)

    image = jax.random.uniform(jax.random.key(0), (SIDE, SIDE, 1), minval=0.5)
    reached = np.asarray(jax.jit(jax.jacrev(total))(image))[..., 0] != 0
    ends = [[np.flatnonzero(unit.any(axis)) for unit in reached.reshape(-1, SIDE, SIDE)] for axis in (1, 0)]
    height, width = (max(int(found[-1] - found[0]) + 1 for found in side) for side in ends)
    return height, width


@pytest.mark.parametrize("name", CASES)
def test_the_field_behind_a_gate_is_the_largest_window_of_the_gradient(name: str) -> None:
    forward, expected = CASES[name]
    module = Gated(forward)
    found = trace(module, (SIDE, SIDE), 1)
    assert by_gradient(module) == expected
    assert fields(found, found.size)[found.output].rf == expected


def test_a_gate_that_counted_the_whole_image_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin."""
    monkeypatch.setattr(geometry, "_common", lambda one, other: (0, SIDE - 1))
    found = trace(Gated(of_a_crop), (SIDE, SIDE), 1)
    assert fields(found, found.size)[found.output].rf != CASES["a crop"][1]


def test_one_pixel_brought_back_to_a_map_is_no_misaligned_path() -> None:
    """A gate of one window: it moves with no unit, so that there is nothing to be aligned."""

    def forward(m: Gated, x: jax.Array) -> jax.Array:
        one = m.first(x[:, 4:7, 4:7])[:, 1:2, 1:2]
        return x * nnx.sigmoid(jnp.repeat(jnp.repeat(one, SIDE, 1), SIDE, 2) / 9)

    module = Gated(forward)
    found = trace(module, (SIDE, SIDE), 1)
    assert fields(found, found.size)[found.output].rf == by_gradient(module) == (8, 8)
