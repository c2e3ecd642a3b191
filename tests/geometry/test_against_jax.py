"""Geometry's windows are those that JAX's own operators use: padding, output size and what an output reads."""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnlab.geometry.axis import Resample, Spread, pixel, same_padding


def check_same(pads):
    for length in range(1, 15):
        for kernel in range(1, 7):
            for stride in range(1, 5):
                expected = jax.lax.padtype_to_pads((length,), (kernel,), (stride,), "SAME")
                assert [pads(length, kernel, stride)] == expected, (length, kernel, stride)


def test_same_padding_is_that_of_jax():
    check_same(same_padding)


def test_a_rule_that_puts_the_odd_pixel_first_is_noticed():
    with pytest.raises(AssertionError):
        check_same(lambda *sizes: same_padding(*sizes)[::-1])


def read_by(operator, length):
    """For each output, the inputs it depends on, from the Jacobian of a linear operator on a line."""
    jacobian = np.asarray(jax.jacobian(operator)(jnp.zeros(length)))
    return [set(np.flatnonzero(np.abs(row) > 1e-6)) for row in jacobian]


def check_reads(layer, operator, length):
    expected = read_by(operator, length)
    assert layer.length(length) == len(expected)
    for unit, seen in enumerate(expected):
        assert {pixel(layer, place, length) for place in layer.reads(unit)} - {None} == seen, unit


@pytest.mark.parametrize(
    ("kernel", "stride", "padding"),
    [(4, 2, "SAME"), (3, 2, "SAME"), (5, 3, "SAME"), (2, 3, "SAME"), (4, 3, "VALID"), (3, 3, "VALID")],
)
def test_transposed_convolutions_are_those_of_jax(kernel, stride, padding):
    def operator(line):
        weights, axes = jnp.ones((kernel, 1, 1)), ("NWC", "WIO", "NWC")
        return jax.lax.conv_transpose(line[None, :, None], weights, (stride,), padding, dimension_numbers=axes).ravel()

    low = max(kernel - stride, 0) // 2 if padding == "SAME" else 0
    high = kernel - stride - low if padding == "SAME" else 0
    check_reads(Spread(taps=kernel, stride=stride, low=low, high=high), operator, 5)
    with pytest.raises(AssertionError):
        check_reads(Spread(taps=kernel + 1, stride=stride, low=low, high=high + 1), operator, 5)


@pytest.mark.parametrize("kind", ["nearest", "bilinear"])
@pytest.mark.parametrize("scale", [Fraction(2), Fraction(3), Fraction(3, 2), Fraction(1, 2)])
def test_interpolation_is_that_of_jax(kind, scale):
    def operator(line):
        return jax.image.resize(line, (int(6 * scale),), kind, antialias=False)

    check_reads(Resample(scale=scale, kind=kind), operator, 6)
