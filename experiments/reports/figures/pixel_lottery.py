"""The pixel lottery: how often a stack reads each pixel, and how much gradient comes back, before and after training.

Records keep of a trained member's gradient only its slope on the counts. The maps are of the same nets as they begin,
computed here by the probe that looked into the trained ones, on the same test images. A slope leaves out the pixels
near the border, whose counts the border lowers, so that stacks that read all others alike have none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cnnlab.data import MissingDataError, draw
from cnnlab.inference.intervals import paired_t
from cnnlab.probes.final import input_energy
from cnnlab.probes.trained import TrainedMember
from cnnlab.report import canvas, curves
from cnnlab.report.curves import ArmCurve
from cnnlab.spec.arm import Arm
from cnnlab.spec.task import Task
from cnnlab.training.members import dataset
from cnnlab.training.probing import member
from cnnlab.training.program import program
from experiments.analysis.results import ArmResults, SweepResults
from experiments.reports.figures import FEWEST, LackingRecordsError, curve, ran

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

SLOPE = "input_energy/slope"
WIDEST = 100
"""Counts from here on are shown by colour alone: their numerals would overlap."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Stack:
    """One arm on one task.

    Attributes:
        counts: paths from each pixel to the last map, (height, width).
        energy: mean squared gradient at each pixel of untrained nets, (members, height, width).
        begins, trained: slope of log energy on log count, of the same members in one order; empty where all pixels are
            read alike, and of members that diverged.
        accuracies: test accuracy of every member where it is read, fractions. curve: at every learning rate.
    """

    name: str
    counts: Floats
    energy: Floats
    begins: tuple[float, ...]
    trained: tuple[float, ...]
    accuracies: tuple[float, ...]
    curve: ArmCurve


def figure(now: SweepResults) -> "Figure":
    """Counts and gradients of every arm on the first task; slopes before and after training on all.

    Raises LackingRecordsError.
    """
    from matplotlib.figure import Figure

    found = {task: stacks(now, task) for task in now.tasks() if ran(now, task)}
    if not found:
        raise LackingRecordsError("no arm has a record")
    several = next(iter(found.values()))
    wide = max(9.0, 2.1 * len(several) + 0.6)
    drawn = Figure(figsize=(wide, 10.8), layout="constrained")
    drawn.suptitle(title(now, found), fontsize=12, fontweight="bold")
    (above,), (middle,), (below,) = drawn.subfigures(3, 1, squeeze=False, height_ratios=[4.9, 2.2, 3.2])
    _maps(above, several, now.named(next(iter(found))))
    for panel, (task, here) in zip(middle.subplots(1, len(found), squeeze=False)[0], found.items(), strict=True):
        curves.panel(panel, [one.curve for one in here], task.chance)
        panel.set_title(now.named(task), fontsize=10)
    middle.supxlabel(curves.KEY, fontsize=8)
    axes = below.subplots(1, len(found), squeeze=False, sharey=True)[0]
    for panel, (task, here) in zip(axes, found.items(), strict=True):
        _slopes(panel, here)
        panel.set_title(now.named(task), fontsize=10)
    axes[0].set_ylabel("slope of log gradient energy\non log count of paths")
    canvas.legend(below, axes, "outside lower center", columns=3)
    return drawn


def stacks(now: SweepResults, task: Task) -> tuple[Stack, ...]:
    """Every arm that has run on a task, none of them matched. Raises LackingRecordsError without the task's data."""
    return tuple(_stack(now, cell) for cell in ran(now, task))


def _stack(now: SweepResults, cell: ArmResults) -> Stack:
    """An arm's slopes from its records, and the same members as they begin."""
    sample, slopes = cell.accuracies(), cell.probed(SLOPE)
    trained = dict(zip(slopes.seeds, slopes.values, strict=True))
    begun = {seed: _begun(now, cell.point.arm, seed) for seed in sample.seeds}
    first = begun[sample.seeds[0]]
    begins = {seed: found["slope"] for seed in trained if (found := input_energy.probe(begun[seed]))}
    return Stack(
        name=cell.point.level,
        counts=input_energy.predicted(first.network, first.size)[0],
        energy=np.stack([input_energy.energy(one) for one in begun.values()]),
        begins=tuple(begins.values()),
        trained=tuple(trained[seed] for seed in begins),
        accuracies=sample.values,
        curve=curve(cell, cell.point.level),
    )


