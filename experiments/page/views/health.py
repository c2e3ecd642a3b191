"""How the layers of a net fare: statistics along the training, and what is left of their units in the end."""

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cnnlab.spec.record import Record
from cnnlab.training.schedule import log_spaced_steps
from experiments.analysis.layers import by_number
from experiments.analysis.results import SweepResults
from experiments.page.member import Depth, Member
from experiments.page.plot import tenth
from experiments.page.view import Content, Context, Json, View

MOST_ARMS, MOST_MEMBERS = 24, 6
WIDTH, HIGH, LEFT, BELOW, RIGHT = 660, 280, 58, 34, 92
"""Of a picture, in pixels: width, height, and the room for labels."""
WORDS = {
    "activation_grad_norm": "Gradient at the activations, L2 norm",
    "grad_norm": "Gradient of the weights, L2 norm",
    "dead_fraction": "Dead units, share",
    "zero_fraction": "Zeros among the outputs, share",
    "saturated_fraction": "Saturated units, share",
    "update_to_weight": "Update over weight",
    "grad_to_weight": "Gradient over weight",
}
COUNTS = "log2_histogram"
SHARES = ("dead_fraction", "zero_fraction", "saturated_fraction")


@dataclass(frozen=True, kw_only=True)
class Watched:
    """One arm whose layers were looked at along its training. `title`: sweep, level and task."""

    title: str
    record: Record


def watched(views: Mapping[str, SweepResults]) -> list[Watched]:
    """Every such arm once, in the order of the sweeps; those without a match first."""
    found: dict[str, Watched] = {}
    for name, view in sorted(views.items()):
        for cell in sorted(view.cells, key=lambda cell: cell.point.match != "none"):
            record = cell.record
            if record is None or record.arm in found or not any("stats" in history for history in record.histories):
                continue
            match = "" if cell.point.match == "none" else f", equal {cell.point.match}"
            level = cell.point.level or "one arm"
            title = f"{name}: {level}{match}, {view.label(cell.point.arm.task)}"
            found[record.arm] = Watched(title=title, record=record)
    return list(found.values())


def steps(record: Record) -> tuple[int, ...]:
    """The steps at which the layers were looked at; compact records keep the looks alone."""
    recipe, task = record.config["recipe"], record.config["task"]
    return log_spaced_steps(math.ceil(task["train_images"] / recipe["batch_size"]) * recipe["epochs"])


Lines = dict[str, list[list[float | None]]]
"""By layer, a line a member: a value a look, None where it is not finite."""


def lines(record: Record) -> dict[str, Lines]:
    """By statistic. A layer's weights stand for the layer; its biases are left out."""
    found: dict[str, Lines] = {}
    for history in record.histories[:MOST_MEMBERS]:
        stats = history["stats"] if "stats" in history else {}
        for path, values in sorted(stats.items(), key=lambda item: by_number(item[0])):
            statistic, _, site = path.partition("/")
            if statistic in (COUNTS, "images_seen") or site.endswith(("/bias", "/scale")):
                continue
            layer = site.removesuffix("/kernel")
            found.setdefault(statistic, {}).setdefault(layer, []).append([_known(value) for value in values])
    return found


def _known(value: Any) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


def picture(record: Record, statistic: str, found: Lines) -> dict[str, Json]:
    """The lines of one statistic as points: thin, each member; thick, a layer's mean.

    Shares stand on a scale from 0 to 1, all others on a logarithmic one, where a zero stands at the lower edge.
    """
    logarithmic = statistic not in SHARES
    ticks: list[tuple[float, str]]
    every = [value for members in found.values() for line in members for value in line if value is not None]
    positive = [value for value in every if value > 0]
    if logarithmic:
        low, high = (
            (math.floor(math.log10(min(positive))), math.ceil(math.log10(max(positive)))) if positive else (0, 1)
        )
        high = max(high, low + 1)
        stride = max(1, math.ceil((high - low) / 8))
        ticks = [(power, f"1e{power}") for power in range(low, high + 1, stride)]
    else:
        low, high = 0, 1
        ticks = [(share / 4, f"{25 * share} %") for share in range(5)]
    looked = steps(record)
    last = math.log2(1 + looked[-1]) or 1.0

    def across(place: int) -> float:
        return tenth(LEFT + (WIDTH - LEFT - RIGHT) * math.log2(1 + looked[place]) / last)

    def down(value: float) -> float:
        scaled = (math.log10(value) if value > 0 else low) if logarithmic else value
        share = (max(low, min(high, scaled)) - low) / (high - low)
        return tenth(8 + (HIGH - BELOW - 16) * (1 - share))

    layers = []
    for place, (layer, members) in enumerate(found.items()):
        mean = [_mean([line[at] for line in members if at < len(line)]) for at in range(max(map(len, members)))]
        shown = [[(across(at), down(value)) for at, value in enumerate(line) if value is not None] for line in members]
        middle = [(across(at), down(value)) for at, value in enumerate(mean) if value is not None]
        layers.append(
            {
                "name": layer,
                "depth": round(100 * place / max(1, len(found) - 1)),
                "lines": [line for line in shown if line],
                "mean": middle,
                "end": middle[-1] if middle else None,
                "first": next((value for value in mean if value is not None), None),
                "last": next((value for value in reversed(mean) if value is not None), None),
            }
        )
    _apart([layer for layer in layers if layer["end"] is not None])
    return {
        "statistic": statistic,
        "words": WORDS[statistic] if statistic in WORDS else statistic.replace("_", " "),
        "layers": layers,
        "ticks": [(down(10.0**tick if logarithmic else tick), label) for tick, label in ticks],
        "steps": [(across(place), f"{step:,}") for place, step in enumerate(looked) if place % 3 == 0],
        "width": WIDTH,
        "height": HIGH,
        "left": LEFT,
        "right": WIDTH - RIGHT,
        "members": min(MOST_MEMBERS, len(record.histories)),
        "seeds": f"{record.members[0]} to {record.members[min(MOST_MEMBERS, len(record.members)) - 1]}",
    }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None


