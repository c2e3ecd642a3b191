"""Convolutions and pools in float64: values and gradients against NumPy, tap by tap of the window."""

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array, lax
from numpy.typing import NDArray

from cnnlab.spec.network import Conv, Node, Padding, Pool
from cnnlab.zoo import operations
from cnnlab.zoo.operations import operate

TOLERANCE = 1e-10
QUICKLY_COMPILED = {"xla_backend_optimization_level": 0}
SIZES, STRIDES, CHANNELS, FILTERS = (7, 8), (1, 2, 3), 4, 6
PADDINGS: dict[str, Padding] = {"same": "same", "valid": "valid", "uneven": ((1, 0), (0, 1))}

Values = NDArray[np.float64]
Layer = Callable[[Node, Any, Array], Array]
Oracle = Callable[[Node, Values, Values], tuple[Values, Values, Values]]
Case = tuple[Node, Values, Values]
"""A layer, the image it reads, and the kernel it has (one number, unread, for a pool)."""


def convolutions(kernel: int) -> Iterator[Case]:
    """Every stride, padding, number of groups and size, of one kernel size."""
    draw = np.random.default_rng(kernel)
    for stride, padding, groups, size in itertools.product(STRIDES, PADDINGS.values(), (1, 2), SIZES):
        node = Conv(
            name="c", filters=FILTERS, kernel=(kernel, kernel), stride=(stride, stride), padding=padding, groups=groups
        )
        weight = draw.normal(size=(kernel, kernel, CHANNELS // groups, FILTERS))
        yield node, draw.normal(size=(2, size, size, CHANNELS)), weight


def pools(kernel: int) -> Iterator[Case]:
    """The same of pools; no two pixels tie."""
    draw = np.random.default_rng(kernel)
    for kind, stride, padding, size in itertools.product(("max", "avg"), STRIDES, PADDINGS.values(), SIZES):
        node = Pool(name="p", kind=kind, kernel=(kernel, kernel), stride=(stride, stride), padding=padding)  # type: ignore[arg-type]
        yield node, draw.normal(size=(2, size, size, CHANNELS)), np.zeros(1)


def pads(node: Any, size: int) -> list[tuple[int, int]]:
    """Low and high padding of both axes; `same` is out = ceil(in / stride), the odd pixel at the end."""
    if node.padding == "valid":
        return [(0, 0), (0, 0)]
    if node.padding != "same":
        return list(node.padding)
    total = max((-(-size // node.stride[0]) - 1) * node.stride[0] + node.kernel[0] - size, 0)
    return [(total // 2, total - total // 2)] * 2


def taps(node: Any, shape: tuple[int, ...]) -> list[tuple[int, int, tuple[slice, ...]]]:
    """Row and column of each tap of the window, and the slices of the padded image that it sees, place by place."""
    low_high = pads(node, shape[1])
    places = [(shape[axis] + sum(low_high[axis - 1]) - node.kernel[0]) // node.stride[0] + 1 for axis in (1, 2)]
    reach = [(count - 1) * node.stride[0] + 1 for count in places]
    return [
        (i, j, (slice(None), slice(i, i + reach[0], node.stride[0]), slice(j, j + reach[1], node.stride[0])))
        for i, j in itertools.product(range(node.kernel[0]), range(node.kernel[1]))
    ]


def padded(node: Any, x: Values, value: float = 0.0) -> Values:
    return np.pad(x, ((0, 0), *pads(node, x.shape[1]), (0, 0)), constant_values=value)


def cropped(node: Any, x: Values, grown: Values) -> Values:
    (top, _), (left, _) = pads(node, x.shape[1])
    return grown[:, top : top + x.shape[1], left : left + x.shape[2]]


def sum_over_taps(node: Any, kernel: Values, x: Values) -> tuple[Values, Values, Values]:
    """The slow oracle of a convolution: a product a tap and group. Value, and the gradients of <value, cosine>."""
    image, reads, makes = padded(node, x), CHANNELS // node.groups, FILTERS // node.groups
    every = taps(node, x.shape)
    value = np.zeros((*image[every[0][2]].shape[:3], FILTERS))
    for (i, j, seen), group in itertools.product(every, range(node.groups)):
        ins, outs = slice(group * reads, (group + 1) * reads), slice(group * makes, (group + 1) * makes)
        value[..., outs] += image[seen][..., ins] @ kernel[i, j, :, outs]
    sent, to_image, to_kernel = cosine(value), np.zeros_like(image), np.zeros_like(kernel)
    for (i, j, seen), group in itertools.product(every, range(node.groups)):
        ins, outs = slice(group * reads, (group + 1) * reads), slice(group * makes, (group + 1) * makes)
        to_kernel[i, j, :, outs] = np.einsum("bhwi,bhwo->io", image[seen][..., ins], sent[..., outs])
        to_image[(*seen, ins)] += sent[..., outs] @ kernel[i, j, :, outs].T
    return value, cropped(node, x, to_image), to_kernel


def windows(node: Any, kernel: Values, x: Values) -> tuple[Values, Values, Values]:
    """The slow oracle of a pool: the taps stacked, then folded; the gradient goes to the one that won, or to all."""
    image = padded(node, x, -np.inf if node.kind == "max" else 0.0)
    every = taps(node, x.shape)
    stacked = np.stack([image[seen] for _, _, seen in every])
    value = stacked.max(0) if node.kind == "max" else stacked.mean(0)
    share = stacked == value if node.kind == "max" else np.full(stacked.shape, 1 / len(every))
    to_image = np.zeros_like(image)
    for (_, _, seen), own in zip(every, share, strict=True):
        to_image[seen] += own * cosine(value)
    return value, cropped(node, x, to_image), np.zeros_like(kernel)


def cosine(value: Values) -> Values:
    """What is sent back: never constant, so that no pixel's gradient is another's."""
    return np.cos(np.arange(value.size, dtype=np.float64)).reshape(value.shape)


def worst(cases: Sequence[Case], layer: Layer, oracle: Oracle) -> float:
    """Largest difference of values and of both gradients from the oracle over all cases; nan for another shape."""

    def seen() -> list[tuple[Array, ...]]:
        found = []
        for node, x, weight in cases:

            def apply(x: Array, weight: Array, node: Node = node) -> Array:
                return layer(node, SimpleNamespace(kernel=weight, bias=None), x)

            value, pull = jax.vjp(apply, jnp.asarray(x), jnp.asarray(weight))
            found.append((value, *pull(jnp.asarray(cosine(value)))))
        return found

    with jax.enable_x64(True):
        ours = jax.device_get(jax.jit(seen, compiler_options=QUICKLY_COMPILED)())
    apart = 0.0
    for (node, x, weight), found in zip(cases, ours, strict=True):
        for one, other in zip(found, oracle(node, weight, x), strict=True):
            assert one.dtype == np.float64
            if one.shape != other.shape:
                return float("nan")
            apart = max(apart, float(np.abs(one - other).max()))
    return apart


@pytest.mark.slow
@pytest.mark.parametrize("as_product", [False, True])
@pytest.mark.parametrize("kernel", [1, 2, 3, 5])
def test_a_convolution_and_its_gradients_are_sums_over_taps(
    kernel: int, as_product: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if as_product:
        monkeypatch.setattr(operations, "quicker_as_product", lambda *_: True)
    assert worst(list(convolutions(kernel)), operate, sum_over_taps) < TOLERANCE


@pytest.mark.parametrize("kernel", [2, 3])
def test_a_pool_and_its_gradient_are_folds_over_taps(kernel: int) -> None:
    assert worst(list(pools(kernel)), operate, windows) < TOLERANCE


def single_precision(node: Node, weights: Any, x: Array) -> Array:
    """Planted fault: the layer is computed in float32."""
    narrow = SimpleNamespace(kernel=weights.kernel.astype(jnp.float32), bias=None)
    return operate(node, narrow, x.astype(jnp.float32)).astype(x.dtype)


def groups_swapped(node: Any, weights: Any, x: Array) -> Array:
    """Planted fault: each group reads the other's channels."""
    return operate(node, weights, jnp.roll(x, CHANNELS // 2, -1) if node.groups == 2 else x)


def stopped_tap(node: Node, weights: Any, x: Array) -> Array:
    """Planted fault: right values, but no gradient through one tap of the kernel."""
    kept = jnp.ones(weights.kernel.shape).at[0, 0].set(0)
    kernel = kept * weights.kernel + (1 - kept) * lax.stop_gradient(weights.kernel)
    return operate(node, SimpleNamespace(kernel=kernel, bias=None), x)


def odd_pixel_first(node: Any, weights: Any, x: Array) -> Array:
    """Planted fault: the odd pixel of `same` at the top and left."""
    if node.padding == "same":
        (low, high), _ = pads(node, x.shape[1])
        node = dataclasses.replace(node, padding=((high, low), (high, low)))
    return operate(node, weights, x)


def zeros_in_a_maximum(node: Any, weights: Any, x: Array) -> Array:
    """Planted fault: padding counts as pixels of value 0 for a maximum too."""
    x = jnp.pad(x, ((0, 0), *pads(node, x.shape[1]), (0, 0)))
    return operate(dataclasses.replace(node, padding="valid"), weights, x)


def close_by(cases: Iterator[Case]) -> list[Case]:
    """Those of stride 1, where faults are looked for."""
    return [case for case in cases if case[0].stride == (1, 1)]  # type: ignore[attr-defined]


@pytest.mark.parametrize("fault", [single_precision, groups_swapped, stopped_tap, odd_pixel_first])
def test_a_faulty_convolution_is_found(fault: Layer) -> None:
    assert not worst(close_by(convolutions(2)), fault, sum_over_taps) < TOLERANCE


@pytest.mark.parametrize("fault", [single_precision, odd_pixel_first, zeros_in_a_maximum])
def test_a_faulty_pool_is_found(fault: Layer) -> None:
    assert not worst(close_by(pools(2)), fault, windows) < TOLERANCE
