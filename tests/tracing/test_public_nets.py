"""Nets in the styles of public repositories: what a trace says is where the module's own input gradient arrives."""

import dataclasses
import functools
import importlib.util
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from cnnlab.geometry.fields import AlignmentError, fields
from cnnlab.geometry.sizes import sizes
from cnnlab.geometry.windows import pixels
from cnnlab.spec.network import Conv
from cnnlab.tracing import opinion
from cnnlab.tracing.forward import forward, images
from cnnlab.tracing.tracing import Traced, traced

PLACE = Path(__file__).with_name("public_nets.py")
SPEC = importlib.util.spec_from_file_location("public_nets", PLACE)
assert SPEC is not None
assert SPEC.loader is not None
nets = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(nets)

Make = Callable[[], Any]
HALF = Fraction(1, 2)


def drawn(kind: Any) -> Make:
    return lambda: kind(rngs=nnx.Rngs(0))


WINDOWS: dict[str, tuple[Make, tuple[int, int], tuple[Any, Any, Any]]] = {
    # receptive field, stride and padding along the height, worked by hand
    "UNet": (nets.UNet, (16, 24), (26, 1, 25 * HALF)),
    "ResizeUNet nearest": (lambda: nets.ResizeUNet("nearest"), (16, 16), (5, 1, 3 * HALF)),
    "ResizeUNet cubic": (lambda: nets.ResizeUNet("cubic"), (32, 16), (11, 1, 9 * HALF)),
    "Dense": (nets.Dense, (17, 18), (14, 2, 6)),
    "MobileNetV2": (drawn(nets.MobileNetV2), (21, 24), (11, 4, 5)),
    "ConvNeXt": (drawn(nets.ConvNeXt), (33, 32), (28, 4, 12)),
    "SpatialGate": (drawn(nets.SpatialGate), (15, 16), (9, 1, 4)),
    "Pyramid": (drawn(functools.partial(nets.Pyramid, kernel=2)), (22, 24), (8, 2, 3)),
    "Atrous": (nets.Atrous, (31, 24), (15, 2, 7)),
    "Shuffle": (drawn(nets.Shuffle), (9, 10), (7, 1, 3)),
    "GroupNormed": (nets.GroupNormed, (9, 10), (5, 1, 3)),
    "Inception": (nets.Inception, (33, 32), (15, 2, 6)),
    "SpaceToDepth": (drawn(nets.SpaceToDepth), (20, 24), (12, 4, 4)),
    "BlurPooled": (drawn(nets.BlurPooled), (17, 16), (9, 2, 4)),
    "PixelCNN": (drawn(nets.PixelCNN), (11, 12), (4, 1, 3)),
    "Shared": (drawn(nets.Shared), (15, 16), (9, 1, 4)),
    "Halved": (nets.Halved, (32, 23), (10, 2, 4)),
    "Halved cubic": (lambda: nets.Halved("cubic"), (32, 30), (14, 2, 6)),
    "Halved lanczos3": (lambda: nets.Halved("lanczos3"), (40, 41), (18, 2, 8)),
    "Standardised": (drawn(nets.Standardised), (9, 10), (3, 2, 1)),
    "Rolled": (drawn(nets.Rolled), (9, 10), (5, 1, 3)),
}
WHOLE: dict[str, tuple[Make, tuple[int, int], tuple[bool, bool]]] = {
    **{f"gate by {how}": (functools.partial(nets.SqueezeExcite, how), (9, 12), (True, True)) for how in nets.GATES},
    "ResponseNorm": (drawn(nets.ResponseNorm), (9, 10), (True, True)),
    "Decoder": (drawn(nets.Decoder), (9, 10), (True, True)),
    "StripPool": (drawn(nets.StripPool), (9, 10), (True, False)),
    "ImagePool": (nets.ImagePool, (9, 10), (True, True)),
    "ImagePool nearest": (lambda: nets.ImagePool("nearest"), (9, 10), (True, True)),
}
QUICK = ("MobileNetV2", "ConvNeXt", "PixelCNN", "Rolled", "Standardised", "gate by avg_pool", "StripPool", "Decoder")


def marked(cases: Any) -> list[Any]:
    return [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in cases]


def output(found: Traced) -> tuple[Any, Any, Any]:
    """Field, stride and padding of the output along the height."""
    field = fields(found.network, found.network.size)[found.network.output]
    assert field.rf is not None
    assert field.stride is not None
    return field.rf[0], field.stride[0], field.padding[0]


SPOT = 50
"""What a bright pixel has more than others, in a batch with one for each pixel."""


def by_autodiff(make: Make, size: tuple[int, int], unit: tuple[int, int], spots: bool = False) -> Any:
    """First and last pixel on which a unit of the output depends: JAX's gradient of the module, positive weights.

    The gradient of a maximum arrives only at the pixels that win it. With `spots` it is taken at one more image for
    each pixel, where that one is bright, and what any image shows counts.
    """
    draw = np.random.default_rng(1)
    image = draw.uniform(0.5, 1.5, (1, *size, 3))
    if spots:
        bright = SPOT * np.eye(size[0] * size[1]).reshape(-1, *size, 1)
        image = np.concatenate([image, image + bright])
    taken = forward(make, images(len(image), size, 3))
    weights = [jnp.asarray(draw.uniform(0.02, 0.1, leaf.shape), leaf.dtype) for leaf in taken.arrays]
    slope = jax.grad(lambda x: taken.run(weights, x)[:, unit[0], unit[1]].sum())
    slopes = jax.jit(slope, compiler_options=opinion.QUICK)(jnp.asarray(image, jnp.float32)).any((0, -1))
    rows, columns = (np.flatnonzero(np.asarray(slopes.any(axis))) for axis in (1, 0))
    return (int(rows[0]), int(rows[-1])), (int(columns[0]), int(columns[-1]))