def _apart(layers: Sequence[dict[str, Json]], gap: float = 13.0) -> None:
    """Move labels at the ends of lines apart: at most one every `gap` pixels."""
    ordered = sorted(layers, key=lambda layer: layer["end"][1])
    at = -gap
    for layer in ordered:
        at = max(at + gap, layer["end"][1])
        layer["label"] = round(at, 1)
    over = max(0.0, at - (HIGH - BELOW))
    for layer in ordered:
        layer["label"] = round(layer["label"] - over, 1)


def probes(arms: Sequence[Watched]) -> Iterator[dict[str, Json]]:
    """Of each arm, every probe of its trained members: mean, least and largest."""
    for arm in arms:
        paths = dict.fromkeys(path for member in arm.record.probes for path in member)
        rows = []
        for path in paths:
            values = [member[path] for member in arm.record.probes if path in member]
            rows.append((path, *(f"{value:.3g}" for value in (statistics.fmean(values), min(values), max(values)))))
        yield {"rows": rows, "n": sum(bool(member) for member in arm.record.probes)}


def make(context: Context) -> Content | None:
    """Watched arms from the records, and the layers of the members on the page; None without either."""
    arms = watched(context.views)
    shown = arms[:MOST_ARMS]
    surveyed = [member for member in context.members if member.survey is not None]
    if not shown and not surveyed:
        return None
    pictures = [[picture(arm.record, name, found) for name, found in lines(arm.record).items()] for arm in shown]
    static = {
        "arms": [
            {"title": arm.title, "key": arm.record.arm, "pictures": drawn, "probes": probed}
            for arm, drawn, probed in zip(shown, pictures, probes(shown), strict=True)
        ],
        "left_out": len(arms) - len(shown),
        "depth": [(member.title, member.state, _survey(member)) for member in surveyed],
        "images": surveyed[0].survey.images if surveyed and surveyed[0].survey is not None else 0,
        "trained": context.trained,
    }
    return Content(finding=_finding(pictures, surveyed), static=static)


def _survey(member: Member) -> tuple[Depth, ...]:
    assert member.survey is not None, "members with a survey alone are shown"
    return member.survey.depth


def _finding(pictures: Sequence[Sequence[dict[str, Json]]], surveyed: Sequence[Member]) -> str:
    """The gradient that reaches the first layer, against the last's, before training and in the end."""
    for drawn in pictures:
        for one in drawn:
            first, *_, last = one["layers"] if len(one["layers"]) > 1 else (None, None)
            if one["statistic"] == "activation_grad_norm" and first and last and last["first"] and last["last"]:
                before, after = (first[when] / last[when] for when in ("first", "last"))
                return (
                    f"In the first arm here the gradient at {first['name']} is {before:.2g} times that at "
                    f"{last['name']} before training, and {after:.2g} times in the end."
                )
    if not surveyed:
        return "The records here hold no gradients at activations."
    ends = [_survey(member)[-1] for member in surveyed[:2]]
    told = " and ".join(f"{100 * end.readable:.0f} %" for end in ends)
    return f"From the channels' means of {ends[0].layer} a linear classifier reads {told} of the test images."


VIEW = View(
    order=25,
    title="Layer health",
    question="Does every layer get gradient, and do its units stay alive?",
    caveat="Statistics were taken on the training batch of a step, at steps that double; published records keep those "
    "that claims read, and probes after training alone. A dead unit in a sample may answer to an image outside of it.",
    make=make,
    reads_members=True,
    reads_records=True,
    lacks="No record here holds statistics of layers.",
    claims=(
        "sig-vanishes",
        "sig-all-grads-zero",
        "tanh-same",
        "lin-no-backprop",
        "lin-grad-constant",
        "lin-collapse",
        "lin-depth-useless",
        "depth-learn-slowly",
        "relu-derivative-values",
        "relu-differentiable",
        "act-nonlinear-definition",
    ),
)
