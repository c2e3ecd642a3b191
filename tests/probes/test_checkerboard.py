"""The two checkerboard numbers against slow direct sums, controls that carry no board, and boards that were planted."""

import cmath
import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from cnnlab.geometry.coverage import interior as inner_counts
from cnnlab.geometry.coverage import plane, transposed_coverage
from cnnlab.probes import checkerboard
from cnnlab.probes.checkerboard import amplitude, dispersion, energies, high_pass, interior, pattern, uneven
from cnnlab.spec.invalid import InvalidError

Floats = NDArray[np.float64]

ROWS, COLUMNS = np.mgrid[:48, :48].astype(float)
FLAT = {
    "nothing": 0 * ROWS,
    "constant": 0 * ROWS + 0.1,
    "ramp": 0.3 * COLUMNS - 7.0,
    "ramp down": 1e3 * ROWS,
    "diagonal ramp": 0.3 * COLUMNS - 1.7 * ROWS + 0.1,
}


def smooth_noise(count: int, seed: int, width: float = 2.0) -> Floats:
    """Maps [count, 48, 48] of mean 0 and variance 1 each whose neighbours are alike: white noise under a Gaussian."""
    white = np.random.default_rng(seed).normal(size=(count, 48, 48))
    frequency = np.fft.fftfreq(48)
    gain = np.exp(-2 * (np.pi * width) ** 2 * (frequency[:, None] ** 2 + frequency**2))
    found = np.fft.ifft2(np.fft.fft2(white) * gain).real
    found -= found.mean((1, 2), keepdims=True)
    return np.asarray(found / found.std((1, 2), keepdims=True))


