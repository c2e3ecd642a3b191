"""Sheets of samples: every image whole, in its row and column."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from cnnlab.report.canvas import save
from cnnlab.report.samples import Block, ImagePanel, samples, sheet

Floats = npt.NDArray[np.float64]


def numbered(classes: int, count: int, side: int, channels: int) -> Floats:
    """Images of constant, all different grey, so that every tile can be told."""
    grey = np.arange(classes * count * channels, dtype=float).reshape(classes, count, 1, 1, channels)
    return np.broadcast_to(grey, (classes, count, side, side, channels)).copy()


def assert_every_image_has_its_tile(layout: Callable[[Floats], Floats], channels: int) -> None:
    """Fail unless every image is there once, whole, classes below each other and samples side by side."""
    found = layout(numbered(2, 3, 4, channels))
    corners = []
    for grey in range(6 * channels):
        rows, columns = np.nonzero(found == grey)
        assert len(rows) == 16
        assert (np.ptp(rows), np.ptp(columns)) == (3, 3)
        corners.append((rows.min(), columns.min()))
    first = corners[::channels]
    assert first == sorted(first)
    assert len({row for row, _ in first}) == 2
    assert np.isnan(found[0]).all()
    assert np.isnan(found[:, 0]).all()


@pytest.mark.parametrize("channels", [1, 2, 4, 8])
def test_every_image_has_its_tile(channels: int) -> None:
    assert_every_image_has_its_tile(sheet, channels)


def test_the_tile_check_sees_classes_side_by_side_and_a_channel_lost() -> None:
    with pytest.raises(AssertionError):
        assert_every_image_has_its_tile(lambda images: sheet(images.swapaxes(0, 1)), 1)
    with pytest.raises(AssertionError):
        assert_every_image_has_its_tile(lambda images: sheet(images[..., :1]), 4)


def test_a_figure_of_grey_colour_and_many_channels_is_drawn(tmp_path: Path) -> None:
    blocks = [
        Block(
            title=f"{channels} channels",
            classes=("label 0", "label 1"),
            panels=tuple(ImagePanel(heading=name, images=numbered(2, 3, 4, channels)) for name in ("alone", "seen")),
        )
        for channels in (1, 3, 8)
    ]
    figure = samples(blocks, "What a task looks like")
    assert [axes.get_title() for part in figure.subfigs for axes in part.axes] == ["alone", "seen"] * 3
    assert [text.get_text() for text in figure.subfigs[0].axes[0].get_yticklabels()] == ["label 0", "label 1"]
    assert (
        save(figure, tmp_path / "one.png").read_bytes()
        == save(samples(blocks, "What a task looks like"), tmp_path / "two.png").read_bytes()
    )
