"""Composed kernels against the two layers that they stand for, and their dimensions against exact ranks."""

import numpy as np
import pytest
from scipy.signal import convolve2d

from cnnlab.probes.single_layer import output
from cnnlab.probes.stacks import composed, dimensions, jacobian, misfit
from cnnlab.spec.network import Conv


def stack(first, second, random):
    return random.normal(size=first), random.normal(size=second)


def check_composition(compose):
    random = np.random.default_rng(0)
    first, second = stack((3, 2, 2, 3), (2, 4, 3, 2), random)
    images, whole = random.normal(size=(1, 9, 9, 2)), compose(first, second)

    def layer(kernel, images):
        height, width, _, filters = kernel.shape
        return output(Conv(name="conv", filters=filters, kernel=(height, width), padding="valid"), images, kernel)

    np.testing.assert_allclose(layer(whole, images), layer(second, layer(first, images)), atol=1e-12)


def test_two_layers_are_their_composed_kernel():
    check_composition(composed)


def test_kernels_correlated_instead_of_convolved_are_noticed():
    with pytest.raises(AssertionError):
        check_composition(lambda first, second: composed(first, second[::-1, ::-1]))


def test_one_channel_is_the_full_convolution():
    first, second = stack((3, 3, 1, 1), (2, 3, 1, 1), np.random.default_rng(1))
    expected = convolve2d(first[..., 0, 0], second[..., 0, 0])
    np.testing.assert_allclose(composed(first, second)[..., 0, 0], expected, atol=1e-14)


def check_jacobian(derivatives):
    """The composed kernel is linear in each of its parts, so that a step in one weight gives the derivative."""
    first, second = stack((3, 2, 2, 3), (2, 3, 3, 2), np.random.default_rng(2))
    columns = []
    for place, kernel in enumerate((first, second)):
        for weight in range(kernel.size):
            moved = kernel.copy()
            moved.flat[weight] += 1
            after = composed(*((moved, second) if place == 0 else (first, moved)))
            columns.append((after - composed(first, second)).ravel())
    np.testing.assert_allclose(derivatives(first, second), np.stack(columns, axis=1), atol=1e-13)


def test_derivatives_are_differences():
    check_jacobian(jacobian)


def test_swapped_derivatives_are_noticed():
    with pytest.raises(AssertionError):
        check_jacobian(lambda first, second: np.roll(jacobian(first, second), 1, axis=1))


@pytest.mark.parametrize(("first", "second"), [((3, 3), (3, 3)), ((3, 3), (2, 2)), ((3, 2), (2, 3)), ((2, 2), (2, 2))])
def test_dimensions_are_the_rank_over_the_rationals(first, second):
    """Integers, differentiated by sympy from the polynomial product and ranked exactly."""
    import sympy

    a = sympy.Matrix(*first, sympy.symbols(f"a:{first[0] * first[1]}"))
    b = sympy.Matrix(*second, sympy.symbols(f"b:{second[0] * second[1]}"))
    entries: dict[tuple[int, int], sympy.Expr] = {}
    for i, j in np.ndindex(first):
        for k, m in np.ndindex(second):
            entries[i + k, j + m] = entries.get((i + k, j + m), 0) + a[i, j] * b[k, m]
    weights = [*a, *b]
    random = np.random.default_rng(0)
    point = {weight: int(value) for weight, value in zip(weights, random.integers(-9, 10, len(weights)), strict=True)}
    exact = sympy.Matrix([[sympy.diff(entry, weight).subs(point) for weight in weights] for entry in entries.values()])
    assert dimensions((*first, 1, 1), (*second, 1, 1)) == exact.rank()


def test_the_nearest_stack_of_a_stack_is_itself():
    first, second = stack((3, 3, 1, 1), (3, 3, 1, 1), np.random.default_rng(3))
    assert misfit(composed(first, second), 1) < 1e-6


def test_a_kernel_that_is_no_stack_is_missed():
    """As a polynomial the cross has no factors, so that one channel cannot make it; two can."""
    import sympy

    cross = np.zeros((5, 5, 1, 1))
    cross[2, :], cross[:, 2] = 1, 1
    x, y = sympy.symbols("x y")
    polynomial = sum(int(cross[i, j, 0, 0]) * x**i * y**j for i, j in np.ndindex(5, 5))
    factors = sympy.factor_list(polynomial)[1]
    assert len(factors) == 1
    assert misfit(cross, 1) > 0.05
    assert misfit(cross, 2) < 1e-10
