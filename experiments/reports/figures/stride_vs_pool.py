"""Where the information dies: what can be read off a trained net along its depth, around every down-sampling.

Above, the image itself, by a linear decoder; below, its class, by a linear classifier of the same sample of images.
Both are probes of the trained members. What a layer has lost of the image is lost for good, though a linear decoder may
find more of the rest further on; a class may become easier to read with every layer. A pool is read after the
activation before it. A strided convolution is a down-sampling itself: it is read before its own activation, and what
came before it is one convolution less than before a pool.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cnnlab.inference.intervals import paired_t
from cnnlab.modules.graph import zoo_network
from cnnlab.probes.trained import HEAD, down_samplings
from cnnlab.report import canvas
from cnnlab.spec.task import Task
from experiments.analysis.results import ArmResults, SweepResults
from experiments.reports.figures import FEWEST, LackingRecordsError, ran

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

IMAGE, CLASS = "reconstruction", "linear_probe"
"""The two probes."""
LOWEST = -0.1
"""Where the axis of the image ends: a decoder that does worse than the mean image has read nothing."""
STEP = 0.035
"""Stages between neighbouring arms, so that their bars do not hide each other."""


@dataclass(frozen=True, kw_only=True)
class DepthPoint:
    """One place along an arm's depth: where it stands on the axis, and one value a member."""

    place: int
    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Over members."""
        return sum(self.values) / len(self.values)


@dataclass(frozen=True, kw_only=True)
class Fall:
    """One arm on one task: what is left of the image, and of the class, by stage.

    Attributes:
        members, probed: how many there are, and how many of them were looked into.
    """

    level: str
    members: int
    probed: int
    image: tuple[DepthPoint, ...]
    label: tuple[DepthPoint, ...]

    @property
    def name(self) -> str:
        """The level; where members diverged, which no probe looks into, also how many are left."""
        return self.level if self.probed == self.members else f"{self.level} ({self.probed} of {self.members} members)"


def figure(now: SweepResults) -> "Figure":
    """A row a task: the image, and beside it the class. Raises LackingRecordsError."""
    found = falls(now)
    tall = 3.7 * len(found) + 1.5
    drawn, axes = canvas.canvas(title(now, found), width=11, height=tall, rows=len(found), columns=2)
    levels = list(dict.fromkeys(one.level for several in found.values() for one in several))
    for (image, kind), (task, several) in zip(axes, found.items(), strict=True):
        for one in several:
            _line(image, levels.index(one.level), one.name, one.image)
            _line(kind, levels.index(one.level), one.name, one.label)
        image.set_ylim(bottom=max(LOWEST, image.get_ylim()[0]))
        kind.axhline(task.chance, color="0.6", linestyle=":", linewidth=1, label="a guess")
        image.set_title(now.named(task), fontsize=10)
        for panel in (image, kind):
            _names(panel, several)
        image.set_ylabel("share of the image's variance\nthat a linear decoder reads")
        kind.set_ylabel("accuracy of a linear classifier\non the layer's output")
    drawn.supxlabel(
        "along the depth: before and after every down-sampling, and what the head is given\n"
        "(strided convolutions are read before their activation, and begin one convolution earlier; "
        "bars: 95 % intervals over members)",
        fontsize=9,
    )
    canvas.legend(drawn, axes[:, 1], "outside right center")
    return drawn


def falls(now: SweepResults) -> dict[Task, tuple[Fall, ...]]:
    """Every unmatched arm with probes, by task. Raises LackingRecordsError."""
    found = {}
    for task in now.tasks():
        cells = [cell for cell in ran(now, task) if cell.point.match == "none" and _probed(cell)]
        if cells:
            head = 2 * max(len(_layers(cell)) for cell in cells)
            found[task] = tuple(_fall(cell, head) for cell in cells)
    if not found:
        raise LackingRecordsError("no arm has a record of a trained member's probes")
    return found


def _probed(cell: ArmResults) -> int:
    """Members that were looked into."""
    return sum(bool(probes) for probes in (() if cell.record is None else cell.record.probes))


def _layers(cell: ArmResults) -> list[str]:
    """Names of the down-samplings of an arm's net."""
    arm = cell.point.arm
    net = zoo_network(arm.net, arm.task.side, arm.task.channels, arm.task.classes)
    return [node.name for node in down_samplings(net)]


def _fall(cell: ArmResults, head: int) -> Fall:
    """An arm's stages, of which the head's stands at the same place for all."""
    ends = list(enumerate(f"{layer}/{side}" for layer in _layers(cell) for side in ("before", "after")))
    return Fall(
        level=cell.point.level,
        members=cell.members,
        probed=_probed(cell),
        image=_stages(cell, [(place, f"{IMAGE}/{end}") for place, end in ends]),
        label=_stages(cell, [*((place, f"{CLASS}/{end}") for place, end in ends), (head, f"{CLASS}/{HEAD}/accuracy")]),
    )


def _stages(cell: ArmResults, paths: Sequence[tuple[int, str]]) -> tuple[DepthPoint, ...]:
    """The stages that the members' probes have values of."""
    stages = ((place, cell.probed(path).values) for place, path in paths)
    return tuple(DepthPoint(place=place, values=values) for place, values in stages if values)


def title(now: SweepResults, found: dict[Task, tuple[Fall, ...]]) -> str:
    """What is seen: which arms have most and least of the image after their last down-sampling."""
    lines = []
    for task, several in found.items():
        ends = {one.level: one.image[-1].mean for one in several if one.image}
        if ends:
            most, least = max(ends, key=lambda level: ends[level]), min(ends, key=lambda level: ends[level])
            lines.append(
                f"{now.named(task)}: {most} leaves {ends[most]:.2f} of the image readable, {least} {ends[least]:.2f}"
            )
    return "\n".join(lines) or "No net of this sweep leaves out pixels"


def _names(panel: "Axes", several: Sequence[Fall]) -> None:
    """The stages of the arm with most of them."""
    last = max((stage.place for one in several for stage in one.label), default=0)
    counts = ("first", "second", "third", "fourth", "fifth", "sixth")
    names = [f"{side} the {counts[place]}" for place in range(last // 2) for side in ("before", "after")]
    panel.set_xticks(range(last + 1), [*names, "at the head"], rotation=20, ha="right", fontsize=8.5)
    panel.set_xlim(-0.3, last + 0.6)


def _line(panel: "Axes", place: int, name: str, stages: Sequence[DepthPoint]) -> None:
    """One arm along its depth; its place among the arms says how it looks, on whichever task."""
    colour, marker = canvas.style(place)
    across = [stage.place + STEP * place for stage in stages]
    means = [stage.mean for stage in stages]
    panel.plot(across, means, color=colour, marker=marker, markersize=6, markeredgecolor="white", label=name)
    for at, stage in zip(across, stages, strict=True):
        if len(stage.values) >= FEWEST:
            interval = paired_t(np.asarray(stage.values), 0.95)
            panel.plot([at] * 2, [interval.low, interval.high], color=colour, linewidth=1)