def _begun(now: SweepResults, arm: Arm, seed: int) -> TrainedMember:
    """A member as it begins. Raises LackingRecordsError."""
    try:
        data = dataset(arm.task, now.settings.source)
    except MissingDataError as missing:
        raise LackingRecordsError(str(missing)) from missing
    train, _ = draw(data, arm.task, seed)
    return member(arm, program(arm).init(seed), train, data.test)


def title(now: SweepResults, found: dict[Task, tuple[Stack, ...]]) -> str:
    """What is seen: the slopes of the arm whose pixels are read most unequally, before and after training."""
    lines = []
    for task, several in found.items():
        uneven = [one for one in several if one.begins]
        if uneven:
            most = max(uneven, key=lambda one: one.counts.max())
            begins, trained = (sum(values) / len(values) for values in (most.begins, most.trained))
            lines.append(f"{most.name} on {now.named(task)}: slope {begins:.2f} before training, {trained:.2f} after")
    every = [values for several in found.values() for one in several for values in (one.begins, one.trained) if values]
    if every and all(len(one) >= FEWEST and paired_t(np.asarray(one), 0.95).low > 0 for one in every):
        lines.insert(0, "Pixels that are read more often get more of the gradient, and still do after training")
    return "\n".join(lines) or "Of no trained net is the slope of gradient on count known"


def _maps(figure: "Figure", several: Sequence[Stack], task: str) -> None:
    """Counts above, energies of untrained nets below, a column an arm."""
    axes = figure.subplots(2, len(several), squeeze=False)
    for place, one in enumerate(several):
        accuracy = 100 * sum(one.accuracies) / len(one.accuracies)
        if one.counts.max() < WIDEST:
            canvas.count_map(axes[0][place], one.counts.tolist())
        else:
            _map(axes[0][place], one.counts)
        axes[0][place].set_title(f"{one.name}\ntest accuracy {accuracy:.1f} %", fontsize=10)
        axes[0][place].set_xlabel(f"{one.counts.min():g} to {one.counts.max():g}", fontsize=8.5)
        _map(axes[1][place], one.energy.mean(0))
    axes[0][0].set_ylabel("paths to the last map\n(each map its own colours)")
    axes[1][0].set_ylabel(f"gradient energy on {task},\nmean of untrained nets")


def _map(panel: "Axes", values: Floats) -> None:
    panel.grid(visible=False)
    panel.imshow(values, cmap=canvas.COUNTS, vmin=0.0, interpolation="nearest")
    panel.set_xticks([])
    panel.set_yticks([])


def _slopes(panel: "Axes", several: Sequence[Stack]) -> None:
    """Every member's slope, before training to the left and after it to the right, with means and 95 % intervals."""
    canvas.tidy(panel)
    shown = [one for one in several if one.begins]
    for place, one in enumerate(shown):
        for shift, values, colour, marker, label in (
            (-0.15, one.begins, canvas.BLUE, "o", "as it begins"),
            (0.15, one.trained, canvas.RED, "s", "trained"),
        ):
            panel.plot([place + shift] * len(values), values, ".", color=colour, alpha=0.35, markersize=4)
            mean = sum(values) / len(values)
            span = paired_t(np.asarray(values), 0.95)
            panel.errorbar(
                [place + shift],
                [mean],
                yerr=canvas.bars(mean, span.low, span.high) if len(values) >= FEWEST else None,
                fmt=marker,
                color=colour,
                capsize=3,
                markersize=7,
                markeredgecolor="white",
                label=label,
            )
    panel.axhline(0, color="0.6", linewidth=1)
    panel.axhline(1, color=canvas.BLACK, linestyle="--", linewidth=1, label="proportional to the count")
    panel.set_xticks(range(len(shown)), [one.name for one in shown])
    panel.set_xlim(-0.6, max(len(shown), 1) - 0.4)