def board(period: int = 2) -> Floats:
    """A board [48, 48] of mean 0 and mean square 1 that repeats every `period` pixels and is no product of axes."""
    cell = np.random.default_rng(period).normal(size=(period, period))
    cell = (cell - cell.mean()) / cell.std()
    return np.tile(cell, (48 // period, 48 // period))


# ---- slow oracles ----


def slow_high_pass(plane: Floats, period: int) -> Floats:
    """Pixel by pixel, with the weights written out."""
    half = period // 2
    taps = dict.fromkeys(range(-half, half + 1), 1.0 / period)
    if period % 2 == 0:
        taps[-half] = taps[half] = 0.5 / period
    height, width = ((side - 2 * half) // period * period for side in plane.shape)
    made = np.zeros((height, width))
    for row, column in np.ndindex(height, width):
        mean = sum(
            a * b * plane[row + half + i, column + half + j]
            for (i, a), (j, b) in itertools.product(taps.items(), repeat=2)
        )
        made[row, column] = plane[row + half, column + half] - mean
    return made


def slow_pattern(maps: Floats, period: int) -> float:
    """The formula of the docstring, each coefficient of Fourier's by its sum."""
    half = period // 2
    z = [slow_high_pass(plane, period) for plane in maps]
    height, width = z[0].shape
    covered = maps[:, half : half + height, half : half + width]

    def box_gain(turns: float) -> float:
        taps = range(-half, half + 1)
        outer = 0.5 if period % 2 == 0 else 1.0
        return sum((outer if abs(t) == half else 1.0) * np.cos(2 * np.pi * turns * t) for t in taps) / period

    def energy(u: int, v: int) -> float:
        wave = [
            [cmath.exp(-2j * cmath.pi * (u * row / height + v * column / width)) for column in range(width)]
            for row in range(height)
        ]
        return float(np.mean([abs((plane * wave).sum()) ** 2 for plane in z])) / (height * width) ** 2

    found = 0.0
    for i, j in itertools.product(range(period), repeat=2):
        if i or j:
            u, v = i * height // period, j * width // period
            ring = []
            for du, dv in itertools.product(range(-2, 3), repeat=2):
                if du or dv:
                    left = 1 - box_gain((u + du) / height) * box_gain((v + dv) / width)
                    ring.append(energy(u + du, v + dv) / left**2)
            found += energy(u, v) - sum(ring) / 24
    return found / float(np.mean([plane.var() for plane in covered]))


def slow_energies(maps: Floats, period: int) -> Floats:
    """The plane by a general least-squares fit, the places by a loop."""
    height, width = maps.shape[1:]
    rows, columns = np.mgrid[:height, :width]
    basis = np.stack([np.ones(rows.size), rows.ravel(), columns.ravel()], axis=1)
    sums, seen = np.zeros((period, period)), np.zeros((period, period))
    for one in maps:
        fitted = basis @ np.linalg.lstsq(basis, one.ravel(), rcond=None)[0]
        for row, column in np.ndindex(height, width):
            sums[row % period, column % period] += (one[row, column] - fitted[row * width + column]) ** 2
            seen[row % period, column % period] += 1
    return sums / seen


@pytest.mark.parametrize(("period", "side"), [(2, 8), (3, 12), (4, 16)])
def test_both_numbers_are_their_direct_sums(period: int, side: int) -> None:
    maps = np.random.default_rng(side).normal(size=(3, side, side + period)) + board(period)[:side, : side + period]
    np.testing.assert_allclose(high_pass(maps, period)[1], slow_high_pass(maps[1], period), atol=1e-12)
    assert pattern(maps, period) == pytest.approx(slow_pattern(maps, period), rel=1e-9)
    np.testing.assert_allclose(energies(maps, period), slow_energies(maps, period), rtol=1e-9)
    expected = slow_energies(maps, period)
    assert dispersion(maps, period) == pytest.approx(expected.std() / expected.mean(), rel=1e-9)


# ---- controls ----


@pytest.mark.parametrize("period", [2, 3, 4])
@pytest.mark.parametrize("control", FLAT)
def test_constants_and_ramps_have_neither(control: str, period: int) -> None:
    maps = FLAT[control][None]
    assert abs(pattern(maps, period)) < 1e-12
    assert abs(dispersion(maps, period)) < 1e-12


def lopsided(period: int) -> Floats:
    """Planted fault: a plain box of an even period, which lies half a pixel to one side."""
    return np.full(period, 1 / period)


def too_narrow(period: int) -> Floats:
    """Planted fault: a box of one pixel, as many taps as the right one has."""
    weights = np.zeros(period + 1 - period % 2)
    weights[period // 2] = 1
    return weights


def unhalved(period: int) -> Floats:
    """Planted fault: one pixel more than a period, and no tap halved."""
    return np.full(period + 1, 1 / (period + 1))


def test_a_box_that_is_not_symmetric_fails_the_ramp(monkeypatch: pytest.MonkeyPatch) -> None:
    maps = FLAT["diagonal ramp"][None]
    assert np.abs(high_pass(maps, 2)).max() < 1e-12
    monkeypatch.setattr(checkerboard, "box", lopsided)
    assert np.abs(high_pass(maps, 2)).max() > 0.1


@pytest.mark.parametrize("fault", [lopsided, too_narrow, unhalved])
def test_a_box_of_another_width_fails_the_ramp_or_the_board(fault: object, monkeypatch: pytest.MonkeyPatch) -> None:
    def passes() -> bool:
        ramp = np.abs(high_pass(FLAT["diagonal ramp"][None], 2)).max() < 1e-12
        return bool(ramp and pattern(1 + board()[None], 2) == pytest.approx(1, rel=1e-9))

    assert passes()
    monkeypatch.setattr(checkerboard, "box", fault)
    assert not passes()


def test_white_noise_has_no_pattern_on_average_and_no_dispersion() -> None:
    white = np.random.default_rng(0).normal(size=(400, 24, 24))
    every = [pattern(white[i : i + 4], 2) for i in range(0, 400, 4)]
    assert abs(np.mean(every)) < 3 * np.std(every) / 10
    assert abs(np.mean(every)) < 1e-3
    assert dispersion(white, 2) < 0.01


def test_without_the_ring_divided_by_its_gain_white_noise_has_a_pattern(monkeypatch: pytest.MonkeyPatch) -> None:
    white = np.random.default_rng(0).normal(size=(2000, 16, 16))
    assert abs(pattern(white, 2)) < 4e-4
    monkeypatch.setattr(checkerboard, "_gain", lambda height, width, period: np.ones((height, width)))
    assert pattern(white, 2) > 1e-3


# ---- planted boards ----


@pytest.mark.parametrize("period", [2, 3, 4])
@pytest.mark.parametrize("size", [0.1, 0.3, 1.0, 3.0])
def test_a_planted_board_has_its_share(size: float, period: int) -> None:
    maps = smooth_noise(12, seed=1) + size * board(period)
    assert pattern(maps, period) == pytest.approx(size**2 / (1 + size**2), rel=0.2)


def test_a_board_on_nothing_is_all_there_is_and_a_board_of_another_period_is_none() -> None:
    assert pattern(5.0 + 0.1 * board()[None], 2) == pytest.approx(1, rel=1e-9)
    ramp = FLAT["ramp"][None]
    assert pattern(5.0 + ramp + board(), 2) == pytest.approx(1 / (1 + ramp[:, 1:-1, 1:-1].var()), rel=0.03)
    assert abs(pattern(smooth_noise(12, seed=1) + board(3), 2)) < 0.01


def test_what_a_pattern_cannot_see_a_dispersion_does_and_the_other_way_round() -> None:
    counts = np.array(inner_counts(transposed_coverage(30, 3, 2), 6), float)
    counts = counts[counts.size % 2 :][:48]
    noise = np.random.default_rng(3).normal(size=(200, 48, 48))
    uneven_maps = noise * np.sqrt(np.outer(counts, counts))
    assert dispersion(uneven_maps, 2) == pytest.approx(uneven(np.outer(counts[:2], counts[:2])), rel=0.05)
    assert abs(pattern(uneven_maps, 2)) < 0.002
    printed = smooth_noise(12, seed=2) + 0.3 * np.where((ROWS + COLUMNS) % 2 == 0, 1, -1)
    assert pattern(printed, 2) > 0.06
    assert dispersion(printed, 2) < 0.02


def test_the_amplitude_is_the_boards_over_the_spread_of_real_images() -> None:
    flat, real = np.stack([0.5 + 0.2 * board(), 0.7 + 0.2 * board()]), 4.0 * smooth_noise(6, seed=4)
    assert amplitude(flat, real, 2) == pytest.approx(0.2 / 4.0, rel=0.05)
    assert amplitude(FLAT["constant"][None], real, 2) == 0
    assert amplitude(flat, FLAT["constant"][None], 2) == float("inf")


def test_counts_are_uneven_exactly_where_the_stride_does_not_divide_the_kernel() -> None:
    found = {}
    for kernel in (2, 3, 4, 5, 6):
        line = inner_counts(transposed_coverage(20, kernel, 2), 10)[:2]
        found[kernel] = uneven(np.array(plane(line, line), float))
    assert [found[kernel] for kernel in (2, 4, 6)] == [0, 0, 0]
    assert found[3] == pytest.approx(0.484, abs=5e-4)
    assert found[5] == pytest.approx(0.286, abs=5e-4)


# ---- what is refused ----


def test_maps_that_are_too_small_or_no_whole_periods_are_refused() -> None:
    for shape in ((1, 6, 8), (1, 8, 9), (0, 8, 8), (8, 8)):
        with pytest.raises(InvalidError, match=r"maps=.* is not valid"):
            pattern(np.ones(shape), 2)
    assert pattern(np.ones((1, 8, 8)), 2) == 0
    with pytest.raises(InvalidError, match="at least 4"):
        dispersion(np.ones((1, 2, 8)), 2)
    with pytest.raises(InvalidError, match="period=1 is not valid"):
        pattern(np.ones((1, 8, 8)), 1)


def test_the_interior_keeps_phases_and_whole_periods() -> None:
    maps = np.arange(11 * 13.0).reshape(1, 11, 13)
    cut = interior(maps, 2, 3)
    assert cut.shape == (1, 2, 4)
    assert cut[0, 0, 0] == maps[0, 4, 4]
    with pytest.raises(InvalidError, match="margin=5 is not valid: leaves nothing of maps of 11 x 13 pixels"):
        interior(maps, 2, 5)
