"""What cannot be traced is named: the step, its shape, and the line that asks for it; never guessed."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from flax import nnx

from cnnlab.spec.invalid import InvalidError
from cnnlab.tracing import pointwise, trace

HERE = Path(__file__).name


class Net(nnx.Module):
    """One convolution and a forward pass."""

    def __init__(self, forward: Any, **settings: Any) -> None:
        self.forward = forward
        self.conv = nnx.Conv(3, 3, (3, 3), rngs=nnx.Rngs(0), **settings)
        self.weights = nnx.Param(jnp.ones((256, 4)))

    def __call__(self, x: jax.Array) -> Any:
        return self.forward(self, x)


def fixed(x: jax.Array, weight: float) -> jax.Array:
    return jax.lax.conv_general_dilated(
        x, jnp.full((3, 3, 3, 3), weight), (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


REFUSED: dict[str, tuple[Any, tuple[str, ...]]] = {
    "running sum": (lambda m, x: jnp.cumsum(m.conv(x), axis=1), ("cumsum (2x16x16x3)", HERE, "a trace knows")),
    "sort": (lambda m, x: jnp.sort(m.conv(x), axis=-1), ("sort (2x16x16x3)", HERE)),
    "attention": (
        lambda m, x: jnp.einsum("nhwc,nijc->nhwij", x, x),
        ("dot_general (2x16x16x16x16)", HERE, "as attention does"),
    ),
    "mixing pixels": (
        lambda m, x: jnp.einsum("nhwc,hk->nkwc", x, m.weights[:16]),
        ("dot_general", "mixes the height of a map by weights", HERE),
    ),
    "tokens": (lambda m, x: x.reshape(x.shape[0], 256, 3), ("reshape (2x256x3)", "height and width along one axis")),
    "repeated edge": (
        lambda m, x: m.conv(jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), "edge")),
        ("concatenate", "along the height"),
    ),
    "flip": (lambda m, x: m.conv(jnp.flip(x, 1)), ("conv_general_dilated", "pattern that is no window")),
    "turn": (
        lambda m, x: x + x.transpose(0, 2, 1, 3),
        ("add (2x16x16x3)", "lays the width of one map along the height of another"),
    ),
    "one image": (lambda m, x: m.conv(x[0]), ("slice (1x16x16x3)", "a part of the batch", HERE)),
    "batch statistics": (lambda m, x: x - x.mean(0, keepdims=True), ("mixes the images of a batch",)),
    "no weights": (lambda m, x: m.conv(fixed(x, 0.0)), ("conv_general_dilated", "a kernel of fixed zeros", HERE)),
    "loop": (
        lambda m, x: jax.lax.while_loop(lambda s: s[0] < 3, lambda s: (s[0] + 1, s[1] * 2), (0, x))[1],
        ("while",),
    ),
    "branch": (
        lambda m, x: jax.lax.cond(m.weights[0, 0] > 0, lambda y: y, lambda y: 2 * y, x),
        ("cond (2x16x16x3)", HERE),
    ),
    "two maps side by side": (
        lambda m, x: jnp.concatenate([x, m.conv(x)], axis=1),
        ("concatenate (2x32x16x3)", "along the height"),
    ),
    "places that depend on the image": (
        lambda m, x: jnp.take(x, jnp.argmax(x[0, 0, :, 0], keepdims=True), axis=1),
        ("slice", "batch"),
    ),
    "dictionary": (lambda m, x: {"logits": x}, ("dict", "must return an array")),
    "nothing of the image": (lambda m, x: m.weights[...], ("does not depend on the image",)),
    "wrong channels": (lambda m, x: m.conv(x[..., :2]), ("Net", "fails on a 16x16x3 image", "feature dimension")),
    "a mistake of its own": (lambda m, x: x.no_such_thing, ("Net", "fails on a 16x16x3 image", "no_such_thing")),
}


def complaint(name: str) -> str:
    """What tracing says of a module; empty if it says nothing."""
    try:
        trace(nnx.eval_shape(lambda: Net(REFUSED[name][0])), (16, 16), 3)
    except InvalidError as problem:
        return str(problem)
    return ""


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_traced_is_named_in_one_line(name: str) -> None:
    line = complaint(name)
    assert "\n" not in line
    for word in REFUSED[name][1]:
        assert word in line, line


def test_a_tracer_that_guesses_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pointwise, "EVERY", pointwise.EVERY | {"cumsum", "sort"})
    assert complaint("running sum") == complaint("sort") == ""


def test_a_step_that_the_output_does_not_need_is_no_mistake() -> None:
    def forward(m: Net, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        return m.conv(x), jnp.cumsum(x, axis=1)

    assert [node.name for node in trace(nnx.eval_shape(lambda: Net(forward)), (16, 16), 3).nodes] == ["image", "conv"]


@pytest.mark.parametrize("thing", [3, "net", object(), lambda: 3])
def test_only_flax_modules_are_traced(thing: object) -> None:
    with pytest.raises(InvalidError, match=r"must be a flax.nnx.Module or a flax.linen.Module"):
        trace(thing, (16, 16), 3)


def test_an_image_of_no_pixels_is_refused() -> None:
    with pytest.raises(InvalidError, match="at least"):
        trace(nnx.eval_shape(lambda: Net(lambda m, x: m.conv(x))), (0, 16), 3)
