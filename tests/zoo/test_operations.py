"""What layers compute: hand-worked numbers, a slow oracle, and where even kernels move a picture."""

import dataclasses
import functools
import itertools
from collections.abc import Callable
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.typing import NDArray

from cnnlab.spec.invalid import InvalidError
from cnnlab.spec.network import (
    Activation,
    Blur,
    Concat,
    Conv,
    Dense,
    DepthToSpace,
    Elementwise,
    Flatten,
    GlobalAveragePool,
    GroupPad,
    Node,
    Pad,
    Pool,
    Resize,
    SpaceToDepth,
    TransposedConv,
)
from cnnlab.zoo import operations
from cnnlab.zoo.activations import activation
from cnnlab.zoo.operations import operate

Map = NDArray[np.float32]


def run(node: Node, *maps: object, weights: object = None) -> Map:
    """One layer on one-channel maps given as rows of numbers."""
    inputs = [jnp.asarray(rows, jnp.float32)[None, :, :, None] for rows in maps]
    return np.asarray(operate(node, weights, *inputs))[0, :, :, 0]


def weights(kernel: object, bias: object = None) -> SimpleNamespace:
    return SimpleNamespace(
        kernel=jnp.asarray(kernel, jnp.float32), bias=None if bias is None else jnp.asarray(bias, jnp.float32)
    )


