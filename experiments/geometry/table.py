"""What geometry found of a network, for a reader in a terminal."""

from collections.abc import Iterator, Sequence
from math import log2
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cnnlab.geometry.cost import FLOAT32_BYTES, NodeCost, cost
from cnnlab.geometry.coverage import Plane, network_coverage
from cnnlab.geometry.fields import Exact, Field, fields, outgrown, unproductive
from cnnlab.geometry.layers import MERGES
from cnnlab.geometry.reach import FARTHEST
from cnnlab.geometry.sizes import shown, sizes
from cnnlab.geometry.windows import wrapped
from cnnlab.spec.invalid import InvalidError, require
from cnnlab.spec.network import Network, Pair
from experiments.geometry.network import MeasuredNetwork

if TYPE_CHECKING:
    from cnnlab.probes.agreement import AgreementRow
    from cnnlab.tracing.opinion import Opinion

UNKNOWN, WHOLE = "?", "-"
OVER_MAPS = ("group_norm", "instance_norm")
"""Norms whose averages go over the map."""

SMALL = 16
"""Pixels an axis up to which a coverage map is written in numbers."""

SHADES = " .:-=+*#%@"
"""From no path to the most, on a logarithmic scale."""

RULE = (
    "MACs are multiply-accumulates of conv and dense weights, per sample: no biases, norms, activations or pools, and "
    "taps on padding count. Activations are the numbers a layer puts out per sample, bytes at float32."
)


def opinions(rows: Sequence["AgreementRow"], console: Console) -> None:
    """Print what formulas and gradients say of each layer, and whether they agree."""
    table = Table(header_style="bold", box=None, pad_edge=False)
    for column in ("layer", "", "receptive field", "stride", "padding"):
        table.add_column(column)
    for row in rows:
        for who, seen in (("formula", row.formula), ("gradient", row.measured)):
            told = ("misaligned",) if seen is None else tuple(map(_pair, (seen.rf, seen.stride, seen.padding)))
            table.add_row(row.name if who == "formula" else "", who, *told)
    console.print(table)
    differ = [row.name for row in rows if not row.agree]
    console.print(f"disagree: {', '.join(differ)}" if differ else f"formula and gradient agree on {len(rows)} layers")


def own_opinions(rows: Sequence["Opinion"], console: Console) -> None:
    """Print what the trace and the module's own gradient say of some units, and whether they agree."""
    table = Table(header_style="bold", box=None, pad_edge=False)
    for column in ("layer", "unit", "", "rows", "columns"):
        table.add_column(column)
    for row in rows:
        for who, seen in (("trace", row.traced), ("gradient", row.measured)):
            first = (row.name, f"{row.unit[0]},{row.unit[1]}") if who == "trace" else ("", "")
            spans = ("none" if span is None else f"{span[0]} to {span[1]}" for span in seen)
            table.add_row(Text(printable(first[0])), first[1], who, *spans)
    console.print(table)
    console.print("pixels of the image that a unit depends on, without padding", soft_wrap=True)
    differ = list(dict.fromkeys(printable(row.name) for row in rows if not row.agree))
    console.print(
        f"disagree: {', '.join(differ)}"
        if differ
        else f"trace and the module's own gradient agree on {len(rows)} units",
        soft_wrap=True,
    )


def show(subject: MeasuredNetwork, console: Console) -> None:
    """Print one row a layer, the totals, and what the numbers mean.

    Raises:
        AlignmentError, InvalidError: as `cnnlab.geometry.fields.fields`.
    """
    network, size = subject.network, subject.size
    table, whole = _table(network, size), not console.is_terminal  # lines that a log keeps, a terminal breaks at words
    console.print(printable(subject.title), style="bold")
    console.print(table)
    for line in _summary(network, size):
        console.print(line, soft_wrap=whole)
    if subject.xla is not None:
        console.print(_second_opinion(subject.xla), soft_wrap=whole)
    for note in subject.notes:
        console.print(printable(note), soft_wrap=whole)


