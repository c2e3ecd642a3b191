"""What a figure says can be read: no text beyond its border, and no label of an axis over its neighbour."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from cnnlab.inference.noise import Floor
from cnnlab.report import canvas, figures
from cnnlab.report.figures import ArmDot, TaskPanel
from cnnlab.spec.curve import AtRate
from experiments.reports import noise_floor

LEVELS = ("none", "one", "two", "three", "unpooled", "flat_none", "flat_two")
SLACK = 2.0
"""Pixels that a box of text may reach over a border: its margin is empty."""


def illegible(drawn: Figure) -> list[str]:
    """Texts that lie beyond the border, and neighbours on an axis or in a row of panels that overlap."""
    painter = FigureCanvasAgg(drawn)
    painter.draw()
    renderer, border = painter.get_renderer(), drawn.bbox
    found = [
        f"cut: {one.get_title().get_text()}"
        for one in drawn.legends
        if not -SLACK < one.get_window_extent(renderer).x0 < one.get_window_extent(renderer).x1 < border.x1 + SLACK
    ]
    for axes, beside in itertools.pairwise(drawn.axes):
        row = [axes.get_position().y0, beside.get_position().y0]
        if row[0] == row[1] and axes.title.get_window_extent(renderer).x1 > beside.title.get_window_extent(renderer).x0:
            found.append(f"{axes.title.get_text()} over {beside.title.get_text()}")
    for axes in drawn.axes:
        labels = [one for one in axes.get_xticklabels() if one.get_text() and one.get_visible()]
        for one, other in itertools.pairwise(labels):
            if one.get_rotation() == 0 and one.get_window_extent(renderer).x1 > other.get_window_extent(renderer).x0:
                found.append(f"{one.get_text()} over {other.get_text()}")
        parts: list[Any] = [axes.title, axes._left_title, axes.xaxis.label, axes.yaxis.label, *labels]  # type: ignore[attr-defined]
        for text in parts:
            box = text.get_window_extent(renderer)
            if text.get_text() and (box.x0 < -SLACK or box.x1 > border.x1 + SLACK or box.y0 < -SLACK):
                found.append(f"cut: {text.get_text()}")
    return found


TITLE = "border, contrast 1, farthest 4, nearest 0, noise 0.35\n4 classes, 2000 training images, n=12"


def swept(
    columns: int, title: str = "digits12, noise 0.8\n10 classes", members: tuple[float, ...] = (0.9, 0.8)
) -> Figure:
    curve = tuple(
        AtRate(
            learning_rate=rate,
            validation_accuracy=(0.9, 0.9),
            test_accuracy=(0.9, 0.8),
            test_loss=(0.3, 0.3),
            train_loss=(0.2, 0.2),
            diverged=(False, False),
        )
        for rate in (0.01, 0.02)
    )
    dots = tuple(
        ArmDot(level=level, match="none", members=members, curve=curve, ratio=(1.1, 1.0, 1.2) if place else None)
        for place, level in enumerate(LEVELS)
    )
    panel = TaskPanel(title=title, margin=1.15, chance=0.1, dots=dots)
    return figures.sweep([panel] * columns, title="How far may the pool stand?", factor="across: arm", reference="two")


def test_the_figure_of_a_sweep_with_many_long_levels_is_legible() -> None:
    assert illegible(swept(3)) == []


def test_levels_side_by_side_would_not_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin."""
    monkeypatch.setattr(figures, "LETTERS", 10**6)
    assert "unpooled over flat_none" in illegible(swept(3))


@pytest.mark.parametrize("right", [122, 125, 240])
def test_members_that_are_all_equal_can_be_drawn(right: int) -> None:
    """As those of an arm at chance are: the mean then lies outside its interval by the last digit."""
    assert illegible(swept(1, members=(right / 1198,) * 12)) == []


def test_a_bar_has_no_negative_length() -> None:
    assert canvas.bars(1.0, 1.0 + 1e-16, 1.0 - 1e-15) == [[0.0], [0.0]]
    assert canvas.bars(2.0, 1.5, 4.0) == [[0.5], [2.0]]


@pytest.mark.parametrize("columns", [1, 2, 5])
def test_notes_and_titles_keep_to_their_place(columns: int) -> None:
    assert illegible(swept(columns, TITLE)) == []


@pytest.mark.parametrize(("columns", "seen"), [(1, "cut: "), (5, f"{TITLE} over {TITLE}")])
def test_lines_that_are_not_broken_would_not(columns: int, seen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin."""
    monkeypatch.setattr(figures, "INCH", 10**6)
    assert any(one.startswith(seen) for one in illegible(swept(columns, TITLE)))


def copies(number: int) -> list[noise_floor.Copies]:
    """Many tasks of long names, of which one has a pair that lies far apart."""
    floor = Floor(first=tuple(np.linspace(0.8, 0.9, 8)), again=tuple(np.linspace(0.88, 0.82, 8)))
    return [
        noise_floor.Copies(
            task=f"distractor_channels (contrast 1, informative 4, noise 5, spurious {place})",
            net="d4w16-max2-relu, 2000 images x 10 epochs",
            real=False,
            floor=floor,
            ratios=tuple(np.linspace(-1.4, 1.2, 8) if place == 3 else np.linspace(-0.1, 0.1, 8)),
            diverged=0,
        )
        for place in range(number)
    ]


def test_the_noise_floor_is_legible() -> None:
    drawn = noise_floor.figure(copies(11))
    assert illegible(drawn) == []
    above, below = drawn.axes
    assert len({(line.get_color(), line.get_marker()) for line in above.lines if line.get_marker() != "None"}) == 11
    for axes in (above, below):
        assert "x1" in [text.get_text() for text in axes.get_xticklabels()] or axes.get_xlim()[0] > 1


def test_a_text_beyond_the_border_and_ticks_on_ticks_are_found() -> None:
    """The twin."""
    drawn, axes = canvas.canvas("short", width=4)
    axes[0][0].set_xlabel("a long label " * 20)
    axes[0][0].set_xticks([1, math.nextafter(1, 2)], ["one", "other"])
    assert illegible(drawn) == ["one over other", f"cut: {'a long label ' * 20}"]
