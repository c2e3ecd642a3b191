"""Linear regions on a plane, against loops over points and units; and nets that have none."""

import dataclasses

import jax
import numpy as np

from cnnlab.probes.regions import Plane, affine_misfit, regions
from cnnlab.probes.weights import with_offsets
from cnnlab.spec.net import ConvNet
from cnnlab.zoo.lowering import network
from cnnlab.zoo.module import Net

ORIGIN, ACROSS, UP = np.random.default_rng(0).normal(size=(3, 4, 4, 1))
PLANE = Plane(origin=ORIGIN, across=ACROSS, up=UP, points=9)


def net(activation):
    spec = ConvNet(depth=2, width=2, stride=2, pools=(), activation=activation)
    return with_offsets(Net(network(spec, 4, 1, 3), jax.random.key(0)), seed=1)


def test_regions_are_the_patterns_of_single_points():
    relu, found = net("relu"), regions(net("relu"), PLANE)
    line = np.linspace(-1, 1, 9)
    points = [(s, t) for t in line for s in line]
    images = np.stack([ORIGIN + s * ACROSS + t * UP for s, t in points]).astype(np.float32)
    logits, outputs = relu(images)
    patterns = [
        tuple(bool(value > 0) for name in ("act1", "act2") for value in np.asarray(outputs[name][at]).ravel())
        for at in range(len(points))
    ]
    np.testing.assert_allclose(found.coordinates, points)
    np.testing.assert_allclose(found.outputs, logits, atol=1e-5)
    numbers = {pattern: found.region[at] for at, pattern in enumerate(patterns)}
    assert found.count == len(set(patterns)) == len(set(numbers.values())) > 5
    assert all(found.region[at] == numbers[pattern] for at, pattern in enumerate(patterns))


def test_slopes_are_difference_quotients():
    found, step = regions(net("tanh"), PLANE), 1e-6
    moved = regions(net("tanh"), dataclasses.replace(PLANE, origin=ORIGIN + step * ACROSS))
    np.testing.assert_allclose((moved.outputs - found.outputs) / step, found.slopes[..., 0], atol=1e-5)


def test_the_formula_describes_a_relu_net_and_no_smooth_one():
    assert regions(net("relu"), PLANE).formula_residual < 1e-12
    assert regions(net("tanh"), PLANE).formula_residual > 1e-3


def test_one_affine_map_fits_a_net_without_activations_alone():
    assert affine_misfit(regions(net("identity"), PLANE)) < 1e-12
    assert affine_misfit(regions(net("relu"), PLANE)) > 1e-2