def _table(network: Network, size: Pair | None) -> Table:
    """One row a layer."""
    found, priced, made = fields(network, size), cost(network, size).nodes, sizes(network, size)
    beyond = outgrown(network, size) if size is not None else dict.fromkeys(found, False)
    table = Table(header_style="bold", box=None, pad_edge=False)
    table.add_column("layer", overflow="fold")
    table.add_column("kind", overflow="fold")
    for column in ("output", "field", "stride", "padding", "params", "MACs", "activations", "bytes"):
        table.add_column(column, justify="right", no_wrap=True)
    for node in network.nodes:
        seen, price = found[node.name], priced[node.name]
        cells = [_size(made[node.name]), *_field(seen, beyond[node.name]), *_cost(price)]
        table.add_row(Text(printable(node.name)), type(node).__name__, *cells)
    return table


def _field(field: Field, beyond: bool) -> Iterator[str]:
    """Receptive field, stride and padding."""
    longest = _pair(field.rf)
    shortest = "" if field.shortest == field.rf else f" ({_pair(field.shortest)})"
    yield f"{longest}{'*' if beyond else ''}{shortest}"
    if field.whole or field.stride is None:
        yield from (WHOLE, WHOLE)
        return
    for pair in (field.stride, field.padding):
        yield _pair(pair) if not any(field.axes) else "x".join(_sides(pair, field.axes))


def _sides(pair: tuple[Exact | None, Exact | None], axes: tuple[bool, bool]) -> Iterator[str]:
    for value, whole in zip(pair, axes, strict=True):
        yield WHOLE if whole else UNKNOWN if value is None else str(value)


def _cost(price: NodeCost) -> Iterator[str]:
    for value in (price.params, price.macs, price.activation_elements, price.activation_bytes):
        yield UNKNOWN if value is None else f"{value:,}"


def _pair(pair: tuple[Exact | None, Exact | None] | None) -> str:
    """A pair once where both axes are alike, else height x width; fractions exact."""
    if pair is None:
        return UNKNOWN
    first, second = (UNKNOWN if value is None else str(value) for value in pair)
    return first if first == second else f"{first}x{second}"


def _size(size: Pair | None) -> str:
    return UNKNOWN if size is None else shown(size)


def _summary(network: Network, size: Pair | None) -> Iterator[str]:
    """Totals, the rule of counting, and what the marks mean."""
    priced = cost(network, size)
    totals = []
    for what in ("params", "macs", "activation_elements"):
        try:
            totals.append(f"{getattr(priced, what):,}")
        except InvalidError:
            totals.append(UNKNOWN)
    words = "{} parameters, {} multiply-accumulates, {} activations"
    size_in_bytes = "" if totals[2] == UNKNOWN else f" of {FLOAT32_BYTES} bytes"
    yield f"total: {words.format(*totals)}{size_in_bytes}"
    yield RULE
    yield "field: pixels of the image that a unit sees, padding counted, by its longest path (in brackets: shortest)."
    yield from _reasons(network, size)
    if size is None:
        yield f"{UNKNOWN}: depends on the image's size, which is unknown."
        return
    if any(outgrown(network, size).values()):
        yield f"*: sees more than the image, {shown(size)}."
    idle = unproductive(network, size)
    if idle:
        names = ", ".join(map(printable, idle))
        yield f"{len(idle)} convolutions add no pixel, since their input sees more than the image already: {names}"


def _reasons(network: Network, size: Pair | None) -> Iterator[str]:
    """Why some layers have no stride and padding of their own, and what a norm counts as."""
    seen = fields(network, size)
    first = next((node.name for node in network.nodes if any(seen[node.name].axes)), None)
    if first is not None:
        merge = next((n.name for n in network.nodes if isinstance(n, MERGES) and any(seen[n.name].axes)), None)
        gate = "" if merge is None else f" (from {printable(merge)} on units of a map do, too, by a gate or a branch)"
        yield (
            f"{WHOLE}: every unit sees {_all_of_it(network, size, first)}, so that none has a stride or padding of its "
            f"own; from {printable(first)} on{gate}."
        )
    norms = [node.name for node in network.nodes if getattr(node, "kind", "") in OVER_MAPS]
    if norms:
        yield f"a norm counts as one pixel, though these average over the map: {', '.join(map(printable, norms))}"
    tied = [node.name for node in network.nodes if not getattr(node, "counted", True)]
    if tied:
        names = ", ".join(map(printable, tied))
        yield f"params count once: weights that are another layer's, fixed or computed have {names}"


