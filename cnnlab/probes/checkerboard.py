"""How much of a checkerboard maps carry: a pattern that stands still, and energy that depends on the place.

Up-sampling by s repeats what it does every s pixels, and so does what can go wrong (Odena, Dumoulin and Olah,
"Deconvolution and Checkerboard Artifacts", Distill 2016). Two causes, two numbers:

`pattern`     weights print a board that is the same wherever it lies: a share of the maps' variance, 0 to 1.
`dispersion`  some places of a period are painted by more inputs than others, so that maps vary more there.

Neither sees what the other sees. Both read maps that are free of the border and cut to whole periods: `interior`.
The definitions are this suite's own; `tests/probes/test_checkerboard.py` holds them against slow direct sums.
"""

import numpy as np
from numpy.typing import NDArray

from cnnlab.spec.invalid import require

Floats = NDArray[np.float64]

LEAST = 3
"""Cells of the spectrum between two harmonics, at least: fewer and a harmonic is among its neighbour's neighbours."""
RING = 2
"""Cells of the spectrum around a harmonic, to either side of both axes, that say what would be there without it."""
NOTHING = 1e-12
"""What varies by less than this share of the largest value is rounding."""


def interior(maps: Floats, period: int, margin: int) -> Floats:
    """Cut a border off, and then what is left over of a period.

    Args:
        maps: [..., height, width].
        period: pixels after which an up-sampling repeats itself, along either axis.
        margin: pixels that the border reaches; rounded up to whole periods, so that phases keep their places.

    Returns:
        [..., height', width'], both multiples of the period.

    Raises:
        InvalidError: nothing is left.
    """
    first = -(-margin // period) * period
    height, width = ((length - 2 * first) // period * period for length in maps.shape[-2:])
    fits = f"leaves nothing of maps of {maps.shape[-2]} x {maps.shape[-1]} pixels"
    require(min(height, width) > 0, "margin", margin, fits)
    return maps[..., first : first + height, first : first + width]


def pattern(maps: Floats, period: int) -> float:
    """Share of the maps' variance that is one pattern of `period` pixels: 0 without, 1 where nothing else varies.

    With z the maps minus their mean over one period around each pixel (`high_pass`), P the mean over the maps of
    |FFT2(z)|**2, and h the period**2 - 1 harmonics of the period,

        pattern = sum over h of (P[h] - mean of P over the 24 cells around h) / variance,

    each of the 24 divided by what the high pass leaves of it, |1 - box|**2, so that white noise gives 0 on average.
    Variance is that of the pixels of a map that z covers, averaged over the maps. Constants and ramps give 0 exactly.
    Noise can make it a little negative. On maps of a flat image it is 1 or nothing: take `amplitude` there.

    Args:
        maps: [n, height, width] of interior pixels, height and width multiples of the period.
        period: pixels after which the pattern repeats; the product of the strides. At least 2.

    Raises:
        InvalidError: fewer than four periods a side, or no whole periods.
    """
    spread = variance(maps, period)
    return 0.0 if spread <= _rounding(maps) else power(maps, period) / spread


def amplitude(flat: Floats, real: Floats, period: int) -> float:
    """Root mean square of the pattern on a flat image, over the spread that real images have in the same maps.

    Args:
        flat: [n, height, width], the interior of maps of flat images. real: likewise, of real images.
        period: as `pattern`, and so are the errors.

    Returns:
        0 without a pattern; 1 where it is as large as the standard deviation of what real images show; infinite where
        real images show nothing at all and the flat ones do.
    """
    seen = max(power(flat, period), 0.0)
    spread = variance(real, period)
    if seen <= _rounding(flat):
        return 0.0
    return float("inf") if spread <= _rounding(real) else float(np.sqrt(seen / spread))


def power(maps: Floats, period: int) -> float:
    """Variance of the pattern of `period` pixels alone: the numerator of `pattern`, in the maps' units squared."""
    z = high_pass(maps, period)
    height, width = z.shape[1:]
    spectrum = (np.abs(np.fft.fft2(z)) ** 2).mean(0) / (height * width) ** 2
    passed = spectrum / np.maximum(_gain(height, width, period), np.finfo(float).tiny)
    rows, columns = ([turn * length // period for turn in range(period)] for length in (height, width))
    found = 0.0
    for row in rows:
        for column in columns:
            if row or column:
                found += spectrum[row, column] - _ring(passed, row, column)
    return float(found)


def variance(maps: Floats, period: int) -> float:
    """Variance of the pixels that `high_pass` covers, within each map, averaged over the maps."""
    _check(maps, period)
    return float(_covered(maps, period).var((1, 2)).mean())


def high_pass(maps: Floats, period: int) -> Floats:
    """Subtract the mean over one period around each pixel: no constant and no ramp is left, every harmonic is.

    The box is symmetric, else it would move a ramp: of an even period it has `period` + 1 taps, the outer two halved.

    Args:
        maps: [n, height, width], multiples of the period.

    Returns:
        [n, height', width']: without the pixels whose box would leave the map, in whole periods.

    Raises:
        InvalidError: as `pattern`.
    """
    _check(maps, period)
    smooth = maps
    for axis in (1, 2):
        length = maps.shape[axis] - 2 * (period // 2)
        taps = [np.take(smooth, range(tap, tap + length), axis) for tap in range(len(box(period)))]
        smooth = np.sum([weight * tap for weight, tap in zip(box(period), taps, strict=True)], axis=0)
    height, width = _kept(maps, period)
    return _covered(maps, period) - smooth[:, :height, :width]


def box(period: int) -> Floats:
    """Weights of a symmetric mean over one period: 1/2, 1, ..., 1, 1/2 over it, or, if that is odd, all alike."""
    if period % 2:
        return np.full(period, 1 / period)
    weights = np.full(period + 1, 1 / period)
    weights[[0, -1]] /= 2
    return weights


def dispersion(maps: Floats, period: int) -> float:
    """Unevenness of the maps' energy over the places of one period: its standard deviation over its mean.

    0 where every place has as much; for energies that are proportional to a layer's overlap counts, what `uneven`
    makes of these counts. Of one net it also holds the chance of its weights: only `uneven` of the `energies`
    averaged over many nets should equal the counts. Args and errors as `energies`.
    """
    return uneven(energies(maps, period))


def energies(maps: Floats, period: int) -> Floats:
    """Mean square of the maps at each place of one period, each map's plane (least squares) removed before.

    Args:
        maps: [n, height, width] of interior pixels, height and width multiples of the period.
        period: pixels after which the up-sampling repeats itself.

    Returns:
        [period, period]: entry (i, j) is over pixels (i + a * period, j + b * period). All 0 where only rounding is
        left, as of a constant or a ramp.

    Raises:
        InvalidError: fewer than two periods a side, or no whole periods.
    """
    _check(maps, period, least=2)
    count, height, width = maps.shape
    rows, columns = np.arange(height) - (height - 1) / 2, np.arange(width) - (width - 1) / 2
    # centred coordinates are orthogonal to one another and to a constant, so the fit is three projections
    left = maps - maps.mean((1, 2), keepdims=True)
    down = np.einsum("nij,i->n", left, rows) / (width * (rows**2).sum())
    across = np.einsum("nij,j->n", left, columns) / (height * (columns**2).sum())
    left = left - down[:, None, None] * rows[:, None] - across[:, None, None] * columns
    found: Floats = (left**2).reshape(count, height // period, period, width // period, period).mean((0, 1, 3))
    return found if found.mean() > _rounding(maps) else np.zeros_like(found)


def uneven(plane: Floats) -> float:
    """Standard deviation over mean of counts or energies; 0 where there are none."""
    mean = float(plane.mean())
    return 0.0 if mean == 0 else float(plane.std()) / mean


def _check(maps: Floats, period: int, least: int | None = None) -> None:
    """Raise `InvalidError` unless maps are [n, height, width] of whole periods, and of enough of them."""
    require(period >= 2, "period", period, "must be at least 2 pixels: at 1 every place is alike")
    shape = " x ".join(map(str, maps.shape))
    require(maps.ndim == 3 and len(maps) > 0, "maps", shape, "must be [n, height, width] with at least one map")
    sides = maps.shape[1:]
    enough = period * (least or LEAST + 1)  # the high pass takes one
    whole = all(side % period == 0 and side >= enough for side in sides)
    require(whole, "maps", shape, f"height and width must be multiples of {period}, and at least {enough}")


def _kept(maps: Floats, period: int) -> tuple[int, int]:
    """Height and width that `high_pass` leaves: a box less, in whole periods."""
    height, width = ((length - 2 * (period // 2)) // period * period for length in maps.shape[1:])
    return height, width


def _covered(maps: Floats, period: int) -> Floats:
    """The pixels of the maps that `high_pass` gives a value for."""
    first = period // 2
    height, width = _kept(maps, period)
    return maps[:, first : first + height, first : first + width]


def _gain(height: int, width: int, period: int) -> Floats:
    """Share of a frequency's energy that `high_pass` leaves, [height, width] in the order of `numpy.fft`."""
    weights = box(period)
    places = np.arange(len(weights)) - len(weights) // 2
    along = [np.cos(2 * np.pi * np.outer(np.fft.fftfreq(length), places)) @ weights for length in (height, width)]
    return (1 - np.outer(*along)) ** 2


def _ring(spectrum: Floats, row: int, column: int) -> float:
    """Mean of the 24 cells around one, round the spectrum's edges."""
    around = np.arange(-RING, RING + 1)
    rows, columns = (row + around) % spectrum.shape[0], (column + around) % spectrum.shape[1]
    block = spectrum[np.ix_(rows, columns)]
    return float((block.sum() - block[RING, RING]) / (block.size - 1))


def _rounding(maps: Floats) -> float:
    """Variance that rounding alone can make of these values."""
    return float(NOTHING * np.abs(maps).max()) ** 2
