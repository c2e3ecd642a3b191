"""Nets with weights, as the page shows them, and the images that they look at."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageOps

from cnnlab.files import open_regular
from cnnlab.spec.network import Network
from experiments.cli.errors import UsageError

Floats = NDArray[np.float64]
LARGEST_IMAGE = 64_000_000
"""Pixels of a reader's image, at most."""
MOST_BYTES = 1 << 28
"""Of its file."""


@dataclass(frozen=True, kw_only=True)
class Image:
    """One image as a net reads it.

    Attributes:
        title: what it shows. label: its class; None where nobody knows it.
        pixels: [height, width, channels], standardised as the net expects.
    """

    title: str
    pixels: Floats
    label: int | None = None


@dataclass(frozen=True, kw_only=True)
class Learned:
    """The weights of one convolution: kernel [height, width, channels in / groups, filters], bias [filters]."""

    kernel: Floats
    bias: Floats


@dataclass(frozen=True, kw_only=True)
class Top:
    """An image that a channel answers to most strongly.

    Attributes:
        image: its place in the gallery. value: the channel's largest output. window: first and last row and column that
            the unit with that output sees, clipped to the image.
    """

    image: int
    value: float
    window: tuple[int, int, int, int]


@dataclass(frozen=True, kw_only=True)
class Depth:
    """One layer of a member over a sample of its test images.

    Attributes:
        dead: share of channels that are the same number everywhere on all of them. zero: share of outputs that are 0.
        saturated: share of outputs beyond the bounds of the activation; None for one without two bounds.
        readable: test accuracy of a ridge classifier on the channels' means, a fraction.
    """

    layer: str
    dead: float
    zero: float
    saturated: float | None
    readable: float


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What a member does on many images of its task.

    Attributes:
        images: how many. gallery: those that are some channel's strongest, [n, height, width, channels].
        tops: by layer, each channel's strongest images, the strongest first. depth: by layer, in the net's order.
        effective: see `experiments.page.saliency.effective_field`, of the last map; over `effective_images`.
    """

    images: int
    gallery: Floats
    tops: Mapping[str, tuple[tuple[Top, ...], ...]]
    depth: tuple[Depth, ...]
    effective: Floats | None = None
    effective_images: int = 0


@dataclass(frozen=True, kw_only=True)
class Member:
    """One net with weights: before training, or a trained member of an arm.

    Attributes:
        title: what it is, for a menu. state: which weights these are, such as `before training, seed 0`.
        weights: by convolution. maps: output of every layer for each image, [images, height, width, channels].
        shifted: shares of the classes under every circular shift, [images, down, right, classes]; (0, 0) is none.
        gradient: slope of the answer's logit by pixel, as `maps`. integrated: the same, summed along the way from the
            empty image and times the pixel (integrated gradients), which adds up to what the logit gains on that way.
        survey: over many images of its task; None where it has none.
    """

    title: str
    state: str
    network: Network
    weights: Mapping[str, Learned]
    images: tuple[Image, ...]
    maps: Mapping[str, Floats]
    shifted: Floats
    gradient: Floats
    integrated: Floats
    survey: Survey | None = None


def reader_image(path: Path, side: int) -> Floats:
    """A picture file as a grey image of `side` x `side` in [0, 1], [side, side, 1].

    Turned as its camera says, fitted with its aspect kept and centred on black; area averages.

    Raises UsageError where it is no image.
    """
    try:
        with open_regular(path.resolve(), MOST_BYTES) as content, Pillow.open(content) as file:
            if file.width * file.height > LARGEST_IMAGE:
                raise UsageError(f"--image {path} is not valid: more than {LARGEST_IMAGE:,} pixels")
            grey = _grey(ImageOps.exif_transpose(file))
    except (OSError, RuntimeError, SyntaxError, ValueError, Pillow.DecompressionBombError) as problem:
        if isinstance(problem, UsageError):
            raise
        raise UsageError(f"--image {path} is not valid: must be a picture that Pillow reads") from None
    scale = side / max(grey.size)
    small = grey.resize((max(1, round(grey.width * scale)), max(1, round(grey.height * scale))), Pillow.Resampling.BOX)
    canvas = np.zeros((side, side))
    top, left = (side - small.height) // 2, (side - small.width) // 2
    canvas[top : top + small.height, left : left + small.width] = np.asarray(small, np.float64)
    return canvas[..., None].clip(0, 1)


def _grey(image: Pillow.Image) -> Pillow.Image:
    """Brightness from 0 to 1 as 32-bit floats; what is transparent is black."""
    if image.mode.startswith("I"):  # 16 bits and more
        values = np.asarray(image, np.float64)
        top = 65535 if values.max() > 255 else 255
        return Pillow.fromarray((values / top).astype(np.float32))
    flat = Pillow.new("RGBA", image.size, "black")
    flat.alpha_composite(image.convert("RGBA"))
    return Pillow.fromarray((np.asarray(flat.convert("L"), np.float32) / 255).astype(np.float32))
