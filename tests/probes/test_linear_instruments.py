"""Convolution matrices, gratings, reconstruction and input energies against slow oracles, with planted faults."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from sklearn.linear_model import Ridge

from cnnlab.geometry.coverage import sliding
from cnnlab.probes import input_energy as energies
from cnnlab.probes.convolution_matrix import convolution_matrix, kept
from cnnlab.probes.gratings import alias_share, frequencies, gains, grating
from cnnlab.probes.reconstruction import PENALTIES, linear_r2, noise_images
from cnnlab.spec.invalid import InvalidError
from cnnlab.spec.network import Activation, Conv, Input, Network
from cnnlab.zoo.module import Net

DRAW = np.random.default_rng(0)


# ------------------------------------------------------------------------------------------------ convolution matrices


def check_matrix(written, kernel, side, stride, padding):
    """A matrix does to a flat image what JAX's convolution does to the image."""
    image = DRAW.normal(size=(1, side, side, kernel.shape[2]))
    with jax.enable_x64(True):
        numbers = ("NHWC", "HWIO", "NHWC")
        expected = lax.conv_general_dilated(
            jnp.asarray(image), jnp.asarray(kernel), (stride, stride), padding, dimension_numbers=numbers
        )
        return np.allclose(written @ image.ravel(), np.asarray(expected).ravel(), rtol=1e-10)


@pytest.mark.parametrize(("size", "stride", "side"), [(3, 1, 5), (3, 2, 6), (2, 2, 5), (5, 3, 7), (1, 2, 4)])
@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_a_convolution_is_its_matrix(size, stride, side, padding):
    kernel = DRAW.normal(size=(size, size, 2, 3))
    written = convolution_matrix(kernel, side, sliding(side, size, stride, padding.lower()))
    assert check_matrix(written, kernel, side, stride, padding)


def test_the_matrix_of_another_padding_is_noticed():
    kernel = DRAW.normal(size=(3, 3, 1, 1))
    written = convolution_matrix(kernel, 6, sliding(6, 3, 2, (1, 0)))
    assert not check_matrix(written, kernel, 6, 2, "SAME")


def test_rank_and_condition_are_known_for_known_matrices():
    assert kept(np.diag([4.0, 2.0, 1.0])) == (3, pytest.approx(0.25))
    assert kept(np.outer([1.0, 2.0, 3.0], [1.0, 1.0])) == (1, pytest.approx(0, abs=1e-15))
    assert kept(np.eye(3)[:2]) == (2, 0.0)


# ------------------------------------------------------------------------------------------------------------ gratings


def filtered(kernel, stride, shift=0):
    """Convolve along the rows round a circle, by one roll a tap, and keep every `stride`-th pixel along both axes."""

    def operation(images):
        taps = (weight * np.roll(images, place, axis=2) for place, weight in enumerate(kernel))
        return sum(taps)[:, shift::stride, shift::stride]

    return operation


@pytest.mark.parametrize("stride", [1, 2])
def test_gains_are_the_squared_transfer_function_at_any_stride(stride):
    kernel = DRAW.normal(size=4)
    expected = np.abs(np.fft.rfft(kernel, 16)) ** 2
    assert np.allclose(gains(filtered(kernel, stride), 16), expected, rtol=1e-10)


def test_a_blur_that_hides_in_a_stride_is_noticed():
    kernel = DRAW.normal(size=4)
    blurred = np.convolve(kernel, [0.5, 0.5])
    assert not np.allclose(gains(filtered(blurred, 2), 16), gains(filtered(kernel, 1), 16), rtol=1e-3)


def test_half_of_white_noise_is_folded_by_bare_subsampling():
    assert alias_share(gains(filtered([1.0], 2), 32), 2) == pytest.approx(0.5, rel=1e-12)
    assert alias_share(gains(filtered([1.0], 1), 32), 1) == 0
    assert alias_share((frequencies(32) < 0.25).astype(float), 2) == 0
    assert np.array_equal(filtered([1.0], 2)(np.tile(grating(8, 4), (1, 8, 1)))[0], np.ones((4, 4)))


def test_an_operation_that_drops_images_is_refused():
    with pytest.raises(InvalidError, match="one map for each image"):
        gains(lambda images: images[:3], 8)


# ------------------------------------------------------------------------------------------------------ reconstruction


def pairs(make, kind="pink", side=6):
    images = noise_images(kind, side, train=300, held_out=100)
    parts = (images.train, images.validation, images.test)
    return [(make(part.reshape(len(part), -1)), part.reshape(len(part), -1)) for part in parts]


