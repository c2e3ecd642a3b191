"""Where gradients vanish: their norm by layer and training step, a strip an arm, and by layer before any training.

What is shown is the norm of the loss gradient at the OUTPUT of each activation. The common figure, the ratio of the
first to the last weight gradient, is blind where signal and gradient shrink together.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnnlab.report import canvas, curves
from cnnlab.spec.net import ConvNet
from cnnlab.spec.record import Record
from cnnlab.spec.task import Task
from cnnlab.training.schedule import log_spaced_steps
from experiments.analysis.metrics.gradient_decay import STATISTIC, activations
from experiments.analysis.results import ArmResults, SweepResults
from experiments.reports.figures import LackingRecordsError, curve, ran

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

ACROSS = 5
"""Strips side by side."""
DECADES = 14
"""What the colours span at most; anything smaller looks like the smallest."""
UNKNOWN = "0.75"


@dataclass(frozen=True, kw_only=True, eq=False)
class Strip:
    """One arm on the task that is shown.

    Attributes:
        cell: the arm. name: its net and optimiser in words.
        steps: training steps at which gradients were looked at.
        norms: log10 of the gradient's norm, (members, layers, looks), the layer nearest the image first; NaN where it
            is zero or not finite, and after a member has broken off.
    """

    cell: ArmResults
    name: str
    steps: tuple[int, ...]
    norms: Floats

    @property
    def middle(self) -> Floats:
        """Median over members, (layers, looks); NaN where fewer than half of them have a number."""
        known = np.isfinite(self.norms).sum(0) * 2 >= len(self.norms)
        filled = np.where(known, self.norms, 0.0)  # a column of NaN alone would warn
        median: Floats = np.where(known, np.nanmedian(filled, axis=0), np.nan)
        return median

    @property
    def plain(self) -> bool:
        """Whether nothing is done against vanishing gradients: no norm, shortcut or scaled weights, and Adam."""
        net = convnet(self.cell)
        ways = (net.norm, net.block, net.init_scale, self.cell.point.arm.recipe.optimizer)
        return ways == ("none", "plain", 1.0, "adam")

    @property
    def lost(self) -> float:
        """Decades by which the gradient is larger at the first activation than at the last, before any training."""
        return float(self.middle[0, 0] - self.middle[-1, 0])


def convnet(cell: ArmResults) -> ConvNet:
    """The arm's net. Raises LackingRecordsError for a classic."""
    net = cell.point.arm.net
    if not isinstance(net, ConvNet):
        raise LackingRecordsError(f"{cell.point.arm.key} is no net of numbered layers")
    return net


def named(cell: ArmResults) -> str:
    """An arm in words: activation and depth, then what is done against vanishing gradients."""
    net, optimizer = convnet(cell), cell.point.arm.recipe.optimizer
    activation = "no activation" if net.activation == "identity" else net.activation.replace("_", " ")
    ways = (
        f"init x{net.init_scale:g}" if net.init_scale != 1 else "",
        f"{net.norm} norm" if net.norm != "none" else "",
        net.block if net.block != "plain" else "",
        optimizer.upper() if optimizer != "adam" else "",
    )
    return ", ".join(part for part in (f"{activation}, {net.depth} layers", *ways) if part)


def strip(cell: ArmResults) -> Strip:
    """Read an arm's gradient norms. Raises LackingRecordsError where a member has none, naming the arm."""
    record = cell.record
    if record is None:
        raise LackingRecordsError(f"{cell.point.arm.key} has no record")
    sites = activations(record)
    members = [_series(record, place, sites) for place in range(len(record.members))]
    looks = max(len(series[0]) for series in members)
    norms = np.full((len(members), len(sites), looks), np.nan)
    for member, layers in enumerate(members):
        for layer, values in enumerate(layers):
            norms[member, layer, : len(values)] = [math.log10(value) if value else math.nan for value in values]
    return Strip(cell=cell, name=named(cell), steps=_steps(record)[:looks], norms=norms)


