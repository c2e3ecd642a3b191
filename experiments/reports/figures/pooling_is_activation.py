"""Pooling is an activation: how far a net is from one affine map of the image, against the accuracy it reaches.

Records keep no weights. The distance is that of untrained nets, the zoo's own weights of a few seeds with random
biases, computed here; the accuracy is the trained members'.
"""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from cnnlab.inference.effects import CALIBRATION
from cnnlab.inference.intervals import paired_t
from cnnlab.modules.graph import zoo_network
from cnnlab.probes.affine import probed, probes, residual
from cnnlab.probes.collapse import TOLERANCE
from cnnlab.probes.weights import in_precision, with_offsets
from cnnlab.report import canvas, curves
from cnnlab.spec.net import ConvNet
from cnnlab.spec.task import Task
from cnnlab.zoo.module import Net
from experiments.analysis.results import ArmResults, SweepResults
from experiments.reports.figures import FEWEST, LackingRecordsError, curve, ran

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SEEDS = range(3)
IMAGES = 8
MOST = 1024
"""Numbers in an image up to which a map is probed: every one of them is an image to run."""
FLOOR = 1e-17
"""Where an exact zero is drawn."""
DOWNS = {"max": "max-pool", "average": "average pool", "strided_conv": "strided convolution", "none": "no pool"}
ACTIVATIONS = {"relu": "ReLU", "identity": "no activation"}


@dataclass(frozen=True, kw_only=True)
class LinearityDot:
    """One arm on one task.

    Attributes:
        net: as the records name it, with its widths.
        accuracies: test accuracy of every member where it is read, fractions.
        residuals: max|f(x) - (Ax + b)| / max|f(x) - b| of untrained nets, one a seed, float64.
        linear: accuracy of logistic regression, a fraction. cell: the arm.
    """

    cell: ArmResults
    net: ConvNet
    accuracies: tuple[float, ...]
    residuals: tuple[float, ...]
    linear: float

    @property
    def accuracy(self) -> float:
        """Mean over members, in %."""
        return 100 * sum(self.accuracies) / len(self.accuracies)

    @property
    def affine(self) -> bool:
        """Whether one affine map does what the net does, whatever its weights."""
        return max(self.residuals) <= TOLERANCE["float64"]

    @property
    def named(self) -> tuple[str, str]:
        """The activation and what down-samples, in words."""
        activation, down = self.net.activation, self.net.down
        return (
            ACTIVATIONS[activation] if activation in ACTIVATIONS else activation,
            DOWNS[down] if down in DOWNS else down,
        )


def figure(now: SweepResults) -> "Figure":
    """A row a task: distance over accuracy, and the curves over learning rates. Raises LackingRecordsError."""
    found = dots(now)
    tall = 3.7 * len(found) + 1.8
    drawn, axes = canvas.canvas(title(now, found), width=11, height=tall, rows=len(found), columns=2)
    for (panel, beside), (task, several) in zip(axes, found.items(), strict=True):
        _panel(panel, several, 100 * task.chance)
        panel.set_title(now.named(task), fontsize=10)
        activations, downs = looks(several)
        shown = [
            dataclasses.replace(
                curve(dot.cell, "\n".join(dot.named).replace(" convolution", "\nconvolution")),
                colour=canvas.SERIES[activations.index(dot.named[0])],
                marker=canvas.MARKERS[downs.index(dot.named[1])],
            )
            for dot in several
        ]
        curves.panel(beside, shown, task.chance)
        panel.set_ylabel("distance from one affine map\nmax|f(x) - (Ax+b)| / max|f(x) - b|, float64", fontsize=9)
    canvas.legend(drawn, axes[:, 0], "outside lower center", columns=3, title=f"right: {curves.KEY}")
    return drawn


def dots(now: SweepResults) -> dict[Task, tuple[LinearityDot, ...]]:
    """Every unmatched arm that has run, by task; tasks of large images are left out. Raises LackingRecordsError."""
    found = {}
    for task in now.tasks():
        small = task.side**2 * task.channels <= MOST
        cells = [cell for cell in now.cells if cell.point.arm.task == task and cell.point.match == "none"]
        there = [cell for cell in cells if cell in ran(now, task)]
        if there and small:
            found[task] = _measured(there, task)
    if not found:
        raise LackingRecordsError(f"no arm has a record on a task of images of at most {MOST} numbers")
    return found