def _all_of_it(network: Network, size: Pair | None, name: str) -> str:
    """What every unit of a layer sees that reads its whole map."""
    field = fields(network, size)[name]
    sides = zip(field.axes, field.rf or (), size or (), strict=False)
    less = any(whole and seen < there for whole, seen, there in sides)
    return f"all that is read of the image, {_pair(field.rf)}" if less else "the whole image"


def _second_opinion(xla: object) -> str:
    """XLA's own count, or why there is none."""
    assert callable(xla), "a function without arguments"
    try:
        counted = xla()
    except InvalidError as problem:
        return f"XLA's own count is not to be had: {printable(str(problem))}"
    return (
        f"XLA counts {counted:,.0f} per sample: half its floating-point operations, those of biases, norms, "
        "activations and pools among them, taps on padding not."
    )


def windows(network: Network, size: Pair | None, name: str, unit: Pair) -> str:
    """The input window of one unit, in a sentence. Raises InvalidError as `cnnlab.geometry.windows.window`."""
    spans = []
    for place, (seen, axis) in enumerate(zip(wrapped(network, size, name, unit), ("rows", "columns"), strict=True)):
        if seen is None:
            spans.append(f"no {axis}")
        elif size is not None and seen[0] > seen[1]:
            count = seen[1] - seen[0] + 1 + size[place]
            spans.append(f"{axis} {seen[0]} to {size[place] - 1} and 0 to {seen[1]} ({count}, wrapped round)")
        else:
            spans.append(f"{axis} {seen[0]} to {seen[1]} ({seen[1] - seen[0] + 1})")
    return f"{printable(name)} unit {unit[0]},{unit[1]} sees {' and '.join(spans)} of {_size(size)}"


def coverage(network: Network, size: Pair, name: str) -> Iterator[str]:
    """How many paths lead from each pixel to all units of a node, line by line.

    Raises InvalidError if there is no such.
    """
    counts = network_coverage(network, size, name)
    every = sorted(count for row in counts for count in row)
    valid = "must be at most 10^100 to be printed: choose a layer before"
    require(every[-1] <= FARTHEST, f"network.{name}", "more than 10^100 paths from a pixel", valid)
    unread = every.count(0) / len(every)
    yield (
        f"paths from each pixel to all units of {printable(name)}: {every[0]:,} to {every[-1]:,}, "
        f"{len(set(every))} different counts, {unread:.1%} of the pixels unread"
    )
    if max(size) <= SMALL:
        width = max(len(str(count)) for count in every)
        yield from (" ".join(f"{count:>{width}}" for count in row) for row in counts)
        return
    read = [count for count in every if count]
    if read:
        yield f"from '{SHADES[1]}' (fewest) to '{SHADES[-1]}' (most) on a logarithmic scale, blank where unread:"
        yield from _shaded(counts, log2(read[0]), log2(read[-1]))


def _shaded(counts: Plane, fewest: float, most: float) -> Iterator[str]:
    """A coarse picture, every pixel of a small map or a sample of a large one; the ends of the scale are log2."""
    rows, columns = (max(1, -(-length // limit)) for length, limit in ((len(counts), 32), (len(counts[0]), 64)))
    steps = (len(SHADES) - 2) / max(most - fewest, 1e-9)
    for row in counts[::rows]:
        shades = (0 if not count else 1 + round((log2(count) - fewest) * steps) for count in row[::columns])
        yield "".join(SHADES[shade] for shade in shades)


def printable(text: str) -> str:
    """A text on one line, what cannot be printed written out."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)
