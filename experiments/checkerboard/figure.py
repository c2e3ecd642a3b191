"""What each decoder makes of one image, before and after training, and its two numbers below it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cnnlab.probes.upsampling import ARMS, TRANSPOSED, Member, Painted
from cnnlab.report import canvas
from experiments.checkerboard.reading import values

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN = ("init maps", "init output", "trained maps", "trained output")
PANELS = (
    ("pattern_maps", "pattern,\nmaps"),
    ("pattern_output", "pattern,\noutput"),
    ("flat_output", "board on flat\ngrey, output"),
    ("dispersion_maps", "dispersion,\nmaps"),
)


def figure(members: Sequence[Member], counted: Sequence[Painted], title: str) -> "Figure":
    """One column an arm: its maps and output on one image, and the numbers of all members."""
    arms = [arm for arm in ARMS if any(member.arm == arm for member in members)]
    heights = [1.0] * len(SHOWN) + [1.15] * len(PANELS)
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(1.25 * len(arms) + 1.2, 1.25 * sum(heights) + 1.1), layout="constrained")
    grid = drawn.add_gridspec(len(heights), len(arms), height_ratios=heights)
    first = {arm: next(member for member in members if member.arm == arm) for arm in arms}
    for row, name in enumerate(SHOWN):
        for column, arm in enumerate(arms):
            _picture(drawn.add_subplot(grid[row, column]), first[arm], name, row == 0, column == 0)
    for row, (number, label) in enumerate(PANELS, start=len(SHOWN)):
        _numbers(drawn.add_subplot(grid[row, :]), members, arms, number, label)
    _counts(drawn.axes[-1], counted, arms)
    drawn.suptitle(title, fontsize=12, fontweight="bold")
    handles = drawn.axes[-1].get_legend_handles_labels()
    drawn.legend(*handles, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    return drawn


def _picture(axes: Any, member: Member, name: str, top: bool, left: bool) -> None:
    """One plane in grey, each from its own darkest to its own brightest."""
    axes.imshow(member.shown[name], cmap="gray", interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    if top:
        axes.set_title(member.arm.replace(", ", ",\n").replace("transposed ", "transposed\nkernel "), fontsize=9)
    if left:
        when, what = name.split()
        axes.set_ylabel(f"{what},\n{'untrained' if when == 'init' else 'trained'}", fontsize=9)


def _numbers(axes: Any, members: Sequence[Member], arms: Sequence[str], number: str, label: str) -> None:
    """Every member before and after training, side by side."""
    canvas.tidy(axes)
    marks = (("init", -0.12, "o", canvas.SKY, "untrained"), ("trained", 0.12, "D", canvas.RED, "trained"))
    for when, aside, marker, colour, name in marks:
        points = [
            (place + aside, value)
            for place, arm in enumerate(arms)
            for value in values(members, (arm,), when, number)  # type: ignore[arg-type]
        ]
        axes.plot(
            *zip(*points, strict=True), marker, color=colour, markersize=4.5, linestyle="none", label=name, alpha=0.8
        )
    axes.set_xlim(-0.5, len(arms) - 0.5)
    axes.set_xticks(range(len(arms)), [""] * len(arms))
    axes.set_ylim(bottom=min(-0.02, *axes.get_ylim()))
    axes.set_ylabel(label, fontsize=9)


def _counts(axes: Any, counted: Sequence[Painted], arms: Sequence[str]) -> None:
    """What the exact overlap counts alone would give."""
    exact = {one.kernel: one.predicted for one in counted}
    points = [
        (place, exact[TRANSPOSED[arm]])
        for place, arm in enumerate(arms)
        if arm in TRANSPOSED and TRANSPOSED[arm] in exact
    ]
    if points:
        axes.plot(
            *zip(*points, strict=True),
            "_",
            color=canvas.BLACK,
            markersize=22,
            markeredgewidth=2,
            linestyle="none",
            label="exact overlap counts",
        )
