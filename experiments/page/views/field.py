"""What a unit sees of the image: any net, any layer, every size, odd and even."""

import contextlib
import re
from collections.abc import Mapping, Sequence
from fractions import Fraction

from cnnlab.probes.agreement import AgreementRow, agreement
from cnnlab.spec.invalid import InvalidError
from cnnlab.spec.network import Activation, Elementwise, Network, Node, Norm, Pair
from experiments.geometry.network import MeasuredNetwork
from experiments.page.layer_words import kind
from experiments.page.networks import TracedNetwork, network_at
from experiments.page.reaching import Layout, Seen, drift, half_width, layout, number, profile
from experiments.page.view import Content, Context, Json, View

NAME = "field"
SMALL = 40
"""Pixels a side up to which every size is shown, and effective fields at each of them."""
AROUND = 8
"""Sizes shown to either side of a larger image's own."""
SMALLEST = 4
MEASURED_NODES = 60
"""Layers up to which a net's windows are held against gradients while the page is built."""
SHARES = 10_000

Moved = tuple[Fraction, Fraction]
"""Pixels downwards and to the right."""


def sides(subject: MeasuredNetwork) -> range:
    """The sizes that are shown: of a small image all up to `SMALL`; around its own, if it is larger or traced anew."""
    assert subject.size is not None, "networks on a page have a size"
    side = subject.size[0]
    if side <= SMALL and not isinstance(subject, TracedNetwork):
        return range(SMALLEST, SMALL + 1)
    return range(max(1, side - AROUND), side + AROUND + 1)


def shown(network: Network) -> list[Node]:
    """The layers that a reader looks at: those that can change what is seen, not what stands beside every one."""
    return [node for node in network.nodes if not isinstance(node, (Norm, Activation, Elementwise))]


def row(seen: Seen) -> list[int] | int:
    """[length, advance, first, last, ...] with the windows of one period; the length alone where all is seen.

    A unit that sees nothing has a last pixel before its first.
    """
    if seen.reach is None:
        return seen.length
    ends = [end for window in seen.reach.windows for end in (window or (1, 0))]
    return [seen.length, seen.reach.advance, *ends]


def at_size(subject: MeasuredNetwork, size: Pair, effective: bool) -> dict[str, Json]:
    """Everything of one net at one size; only the reason where the image does not fit."""
    try:
        network = network_at(subject, size)
        found = layout(network, size)
    except InvalidError as problem:
        return {"problem": str(problem)}
    rows = [found.seen[node.name] for node in shown(network)]
    height, width = ([row(pair[axis]) for pair in rows] for axis in (0, 1))
    moved = drift(network, size)
    merges = {place: found.merges[node.name] for place, node in enumerate(shown(network)) if node.name in found.merges}
    halves = [_effective(network, size, node, found) for node in shown(network)] if effective else [None] * len(rows)
    content: dict[str, Json] = {
        "rows": height,
        "drift": float(moved[0]),
        "placed": placed(*moved),
        "merges": merges,
        "lamps": {place: lamp(told) for place, told in merges.items()},
        "paths": _paths(merges, shown(network)),
        "fields": [None if pair[0].reach is None else pair[0].reach.extent for pair in rows],
        "table": [_cells(pair, size[0], half) for pair, half in zip(rows, halves, strict=True)],
    }
    if width != height:
        content["columns"] = width
    if effective:
        content["effective"] = halves
    return content


def lamp(told: str | None) -> tuple[str, str, str]:
    """Whether the paths of a merge agree, as class, words and why: `told` is what they differ in."""
    if told is None:
        return "yes", "✓ aligned", "all paths have one stride and one centre"
    differ = re.search(r"(centre|stride) (.+?) along", told)
    assert differ is not None, "alignment errors name what differs"
    return "no", f"✗ {differ[1]}s {differ[2]}", told


def _paths(merges: Mapping[int, str | None], nodes: Sequence[Node]) -> str:
    if not merges:
        return "No paths meet in this net."
    wrong = [f"{nodes[place].name}, {told}" for place, told in merges.items() if told is not None]
    first = f"; the first that is not: {wrong[0]}" if wrong else ""
    return f"{len(merges) - len(wrong)} of {len(merges)} places where paths meet are aligned{first}."


def _cells(pair: tuple[Seen, Seen], side: int, half: Json) -> tuple[str, str, str, str]:
    """Map, receptive field, stride, and the pixels that hold half of the gradient, of one layer along the height."""
    reach = pair[0].reach
    size = f"{pair[0].length}x{pair[1].length}"
    within = "" if half is None else str(half["half"])
    if reach is None:
        return size, "whole", "", within
    return size, f"{reach.extent}{' > image' if reach.extent > side else ''}", number(reach.stride), within


def _effective(network: Network, size: Pair, node: Node, found: Layout) -> Json:
    """Shares of the gradient by pixel for the middle unit, in parts of SHARES, and the pixels that hold half."""
    unit = (found.seen[node.name][0].length - 1) // 2
    counts = profile(network, size, node.name, unit)
    if counts is None or not sum(counts):
        return None
    return {
        "half": half_width(counts),
        "shares": [round(SHARES * count / sum(counts)) for count in counts],
        "unit": unit,
    }


def subject_data(subject: MeasuredNetwork, agree: Json = None) -> dict[str, Json]:
    """Everything of one net.

    Args:
        agree: see `measured`.
    """
    network = subject.network
    assert subject.size is not None, "networks on a page have a size"
    every = sides(subject)
    ratio = subject.size[1] - subject.size[0]
    at = {side: at_size(subject, (side, side + ratio), side <= SMALL or side == subject.size[0]) for side in every}
    layers = [[node.name, kind(node)] for node in shown(network)]
    names = [name for name, _ in layers]
    return {
        "title": subject.title,
        "notes": list(subject.notes),
        "layers": layers,
        "last": names.index(network.features) if network.features in names else names.index(_before(network, names)),
        "side": subject.size[0],
        "wider": ratio,
        "at": at,
        "measured": agree,
    }