def _series(record: Record, place: int, sites: Sequence[str]) -> list[list[float | None]]:
    """A member's norms over its looks, layer by layer."""
    history: dict[str, Any] = record.histories[place] if place < len(record.histories) else {}
    stats = history["stats"] if "stats" in history else {}
    if bare := [site for site in sites if f"{STATISTIC}/{site}" not in stats]:
        raise LackingRecordsError(
            f"{record.arm}, member {record.members[place]}, has no history of {STATISTIC}/{bare[0]}"
        )
    return [stats[f"{STATISTIC}/{site}"] for site in sites]


def _steps(record: Record) -> tuple[int, ...]:
    """The steps at which every training is looked at; compact records keep the looks alone."""
    recipe, task = record.config["recipe"], record.config["task"]
    return log_spaced_steps(math.ceil(task["train_images"] / recipe["batch_size"]) * recipe["epochs"])


def strips(now: SweepResults, task: Task) -> tuple[Strip, ...]:
    """Every watched arm that has run on a task, in the order of the sweep, whose arms are never matched."""
    return tuple(strip(cell) for cell in watched(now, task))


def watched(now: SweepResults, task: Task) -> tuple[ArmResults, ...]:
    """The arms with a record whose gradients were looked at along the way."""
    return tuple(cell for cell in ran(now, task) if cell.point.arm.recipe.watched)


def shown_task(now: SweepResults) -> Task:
    """The first task with records of watched arms. Raises LackingRecordsError."""
    for task in now.tasks():
        if watched(now, task):
            return task
    some = any(ran(now, task) for task in now.tasks())
    raise LackingRecordsError("no arm was watched (train.watched)" if some else "no arm has a record")


def figure(now: SweepResults) -> "Figure":
    """A strip an arm, the norm by layer before training, and the curves of accuracy. Raises LackingRecordsError."""
    from matplotlib.figure import Figure

    task = shown_task(now)
    found = strips(now, task)
    rows = math.ceil(len(found) / ACROSS)
    drawn = Figure(figsize=(11, 2.2 * rows + 6.9), layout="constrained")
    drawn.suptitle(title(found, now.named(task)), fontsize=12, fontweight="bold")
    parts = drawn.subfigures(3, 1, squeeze=False, height_ratios=[2.2 * rows + 0.5, 3.6, 2.5])
    (above,), (below,), (last,) = parts
    _strips(above, now, found)
    every = ran(now, task)
    _profiles(below.subplots(), found, [cell.point.arm.key for cell in every])
    panel = last.subplots()
    shown = [curve(cell, named(cell).replace(", ", "\n"), place) for place, cell in enumerate(every)]
    curves.panel(panel, shown, task.chance, letters=6.5)
    panel.set_title(f"on {now.named(task)}: {curves.KEY}", fontsize=8.5, loc="left")
    return drawn


def title(found: Sequence[Strip], task: str) -> str:
    """What is seen: how much of the gradient is left at the first layer of the deepest plain nets."""
    deep = [one for one in deepest(found) if one.plain]
    lost = [f"{one.name.partition(',')[0]} {_decades(one.lost)}" for one in deep or found[:1]]
    layers = convnet((deep or found)[0].cell).depth
    return f"Gradient at the first of {layers} layers over that at the last, before training on {task}:\n" + ", ".join(
        lost
    )


def _decades(value: float) -> str:
    return f"$10^{{{value:.1f}}}$" if math.isfinite(value) else "zero"


def deepest(found: Sequence[Strip]) -> tuple[Strip, ...]:
    """The arms of the greatest depth."""
    most = max(convnet(one.cell).depth for one in found)
    return tuple(one for one in found if convnet(one.cell).depth == most)


def reached(now: SweepResults, cell: ArmResults) -> str:
    """An arm's mean accuracy on every task where it is read, in %, and how many members of all did not learn."""
    texts, lost, members = [], 0, 0
    for task in now.tasks():
        there = now.cell(task, cell.point.level, cell.point.match)
        if there is not None and there.record is not None:
            sample = there.accuracies()
            texts.append(f"{100 * sum(sample.values) / len(sample.values):.1f}")
            lost, members = lost + sum(sample.diverged), members + len(sample.values)
    return " / ".join(texts) + " %" + (f", {lost}/{members} at chance" if lost else "")