def test_the_decoder_is_the_library_s_at_its_best_penalty():
    mixing = DRAW.normal(size=(36, 20))
    train, validation, test = pairs(lambda flat: np.maximum(flat @ mixing, 0))
    size = float(((train[0] - train[0].mean(0)) ** 2).sum(0).mean())

    def score(model, pair):
        return 1 - ((pair[1] - model.predict(pair[0])) ** 2).sum() / ((pair[1] - train[1].mean(0)) ** 2).sum()

    models = [Ridge(alpha=penalty * size).fit(*train) for penalty in PENALTIES]
    best = max(models, key=lambda model: score(model, validation))
    assert linear_r2(train, validation, test) == pytest.approx(score(best, test), rel=1e-6)


def test_everything_nothing_and_a_known_part_are_recovered():
    assert linear_r2(*pairs(lambda flat: flat @ DRAW.normal(size=(36, 1)) @ np.ones((1, 2)), "white")) < 0.1
    mixing = np.linalg.qr(DRAW.normal(size=(36, 36)))[0]
    assert linear_r2(*pairs(lambda flat: flat @ mixing)) == pytest.approx(1, abs=1e-6)
    # of white noise, nine of 36 independent pixels are a quarter of the variance
    assert linear_r2(*pairs(lambda flat: flat[:, :9], "white")) == pytest.approx(0.25, abs=0.04)


def test_targets_that_were_shuffled_are_not_recovered():
    train, validation, test = pairs(lambda flat: flat)
    shuffled = (train[0], DRAW.permutation(train[1]))
    assert linear_r2(shuffled, (validation[0], DRAW.permutation(validation[1])), test) < 0.2


def test_the_spectrum_of_the_images_is_as_asked():
    for kind, expected in (("pink", -2.0), ("white", 0.0)):
        images = noise_images(kind, 16).train
        power = (np.abs(np.fft.fft2(images)) ** 2).mean(0)
        radius = np.hypot(*np.meshgrid(np.fft.fftfreq(16), np.fft.fftfreq(16)))
        inside = (radius > 0) & (radius < 0.5)
        slope = np.polyfit(np.log(radius[inside]), np.log(power[inside]), 1)[0]
        assert slope == pytest.approx(expected, abs=0.1)
    with pytest.raises(InvalidError, match="choose one of white, pink"):
        noise_images("blue", 8)


def test_constant_features_are_refused():
    with pytest.raises(InvalidError, match="features=constant"):
        linear_r2(*pairs(np.ones_like))


# -------------------------------------------------------------------------------------------------------- input energy


def layer(stride=2, kind="identity"):
    conv = Conv(name="conv", inputs=("image",), filters=4, kernel=(3, 3), stride=(stride, stride))
    act = Activation(name="act", inputs=("conv",), kind=kind)
    return Network(nodes=(Input(name="image", channels=1), conv, act), output="act", features="act")


def expected_energy(network, size, seed, images):
    """Visit every window, tap and image: the mean over random cotangents of unit variance, in closed form."""
    kernel = np.asarray(Net(network, jax.random.fold_in(jax.random.key(seed), 0)).layers["conv"].kernel[...], float)
    matrix = convolution_matrix(kernel, size, sliding(size, 3, network.nodes[1].stride[0], "same"))
    return (matrix**2).sum(0).reshape(size, size)


def check_energy(network, oracle, size=8):
    found = energies.input_energy(network, (size, size), nets=1, images=4000)[0]
    return np.allclose(found, expected_energy(oracle, size, 0, 4000), rtol=0.25)


def test_the_energy_of_a_linear_layer_is_that_of_its_matrix():
    assert check_energy(layer(), layer())


def test_stride_two_pretending_to_be_three_is_noticed():
    assert not check_energy(layer(stride=3), layer())


def test_energies_repeat_and_depend_on_the_seed():
    one, two, other = (energies.input_energy(layer(), (8, 8), nets=2, seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(one, two)
    assert not np.allclose(one, other)
    assert not np.allclose(one[0], one[1])


def test_phases_average_the_interior_alone():
    tile = np.array([[1.0, 2.0], [3.0, 4.0]])
    plane = np.tile(tile, (6, 6))
    plane[:2] = plane[:, -2:] = 1e9
    assert np.array_equal(energies.by_phase(plane, 2, 1), tile)
    assert np.array_equal(energies.by_phase(np.stack([plane, 2 * plane]), 2, 2)[1], 2 * tile)
    with pytest.raises(InvalidError, match="at least one whole period"):
        energies.by_phase(plane, 2, 6)


def test_the_slope_is_the_exponent():
    counts = np.array([[1.0, 2.0], [4.0, 9.0]])
    assert energies.log_slope(3 * counts**1.5, counts) == pytest.approx(1.5)
    with pytest.raises(InvalidError, match="at least two different counts"):
        energies.log_slope(counts, np.ones((2, 2)))
    with pytest.raises(InvalidError, match="must be positive"):
        energies.log_slope(0 * counts, counts)