NINE = [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
SIXTEEN = np.arange(16).reshape(4, 4)


def test_a_convolution_by_hand():
    kernel = np.array([[1, 0], [0, -2]])[:, :, None, None]
    node = Conv(name="c", filters=1, kernel=(2, 2), padding="valid")
    # 1 - 2*5, 2 - 2*6, 4 - 2*8, 5 - 2*9, each plus a bias of 10: the kernel is not flipped
    assert run(node, NINE, weights=weights(kernel, [10])).tolist() == [[1, 0], [-2, -3]]
    same = Conv(name="c", filters=1, kernel=(2, 2))
    assert run(same, NINE, weights=weights(kernel)).tolist() == [[-9, -10, 3], [-12, -13, 6], [7, 8, 9]]
    dilated = Conv(name="c", filters=1, kernel=(2, 2), padding="valid", dilation=(2, 2))
    assert run(dilated, NINE, weights=weights(kernel)).tolist() == [[1 - 18]]


def test_a_grouped_convolution_reads_only_its_group():
    node = Conv(name="c", filters=2, kernel=(1, 1), groups=2)
    pixel = jnp.array([[[[3.0, 5.0]]]])
    assert operate(node, weights([[[[10, 100]]]]), pixel).tolist() == [[[[30, 500]]]]


def test_pools_by_hand_drop_the_odd_row():
    def pool(kind: Any, size: int, stride: int, padding: Any = "valid") -> Pool:
        return Pool(name="p", kind=kind, kernel=(size, size), stride=(stride, stride), padding=padding)

    assert run(pool("max", 2, 2), NINE).tolist() == [[5]]
    assert run(pool("avg", 2, 2), NINE).tolist() == [[3]]
    assert run(pool("max", 2, 2), SIXTEEN).tolist() == [[5, 7], [13, 15]]
    assert run(pool("max", 3, 2, "same"), SIXTEEN).tolist() == [[10, 11], [14, 15]]
    assert run(pool("max", 2, 1), -np.array(NINE)).tolist() == [[-1, -2], [-4, -5]]
    # padding is no pixel for a maximum, and a pixel of value 0 for an average
    assert run(pool("max", 2, 2, "same"), -np.array(NINE)).tolist() == [[-1, -3], [-7, -9]]
    assert run(pool("avg", 2, 2, "same"), NINE).tolist() == [[3, 2.25], [3.75, 2.25]]


def test_a_pool_shares_its_gradient_among_ties_and_relu_stops_it_at_zero():
    pool = Pool(name="p", kind="max", kernel=(2, 2), stride=(2, 2))

    def gradient(rows: list[list[float]], before: Callable[[Any], Any] = lambda x: x) -> list[Any]:
        def total(x: jax.Array) -> jax.Array:
            return operate(pool, None, before(x)[None, :, :, None]).sum()

        found: list[Any] = jax.grad(total)(jnp.array(rows, jnp.float32)).tolist()
        return found

    assert gradient([[1, 2], [3, 0]]) == [[0, 0], [1, 0]]
    assert gradient([[5, 5], [5, 5]]) == [[0.25, 0.25], [0.25, 0.25]]
    assert gradient([[5, 0], [0, 5]]) == [[0.5, 0], [0, 0.5]]
    assert gradient([[-1, 0], [0, -2]], activation("relu")) == [[0, 0], [0, 0]]
    assert gradient([[-1, 0], [0, -2]], lambda x: jnp.maximum(x, 0)) != [[0, 0], [0, 0]]


def test_blur_by_hand():
    node = Blur(name="b", kernel=(3, 3), stride=(2, 2), padding="valid")
    impulse = np.zeros((5, 5))
    impulse[2, 2] = 16
    assert run(node, impulse).tolist() == [[1, 1], [1, 1]]
    assert run(Blur(name="b", kernel=(3, 3), stride=(1, 1), padding="same"), impulse)[1:4, 1:4].tolist() == [
        [1, 2, 1],
        [2, 4, 2],
        [1, 2, 1],
    ]
    assert run(Blur(name="b", kernel=(1, 3), stride=(1, 1), padding="valid"), [[1, 2, 9]]).tolist() == [[3.5]]


def test_space_to_depth_by_hand():
    x = jnp.arange(32.0).reshape(1, 4, 4, 2)
    made = operate(SpaceToDepth(name="s", block=2), None, x)
    assert made.shape == (1, 2, 2, 8)
    # row in the block, column in the block, channel
    assert made[0, 0, 0].tolist() == [0, 1, 2, 3, 8, 9, 10, 11]
    assert made[0, 1, 0].tolist() == [16, 17, 18, 19, 24, 25, 26, 27]


def test_depth_to_space_by_hand():
    x = jnp.arange(16.0).reshape(1, 1, 2, 8)
    made = operate(DepthToSpace(name="d", block=2), None, x)
    assert made.shape == (1, 2, 4, 2)
    # row in the block, column in the block, channel
    assert made[0, 0].tolist() == [[0, 1], [2, 3], [8, 9], [10, 11]]
    assert made[0, 1].tolist() == [[4, 5], [6, 7], [12, 13], [14, 15]]


def lays_blocks(layer: Callable[..., jax.Array]) -> bool:
    """Whether a layer lays blocks as NumPy does pixel by pixel, undoes SpaceToDepth, and as its gradient in JAX."""
    draw = np.random.default_rng(5)
    for block, channels in itertools.product((1, 2, 3), (1, 2)):
        x = draw.normal(size=(2, 3, 4, block**2 * channels)).astype(np.float32)
        expected = np.zeros((2, 3 * block, 4 * block, channels), np.float32)
        for n, row, column, channel in np.ndindex(expected.shape):
            phase = row % block * block + column % block
            expected[n, row, column, channel] = x[n, row // block, column // block, phase * channels + channel]
        made = layer(DepthToSpace(name="d", block=block), None, jnp.asarray(x))
        if made.shape != expected.shape or not np.array_equal(made, expected):
            return False
        squeeze = functools.partial(operate, SpaceToDepth(name="s", block=block), None)
        # what only moves numbers has its reverse as gradient
        (pulled,) = jax.vjp(squeeze, jnp.zeros(expected.shape))[1](jnp.asarray(x))
        if not (np.array_equal(squeeze(made), x) and np.array_equal(pulled, expected)):
            return False
    return True


def channel_first(node: DepthToSpace, learned: None, x: jax.Array) -> jax.Array:
    """Planted fault: the order of PyTorch's `pixel_shuffle`."""
    batch, height, width, channels = x.shape
    b, left = node.block, channels // node.block**2
    x = x.reshape(batch, height, width, left, b, b).transpose(0, 1, 4, 2, 5, 3)
    return x.reshape(batch, height * b, width * b, left)


def turned(node: DepthToSpace, learned: None, x: jax.Array) -> jax.Array:
    """Planted fault: rows and columns of a block swapped."""
    return operate(node, learned, x.swapaxes(1, 2)).swapaxes(1, 2)


@pytest.mark.slow
def test_depth_to_space_is_that_of_numpy_and_the_gradient_of_its_reverse():
    assert lays_blocks(operate)
    assert not lays_blocks(channel_first)
    assert not lays_blocks(turned)


def test_a_sub_pixel_convolution_is_a_transposed_one_with_its_taps_dealt_out():
    # Shi 2016: kernel 2k, stride 2 of a transposed convolution = kernel k, four phases, of a sub-pixel one
    draw = np.random.default_rng(6)
    x = jnp.asarray(draw.normal(size=(1, 5, 6, 3)), jnp.float32)
    taps = draw.normal(size=(4, 4, 3, 2)).astype(np.float32)
    up = TransposedConv(name="t", filters=2, kernel=(4, 4), stride=(2, 2), padding="valid")
    dealt = np.zeros((2, 2, 3, 4, 2), np.float32)
    for row, column in np.ndindex(2, 2):
        # output 2 * i + row reads input i with tap `row` and input i - 1 with tap row + 2
        dealt[..., 2 * row + column, :] = taps[row::2, column::2][::-1, ::-1]
    sub = Conv(name="c", filters=8, kernel=(2, 2), padding=((1, 1), (1, 1)))
    narrow = operate(sub, weights(dealt.reshape(2, 2, 3, 8)), x)
    made = operate(DepthToSpace(name="d", block=2), None, narrow)
    np.testing.assert_allclose(made, operate(up, weights(taps), x), atol=1e-5)


def test_pads_by_hand():
    sides = ((1, 0), (0, 2))
    assert run(Pad(name="p", padding=sides), NINE)[:2].tolist() == [[0] * 5, [1, 2, 3, 0, 0]]
    assert run(Pad(name="p", padding=sides, mode="reflect"), NINE)[0].tolist() == [4, 5, 6, 5, 4]
    assert run(Pad(name="p", padding=sides, mode="circular"), NINE)[0].tolist() == [7, 8, 9, 7, 8]
    assert run(Pad(name="p", padding=((0, -1), (-1, 0))), NINE).tolist() == [[2, 3], [5, 6]]


@pytest.mark.parametrize(
    ("channels", "corners"), [(4, [0, 1, 2, 3]), (6, [0, 0, 1, 1, 2, 3]), (1, [0]), (3, [0, 1, 2])]
)
def test_group_pad_by_hand(channels: int, corners: list[int]):
    made = operate(GroupPad(name="g", total=(1, 3)), None, jnp.ones((1, 1, 1, channels)))
    assert made.shape == (1, 2, 4, channels)
    # the larger share at top left, top right, bottom left, bottom right; of 3 columns it is 2, of 1 row 1
    places = [(1, 2), (1, 1), (0, 2), (0, 1)]
    for channel, corner in enumerate(corners):
        assert np.argwhere(made[0, :, :, channel]).tolist() == [list(places[corner])]


def test_heads_and_concat():
    x = jnp.arange(8.0).reshape(1, 2, 2, 2)
    assert operate(GlobalAveragePool(name="g"), None, x).tolist() == [[3, 4]]
    assert operate(Flatten(name="f"), None, x).tolist() == [list(range(8))]
    assert operate(Concat(name="c"), None, x, x).shape == (1, 2, 2, 4)
    assert operate(Dense(name="d", units=1), weights([[1], [10]], [100]), jnp.array([[1.0, 2.0]])).tolist() == [[121]]


def test_activations_by_hand():
    x = jnp.array([-2.0, 0.0, 1.0])
    by_hand = {
        "relu": [0, 0, 1],
        "relu_half": [0, 0, 1],
        "relu_one": [0, 0, 1],
        "leaky_relu": [-0.02, 0, 1],
        "identity": [-2, 0, 1],
        "tanh": np.tanh([-2, 0, 1]),
        "scaled_tanh": 1.7159 * np.tanh(np.array([-4, 0, 2]) / 3),
        "sigmoid": 1 / (1 + np.exp([2, 0, -1])),
        "gelu": [-2 * 0.02275013, 0, 0.84134475],
    }
    for kind, values in by_hand.items():
        np.testing.assert_allclose(activation(kind)(x), values, rtol=1e-5, err_msg=kind)
    slopes = {kind: float(jax.grad(activation(kind))(0.0)) for kind in ("relu", "relu_half", "relu_one")}
    assert slopes == {"relu": 0.0, "relu_half": 0.5, "relu_one": 1.0}
    with pytest.raises(
        InvalidError, match="choose one of relu, relu_half, relu_one, leaky_relu, tanh, scaled_tanh, sigm"
    ):
        operate(Activation(name="a", kind="swish"), None, x)


class Scramble(Node):
    """A layer of a user's own."""


def test_a_layer_the_zoo_cannot_run_is_refused():
    with pytest.raises(
        InvalidError, match=r"network\.mine=Scramble is not valid: choose a kind of layer that the zoo runs"
    ):
        operate(Scramble(name="mine"), None, jnp.ones((1, 2, 2, 1)))


def test_other_elementwise_layers_pass_on_or_activate_and_unknown_ones_are_refused():
    x = jnp.array([[[[-1.0], [2.0]]]])
    for kind, values in {"dropout": [-1, 2], "identity": [-1, 2], "relu": [0, 2]}.items():
        assert operate(Elementwise(name="e", kind=kind), None, x).ravel().tolist() == values
    with pytest.raises(InvalidError, match=r"network\.e\.kind=hswish is not valid: choose one of relu, .*, dropout"):
        operate(Elementwise(name="e", kind="hswish"), None, x)


# ---- transposed convolutions ----


def test_a_transposed_convolution_paints_its_kernel_by_hand():
    kernel = np.array([[1, 2, 3]])[:, :, None, None]

    def painted(padding: Any, stride: int = 2) -> list[float]:
        node = TransposedConv(name="t", filters=1, kernel=(1, 3), stride=(1, stride), padding=padding)
        row: list[float] = run(node, [[1, 10]], weights=weights(kernel))[0].tolist()
        return row

    assert painted("valid") == [1, 2, 13, 20, 30]
    # kernel - stride = 1 pixel too many: the odd one goes at the right
    assert painted("same") == [1, 2, 13, 20]
    assert painted(((0, 0), (1, 0))) == [2, 13, 20, 30]
    # a stride wider than the kernel leaves gaps, which SAME fills up to in * stride
    assert painted("valid", 4) == [1, 2, 3, 0, 10, 20, 30]
    assert painted("same", 4) == [1, 2, 3, 0, 10, 20, 30, 0]
    biased = TransposedConv(name="t", filters=1, kernel=(1, 3), stride=(1, 4))
    assert run(biased, [[1]], weights=weights(kernel, [5])).tolist() == [[6, 7, 8, 5]]


TRANSPOSED = list(itertools.product((1, 3, 4), (1, 2, 4), ("valid", "same", ((1, 0), (0, 1)))))


def is_the_gradient_of_a_convolution(layer: Callable[..., jax.Array]) -> bool:
    """Whether the transposed convolution is the gradient of a convolution with respect to its input, by JAX."""
    draw = np.random.default_rng(3)
    for size, stride, padding in TRANSPOSED:
        weight = draw.normal(size=(size, size, 2, 3)).astype(np.float32)
        up = TransposedConv(name="t", filters=3, kernel=(size, size), stride=(stride, stride), padding=padding)
        x = jnp.asarray(draw.normal(size=(1, 4, 4, 2)), jnp.float32)
        made = layer(up, weights(weight), x)
        spare = size - stride
        same = ((max(spare, 0) // 2, spare - max(spare, 0) // 2),) * 2
        pads = {"valid": ((0, 0), (0, 0)), "same": same}[padding] if isinstance(padding, str) else padding
        down = Conv(name="c", filters=2, kernel=up.kernel, stride=up.stride, padding=pads)
        _, pull = jax.vjp(lambda y, down=down, w=weight: operate(down, weights(w.transpose(0, 1, 3, 2)), y), made)
        (expected,) = pull(x)
        if made.shape != expected.shape or not np.allclose(made, expected, atol=1e-4):
            return False
    return True


def unflipped(node: TransposedConv, learned: Any, x: jax.Array) -> jax.Array:
    """Planted fault: the kernel as `lax.conv_transpose` lays it."""
    return operate(node, weights(learned.kernel[::-1, ::-1]), x)


def odd_pixel_first(node: TransposedConv, learned: Any, x: jax.Array) -> jax.Array:
    """Planted fault: the odd pixel that SAME crops goes at the top and left."""
    spare = node.kernel[0] - node.stride[0]
    if node.padding == "same" and spare > 0:
        node = dataclasses.replace(node, padding=((spare - spare // 2, spare // 2),) * 2)
    return operate(node, learned, x)


@pytest.mark.slow
def test_a_transposed_convolution_is_the_gradient_of_a_convolution():
    assert is_the_gradient_of_a_convolution(operate)


@pytest.mark.parametrize("fault", [unflipped, odd_pixel_first])
def test_the_gradient_check_sees_a_planted_fault(fault: Callable[..., jax.Array]):
    assert not is_the_gradient_of_a_convolution(fault)


# ---- interpolation ----


def test_interpolation_by_hand():
    def resized(kind: Any, scale: Fraction) -> list[float]:
        row: list[float] = run(Resize(name="r", kind=kind, scale=(Fraction(1), scale)), [[0, 4, 8]])[0].tolist()
        return row

    assert resized("nearest", Fraction(2)) == [0, 0, 4, 4, 8, 8]
    assert resized("bilinear", Fraction(2)) == [0, 1, 3, 5, 7, 8]
    # floor(3 * 2/3) pixels at 1/4 and 7/4; floor(3 / 2) pixels at 1/2
    assert resized("bilinear", Fraction(2, 3)) == [1, 7]
    assert resized("nearest", Fraction(2, 3)) == [0, 8]
    assert resized("bilinear", Fraction(1, 2)) == [2]
    assert resized("nearest", Fraction(1, 2)) == [4]


def interpolates_like_jax(layer: Callable[..., jax.Array]) -> bool:
    x = jax.random.normal(jax.random.key(0), (2, 6, 12, 3))
    for kind, scale in itertools.product(
        ("nearest", "bilinear"), (2, 3, Fraction(3, 2), Fraction(1, 2), Fraction(2, 3))
    ):
        node = Resize(name="r", scale=(Fraction(scale), Fraction(scale)), kind=kind)  # type: ignore[arg-type]
        expected = jax.image.resize(x, (2, int(6 * scale), int(12 * scale), 3), kind, antialias=False)
        made = layer(node, None, x)
        if made.shape != expected.shape or not np.allclose(made, expected, atol=1e-5):
            return False
    return True


def corner_aligned(node: Resize, learned: None, x: jax.Array) -> jax.Array:
    """Planted fault: the first and last pixel stay where they are."""
    for axis, scale in ((1, node.scale[0]), (2, node.scale[1])):
        length = int(x.shape[axis] * scale)
        place = jnp.linspace(0, x.shape[axis] - 1, length)
        left = jnp.floor(place).astype(int).clip(0, x.shape[axis] - 2)
        share = (place - left).reshape([-1 if a == axis else 1 for a in range(4)])
        x = jnp.take(x, left, axis) * (1 - share) + jnp.take(x, left + 1, axis) * share
    return x


@pytest.mark.slow
def test_interpolation_is_that_of_jax_and_its_gradient_scatters_nothing():
    assert interpolates_like_jax(operate)
    assert not interpolates_like_jax(corner_aligned)
    node = Resize(name="r", scale=(Fraction(2), Fraction(2)), kind="nearest")
    gradient = jax.grad(lambda x: operate(node, None, x).sum())
    assert "scatter" not in str(jax.make_jaxpr(gradient)(jnp.ones((1, 3, 3, 1))))


# ---- convolutions against a slow oracle ----

MODES = ("same", "valid", "full", "low2_high0", "reflect", "circular", "symmetric")


def layers(mode: str, kernel: int, stride: int) -> tuple[list[Node], list[tuple[int, int, str]]]:
    """The layers of one case, and for the oracle (low, high, numpy mode) of each of the two channels' axes."""
    total = kernel - 1
    square = {"filters": 3, "kernel": (kernel, kernel), "stride": (stride, stride)}
    if mode == "full":
        return [Conv(name="c", padding=((total, total),) * 2, **square)], [(total, total, "constant")] * 4
    if mode == "low2_high0":
        return [Conv(name="c", padding=((2, 0),) * 2, **square)], [(2, 0, "constant")] * 4
    valid = Conv(name="c", padding="valid", **square)
    if mode in ("reflect", "circular"):
        sides = (total // 2, total - total // 2)
        pad = Pad(name="p", padding=(sides, sides), mode=mode)  # type: ignore[arg-type]
        return [pad, valid], [(*sides, "wrap" if mode == "circular" else "reflect")] * 4
    if mode == "symmetric":
        low, high = total - total // 2, total // 2
        # two channels: the first to the top left, the second to the top right
        rows = [(low, high, "constant")] * 2
        return [GroupPad(name="p", total=(total, total)), valid], [rows[0], rows[0], rows[1], (high, low, "constant")]
    return [valid], [(0, 0, "constant")] * 4


def oracle(x: Map, kernel: Map, stride: int, pads: list[tuple[int, int, str]]) -> Map:
    """Cross-correlation by loops: x (height, width, 2), kernel (k, k, 2, filters), pads of each channel's two axes."""
    padded = [
        np.pad(x[:, :, c], [pads[2 * c][:2], pads[2 * c + 1][:2]], mode=pads[2 * c][2])  # type: ignore[call-overload]
        for c in range(2)
    ]
    size = kernel.shape[0]
    places = range(0, padded[0].shape[0] - size + 1, stride)
    made = np.zeros((len(places), len(places), kernel.shape[-1]), np.float32)
    for (row, top), (column, left), c in itertools.product(enumerate(places), enumerate(places), range(2)):
        window = padded[c][top : top + size, left : left + size]
        made[row, column] += np.tensordot(window, kernel[:, :, c], 2)
    return made


def same_pads(length: int, kernel: int, stride: int) -> list[tuple[int, int, str]]:
    """JAX's rule: out = ceil(in / stride), the odd pixel at the bottom and right."""
    total = max((int(np.ceil(length / stride)) - 1) * stride + kernel - length, 0)
    return [(total // 2, total - total // 2, "constant")] * 4


def worst_error(kernel: int, layer: Callable[..., jax.Array] = operate) -> float:
    """Largest difference from the oracle over strides, paddings and sizes of one kernel size; nan for another shape."""
    draw = np.random.default_rng(kernel)
    weight = draw.normal(size=(kernel, kernel, 2, 3)).astype(np.float32)
    cases = list(itertools.product((1, 2, 3), MODES, (7, 8)))
    maps = {size: draw.normal(size=(size, size, 2)).astype(np.float32) for size in (7, 8)}

    def all_cases() -> list[jax.Array]:
        made = []
        for stride, mode, size in cases:
            nodes, _ = layers(mode, kernel, stride)
            if mode == "same":
                nodes = [Conv(name="c", filters=3, kernel=(kernel, kernel), stride=(stride, stride))]
            x = jnp.asarray(maps[size])[None]
            for node in nodes:
                x = layer(node, weights(weight) if isinstance(node, Conv) else None, x)
            made.append(x[0])
        return made

    found = jax.jit(all_cases, compiler_options={"xla_backend_optimization_level": 0})()
    worst = 0.0
    for (stride, mode, size), value in zip(cases, found, strict=True):
        pads = same_pads(size, kernel, stride) if mode == "same" else layers(mode, kernel, stride)[1]
        expected = oracle(maps[size], weight, stride, pads)
        if value.shape != expected.shape:
            return float("nan")
        worst = max(worst, float(np.abs(value - expected).max()))
    return worst


@pytest.mark.parametrize("as_product", [False, True])
@pytest.mark.parametrize(
    "kernel", [size if size in (2, 3, 5) else pytest.param(size, marks=pytest.mark.slow) for size in range(1, 8)]
)
def test_convolutions_agree_with_the_oracle(kernel: int, as_product: bool, monkeypatch: pytest.MonkeyPatch):
    if as_product:
        monkeypatch.setattr(operations, "quicker_as_product", lambda *_: True)
    assert worst_error(kernel) < 2e-5


def test_small_maps_of_few_channels_are_a_product_where_members_crowd_a_gpu_and_grey_ones_everywhere():
    ways = operations.quicker_as_product
    assert ways((32, 28, 28, 1), False)
    assert ways((32, 28, 28, 1), True)
    assert ways((32, 12, 12, 16), True)
    assert not ways((32, 12, 12, 16), False)
    assert not ways((32, 28, 28, 16), True)
    assert not ways((32, 14, 14, 32), True)


def convolutions_traced(way: operations.ConvBackend) -> int:
    """Convolutions in what a layer of 16 channels is traced to."""
    layer = Conv(name="c", filters=4, kernel=(3, 3))
    with operations.convolving(way):
        traced = jax.make_jaxpr(lambda x: operate(layer, weights(np.ones((3, 3, 16, 4))), x))(jnp.ones((1, 8, 8, 16)))
    return str(traced).count("conv_general_dilated")


def test_a_way_ends_with_its_context():
    ways: tuple[operations.ConvBackend, ...] = ("xla", "crowded", "native", "xla")
    assert [convolutions_traced(way) for way in ways] == [1, 0, 0, 1]


def flipped(node: Node, learned: Any, x: jax.Array) -> jax.Array:
    """Planted fault: a convolution in the textbook's sense."""
    return operate(node, weights(learned.kernel[::-1, ::-1]) if learned else None, x)


def other_corner(node: Node, learned: Any, x: jax.Array) -> jax.Array:
    """Planted fault: the odd pixel of `same` at the top and left."""
    if isinstance(node, Conv) and node.padding == "same":
        pads = same_pads(x.shape[1], node.kernel[0], node.stride[0])[0][:2]
        explicit = {"filters": 3, "kernel": node.kernel, "stride": node.stride}
        return operate(Conv(name="c", padding=(pads[::-1], pads[::-1]), **explicit), learned, x)
    return operate(node, learned, x)


@pytest.mark.parametrize("fault", [flipped, other_corner])
def test_the_oracle_sees_a_planted_fault(fault: Callable[..., jax.Array]):
    assert not worst_error(4, fault) < 2e-5