def _strips(figure: Any, now: SweepResults, found: Sequence[Strip]) -> None:
    """Heat strips on one scale of colours, the layer nearest the image at the bottom."""
    from matplotlib import colormaps

    known = np.concatenate([one.middle[np.isfinite(one.middle)] for one in found])
    if not known.size:
        raise LackingRecordsError(f"every {STATISTIC} is zero or not finite")
    high = float(known.max())
    low = max(float(known.min()), high - DECADES)
    rows = math.ceil(len(found) / ACROSS)
    axes = figure.subplots(rows, ACROSS, squeeze=False)
    image = None
    for panel, one in zip(axes.flat, found, strict=False):
        colours = colormaps[canvas.COUNTS].with_extremes(bad=UNKNOWN)
        image = panel.imshow(
            np.ma.masked_invalid(one.middle),
            cmap=colours,
            vmin=low,
            vmax=high,
            aspect="auto",
            origin="lower",
            interpolation="nearest",
        )
        panel.set_title(f"{one.name}\n{reached(now, one.cell)}", fontsize=8.5)
        _ticks(panel, one)
    for panel in axes.flat[len(found) :]:
        panel.set_visible(False)
    bar = figure.colorbar(image, ax=axes, shrink=0.7, pad=0.01, extend="min" if known.min() < low else "neither")
    bar.set_label("$\\log_{10}$ of the gradient's norm\n(median of members)", fontsize=9)
    tasks = " / ".join(map(now.named, now.tasks()))
    figure.supylabel("layer (1: next to the image)", fontsize=9.5)
    note = "; grey: zero in most members" if any(not np.isfinite(one.middle).all() for one in found) else ""
    figure.supxlabel(f"training step (log-spaced looks{note}). Above: test accuracy on {tasks}", fontsize=9.5)


def _ticks(panel: "Axes", one: Strip) -> None:
    layers, looks = one.middle.shape
    columns = sorted({0, looks // 2, looks - 1})
    panel.set_xticks(columns, [str(one.steps[column]) for column in columns], fontsize=7.5)
    panel.set_yticks([0, layers - 1], ["1", str(layers)], fontsize=7.5)


def profiles(found: Sequence[Strip]) -> dict[str, Strip]:
    """The deepest arms by what a legend calls them; arms that begin alike, whatever trains them, as one."""
    groups: list[list[Strip]] = []
    for one in deepest(found):
        alike = [group for group in groups if _begin_alike(group[0], one)]
        if alike:
            alike[0].append(one)
        else:
            groups.append([one])
    return {" = ".join(one.name for one in group): group[0] for group in groups}


def _begin_alike(one: Strip, other: Strip) -> bool:
    ours, theirs = one.norms[:, :, 0], other.norms[:, :, 0]
    return ours.shape == theirs.shape and np.allclose(ours, theirs, atol=1e-3, equal_nan=True)


def _profiles(panel: "Axes", found: Sequence[Strip], arms: Sequence[str]) -> None:
    """Median over members by layer at the first look, with the range of the members; a colour is the curve's below."""
    canvas.tidy(panel)
    lines = profiles(found)
    for name, one in lines.items():
        colour, marker = canvas.style(arms.index(one.cell.point.arm.key))
        layers = np.arange(1, len(one.middle) + 1)
        first = one.norms[:, :, 0]
        panel.fill_between(layers, 10 ** first.min(0), 10 ** first.max(0), color=colour, alpha=0.2, linewidth=0)
        panel.plot(layers, 10 ** one.middle[:, 0], color=colour, marker=marker, markersize=5, label=name)
    panel.set_yscale("log")
    panel.set_xticks(range(1, max(len(one.middle) for one in lines.values()) + 1))
    panel.set_xlabel("layer (1: next to the image)")
    panel.set_ylabel("norm of the gradient at its output")
    panel.set_title("before training, the deepest nets (line: median, band: all members)", fontsize=10)
    panel.legend(frameon=False, fontsize=8.5, loc="center left", bbox_to_anchor=(1.0, 0.5))
