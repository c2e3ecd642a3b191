"""Which pixels an answer hangs on: its slope, and integrated gradients (Sundararajan, Taly and Yan 2017).

And which pixels a unit hangs on: the effective receptive field (Luo et al. 2016).
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from experiments.page.member import Floats

STEPS = 128
"""Images on the way from the empty one: behind ReLUs, slopes jump on it, and 32 of them miss the gain by 4 %."""

Logits = Callable[[Array], Array]
"""images (n, height, width, channels) -> (n, classes)."""


def saliency(logits: Logits, images: Floats, empty: float) -> tuple[Floats, Floats]:
    """Gradient and integrated gradients of every image's own answer, both as `images`, (n, height, width, channels).

    Args:
        empty: the number that stands where nothing is: the way begins at an image of it alone.
    """

    def raised(shown: Array, classes: Array) -> Array:
        return jnp.take_along_axis(logits(shown), classes[:, None], 1).sum()

    slope = jax.jit(jax.grad(raised))
    shown = jnp.asarray(images, jnp.float32)
    classes = jnp.asarray(np.asarray(logits(shown)).argmax(-1))
    ways = [(place + 0.5) / STEPS for place in range(STEPS)]
    along = sum(np.asarray(slope(empty + way * (shown - empty), classes), np.float64) for way in ways)
    integrated: Floats = along / STEPS * (images - empty)
    return np.asarray(slope(shown, classes), np.float64), integrated


def effective_field(layer: Callable[[Array], Array], images: Floats) -> Floats:
    """Share of each pixel in the squared gradient of a map's middle unit, mean over images, [height, width].

    As `cnnlab.probes.final.effective_receptive_field`: channels are summed with random signs. Zeros where the unit has
    no gradient.

    Args:
        layer: images -> (n, rows, columns, channels).
    """
    shown = jnp.asarray(images, jnp.float32)
    _, rows, columns, channels = jax.eval_shape(layer, shown).shape
    signs = 2 * np.random.default_rng(0).integers(0, 2, size=(len(images), channels)) - 1

    def summed(given: Array) -> Array:
        return (layer(given)[:, (rows - 1) // 2, (columns - 1) // 2] * signs).sum()

    energy: Floats = np.square(np.asarray(jax.jit(jax.grad(summed))(shown), np.float64)).mean((0, 3))
    return energy / energy.sum() if energy.any() else energy
