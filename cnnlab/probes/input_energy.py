"""Where a net's gradient reaches the image: energy of the input gradient at every pixel, before any training."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array
from numpy.typing import NDArray

from cnnlab.geometry.sizes import Map, maps
from cnnlab.spec.invalid import require
from cnnlab.spec.network import Network, Pair
from cnnlab.zoo.module import Net

Floats = NDArray[np.float64]


def input_energy(network: Network, size: Pair, *, nets: int, images: int = 4, seed: int = 0) -> Floats:
    """Measure the mean squared gradient at each pixel for nets that differ in their random weights.

    Every net sees its own white noise, and its own white noise is sent back from the last spatial map: what arrives
    depends on the architecture alone.

    Args:
        network: the graph; the zoo must be able to run it.
        size: (height, width) of the images.
        nets: how many nets; net i draws its weights from the key of the seed, folded with i.
        images: images a net; the energy is the mean over them and over the image's channels.
        seed: of weights, images and what is sent back.

    Returns:
        [nets, height, width], in float64.
    """
    shapes = maps(network, size)
    image, features = shapes[network.nodes[0].name], shapes[network.features]
    draw = np.random.default_rng(seed)
    key = jax.random.key(seed)
    definition, _ = nnx.split(Net(network, key))

    @jax.jit
    def energy(state: Any, shown: Array, sent: Array) -> Array:
        _, back = jax.vjp(lambda x: nnx.merge(definition, state)(x)[1][network.features], shown)
        mean: Array = jnp.square(back(sent)[0]).mean((0, 3))
        return mean

    found = []
    for net in range(nets):
        # weights outside of jit: the zoo has compiled its draws, and compiling them again takes ten times the rest
        state = nnx.split(Net(network, jax.random.fold_in(key, net)))[1]
        shown, sent = (draw.normal(size=(images, *one)) for one in (_shape(image), _shape(features)))
        found.append(np.asarray(energy(state, jnp.asarray(shown, "f4"), jnp.asarray(sent, "f4")), np.float64))
    return np.stack(found)


def _shape(of: Map) -> tuple[int, int, int]:
    """Height, width and channels of a map whose size is known."""
    assert of.size is not None, "the image's size is known"
    assert of.channels is not None, "the image's size is known"
    return *of.size, of.channels


def by_phase(planes: Floats, period: int, margin: int) -> Floats:
    """Average planes over all pixels of one place in a repeating pattern.

    Args:
        planes: [..., height, width].
        period: pixels after which the pattern repeats along either axis.
        margin: pixels to leave out at every border; rounded up to whole periods.

    Returns:
        [..., period, period]: entry (i, j) is the mean over pixels (i + m * period, j + n * period) of the interior.

    Raises:
        InvalidError: nothing is left of the plane.
    """
    first = -(-margin // period) * period
    height, width = ((length - 2 * first) // period for length in planes.shape[-2:])
    fits = "must leave at least one whole period of the plane"
    require(min(height, width) > 0, "margin", margin, fits)
    inner = planes[..., first : first + height * period, first : first + width * period]
    means: Floats = inner.reshape(*planes.shape[:-2], height, period, width, period).mean((-4, -2))
    return means


def log_slope(energy: Floats, counts: Floats) -> float:
    """Slope of the least-squares line of log energy on log count: 1 where energy is proportional to the count.

    Raises:
        InvalidError: all counts are equal, or something is not positive.
    """
    require(bool((energy > 0).all() and (counts > 0).all()), "energy", "zero", "energies and counts must be positive")
    require(float(np.ptp(counts)) > 0, "counts", "equal", "a slope needs at least two different counts")
    return float(np.polyfit(np.log(counts).ravel(), np.log(energy).ravel(), 1)[0])