def _measured(cells: Sequence[ArmResults], task: Task) -> tuple[LinearityDot, ...]:
    """The arms' accuracies from their records, and the distances of their untrained nets."""
    found = []
    for cell in cells:
        net, linear = _convnet(cell), () if cell.record is None else cell.record.linear_accuracy
        found.append(
            LinearityDot(
                cell=cell,
                net=net,
                accuracies=cell.accuracies().values,
                residuals=residuals(net, task),
                linear=math.fsum(linear) / len(linear),
            )
        )
    return tuple(found)


def _convnet(cell: ArmResults) -> ConvNet:
    net = cell.point.arm.net
    if not isinstance(net, ConvNet):
        raise LackingRecordsError(f"{cell.point.arm.key} is no parametric net")
    return net


def residuals(net: ConvNet, task: Task) -> tuple[float, ...]:
    """Distance of the untrained net from one affine map for a few seeds, probed at zero and at every basis image."""
    shape = (task.side, task.side, task.channels)
    graph = zoo_network(net, task.side, task.channels, task.classes)
    bases = probes(shape, "float64")
    images = np.random.default_rng(2).normal(size=(IMAGES, *shape))
    found = []
    with jax.enable_x64(True), jax.default_matmul_precision("highest"):
        for seed in SEEDS:
            drawn = in_precision(with_offsets(Net(graph, jax.random.key(seed)), seed=seed), "float64")
            # not compiled as a whole: most arms share their layers, which are compiled once for all of them
            values = np.asarray(drawn(jnp.concatenate([bases, images]))[0])
            found.append(residual(values[len(bases) :], probed(values[: len(bases)]), images))
    return tuple(found)


def title(now: SweepResults, found: dict[Task, tuple[LinearityDot, ...]]) -> str:
    """What is seen: what nets without activations reach, with and without max-pools, and what ReLU adds."""
    lines = []
    for task, several in found.items():
        groups = {
            "affine nets": [dot for dot in several if dot.affine],
            "bent by pools alone": [dot for dot in several if not dot.affine and dot.net.activation == "identity"],
            "by ReLU too": [dot for dot in several if dot.net.activation == "relu"],
        }
        best = [f"{name} {max(dot.accuracy for dot in group):.1f} %" for name, group in groups.items() if group]
        lines.append(f"{now.named(task)}: at best " + ", ".join(best))
    return "\n".join(lines)


def looks(several: Sequence[LinearityDot]) -> tuple[list[str], list[str]]:
    """Activations, told apart by colour, and down-samplings, told apart by marker."""
    return (list(dict.fromkeys(dot.named[0] for dot in several)), list(dict.fromkeys(dot.named[1] for dot in several)))


def _panel(panel: "Axes", several: Sequence[LinearityDot], chance: float) -> None:
    """Accuracy to the right, distance upwards; bars: 95 % interval over members, range over seeds."""
    activations, downs = looks(several)
    for dot in several:
        activation, down = dot.named
        middle = max(float(np.median(dot.residuals)), FLOOR)
        low, high = max(min(dot.residuals), FLOOR), max(max(dot.residuals), FLOOR)
        interval = paired_t(np.asarray(dot.accuracies), 0.95, CALIBRATION)
        known = len(dot.accuracies) >= FEWEST
        beside = canvas.bars(dot.accuracy, 100 * interval.low, 100 * interval.high) if known else None
        panel.errorbar(
            [dot.accuracy],
            [middle],
            xerr=beside,
            yerr=canvas.bars(middle, low, high),
            capsize=2,
            color=canvas.SERIES[activations.index(activation)],
            fmt=canvas.MARKERS[downs.index(down)],
            markersize=8,
            markeredgecolor="white",
            label=f"{activation}, {down}",
        )
    linear = 100 * several[0].linear
    panel.axvline(linear, color=canvas.BLACK, linestyle="--", linewidth=1, label="logistic regression (validation)")
    panel.axvline(chance, color="0.6", linestyle=":", linewidth=1, label="a guess")
    panel.axhspan(FLOOR / 3, TOLERANCE["float64"], color="0.94", zorder=0)
    panel.text(
        0.02,
        TOLERANCE["float64"] / 3,
        "affine up to rounding",
        fontsize=8.5,
        color="0.35",
        transform=panel.get_yaxis_transform(),
        va="top",
    )
    panel.set_yscale("log")
    panel.set_ylim(FLOOR / 3, 10)
    panel.set_xlabel(
        f"test accuracy of trained members where read, %\n(distance: the same nets untrained, {len(SEEDS)} seeds)"
    )
