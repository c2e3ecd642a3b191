"""Kinds of nets that were once read wrongly, each by its smallest case and the right value."""

import gc
import resource
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx
from jax.extend.core import Primitive

from cnnlab.geometry.cost import cost
from cnnlab.geometry.fields import fields
from cnnlab.geometry.windows import window
from cnnlab.spec.invalid import InvalidError
from cnnlab.spec.network import Conv, Network
from cnnlab.tracing import constants, pointwise, trace, walk
from cnnlab.tracing.forward import forward, images
from cnnlab.tracing.opinion import opinions
from cnnlab.tracing.tracing import traced


class Small(nnx.Module):
    """A convolution and a forward pass of the test's own."""

    def __init__(self, forward: Callable[..., Any], channels: int = 3, **settings: Any) -> None:
        self.forward = forward
        self.conv = nnx.Conv(3, channels, (3, 3), rngs=nnx.Rngs(0), **settings)
        self.head = nnx.Linear(channels, 10, rngs=nnx.Rngs(0))

    def __call__(self, x: Any) -> Any:
        return self.forward(self, x)


def small(run: Callable[..., Any], **settings: Any) -> Callable[[], Small]:
    return lambda: Small(run, **settings)


def last(net: Network) -> tuple[Any, Any, Any]:
    """Field, stride and padding of the output."""
    assert net.size is not None
    field = fields(net, net.size)[net.output]
    return field.rf, field.stride, field.padding


# ---- fixed zeros are no taps


class Masked(linen.Module):
    """PixelCNN's first rows: the last row of the kernel is a fixed zero."""

    @linen.compact
    def __call__(self, x: Any) -> Any:
        mask = np.ones((3, 3, x.shape[-1], 4), np.float32)
        mask[2:] = 0
        return linen.Conv(4, (3, 3), mask=mask)(x)


def test_fixed_zeros_of_a_kernel_are_no_taps() -> None:
    net = trace(Masked, (9, 9), 3)
    assert window(net, (9, 9), "Conv_0", (4, 4)) == ((3, 4), (3, 5))
    assert last(net) == ((2, 3), (1, 1), (1, 1))
    assert cost(net, (9, 9)).params == 3 * 3 * 3 * 4 + 4  # they are learned all the same


def test_a_tracer_that_takes_zeros_for_taps_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "_zeros", lambda *_: None)
    assert window(trace(Masked, (9, 9), 3), (9, 9), "Conv_0", (4, 4)) == ((3, 5), (3, 5))


def test_a_mask_that_a_module_holds_is_known_without_drawing_its_weights() -> None:
    mask = np.ones((3, 3, 3, 3), np.float32)
    mask[:, 0] = 0
    net = trace(small(lambda m, x: m.conv(x), mask=jnp.asarray(mask)), (9, 9), 3)
    assert last(net) == ((3, 2), (1, 1), (1, 0))


# ---- weights used twice


def test_a_module_that_is_used_twice_is_counted_once_and_followed_twice() -> None:
    net = trace(small(lambda m, x: m.conv(nnx.relu(m.conv(x)))), (9, 9), 3)
    assert last(net) == ((5, 5), (1, 1), (2, 2))
    price = cost(net, (9, 9))
    assert (price.params, price.macs) == (84, 2 * 81 * 81)
    assert [node.counted for node in net.nodes if isinstance(node, Conv)] == [True, False]


def test_what_only_another_output_needs_is_pruned_before_anything_is_checked() -> None:
    def two(m: Small, x: Any) -> Any:
        x = nnx.relu(m.conv(x))
        pixels = m.head(x)
        return m.head(x.mean((1, 2))), pixels

    net = trace(small(two), (8, 8), 3)
    assert [node.name for node in net.nodes] == ["image", "conv", "relu_1", "global_avg_pool_1", "head"]
    assert cost(net, (8, 8)).params == 84 + 40


# ---- the user's objects, and what is drawn


