"""Probing an affine map: against known matrices, loops over single entries, and functions that are not affine."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnlab.probes.affine import convolution_defects, probed, probes, residual, superposition_defect, window
from cnnlab.probes.weights import in_precision, with_offsets
from cnnlab.spec.net import ConvNet
from cnnlab.zoo.lowering import network
from cnnlab.zoo.module import Net

DRAW = np.random.default_rng(0)
SHAPE = (2, 3, 1)
MATRIX, OFFSET = DRAW.normal(size=(4, 6)), DRAW.normal(size=4)


def known(images):
    return images.reshape(len(images), -1) @ MATRIX.T + OFFSET


def bent(images):
    """Planted fault: a ReLU left in."""
    return np.maximum(known(images), 0)


def missed(function):
    images = DRAW.normal(size=(8, *SHAPE))
    return residual(function(images), probed(function(probes(SHAPE, "float64"))), images)


def test_a_known_map_is_found():
    found = probed(known(probes(SHAPE, "float64")))
    np.testing.assert_allclose(found.matrix, MATRIX, atol=1e-14)
    np.testing.assert_allclose(found.offset, OFFSET)
    images = DRAW.normal(size=(5, *SHAPE))
    np.testing.assert_allclose(found(images), known(images), atol=1e-14)


def test_a_relu_left_in_is_noticed():
    assert missed(known) < 1e-14
    assert missed(bent) > 0.1


def test_the_residual_is_that_of_single_entries():
    images = DRAW.normal(size=(3, *SHAPE))
    affine = probed(bent(probes(SHAPE, "float64")))
    worst = largest = 0.0
    for image, value in zip(images, bent(images), strict=True):
        for output in range(4):
            linear = sum(affine.matrix[output, at] * pixel for at, pixel in enumerate(image.ravel()))
            worst = max(worst, abs(value[output] - linear - affine.offset[output]))
            largest = max(largest, abs(value[output] - affine.offset[output]))
    assert residual(bent(images), affine, images) == pytest.approx(worst / largest)


def test_a_constant_misses_nothing_and_the_scale_of_a_function_does_not_matter():
    assert missed(lambda images: np.ones((len(images), 2))) == 0
    images, bases = DRAW.normal(size=(8, *SHAPE)), probes(SHAPE, "float64")
    small, plain = (residual(scale * bent(images), probed(scale * bent(bases)), images) for scale in (2.0**-40, 1.0))
    assert small == plain


@pytest.mark.parametrize(("function", "affine"), [(known, True), (bent, False), (lambda x: x**2, False)])
def test_superposition_holds_for_affine_functions_alone(function, affine):
    first, second = DRAW.normal(size=(2, 6, *SHAPE))
    defect = superposition_defect(function, first, second)
    assert (defect < 1e-14) == affine
    at_zero = function(np.zeros((1, *SHAPE))).ravel()
    worst = largest = 0.0
    for x, y in zip(first, second, strict=True):
        both, one, other = (function(z[None]).ravel() for z in (x + y, x, y))
        worst = max(worst, *(abs(a - b - c + d) for a, b, c, d in zip(both, one, other, at_zero, strict=True)))
        largest = max(largest, *(abs(a - d) for a, d in zip(both, at_zero, strict=True)))
    assert defect == pytest.approx(worst / largest, rel=1e-6, abs=1e-15)


def matrix_of(kernel, side, stride, padding):
    """The matrix of a convolution, one weight after the other; outputs only where the window's first pixel fits."""
    height = width = kernel.shape[0]
    out = (side + 2 * padding - height) // stride + 1
    matrix = np.zeros((out, out, kernel.shape[3], side, side, kernel.shape[2]))
    places = itertools.product(range(out), range(out), range(height), range(width))
    for row, column, down, right in places:
        y, x = row * stride + down - padding, column * stride + right - padding
        if 0 <= y < side and 0 <= x < side:
            matrix[row, column, :, y, x, :] = kernel[down, right].T
    return matrix


@pytest.mark.parametrize(
    ("size", "side", "stride", "padding"), [(3, 7, 1, 0), (3, 7, 1, 1), (2, 8, 2, 0), (5, 9, 1, 2)]
)
def test_a_convolution_is_one_everywhere_and_an_altered_weight_is_found(size, side, stride, padding):
    matrix = matrix_of(DRAW.normal(size=(size, size, 2, 3)), side, stride, padding)
    out = matrix.shape[0]
    reads, gives = (side, side, 2), (out, out, 3)
    flat = matrix.reshape(out * out * 3, side * side * 2)
    assert not convolution_defects(flat, reads, gives, stride=stride).any()
    assert window(flat, reads, gives) == (size, size)
    matrix[1, 0, 2, stride, 0, 1] += 1
    found = convolution_defects(matrix.reshape(flat.shape), reads, gives, stride=stride)
    assert [tuple(place) for place in np.argwhere(found)] == [(1, 0)]
    if stride == 2:
        assert convolution_defects(flat, reads, gives, stride=1).any(), "the wrong stride is noticed"


def test_a_circular_convolution_wraps():
    side, kernel = 5, DRAW.normal(size=(3, 3))
    rows = [np.roll(np.pad(kernel, ((0, 2), (0, 2))), (r - 1, c - 1), (0, 1)) for r, c in np.ndindex(side, side)]
    matrix = np.array(rows).reshape(side * side, side * side)
    reads = gives = (side, side, 1)
    assert not convolution_defects(matrix, reads, gives, wrap=True).any()
    ring = convolution_defects(matrix, reads, gives) > 0
    assert ring[0].all()
    assert ring[:, -1].all()
    assert not ring[1:-1, 1:-1].any()


def test_copies_of_a_net_have_the_precision_and_the_offsets_asked_for():
    spec = ConvNet(depth=1, width=2, pools=(), norm="batch")
    net = Net(network(spec, 4, 1, 2), jax.random.key(0))
    drawn, again, other = with_offsets(net, 1), with_offsets(net, 1), with_offsets(net, 2)
    assert np.array_equal(drawn.layers["norm1"].mean[...], again.layers["norm1"].mean[...])
    assert not np.array_equal(drawn.layers["norm1"].mean[...], other.layers["norm1"].mean[...])
    assert np.array_equal(drawn.layers["conv1"].kernel[...], net.layers["conv1"].kernel[...])
    for vector in (drawn.layers["norm1"].mean, drawn.layers["norm1"].bias, drawn.layers["logits"].bias):
        assert vector[...].all()
    assert (drawn.layers["norm1"].var[...] >= 0.5).all()
    assert not net.layers["logits"].bias[...].any(), "the original is left alone"
    with jax.enable_x64(True):
        wide = in_precision(drawn, "float64")
        assert wide(jnp.zeros((1, 4, 4, 1), "float64"))[0].dtype == "float64"