def middle(found: Traced) -> tuple[int, int]:
    size = sizes(found.network, found.network.size)[found.network.output]
    assert size is not None
    return size[0] // 2, size[1] // 2


def seen(found: Traced, unit: tuple[int, int]) -> Any:
    assert found.network.size is not None
    return pixels(found.network, found.network.size, found.network.output, unit)


@pytest.mark.slow
@pytest.mark.parametrize("name", marked(WINDOWS))
def test_a_window_is_where_the_modules_own_gradient_arrives(name: str) -> None:
    make, size, expected = WINDOWS[name]
    found = traced(make, size, 3)
    assert output(found) == expected
    rows = opinion.opinions(found, [found.network.output])
    assert all(row.agree for row in rows), rows
    if name != "GroupNormed":  # whose norm counts as one pixel, and averages over the map
        assert by_autodiff(make, size, middle(found)) == seen(found, middle(found))


@pytest.mark.parametrize("name", marked(WHOLE))
def test_a_unit_behind_a_gate_sees_the_whole_image(name: str) -> None:
    make, size, axes = WHOLE[name]
    found = traced(make, size, 3)
    field = fields(found.network, size)[found.network.output]
    assert field.axes == axes
    assert field.rf is not None
    assert [rf for rf, whole in zip(field.rf, axes, strict=True) if whole] == [
        side for side, whole in zip(size, axes, strict=True) if whole
    ]
    assert all(row.agree for row in opinion.opinions(found, [found.network.output]))
    assert by_autodiff(make, size, middle(found), spots=True) == seen(found, middle(found))


@pytest.mark.slow
def test_bright_pixels_show_no_more_than_a_maximum_reads() -> None:
    """The gate reads rows 4 to 8 of a map whose units see two rows to each side: the image from row 2 on."""
    make, size = functools.partial(nets.SqueezeExcite, "max of lower rows"), (9, 12)
    found = traced(make, size, 3)
    assert seen(found, (4, 6)) == ((2, 8), (0, 11))
    assert all(row.agree for row in opinion.opinions(found, [found.network.output]))
    assert by_autodiff(make, size, (4, 6), spots=True) == ((2, 8), (0, 11))


@pytest.mark.slow
@pytest.mark.parametrize(("side", "centres"), [(21, (0, -1)), (22, (1, 0)), (23, (0, 1)), (24, (1, 2))])
def test_a_pyramid_of_odd_kernels_is_misaligned_at_every_size(side: int, centres: tuple[int, int]) -> None:
    """A 3-pixel convolution of stride 2 is centred on a pixel; what is repeated twice is centred between two.

    By hand: SAME pads (1, 1) on odd sides and (0, 1) on even ones, so `a` has its centres at 2u or 2u + 1 of the image
    and `b` at 2v or 2v + 1 of `a`; repeated, unit 2v has the centre of v, and 2v + 1 too: on average one pixel less.
    """
    size = (side, side)
    found = traced(drawn(nets.Pyramid), size, 3)
    with pytest.raises(AlignmentError) as problem:
        fields(found.network, size)
    assert problem.value.merge == "add_1"
    assert problem.value.strides == (2, 2)
    assert problem.value.centres == centres
    paths = [drawn(functools.partial(nets.Pyramid, paths=(path,))) for path in ("lateral", "up")]
    assert tuple(centre(make, size) for make in paths) == centres
    assert all(row.agree for row in opinion.opinions(found, [found.network.output]))
    assert by_autodiff(drawn(nets.Pyramid), size, middle(found)) == seen(found, middle(found))


def centre(make: Make, size: tuple[int, int]) -> float:
    """Where unit 0 would have its centre along the height, by the gradient of units 4 and 5, whose stride is 2."""
    ends = [by_autodiff(make, size, (unit, unit))[0] for unit in (4, 5)]
    return float(np.mean([sum(end) / 2 - 2 * unit for end, unit in zip(ends, (4, 5), strict=True)]))


@pytest.mark.parametrize(
    "fault",
    [{"blank": ((0, 0), (0, 0))}, {"dilation": (2, 2), "padding": ((4, 4), (4, 4))}, {"padding": ((0, 4), (2, 2))}],
)
def test_a_trace_with_a_fault_is_noticed_by_the_modules_own_gradient(fault: dict[str, Any]) -> None:
    found = traced(drawn(nets.PixelCNN), (11, 12), 3)
    assert all(row.agree for row in opinion.opinions(found, ["a"]))
    nodes = tuple(
        dataclasses.replace(node, **fault) if isinstance(node, Conv) and node.name == "a" else node
        for node in found.network.nodes
    )
    faulty = dataclasses.replace(found, network=dataclasses.replace(found.network, nodes=nodes))
    assert not all(row.agree for row in opinion.opinions(faulty, ["a"]))
