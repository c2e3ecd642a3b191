"""Saved figures: few colours, but those that were drawn."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from cnnlab.report import canvas

NEAR = 16
"""Of 255, along any channel."""


def drawn() -> Figure:
    """A map in all its colours above thin lines in the colours of series."""
    figure, axes = canvas.canvas("many shades and thin lines", rows=2)
    axes[0][0].imshow(np.arange(4096.0).reshape(64, 64), cmap=canvas.COUNTS)
    for place in range(7):
        colour, marker = canvas.style(place)
        axes[1][0].plot([0, 1], [place, place + 0.3], color=colour, marker=marker, linewidth=1)
    return figure


def present(image: Image.Image) -> dict[str, int]:
    """Pixels near the colour of every series."""
    pixels = np.asarray(image.convert("RGB")).astype(int)
    wanted = {colour: np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) for colour in canvas.SERIES}
    return {name: int((np.abs(pixels - one).max(2) <= NEAR).sum()) for name, one in wanted.items()}


def test_thin_lines_keep_their_colours_beside_a_map_of_many(tmp_path: Path) -> None:
    path = canvas.save(drawn(), tmp_path / "figure.png")
    with Image.open(path) as image:
        assert image.mode == "P"
        assert min(present(image).values()) > 100


def test_too_few_colours_would_lose_some(tmp_path: Path) -> None:
    """The twin: sixteen colours, which the map takes for itself."""
    drawn().savefig(tmp_path / "figure.png", dpi=canvas.DPI)
    with Image.open(tmp_path / "figure.png") as image:
        few = image.convert("RGB").quantize(16, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    assert min(present(few).values()) < 100


def test_equal_figures_have_equal_bytes(tmp_path: Path) -> None:
    one, other = (canvas.save(drawn(), tmp_path / f"{name}.png").read_bytes() for name in ("one", "other"))
    assert one == other
