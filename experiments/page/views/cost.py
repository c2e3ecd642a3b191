"""What nets cost, two side by side: parameters, multiply-accumulates, activations and receptive field by layer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from cnnlab.geometry.cost import FLOAT32_BYTES, NetworkCost, NodeCost, cost
from cnnlab.geometry.reach import Reach
from cnnlab.geometry.sizes import shown as sized
from cnnlab.geometry.sizes import sizes
from cnnlab.spec.invalid import InvalidError
from cnnlab.spec.network import Input, Node, Pair
from experiments.geometry.network import MeasuredNetwork
from experiments.page.layer_words import kind
from experiments.page.reaching import Layout, layout, number
from experiments.page.view import Content, Context, Json, View
from experiments.page.views.field import shown

RULE = (
    "Multiply-accumulates (MACs) are those of conv and dense weights, for one image: no biases, norms, activations or "
    "pools, and taps on padding count. Activations: bytes of a layer's output in float32, for one image."
)
STAR = "\u00a0*"
LETTERS = ("", "k", "M", "G", "T")


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell of a table.

    Attributes:
        state: `known`; `none`, the layer has nothing of the kind; `unknown`, with the reason.
        share: of the net's largest, for a bar, a fraction. beside: further words.
    """

    text: str
    beside: str = ""
    state: Literal["known", "none", "unknown"] = "known"
    reason: str = ""
    share: float = 0.0


def make(context: Context) -> Content | None:
    """All nets of the page that fit their image; None without any."""
    found: list[dict[str, Json]] = []
    for subject in context.networks:
        try:
            found.append(net(subject))
        except InvalidError as problem:
            found.append({"title": subject.title, "problem": str(problem)})
    priced = [one for one in found if "problem" not in one]
    if not priced:
        return None
    return Content(
        finding=_finding(priced),
        static={"nets": priced, "problems": [one for one in found if "problem" in one], "rule": RULE},
    )


def net(subject: MeasuredNetwork) -> dict[str, Json]:
    """One net: its layers, and what they add up to. Raises InvalidError where the image does not fit."""
    assert subject.size is not None, "networks on a page have a size"
    network, size = subject.network, subject.size
    priced, seen, made = cost(network, size), layout(network, size), sizes(network, size)
    rows = [
        [
            Cell(text=node.name, beside=kind(node)),
            Cell(text=sized(made[node.name])),
            *reaches(node, seen, size),
            *prices(priced.nodes[node.name], priced),
        ]
        for node in shown(network)
        if not isinstance(node, Input)
    ]
    names = {node.name for node in shown(network)}
    rest = [priced.nodes[node.name] for node in network.nodes if node.name not in names]
    if rest:
        others = NodeCost(
            params=sum(one.params or 0 for one in rest),
            macs=sum(one.macs or 0 for one in rest),
            activation_elements=sum(one.activation_elements or 0 for one in rest),
        )
        told = f"{len(rest)} norms, activations and the like"
        rows.append([Cell(text="others", beside=told), *[Cell(text="–", state="none")] * 3, *prices(others, priced)])
    last = seen.seen[network.features][0].reach
    return {
        "title": subject.title,
        "notes": list(subject.notes),
        "rows": rows,
        "total": [whole(value) for value in (priced.params, priced.macs)] + [many(priced.activation_bytes)],
        "macs": priced.macs,
        "field": field(last, size).text,
        "stride": "" if last is None else number(last.stride),
        "beyond": sum(_beyond(seen.seen[node.name][0].reach, size) for node in shown(network)),
        "layers": len(names) - 1,
    }


def reaches(node: Node, seen: Layout, size: Pair) -> tuple[Cell, Cell]:
    """The receptive field along the height and the stride; unknown where the paths into a merge do not agree."""
    own = seen.seen[node.name][0].reach
    told = seen.merges[node.name] if node.name in seen.merges else None
    if told:
        return field(own, size), Cell(text="?", state="unknown", reason=told)
    stride = Cell(text="–", state="none") if own is None else Cell(text=number(own.stride))
    return field(own, size), stride


def field(reach: Reach | None, size: Pair) -> Cell:
    """A receptive field in pixels, with a star where it is larger than the image; `whole` where all of it is seen."""
    if reach is None:
        return Cell(text="whole")
    return Cell(text=f"{reach.extent} px{STAR if _beyond(reach, size) else ''}")


def _beyond(reach: Reach | None, size: Pair) -> bool:
    return reach is not None and reach.extent > size[0]


def prices(one: NodeCost, whole_net: NetworkCost) -> tuple[Cell, Cell, Cell]:
    """Parameters, multiply-accumulates and bytes of activations, each with its share of the largest layer's."""
    return (
        _price(one.params, [node.params for node in whole_net.nodes.values()]),
        _price(one.macs, [node.macs for node in whole_net.nodes.values()]),
        _price(one.activation_bytes, [node.activation_bytes for node in whole_net.nodes.values()], "B"),
    )


def _price(value: int | None, every: Sequence[int | None], unit: str = "") -> Cell:
    if value is None:
        return Cell(text="?", state="unknown", reason="needs a size of the image that is not known")
    if value == 0:
        return Cell(text="–", state="none")
    most = max(other or 0 for other in every)
    return Cell(text=many(value, unit), share=min(1.0, value / most))


def many(value: int, unit: str = "B") -> str:
    """A large number in three digits: `1.23 M`, `45.6 kB`; bytes by the thousand."""
    place, shown_value = 0, float(value)
    while shown_value >= 999.5 and place < len(LETTERS) - 1:
        place, shown_value = place + 1, shown_value / 1000
    text = str(value) if place == 0 else f"{shown_value:.3g}"
    return f"{text} {LETTERS[place]}{unit}".strip()


def whole(value: int) -> str:
    """A number in full."""
    return f"{value:,}"


def _finding(nets: Sequence[dict[str, Json]]) -> str:
    """The most expensive layer of the net that costs most, and how many of its layers see more than the image."""
    dear = max(nets, key=lambda one: one["macs"])
    row = max(dear["rows"], key=lambda row: row[5].share)
    name, total = dear["title"].split(" on ")[0], many(dear["macs"], "")
    return (
        f"Most expensive here is {name}: {total} multiply-accumulates an image, {row[5].text} of them in "
        f"{row[0].text}; {dear['beyond']} of its {dear['layers']} layers have a receptive "
        "field that is larger than the image."
    )


VIEW = View(
    order=55,
    title="Cost",
    question="What does each layer cost, and what does it see for it?",
    caveat="Counts are no times: how long a layer takes depends on the machine and on how it is computed, which "
    f"python -m experiments.cost and the claims about costs measure. Activations at {FLOAT32_BYTES} bytes a number are "
    "what a layer puts out, not the most memory that a program holds.",
    make=make,
    reads_networks=True,
    lacks="Name a net with --net or --module to see what it costs.",
    claims=(
        "mp-early-smallest",
        "pw-cheaper",
        "relu-cheap",
        "st-saves-memory",
        "st-usually-one",
        "k3-most-used",
        "ch-double-every-conv",
        "ch-pow2-gpu",
    ),
)
