"""Input energy, effective receptive field and shift consistency of known nets, with planted faults."""

import itertools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from cnnlab.data import Split
from cnnlab.geometry.coverage import network_coverage
from cnnlab.probes.final import effective_receptive_field, input_energy, shift_consistency
from cnnlab.spec.net import ConvNet
from cnnlab.spec.network import Network
from cnnlab.zoo.lowering import network

SIDE, CLASSES = 16, 3
DRAW = np.random.default_rng(0)


def graph(depth: int, stride: int) -> Network:
    net = ConvNet(depth=depth, width=2, stride=stride, pools=(), activation="identity")
    return network(net, SIDE, 1, CLASSES)


def ones_everywhere(depth: int, stride: int, push: int = 0) -> Any:
    """A linear stack whose kernels are all ones: its gradient at a pixel is the number of paths from there.

    `push` moves the gradient by that many pixels, a planted fault.
    """
    found = graph(depth, stride)

    def features(images: Any) -> Any:
        value = jnp.broadcast_to(images, (*images.shape[:3], 2))
        for _ in range(depth):
            kernel = jnp.ones((3, 3, 2, 2)) / 2
            value = lax.conv_general_dilated(
                value, kernel, (stride, stride), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
            )
        return value

    layers = {
        found.features: features,
        found.output: lambda images: features(images).sum((1, 2)) @ jnp.ones((2, CLASSES)),
    }

    def pull(name: str, images: Any, sent: Any) -> Any:
        gradient = jax.grad(lambda x: (layers[name](x) * sent).sum())(jnp.asarray(images))
        return np.roll(np.asarray(gradient), push, axis=1)

    test = Split(DRAW.normal(size=(5, SIDE, SIDE, 1)).astype("f4"), np.zeros(5, np.int32))
    return SimpleNamespace(
        network=found,
        size=(SIDE, SIDE),
        task=SimpleNamespace(classes=CLASSES),
        test=test,
        pull=pull,
        on_test={found.features: np.asarray(features(test.images))},
        random=lambda name: np.random.default_rng(1),
    )


# -------------------------------------------------------------------------------------------------------- input energy


def follows_the_square_of_the_count(member: Any, depth: int) -> bool:
    """A gradient equal to the count has an energy of its square: slope 2, and F(L + 2)**4 from least to most read."""
    fibonacci = {1: 2, 2: 3, 3: 5}[depth]
    found = input_energy.probe(member)
    return found["slope"] == pytest.approx(2, rel=1e-4) and found["ratio"] == pytest.approx(fibonacci**4, rel=1e-4)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_the_energy_of_all_ones_is_the_squared_path_count(depth: int) -> None:
    assert follows_the_square_of_the_count(ones_everywhere(depth, 2), depth)


def test_a_gradient_that_lands_one_pixel_off_is_noticed() -> None:
    assert not follows_the_square_of_the_count(ones_everywhere(2, 2, push=1), 2)


def test_nets_that_read_every_pixel_alike_have_no_slope() -> None:
    assert input_energy.probe(ones_everywhere(2, 1)) == {}


def test_pixels_without_gradient_leave_no_slope() -> None:
    dead = ones_everywhere(2, 2)
    dead.pull = lambda name, images, sent: np.zeros_like(images)
    assert input_energy.probe(dead) == {}


@pytest.mark.parametrize(("depth", "side"), [(1, 12), (2, 12), (3, 16)])
def test_pixels_that_the_border_leaves_alone_have_the_count_of_a_larger_image(depth: int, side: int) -> None:
    """Seen from the middle of an image with a margin on all sides, of whole periods, so that the phases agree."""
    net = ConvNet(depth=depth, width=2, stride=2, pools=())
    counts, inner = input_energy.predicted(network(net, side, 1, CLASSES), (side, side))
    margin, large = 16, side + 32
    whole = np.asarray(network_coverage(network(net, large, 1, CLASSES), (large, large), f"act{depth}"))
    assert inner.sum() >= side**2 / 4
    assert np.array_equal(counts[inner], whole[margin:-margin, margin:-margin][inner])
    assert not inner[0].any(), "the first row is read less than its like further in"


# ------------------------------------------------------------------------------------------------------ receptive field


def slow_radius(energy: Any) -> float:
    """Sum over pixels, one by one."""
    total = sum(energy[place] for place in np.ndindex(energy.shape))
    middle = [sum(energy[place] * place[axis] for place in np.ndindex(energy.shape)) / total for axis in (0, 1)]
    square = sum(
        energy[place] * sum((place[axis] - middle[axis]) ** 2 for axis in (0, 1)) for place in np.ndindex(energy.shape)
    )
    return float(np.sqrt(square / total))


