"""One layer in float64, against loops over pixels."""

import numpy as np
import pytest

from cnnlab.probes.single_layer import output
from cnnlab.spec.network import Conv, Dense


def slow(images, kernel, bias):
    """Sum products pixel by pixel; no padding, stride 1."""
    (count, height, width, _), (tall, wide, _, filters) = images.shape, kernel.shape
    made = np.zeros((count, height - tall + 1, width - wide + 1, filters))
    for image, row, column, channel in np.ndindex(made.shape):
        window = images[image, row : row + tall, column : column + wide]
        made[image, row, column, channel] = (window * kernel[..., channel]).sum() + bias[channel]
    return made


def check(run):
    random = np.random.default_rng(0)
    images, kernel, bias = (random.normal(size=size) for size in ((2, 6, 5, 3), (3, 2, 3, 4), 4))
    found = run(Conv(name="conv", filters=4, kernel=(3, 2), padding="valid"), images, kernel, bias)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, slow(images, kernel, bias), rtol=0, atol=1e-13)


def test_a_layer_alone_sums_its_window():
    check(output)


@pytest.mark.parametrize(
    "fault",
    [
        lambda node, images, kernel, bias: output(node, images, kernel),
        lambda node, images, kernel, bias: output(node, images, kernel[::-1], bias),
        lambda node, images, kernel, bias: output(node, images.astype("f4"), kernel.astype("f4"), bias.astype("f4")),
    ],
    ids=["bias lost", "kernel mirrored", "float32"],
)
def test_a_layer_that_sums_otherwise_is_noticed(fault):
    with pytest.raises(AssertionError):
        check(fault)


def test_a_dense_layer_reads_the_last_axis():
    random = np.random.default_rng(0)
    images, kernel = random.normal(size=(2, 4, 3, 5)), random.normal(size=(5, 2))
    np.testing.assert_allclose(output(Dense(name="dense", units=2), images, kernel), images @ kernel, atol=1e-14)


def test_a_kernel_of_other_channels_does_not_run():
    with pytest.raises((TypeError, ValueError)):
        output(Conv(name="conv", filters=4, kernel=(1, 1)), np.zeros((1, 4, 4, 2)), np.zeros((1, 1, 3, 4)))
