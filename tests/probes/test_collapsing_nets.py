"""Zoo nets against their one affine map: composed kernels as a second opinion, and an activation left in."""

import jax
import numpy as np
import pytest
from scipy import signal

from cnnlab.probes.affine import probed, probes
from cnnlab.probes.collapse import CollapseSubject, exceptions, image_of, judged, run
from cnnlab.spec.invalid import InvalidError
from cnnlab.spec.net import ConvNet
from cnnlab.spec.network import Dense, Input, Network
from cnnlab.zoo.lowering import network
from cnnlab.zoo.module import Net


def subject(name="net", mode="evaluate", until=("logits",), **factors):
    settings = {"depth": 2, "width": 3, "pools": (), "activation": "identity", "padding": "valid", **factors}
    return CollapseSubject(name=name, network=network(ConvNet(**settings), 6, 1, 2), mode=mode, until=until)


def test_which_nets_collapse():
    subjects = (
        subject(),
        subject(norm="batch"),
        subject(norm="batch", mode="train"),
        subject(pools=(1,), down="average", padding="same"),
        subject(pools=(1,), down="max", padding="same"),
        subject(activation="relu"),
        subject(norm="layer"),
    )
    found = list(judged(subjects))
    assert [one.collapses for one in found[::2]] == [True, True, False, True, False, False, False]
    assert [one.collapses for one in found[1::2]] == [one.collapses for one in found[::2]], "float32 says the same"
    # what the graph says, and the relu that it does not excuse
    assert [one.exceptions for one in found[::2]] == [
        (),
        (),
        ("batch norm training",),
        (),
        ("max-pool",),
        (),
        ("layer norm",),
    ]
    assert "relu" not in exceptions(subjects[5].network, "evaluate")


def test_valid_convolutions_make_the_kernel_that_composing_them_makes():
    stacked = subject(until=("conv2",))
    reads = image_of(stacked.network)
    values = run((stacked,), probes(reads, "float64"), np.empty(0), ["float64"])[0]["float64"]["conv2"]
    layers = Net(stacked.network, jax.random.key(0)).layers
    first, second = (np.asarray(layers[name].kernel[...], float) for name in ("conv1", "conv2"))
    composed = np.stack(
        [sum(signal.convolve2d(first[:, :, 0, m], second[:, :, m, o]) for m in range(3)) for o in range(3)]
    )
    corner = probed(values).matrix.reshape(2, 2, 3, 6, 6)[1, 0]
    np.testing.assert_allclose(corner[:, 1:, :5], composed, rtol=1e-12)
    assert not corner[:, 0].any()


def test_batch_norm_in_training_sees_an_image_beside_its_companions():
    trained, evaluated = subject(norm="batch", mode="train"), subject(norm="batch")
    images, companions = np.random.default_rng(1).normal(size=(2, 3, 6, 6, 1))
    first, other = (
        run((trained,), images, beside, ["float64"])[0]["float64"]["logits"] for beside in (companions, 2 * companions)
    )
    assert not np.allclose(first, other)
    alone = [run((trained,), image[None], companions, ["float64"])[0]["float64"]["logits"][0] for image in images[:2]]
    np.testing.assert_allclose(alone, first[:2], rtol=1e-9)
    same = [run((evaluated,), images, beside, ["float64"])[0]["float64"]["logits"] for beside in (companions, images)]
    np.testing.assert_array_equal(*same)


def test_a_net_without_a_size_says_so():
    nodes = (Input(name="image", channels=2), Dense(name="out", units=1, inputs=("image",)))
    with pytest.raises(InvalidError, match=r"network\.size=None is not valid: must be the image's"):
        image_of(Network(nodes=nodes, output="out", features="image"))
