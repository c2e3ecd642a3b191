"""Gradients down a chain, against those of the zoo's net of the same layers; and a backward pass that is wrong."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from cnnlab.probes.decay import flow, kernels, normed, plain, residual
from cnnlab.probes.weights import in_precision
from cnnlab.spec.network import Activation, Add, Dense, Flatten, Input, Network, Norm
from cnnlab.zoo.activations import activation
from cnnlab.zoo.module import Net

DEPTH, LONGEST, WIDTH, BATCH = 3, 5, 4, 6
IMAGE, COTANGENT = np.random.default_rng(0).normal(size=(2, BATCH, WIDTH))
KEY = jax.random.key(0)


def chain(kind, block):
    """The zoo's net of the same layers; its outputs are `out1`, `out2`, ..."""
    nodes = [Input(name="image", channels=WIDTH), Flatten(name="out0", inputs=("image",))]
    for place in range(1, DEPTH + 1):
        before, name = f"out{place - 1}", f"dense{place}"
        nodes.append(Dense(name=name, units=WIDTH, bias=False, inputs=(before,)))
        if block is normed:
            nodes.append(Norm(name=f"norm{place}", kind="batch", inputs=(name,)))
            name = f"norm{place}"
        last = f"act{place}" if block is residual else f"out{place}"
        nodes.append(Activation(name=last, kind=kind, inputs=(name,)))
        if block is residual:
            nodes.append(Add(name=f"out{place}", inputs=(before, last)))
    nodes.append(Dense(name="logits", units=2, inputs=(nodes[-1].name,)))
    return Network(nodes=tuple(nodes), output="logits", features="image", init="xavier", size=(1, 1))


def expected(kind, block):
    """Norms of the zoo net's gradients: at the image, at every output, of every kernel; and shares of zeros."""
    graph, state = nnx.split(in_precision(Net(chain(kind, block), KEY), "float64"))
    nudges = {
        name: jnp.zeros((BATCH, WIDTH), "float64") for name in ("out0", *(f"out{n}" for n in range(1, DEPTH + 1)))
    }

    def weighted(state, nudges):
        images = jnp.asarray(IMAGE[:, None, None])
        outputs = nnx.merge(graph, state)(images, mode="train", perturbations=nudges)[1]
        return (outputs[f"out{DEPTH}"] * COTANGENT).sum()

    by_weights, by_outputs = jax.jit(jax.grad(weighted, (0, 1)))(state, nudges)
    weights = [np.asarray(by_weights["layers"][f"dense{n}"]["kernel"][...]) for n in range(1, DEPTH + 1)]
    outputs = [np.linalg.norm(by_outputs[f"out{n}"]) for n in range(DEPTH + 1)]
    return outputs, [np.linalg.norm(one) for one in weights], [(one == 0).mean() for one in weights]


def agrees(layer, kind, block):
    with jax.enable_x64(True):
        weights = kernels(KEY, LONGEST, WIDTH, "xavier", 1.0).astype("float64")
        found = jax.device_get(jax.jit(flow, static_argnums=0)(layer, weights, IMAGE, COTANGENT, DEPTH))
        outputs, by_weights, zeros = expected(kind, block)
    close = [
        np.allclose(found.image, outputs[0], rtol=1e-10),
        np.allclose(found.outputs[:DEPTH], outputs[1:], rtol=1e-10),
        np.allclose(found.weights[:DEPTH], by_weights, rtol=1e-10),
        np.array_equal(found.zeros[:DEPTH], zeros),
        not found.weights[DEPTH:].any() and (found.zeros[DEPTH:] == 1).all(),
    ]
    return all(close)


@pytest.mark.parametrize(
    ("kind", "block"), [("sigmoid", plain), ("relu", plain), ("tanh", residual), ("sigmoid", normed)]
)
def test_a_chain_is_the_zoos_net(kind, block):
    assert agrees(block(kind), kind, block)


def straight_through(kind):
    """Planted fault: the activation forwards, and no derivative of it backwards."""

    def layer(inputs, weights):
        product = inputs @ weights
        return product + jax.lax.stop_gradient(activation(kind)(product) - product)

    return layer


def test_a_backward_pass_without_the_derivative_is_noticed():
    assert not agrees(straight_through("sigmoid"), "sigmoid", plain)


@pytest.mark.slow
def test_half_precision_is_computed_in_half_precision():
    with jax.enable_x64(True):
        weights = kernels(KEY, LONGEST, WIDTH, "xavier", 1.0)
        exact, half = (
            flow(plain("tanh"), weights.astype(dtype), IMAGE, COTANGENT, 3) for dtype in ("float64", "float16")
        )
    assert half.outputs.dtype == "float64", "norms are wide"
    assert 1e-5 < abs(float(half.image / exact.image) - 1) < 1e-2
