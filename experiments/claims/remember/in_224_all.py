"""The notes: "All the neural network architecture have 224x224 as the stating image".

Counted is the customary image of every architecture of the frozen list: what the library trains or first published it
with. For AlexNet that is 224, as its paper says, though the paper's 55 x 55 maps need 227. The list holds ImageNet
classifiers alone, which favours the notes: nets for CIFAR or handwriting start from 32 x 32 and less. timm's models,
mostly younger than the notes and many of them the same network at another size, are another question, shown beside.
"""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cnnlab.inference.rules.survey import ALL, Counted, Survey
from cnnlab.report import canvas
from cnnlab.spec.verdict import Table
from experiments.claims.base import Claim, Computed
from experiments.claims.surveys.counting import Architecture, architectures, library_models, votes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIDE = 224
"""Pixels."""


def starts_at_224(net: Architecture) -> bool:
    """Whether the customary image has 224 x 224 pixels."""
    return net.side == SIDE


def compute() -> Counted:
    """Count the frozen list."""
    nets = architectures()
    return votes(nets, starts_at_224, what="start from 224x224 pixels", tables=(others(nets), in_library()))


def others(nets: Sequence[Architecture]) -> Table:
    """The networks that start from another size."""
    rows = tuple((net.name, net.year, f"{net.side}x{net.side}", net.source) for net in nets if not starts_at_224(net))
    return Table(title="Architectures with another image", columns=("network", "year", "image", "source"), rows=rows)


def in_library() -> Table:
    """The ten commonest image sizes of timm's models."""
    found = Counter(model.side for model in library_models())
    total = found.total()
    rows = tuple((f"{side}x{side}", count, f"{100 * count / total:.1f} %") for side, count in found.most_common(10))
    title = f"All {total} models of timm, by image: another question (description only)"
    return Table(title=title, columns=("image", "models", "share"), rows=rows)


def figure() -> "Figure":
    """Image size of every architecture by year; the area of a disc says how many share it."""
    nets = architectures()
    share = sum(map(starts_at_224, nets))
    title = f"224 pixels is the commonest starting image, not the only one: {share} of {len(nets)} architectures"
    drawn, axes = canvas.canvas(title, width=8.5)
    panel = axes[0][0]
    for (year, side), count in sorted(Counter((net.year, net.side) for net in nets).items()):
        usual = side == SIDE
        colour, marker = (canvas.BLUE, "o") if usual else (canvas.RED, "s")
        panel.scatter(year, side, s=110 + 130 * count, color=colour, marker=marker, alpha=0.85)
        panel.text(year, side, str(count), ha="center", va="center", color="white", fontweight="bold", fontsize=9)
    panel.axhline(SIDE, color=canvas.BLACK, linewidth=1, zorder=0)
    panel.set_yticks(sorted({net.side for net in nets}))
    panel.set_xticks(range(min(net.year for net in nets), max(net.year for net in nets) + 1))
    panel.set_xlabel("year of the paper (the number in a mark: how many architectures)")
    panel.set_ylabel("side of the customary image (pixels)")
    panel.margins(y=0.12)
    return drawn


CLAIM = Claim(
    says="All network architectures take images of 224 x 224 pixels.",
    notes='Few things to remember, fourth point: "All the neural network architecture have 224x224"',
    kind="survey",
    evidence=Computed(compute=compute),
    rule=Survey(bar=ALL),
    figure=figure,
)