def test_the_radius_is_the_root_of_the_second_moment() -> None:
    energy = DRAW.exponential(size=(6, 9))
    assert effective_receptive_field.radius(energy) == pytest.approx(slow_radius(energy))
    point = np.zeros((5, 5))
    point[1, 3] = 7
    assert effective_receptive_field.radius(point) == 0
    away = np.arange(-30, 31)[:, None] ** 2 + np.arange(-30, 31) ** 2
    assert effective_receptive_field.radius(np.exp(-away / (2 * 4.0**2))) == pytest.approx(4 * np.sqrt(2), rel=1e-3)


def grows_as_a_random_walk(energy: Callable[[Any], Any]) -> bool:
    """Layers of ones at stride 1: the profile is a binomial-like trinomial power, whose squares' width is known.

    Along an axis the gradient of the central unit is (1, 1, 1) convolved with itself once a layer (Luo et al. 2016).
    """
    for depth in (1, 2, 4):
        line = np.array([1.0])
        for _ in range(depth):
            line = np.convolve(line, [1, 1, 1])
        expected = slow_radius(np.outer(line, line) ** 2)
        if effective_receptive_field.radius(energy(ones_everywhere(depth, 1))) != pytest.approx(expected, rel=1e-4):
            return False
    return True


def test_the_field_of_stacked_ones_is_that_of_a_random_walk() -> None:
    assert grows_as_a_random_walk(effective_receptive_field.energy)
    member = ones_everywhere(2, 1)
    assert effective_receptive_field.probe(member) == {
        "radius": effective_receptive_field.radius(effective_receptive_field.energy(member))
    }


def test_amplitudes_in_place_of_energies_are_noticed() -> None:
    assert not grows_as_a_random_walk(lambda member: np.sqrt(effective_receptive_field.energy(member)))


def test_a_unit_without_gradient_has_no_field() -> None:
    dead = ones_everywhere(1, 1)
    dead.pull = lambda name, images, sent: np.zeros_like(images)
    assert effective_receptive_field.probe(dead) == {}


# ---------------------------------------------------------------------------------------------------- shift consistency


def brightest_quarter(images: Any) -> Any:
    """A class that moves with the image: which quarter is brightest."""
    half = images.shape[1] // 2
    quarters = [
        images[:, down : down + half, right : right + half].sum((1, 2, 3)) for down in (0, half) for right in (0, half)
    ]
    return np.stack(quarters, 1).argmax(1)


def slow_unchanged(predict: Callable[[Any], Any], images: Any, moves: Any) -> Any:
    """Move pixel by pixel."""
    rows, columns = images.shape[1:3]
    found = []
    for down, right in moves:
        moved = np.empty_like(images)
        for row, column in itertools.product(range(rows), range(columns)):
            moved[:, (row + down) % rows, (column + right) % columns] = images[:, row, column]
        found.append(predict(moved) == predict(images))
    return np.array(found)


def every_shift(height: int, width: int) -> list[tuple[int, int]]:
    """All circular shifts of an image, but for none at all."""
    return [move for move in itertools.product(range(height), range(width)) if move != (0, 0)]


def agrees_with_the_slow_one(unchanged: Callable[..., Any]) -> bool:
    images = DRAW.normal(size=(12, 4, 6, 1)) ** 3
    moves = every_shift(4, 6)
    return bool(
        np.array_equal(unchanged(brightest_quarter, images, moves), slow_unchanged(brightest_quarter, images, moves))
    )


def test_all_shifts_of_an_image_are_those_moved_by_hand() -> None:
    assert len(every_shift(4, 6)) == 23
    assert agrees_with_the_slow_one(shift_consistency.unchanged)


def test_shifts_that_fill_with_zeros_are_noticed() -> None:
    def filled(predict: Callable[[Any], Any], images: Any, moves: Any) -> Any:
        def moved(down: int, right: int) -> Any:
            wide = np.pad(images, ((0, 0), (4, 4), (6, 6), (0, 0)))
            return wide[:, 4 - down : 8 - down, 6 - right : 12 - right]

        return np.array([predict(moved(*move)) == predict(images) for move in moves])

    assert not agrees_with_the_slow_one(filled)


def test_what_ignores_places_is_consistent_and_what_reads_them_is_not() -> None:
    images = DRAW.normal(size=(30, 8, 8, 1))
    test = Split(images.astype("f4"), np.zeros(30, np.int32))
    blind = SimpleNamespace(test=test, predict=lambda shown: (shown.sum((1, 2, 3)) > 0).astype(int))
    assert shift_consistency.probe(blind) == {"one_pixel": 1.0, "two_pixels": 1.0}
    corner = SimpleNamespace(test=test, predict=lambda shown: (shown[:, 0, 0, 0] > 0).astype(int))
    assert shift_consistency.probe(corner)["two_pixels"] == pytest.approx(0.5, abs=0.1)
    first = np.zeros((1, 8, 8, 1), np.float32)
    first[:, :2, :2] = 1  # seen at the corner under no shift, and under those by one pixel up or left
    one = SimpleNamespace(test=Split(first, np.zeros(1, np.int32)), predict=corner.predict)
    assert shift_consistency.probe(one) == {"one_pixel": 3 / 8, "two_pixels": 3 / 24}