def _before(network: Network, names: Sequence[str]) -> str:
    """The shown layer that the last map is made from."""
    node = network[network.features]
    while node.name not in names:
        node = network[node.inputs[0]]
    return node.name


def measured(networks: Sequence[MeasuredNetwork]) -> list[Json]:
    """Of each net, by layer, whether gradients of the net that runs say the same as the formula; None: not measured."""
    found: list[Json] = []
    for subject in networks:
        assert subject.size is not None, "networks on a page have a size"
        found.append(None)
        if len(subject.network.nodes) <= MEASURED_NODES:
            with contextlib.suppress(InvalidError):  # a layer that the zoo cannot run
                rows: Sequence[AgreementRow] = agreement(subject.network, subject.size)
                found[-1] = {row.name: row.agree for row in rows}
    return found


def make(context: Context) -> Content | None:
    """All nets at all their sizes."""
    if not context.networks:
        return None
    found = context.apart[NAME] if NAME in context.apart else [None] * len(context.networks)
    nets = [subject_data(subject, agree) for subject, agree in zip(context.networks, found, strict=True)]
    static = [
        {**_static(subject), "drift": drift_chart(data)} for subject, data in zip(context.networks, nets, strict=True)
    ]
    return Content(finding=_finding(context.networks), script={"nets": nets, "parts": SHARES}, static={"nets": static})


def drift_chart(data: dict[str, Json]) -> dict[str, Json]:
    """Where the middle of the last map looks at every size, in pixels of the picture that the template draws."""
    known = {side: at for side, at in data["at"].items() if "drift" in at}
    sides: list[int] = sorted(data["at"])
    most = max([1.0, *(abs(at["drift"]) for at in known.values())])
    step: float = min(18, 320 / len(sides))

    def across(side: int) -> float:
        return round(56 + (side - sides[0]) * step, 1)

    return {
        "marks": [
            (side, across(side), round(62 - 46 * at["drift"] / most, 1), f"{side} pixels: {at['placed']} the middle")
            for side, at in sorted(known.items())
        ],
        "values": [(y, f"{value:.3g}".replace("-", "−")) for y, value in ((16, most), (62, 0), (108, -most))],
        "ends": [(across(side), side) for side in (sides[0], sides[-1])],
    }


def _static(subject: MeasuredNetwork) -> dict[str, Json]:
    """One row a layer at the net's own size."""
    assert subject.size is not None, "networks on a page have a size"
    found = layout(subject.network, subject.size)
    rows = []
    for node in shown(subject.network):
        seen = found.seen[node.name][0]
        field = "the whole image" if seen.reach is None else f"{seen.reach.extent} px"
        stride = "" if seen.reach is None else number(seen.reach.stride)
        told = "" if node.name not in found.merges else found.merges[node.name] or "aligned"
        rows.append((node.name, kind(node), seen.length, field, stride, told))
    return {"title": subject.title, "rows": rows, "placed": placed(*drift(subject.network, subject.size))}


def _finding(networks: Sequence[MeasuredNetwork]) -> str:
    """The net whose middle moves most between its own size and one pixel more."""
    moves: list[tuple[Fraction, MeasuredNetwork, Moved, Moved]] = []
    for subject in networks:
        assert subject.size is not None, "networks on a page have a size"
        with contextlib.suppress(InvalidError):
            own = drift(subject.network, subject.size)
            larger = subject.size[0] + 1, subject.size[1] + 1
            more = drift(network_at(subject, larger), larger)
            moves.append((abs(own[0] - more[0]), subject, own, more))
    if not moves or not max(moves, key=lambda move: move[0])[0]:
        return "In these nets the middle of the last map stays where it is when the image has a pixel more."
    _, subject, own, more = max(moves, key=lambda move: move[0])
    assert subject.size is not None, "networks on a page have a size"
    return (
        f"The middle of the last map of {_title(subject)} looks {placed(*own)} the middle of the image at "
        f"{subject.size[0]} pixels a side, and {placed(*more)} it at {subject.size[0] + 1}."
    )


def placed(down: Fraction, right: Fraction) -> str:
    """Where something lies: `1.5 px below and right of`, `2 px above`, `exactly at`."""
    if not down and not right:
        return "exactly at"
    vertical, across = "below" if down > 0 else "above", "right" if right > 0 else "left"
    if abs(down) == abs(right):
        return f"{number(abs(down))} px {vertical} and {across} of"
    parts = [
        f"{number(abs(pixels))} px {where}" for pixels, where in ((down, vertical), (right, f"{across} of")) if pixels
    ]
    return " and ".join(parts)


def _title(subject: MeasuredNetwork) -> str:
    return subject.title.split(" on ")[0]


VIEW = View(
    order=30,
    title="Receptive field",
    question="Which pixels can this unit see, and do the paths into it agree?",
    caveat="A window says which pixels can matter, not how much they do: before training, most of the gradient of a "
    "deep stack comes from the middle of it. Effective fields here are those of equal weights; a trained net's differ.",
    make=make,
    reads_networks=True,
    apart=measured,
    lacks="Name a net with --net or --module to see its receptive fields.",
    claims=(
        "rf-plus-two",
        "k3-stack-five",
        "in-224-all",
        "final-7x7",
        "mp-after-two-convs",
        "mp-not-near-output",
        "st-size-drastic",
        "k3-symmetry-finer",
    ),
)
