"""Even kernels move a picture by half a pixel a layer, unless the padding makes up for it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from cnnlab.spec.net import ConvNet
from cnnlab.zoo.lowering import network
from cnnlab.zoo.module import Net

SIDE, DEPTH = 33, 4


def drift(kernel: int, padding: str) -> list[list[float]]:
    """Where an impulse's centroid stands after each convolution, in (row, column) pixels from where it was.

    Every kernel averages its window and all channels, so the map is the impulse smeared by the layer's own geometry.
    """
    spec = ConvNet(depth=DEPTH, kernel=kernel, width=4, padding=padding, pools=(), activation="identity")
    net = Net(network(spec, SIDE, 4, 2), jax.random.key(0))
    for place in range(1, DEPTH + 1):
        learned: nnx.Param = net.layers[f"conv{place}"].kernel
        learned.set_value(jnp.full_like(learned.get_value(), 1 / (4 * kernel * kernel)))
    centre = SIDE // 2
    image = jnp.zeros((1, SIDE, SIDE, 4)).at[0, centre, centre].set(1)
    _, outputs = net(image)
    centroids = []
    for place in range(1, DEPTH + 1):
        mass = np.asarray(outputs[f"conv{place}"])[0].sum(-1)
        assert mass.sum() == pytest.approx(4, rel=1e-5), "the impulse reached the border"
        places = np.argwhere(np.ones_like(mass)).T
        centroids.append([float((axis * mass.ravel()).sum() / mass.sum()) - centre for axis in places])
    return centroids


def stays_put(kernel: int, padding: str) -> bool:
    return bool(np.abs(drift(kernel, padding)[-1]).max() < 1e-4)


@pytest.mark.parametrize("kernel", [2, 4])
def test_same_padding_drifts_half_a_pixel_a_layer(kernel: int):
    np.testing.assert_allclose(drift(kernel, "same"), [[-0.5 * n] * 2 for n in range(1, DEPTH + 1)], atol=1e-4)
    assert not stays_put(kernel, "same")


@pytest.mark.parametrize("kernel", [2, 4])
def test_alternating_padding_comes_back_every_second_layer(kernel: int):
    np.testing.assert_allclose(drift(kernel, "alternating"), [[-0.5] * 2, [0] * 2] * 2, atol=1e-4)


@pytest.mark.parametrize(("kernel", "padding"), [(2, "symmetric"), (4, "symmetric"), (3, "same"), (5, "same")])
def test_symmetric_padding_and_odd_kernels_never_drift(kernel: int, padding: str):
    np.testing.assert_allclose(drift(kernel, padding), [[0, 0]] * DEPTH, atol=1e-4)
    assert stays_put(kernel, padding)
