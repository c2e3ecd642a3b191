"""What is counted on the frozen list: pure functions of the layers that `freeze_layers` wrote down."""

import csv
import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from pathlib import Path

from cnnlab.inference.rules.survey import Counted
from cnnlab.spec.verdict import Table

FOLDER = Path(__file__).parent
LIST = "the frozen list"
KINDS = ("input", "conv", "max", "avg", "blur")


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A convolution or a windowed pool, as one forward pass met it; `input` is the image.

    Attributes:
        kind: one of `KINDS`; a `blur` is a fixed low-pass with a stride.
        kernel: (height, width) in taps. stride, dilation: the same along both axes.
        groups: of a convolution; channels_in for a pool.
        channels_in, channels_out: maps read and made. side_in, side_out: pixels along one axis of these maps;
            padding that the library adds beforehand, as an operation of its own, is in side_in.
    """

    kind: str
    kernel: tuple[int, int]
    stride: int
    dilation: int
    groups: int
    channels_in: int
    channels_out: int
    side_in: int
    side_out: int

    @property
    def spatial(self) -> bool:
        """Whether a kernel sees more than its own pixel."""
        return self.kernel != (1, 1)

    @property
    def depthwise(self) -> bool:
        """Whether every channel is filtered alone, so that the width cannot change."""
        return self.groups == self.channels_in == self.channels_out > 1

    @property
    def weights(self) -> int:
        """Learned numbers of a convolution's kernel; biases are not counted."""
        return self.kernel[0] * self.kernel[1] * (self.channels_in // self.groups) * self.channels_out

    @property
    def macs(self) -> int:
        """Multiply-accumulates of a convolution; a tap on padding counts."""
        return self.weights * self.side_out**2

    @property
    def reduces(self) -> bool:
        """Whether it makes the map smaller by a stride; a pool over the whole map does not count."""
        return self.stride > 1 and self.side_out > 1


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """One entry of the frozen list, and one vote.

    Attributes:
        name, year, source: as listed. side: pixels of its customary square image.
        layers: convolutions and windowed pools in the order of the forward pass.
    """

    name: str
    year: int
    source: str
    side: int
    layers: tuple[Layer, ...]

    @property
    def convs(self) -> tuple[Layer, ...]:
        """The learned convolutions."""
        return tuple(layer for layer in self.layers if layer.kind == "conv")

    @property
    def final_side(self) -> int:
        """Side of the last map of more than one pixel, which the head reads."""
        return [layer.side_out for layer in self.layers if layer.side_out > 1][-1]


@functools.cache
def architectures() -> tuple[Architecture, ...]:
    """The frozen list with its layers, in its order."""
    listed = {row["name"]: row for row in _rows("architectures.csv")}
    nets = []
    for name, rows in groupby(_rows("layers.csv"), key=lambda row: row["network"]):
        image, *layers = [_layer(row) for row in rows]
        entry = listed[name]
        nets.append(
            Architecture(
                name=name, year=int(entry["year"]), source=entry["source"], side=image.side_in, layers=tuple(layers)
            )
        )
    return tuple(nets)


@dataclass(frozen=True, kw_only=True)
class LibraryModel:
    """A model of timm, of whatever kind and year: side of its image and, where timm says it, of its last map."""

    name: str
    module: str
    side: int
    final_side: int | None


@functools.cache
def library_models() -> tuple[LibraryModel, ...]:
    """All models of timm, which are variants and sizes rather than architectures: shown beside, never counted."""
    return tuple(
        LibraryModel(
            name=row["model"],
            module=row["module"],
            side=int(row["side"]),
            final_side=int(row["final_side"]) if row["final_side"] else None,
        )
        for row in _rows("timm_models.csv")
    )


def share(
    layers: Iterable[Layer], has: Callable[[Layer], bool], weigh: Callable[[Layer], int] = lambda layer: 1
) -> Fraction:
    """Share of the layers that have a property, each weighed; 0 of nothing."""
    weighed = [(has(layer), weigh(layer)) for layer in layers]
    total = sum(weight for _, weight in weighed)
    return Fraction(sum(weight for having, weight in weighed if having), total) if total else Fraction(0)


def votes(
    nets: Sequence[Architecture], has: Callable[[Architecture], bool], *, what: str, tables: tuple[Table, ...] = ()
) -> Counted:
    """One vote an architecture; `what` says what those that have it do, to be read after "n of m architectures"."""
    return Counted(
        having=sum(map(has, nets)),
        total=len(nets),
        list_name=f"{LIST} {what}",
        plain=f"published architectures {what}",
        tables=tables,
    )


def three_by_three(layer: Layer) -> bool:
    """Whether the kernel has 3 x 3 taps."""
    return layer.kernel == (3, 3)


def steps(net: Architecture) -> tuple[Layer, ...]:
    """The convolutions that could double the width: all but the one that reads the image, and depthwise ones."""
    return tuple(layer for layer in net.convs[1:] if not layer.depthwise)


def doubles(layer: Layer) -> bool:
    """Whether twice as many channels leave as enter."""
    return layer.channels_out == 2 * layer.channels_in


def changes(layer: Layer) -> bool:
    """Whether another number of channels leaves than enters."""
    return layer.channels_out != layer.channels_in


def convs_after_reduction(net: Architecture) -> int:
    """How many convolutions the forward pass meets after the last layer that makes the map smaller."""
    last = max(place for place, layer in enumerate(net.layers) if layer.reduces)
    return sum(layer.kind == "conv" for layer in net.layers[last + 1 :])


def widths_by_side(net: Architecture) -> dict[int, int]:
    """The widest output of a convolution on each size of map, from the largest map to the smallest."""
    found: dict[int, int] = {}
    for layer in net.convs:
        found[layer.side_out] = max(layer.channels_out, found.get(layer.side_out, 0))
    return dict(sorted(found.items(), reverse=True))


def _rows(name: str) -> list[dict[str, str]]:
    with (FOLDER / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _layer(row: dict[str, str]) -> Layer:
    number = {key: int(value) for key, value in row.items() if key not in ("network", "kind")}
    kernel = number.pop("kernel_h"), number.pop("kernel_w")
    return Layer(kind=row["kind"], kernel=kernel, **number)
