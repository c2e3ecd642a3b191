"""Lines and dots of a picture as data of SVG paths: short, since a page has tens of thousands of points."""

import itertools
from collections.abc import Sequence

Point = tuple[float, float]
"""Across and down in pixels, kept to a tenth."""


def tenth(pixels: float) -> float:
    """Rounded to a tenth; a whole number has no point."""
    found = round(pixels, 1)
    return int(found) if found == int(found) else found


def number(tenths: int) -> str:
    """Tenths as a decimal number: `12.5`, `-3`."""
    whole, part = divmod(abs(tenths), 10)
    return f"{'-' * (tenths < 0)}{whole}{f'.{part}' if part else ''}"


def line(points: Sequence[Point]) -> str:
    """A path from point to point; all but the first stand there relative to the one before."""
    places = [_tenths(point) for point in points]
    moves = [(x - left, y - above) for (left, above), (x, y) in itertools.pairwise(places)]
    return dots(points[:1]).removesuffix("h0") + ("l" + _joined(moves) if moves else "")


def dots(points: Sequence[Point]) -> str:
    """A path of single points, which a stroke with round or square ends shows."""
    return "".join(f"M{_joined([_tenths(point)])}h0" for point in points)


def cross(points: Sequence[Point], reach: int = 4) -> str:
    """A path of crosses."""
    both = f"l{2 * reach} {2 * reach}m0-{2 * reach}l-{2 * reach} {2 * reach}"
    return "".join(f"M{_joined([_tenths((x - reach, y - reach))])}{both}" for x, y in points)


def _tenths(point: Point) -> tuple[int, int]:
    return round(10 * point[0]), round(10 * point[1])


def _joined(pairs: Sequence[tuple[int, int]]) -> str:
    return " ".join(f"{number(x)} {number(y)}" for x, y in pairs).replace(" -", "-")