def test_a_layer_that_a_function_holds_is_followed() -> None:
    class Closure(nnx.Module):
        def __init__(self) -> None:
            norm = nnx.LayerNorm(3, rngs=nnx.Rngs(0))
            self.block = lambda x: norm(x)
            self.head = nnx.Linear(3, 10, rngs=nnx.Rngs(0))

        def __call__(self, x: Any) -> Any:
            return self.head(self.block(x).mean((1, 2)))

    net = trace(Closure, (8, 8), 3)
    assert [node.name for node in net.nodes] == ["image", "layer_norm_1", "global_avg_pool_1", "head"]


def test_a_module_that_its_function_keeps_is_left_as_it_was() -> None:
    kept = Small(lambda m, x: m.conv(x))
    before, weights = set(vars(kept.conv)), np.asarray(kept.conv.kernel[...])
    trace(lambda: kept, (8, 8), 3)
    assert set(vars(kept.conv)) == before
    np.testing.assert_array_equal(np.asarray(kept.conv.kernel[...]), weights)


class Large(nnx.Module):
    """A hundred million weights, and a last step that is refused."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.a, self.b = nnx.Linear(3, 10_000, rngs=rngs), nnx.Linear(10_000, 10_000, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        return self.b(self.a(x.mean((1, 2)))).cumsum(-1)


def test_no_weight_is_drawn_of_a_net_that_is_refused() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InvalidError, match="cumsum"):
        trace(lambda: Large(nnx.Rngs(0)), (8, 8), 3)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kilobytes; the weights are 400 MB


def test_a_rate_that_is_read_from_an_array_draws_no_weight_either() -> None:
    class Rated(Large):
        def __init__(self) -> None:
            self.rates = [float(rate) for rate in jnp.linspace(0, 1, 3)]
            super().__init__(nnx.Rngs(0))

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InvalidError, match="cumsum"):
        trace(Rated, (8, 8), 3)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


# ---- conventions of calls


class Switched(linen.Module):
    """Fails unless it is called in evaluation mode."""

    @linen.compact
    def __call__(self, x: Any, train: bool, *, deterministic: bool = False, key: Any) -> Any:
        assert not train
        assert deterministic
        assert key is not None
        return linen.Conv(4, (3, 3))(x)


def test_a_module_is_called_in_evaluation_mode_by_the_names_of_its_switches() -> None:
    assert last(trace(Switched(), (8, 8), 3))[0] == (3, 3)
    assert forward(Switched(), images(1, (8, 8), 3)).parameters == 112


# ---- one-pixel axes, and steps of every version of JAX


@pytest.mark.parametrize("how", ["nearest", "bilinear", "cubic"])
def test_one_pixel_that_is_resized_is_repeated(how: str) -> None:
    def run(m: Small, x: Any) -> Any:
        x = m.conv(x)
        return x + jax.image.resize(x.max(2, keepdims=True), x.shape, how)

    net = trace(small(run), (5, 7), 3)
    assert last(net) == ((3, 7), (1, 0), (1, 0))


def test_a_crop_before_a_pool_that_is_repeated_is_no_whole_image() -> None:
    """Every unit sees the same pixel, and not the image."""
    net = trace(small(lambda m, x: jnp.tile(x[:, 2:3, 2:3], (1, 4, 4, 1)) * 2), (5, 5), 3)
    assert last(net) == ((1, 1), None, (-2, -2))


@pytest.mark.parametrize("how", ["stack", "unstack", "tile", "split"])
def test_steps_of_recent_versions_are_followed(how: str) -> None:
    def run(m: Small, x: Any) -> Any:
        a, b = m.conv(x), x
        match how:
            case "stack":
                return jnp.stack([a, b], -1).max(-1)
            case "unstack":
                return sum(jnp.unstack(jnp.stack([a, b], 1), axis=1))
            case "tile":
                return jnp.tile(a, (1, 1, 1, 2))
        first, _ = jnp.split(a, [1], axis=-1)
        return first * b

    assert last(trace(small(run), (8, 8), 3)) == ((3, 3), (1, 1), (1, 1))


REFUSED = """
approx_top_k argmax argmin cholesky cholesky_update cond cumlogsumexp cummax cummin cumprod cumsum
custom_linear_solve dynamic_update_slice eig eigh fft hessenberg householder_product igamma_grad_a linear_call lu
lu_pivots_to_permutation mulhi qr ragged_dot_general reduce reduce_window regularized_incomplete_beta scaled_dot
scatter scatter-add scatter-max scatter-min scatter-mul scatter-sub schur select_and_gather_add select_and_scatter
select_and_scatter_add sort svd symmetric_product top_k triangular_solve tridiagonal tridiagonal_solve while
"""
"""Steps that mix pixels in no way that a network has a layer for."""

NONE_OF_A_NET = """
all_gather all_to_all axis_index pbroadcast pmax pmin ppermute psum ragged_all_to_all reduce_scatter unreduced
preduced precv psend shard_map core_map run_state pin unpin with_memory_space sharding ref box buffer log_ new_
get_variable set_variable swap addupdate get free accum_grad debug_ io_callback pure_callback check ffi cudnn
dot_product_attention scaled_matmul custom_partitioning call_exported call_hi custom_lin create_ after_all empty
random_ threefry philox rng_ iota dce_sink dim_as_value dimension_size shape_assertion platform_index inspect_
from_edtype to_edtype infer vary_ reduced_vary_cast_p unreachable composite stage geqp3 geqrf ormqr erf_inv
zeros_like freeze tridiag relayout custom_jvp_call_jaxpr global_array host_local sparse coo_ csr_ bcoo_
"""
"""Beginnings of steps across devices, of states, of callbacks and of what reads no image."""


def unknown() -> list[str]:
    """Steps of the installed JAX that no handler, no list of refused ones and no list of foreign ones names."""
    names = {thing.name for thing in gc.get_objects() if isinstance(thing, Primitive)}
    followed = set(walk.HANDLERS) | set(walk.CALLS) | pointwise.EVERY | {"scan", "name"} | set(REFUSED.split())
    return sorted(name for name in names if name not in followed and not name.startswith(tuple(NONE_OF_A_NET.split())))


def test_every_step_of_the_installed_jax_is_followed_or_refused_on_purpose() -> None:
    assert unknown() == []


def test_a_step_that_is_forgotten_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(walk.HANDLERS, "stack")
    assert unknown() == ["stack"]


# ---- one list of steps that move numbers about, and its two readers


MOVED: dict[str, Callable[[Any], Any]] = {
    "copy": jnp.copy,
    "dynamic_slice": lambda x: jax.lax.dynamic_slice(x, [0] * x.ndim, x.shape),
}


class Moved(nnx.Module):
    """Kernel and map are moved before the one is laid over the other; the kernel's last row is a fixed zero."""

    def __init__(self, move: Callable[[Any], Any]) -> None:
        self.move = nnx.static(move)
        self.kernel = nnx.Param(jnp.ones((3, 3, 3, 4)))

    def __call__(self, x: Any) -> Any:
        mask = np.ones((3, 3, 1, 1), np.float32)
        mask[2:] = 0
        kernel = self.move(self.kernel[...] * mask)
        x = self.move(x)
        return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


@pytest.mark.parametrize("name", MOVED)
def test_what_moves_numbers_is_known_to_the_trace_and_to_the_second_opinion(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = traced(Moved(MOVED[name]), (8, 8), 3)
    assert fields(found.network, (8, 8))[found.network.output].rf == (2, 3)
    assert all(opinion.agree for opinion in opinions(found))
    monkeypatch.setattr(constants, "MOVES", constants.MOVES - {name})
    missed = traced(Moved(MOVED[name]), (8, 8), 3).network
    assert fields(missed, (8, 8))[missed.output].rf == (3, 3)
