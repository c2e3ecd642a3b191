"""Random moves of a picture between steps, so that it does not depend on single pixels.

ImageNet's usual moves (8 pixels of jitter) are wider than these images are deep: here they are sized by the image.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

JITTER = 6
"""The jitter is the image's shorter side over this, rounded: 2 pixels of 12, 5 of 28."""
SCALE, ROTATE = 0.15, 10.0
"""Up to 15 % and 10 degrees."""


@dataclass(frozen=True)
class Moves:
    """How far a picture is moved, each drawn uniformly and anew for every picture and step.

    Attributes:
        jitter: pixels up or down, and left or right; whole numbers.
        scale: 0.1 makes it up to 10 % larger or smaller, about its middle. rotate: degrees either way.
        background: what comes in at an edge. Repeating the edge instead made class pictures harder to read.
    """

    jitter: int = 0
    scale: float = 0.0
    rotate: float = 0.0
    background: float = 0.0

    @property
    def still(self) -> bool:
        """Whether nothing moves."""
        return not (self.jitter or self.scale or self.rotate)

    def of_neuron(self, stride: int) -> "Moves":
        """The moves that leave the pattern under a neuron: jitter within its layer's stride, and nothing else.

        A neuron looks at one place. A jitter of 2 pixels moves the pattern away from a unit that stands every pixel,
        and its score falls to a few per cent of what it could be.

        Args:
            stride: pixels of the image between neighbouring units of its layer.
        """
        return Moves(jitter=min(self.jitter, stride // 2), background=self.background)


def sized(real: NDArray[np.float32]) -> Moves:
    """The default moves of pictures like real images (n, height, width, channels); their background is the border's."""
    border = np.concatenate([real[:, [0, -1]].ravel(), real[:, :, [0, -1]].ravel()])
    jitter = round(min(real.shape[1:3]) / JITTER)
    return Moves(jitter=jitter, scale=SCALE, rotate=ROTATE, background=float(np.median(border)))


def moved(images: Array, moves: Moves, key: Array) -> Array:
    """Move every picture at random; shape as `images`, (n, h, w, c)."""
    return moves.background + _moved(images - moves.background, moves, key)


def _moved(images: Array, moves: Moves, key: Array) -> Array:
    """The same where the background is 0."""
    count = len(images)
    for_jitter, for_scale, for_turn = jax.random.split(key, 3)
    if moves.jitter:
        shifts = jax.random.randint(for_jitter, (2, count), -moves.jitter, moves.jitter + 1)
        images = shifted(images, shifts.astype(jnp.float32), jnp.ones(count))
    if moves.scale:
        factors = 1 + moves.scale * jax.random.uniform(for_scale, (count,), minval=-1.0)
        images = shifted(images, jnp.zeros((2, count)), factors)
    if moves.rotate:
        turns = jnp.deg2rad(moves.rotate) * jax.random.uniform(for_turn, (count,), minval=-1.0)
        images = turned(images, turns)
    return images


def shifted(images: Array, shifts: Array, factors: Array) -> Array:
    """Shift every picture down and right by `shifts` (2, n) pixels, after scaling it by `factors` (n,).

    Bilinear, one matrix product an axis: a gather would have a scatter for its gradient, a serial loop on a CPU.
    """
    rows = interpolation(images.shape[1], shifts[0], factors)
    columns = interpolation(images.shape[2], shifts[1], factors)
    found: Array = jnp.einsum("nij,njkc,nlk->nilc", rows, images, columns)
    return found


def interpolation(length: int, shifts: Array, factors: Array) -> Array:
    """Weights (n, length, length) that read a line anew at (place - shift) / factor about its middle; 0 outside it."""
    places = jnp.arange(length, dtype=jnp.float32)
    middle = (length - 1) / 2
    read = (places - middle - shifts[:, None]) / factors[:, None] + middle
    return jnp.maximum(0, 1 - jnp.abs(read[:, :, None] - places))


def turned(images: Array, angles: Array) -> Array:
    """Rotate every picture (n, h, w, c) about its middle by `angles` (n,) in radians, bilinear."""
    height, width = images.shape[1:3]
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    rows, columns = rows - (height - 1) / 2, columns - (width - 1) / 2

    def one(image: Array, angle: Array) -> Array:
        sine, cosine = jnp.sin(angle), jnp.cos(angle)
        read = [cosine * rows - sine * columns + (height - 1) / 2, sine * rows + cosine * columns + (width - 1) / 2]

        def channel(plane: Array) -> Array:
            read_anew: Array = jax.scipy.ndimage.map_coordinates(plane, read, order=1, mode="constant")
            return read_anew

        whole: Array = jax.vmap(channel, -1, -1)(image)
        return whole

    found: Array = jax.vmap(one)(images, angles)
    return found
