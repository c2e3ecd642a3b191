"""How often a convolution or a transposed convolution meets each pixel, for every size, kernel, stride and padding."""

import itertools
from collections import Counter
from collections.abc import Sequence

from cnnlab.geometry.axis import Layer, Repeat, Resample, Spread
from cnnlab.geometry.coverage import coverage, plane, read_counts, sliding, write_counts
from cnnlab.spec.invalid import InvalidError
from cnnlab.spec.network import Pair
from experiments.claims.coverage.cov_table import ROWS, favourable, rounded, truth
from experiments.page.view import Content, Context, Json, View

MODES = ("convolution", "transposed")
DEPTHS = (1, 2, 3)
SIDES = range(2, 17)
KERNELS = range(1, 8)
STRIDES = range(1, 5)
PADDINGS: dict[str, str | Pair] = {"0": (0, 0), "1": (1, 1), "2": (2, 2), "3": (3, 3), "SAME": "same"}
LONGEST = 64
"""Cells of a line; a longer one cannot be read on a page."""
NO_FIT, TOO_LONG = 0, 1
REASONS = ("the kernel does not fit on the map", f"a line of more than {LONGEST} cells is not drawn")
"""What a reader is told of either."""
SHOWN = (8, 3, 2, "SAME")
"""What a reader without scripts sees: the stride-2 kernel that the notes speak of."""


def layers(mode: str, side: int, kernel: int, stride: int, padding: str, depth: int) -> tuple[Layer, ...]:
    """`depth` equal layers on a line of `side` pixels. Raises InvalidError where one does not fit."""
    made: list[Layer] = []
    length = side
    for _ in range(depth):
        made.append(_layer(mode, length, kernel, stride, padding))
        length = made[-1].length(length)
        if length < 1:
            raise InvalidError("kernel", kernel, "must fit on the map")
    return tuple(made)


def _layer(mode: str, length: int, kernel: int, stride: int, padding: str) -> Layer:
    if mode == "convolution":
        return sliding(length, kernel, stride, PADDINGS[padding])
    crop = max(kernel - stride, 0) // 2
    low, high = (crop, kernel - stride - crop) if padding == "SAME" else (int(padding), int(padding))
    return Spread(taps=kernel, stride=stride, low=low, high=high)


def entry(
    mode: str, side: int, kernel: int, stride: int, padding: str, depth: int
) -> tuple[list[int], list[int]] | int:
    """Counts, and low padding and length of each layer in turn; a code where there is nothing to show."""
    try:
        stack = layers(mode, side, kernel, stride, padding, depth)
    except InvalidError:
        return NO_FIT
    lengths = [side]
    for layer in stack:
        lengths.append(layer.length(lengths[-1]))
    if max(lengths) > LONGEST:
        return TOO_LONG
    counts = (read_counts if mode == "convolution" else write_counts)(stack, side)
    shape = [part for layer, length in zip(stack, lengths[1:], strict=True) for part in (_low(layer), length)]
    return list(counts), shape


def _low(layer: Layer) -> int:
    assert not isinstance(layer, Repeat | Resample), "no interpolation here"
    return layer.low


def keys() -> list[tuple[str, int, int, int, str, int]]:
    """Every setting, in the order of the table."""
    return [
        (mode, side, kernel, stride, padding, depth)
        for mode, depth, side, kernel, stride, padding in itertools.product(
            MODES, DEPTHS, SIDES, KERNELS, STRIDES, PADDINGS
        )
    ]


def table() -> Json:
    """All settings: each is a code, or [place of its counts among `lines`, low, length, low, length, ...]."""
    lines: dict[tuple[int, ...], int] = {}
    entries: list[int | list[int]] = []
    for key in keys():
        found = entry(*key)
        if isinstance(found, int):
            entries.append(found)
        else:
            counts, shape = found
            entries.append([lines.setdefault(tuple(counts), len(lines)), *shape])
    return {
        "modes": MODES,
        "depths": DEPTHS,
        "sides": list(SIDES),
        "kernels": list(KERNELS),
        "strides": list(STRIDES),
        "paddings": list(PADDINGS),
        "reasons": REASONS,
        "lines": [" ".join(map(str, line)) for line in lines],
        "entries": entries,
    }


def distinct(line: Sequence[int]) -> list[tuple[int, int]]:
    """How many pixels of the plane have each count: (count, pixels), ascending."""
    return sorted(Counter(count for row in plane(line, line) for count in row).items())


def notes() -> list[dict[str, Json]]:
    """The notes' table, recomputed as the claim about it is judged: in the reading most favourable to the notes."""
    reading = favourable(ROWS)
    rows = []
    for row in ROWS:
        true = truth(row, reading)
        rows.append(
            {
                "padded": row.padded,
                "image": row.image,
                "printed": (row.block, row.percent),
                "true": (true.block, round(true.percent, 1)),
                "right": (row.block == true.block, rounded(true.percent, row.percent)),
            }
        )
    return rows


def make(context: Context) -> Content:
    """The table of all settings, one of them drawn, and the notes' table."""
    side, kernel, stride, padding = SHOWN
    line = coverage(side, kernel, stride, PADDINGS[padding])
    ever = {count for n in SIDES for p in PADDINGS for count in _counts(n, p)}
    finding = (
        f"A 3x3 kernel of stride 2 reads a pixel {_listed(sorted(ever - {0}))} times, never three times; and where the "
        "sizes do not fit, the last rows are never read at all."
    )
    wrong = [row for row in notes() if not all(row["right"])]
    static = {"line": line, "plane": plane(line, line), "shown": SHOWN, "notes": notes(), "wrong": len(wrong)}
    return Content(finding=finding, script=table(), static=static)


def _counts(side: int, padding: str) -> set[int]:
    """Counts in the plane of a 3x3 kernel of stride 2; none where it does not fit."""
    found = entry("convolution", side, 3, 2, padding, 1)
    return set() if isinstance(found, int) else {count for count, _ in distinct(found[0])}


def _listed(values: Sequence[int]) -> str:
    *first, last = map(str, values)
    return f"{', '.join(first)} or {last}"


VIEW = View(
    order=40,
    title="Sampling",
    question="How often is each pixel read, and which are never read?",
    caveat="A count says how many windows meet a pixel, not how much weight they give it: a trained kernel may ignore "
    "a pixel that it reads nine times. Dilation is 1, and height and width are alike.",
    make=make,
    claims=(
        "st-covers-more-than-once",
        "st2-coverage-counts",
        "st2-coverage-uneven",
        "st2-accumulation",
        "cov-s1-most-nine",
        "cov-more-is-better",
        "cov-5x5-rule",
        "cov-table",
        "mp-odd-drop",
        "mp-shrinks-spatial",
        "pad-keeps-size",
    ),
)
