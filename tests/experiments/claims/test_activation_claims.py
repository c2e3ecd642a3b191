"""Verdicts on activations and on nets without any, each pinned by a second way; and the faults that must turn them."""

import itertools
import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy

from cnnlab.inference.family import Family, judge
from cnnlab.probes.collapse import CollapseSubject
from cnnlab.spec.net import ConvNet
from cnnlab.zoo.activations import TABLE
from experiments.analysis.verdicts import claim_case
from experiments.claims.activations import (
    act_adds_nonlinearity,
    act_nonlinear_definition,
    lin_collapse,
    lin_depth_useless,
    lin_example_algebra,
    lin_grad_constant,
    lin_no_backprop,
    relu_positive_only,
    sig_all_grads_zero,
    sig_vanishes,
    tanh_same,
)
from experiments.claims.remember import relu_derivative_values, relu_differentiable


def judged(module):
    found = {"claim": claim_case("claim", module.CLAIM, {}, Path("nowhere"))}
    return judge(found, Family(claims=27, moderator_contrasts=40))["claim"]


@pytest.fixture
def afresh():
    """Empty the caches of claims that keep what they computed, before a fault and after it."""
    kept = (
        lin_collapse.outcomes,
        sig_vanishes.decays,
        sig_vanishes.drawn,
        sig_all_grads_zero.gradients,
        lin_grad_constant.nets,
        lin_grad_constant.derivatives,
        act_adds_nonlinearity.layers,
        act_nonlinear_definition.nets,
        act_nonlinear_definition.slices,
    )
    for function in kept:
        function.cache_clear()
    yield
    for function in kept:
        function.cache_clear()


# ---------------------------------------------------------------------------------------------------- collapsing nets


def few(activation="identity", **factors):
    settings = {"depth": 2, "width": 2, "pools": (), "activation": activation, **factors}
    net = ConvNet(**settings)
    return lin_collapse.network(net, 6, 1, 2)


@pytest.mark.slow
def test_linear_nets_collapse_unless_they_pool_by_maximum_or_normalise_by_their_input():
    found = lin_collapse.outcomes()
    assert all(one.collapses == (not one.exceptions) for one in found)
    wide = [one.residual for one in found if one.dtype == "float64" and not one.exceptions]
    assert max(wide) < 1e-11
    assert min(one.residual for one in found if one.exceptions) > 0.1
    depths = {int(one.layer[5:]) for one in found if one.net == "dense layers"}
    assert {1, 100} <= depths
    bottleneck = next(one for one in found if one.net == "dense layers, one of 2 units")
    assert bottleneck.rank == 2
    verdict = judged(lin_collapse)
    assert verdict.word == "qualified"
    assert "max-pool" in (verdict.condition or "")


def test_valid_layers_are_one_convolution_and_zero_padding_spoils_a_ring():
    table = lin_collapse.as_convolutions()
    for padding, depth, kernel, _, differ in table.rows:
        if padding.startswith("valid, average"):
            # 3x3, then 2x2 at stride 2, then 3x3 on every second pixel
            assert kernel == "8x8"
            continue
        assert kernel == f"{1 + 2 * depth}x{1 + 2 * depth}"
        # a path that leaves the image and comes back takes two layers more than the way out
        ring = 100 * (1 - ((11 - 2 * (depth - 1)) / 11) ** 2) if padding == "zero padding" else 0
        assert differ == f"{ring:.0f} %"


@pytest.mark.parametrize(("left_in", "word"), [("identity", "qualified"), ("relu", "refuted")])
def test_a_relu_left_in_a_linear_net_turns_the_verdict(monkeypatch, afresh, left_in, word):
    nets = {"plain": few(), "left": few(left_in, head="flatten"), "pooled": few(pools=(1,))}
    monkeypatch.setattr(
        lin_collapse, "grid", lambda: iter([CollapseSubject(name=n, network=net) for n, net in nets.items()])
    )
    monkeypatch.setattr(lin_collapse, "others", lambda: iter(()))
    monkeypatch.setattr(lin_collapse, "deep", lambda: iter(()))
    monkeypatch.setattr(lin_collapse, "as_convolutions", lambda: lin_collapse.by_depth(()))
    assert judged(lin_collapse).word == word


# ------------------------------------------------------------------------------------------------ algebra, derivatives


def test_the_example_holds_for_numbers_too():
    assert judged(lin_example_algebra).word == "supported"
    w1, w2, w3, w4, x1, x2 = np.random.default_rng(0).normal(size=6)
    first = w1 * x1 + w2 * x2
    assert w3 * first + w4 * first == pytest.approx(x1 * (w3 * w1 + w1 * w4) + x2 * (w3 * w2 + w4 * w2))


def test_an_activation_or_another_weight_in_the_example_turns_the_verdict(monkeypatch):
    plain = lin_example_algebra.identities
    monkeypatch.setattr(lin_example_algebra, "identities", lambda: plain(lambda value: sympy.Max(0, value)))
    assert judged(lin_example_algebra).word == "refuted"
    name, left, right, inputs = lin_example_algebra.example()
    wrong = (name, left, right.subs(sympy.Symbol("w4", real=True), sympy.Symbol("w3", real=True)), inputs)
    monkeypatch.setattr(lin_example_algebra, "identities", lambda: (wrong,))
    assert judged(lin_example_algebra).word == "refuted"


def test_the_weights_gradient_is_a_difference_quotient_and_contains_the_input():
    verdict = judged(lin_grad_constant)
    assert verdict.word == "qualified"
    name, step = "dense, depth 2", 1e-6
    net = lin_grad_constant.nets()[name]
    image = lin_grad_constant.inputs(net)[1].reshape(-1)
    weights = [
        np.asarray(net.layers[layer].kernel[...], float).reshape(6, -1) for layer in ("conv1", "conv2", "logits")
    ]
    offsets = [np.asarray(net.layers[layer].bias[...], float) for layer in ("conv1", "conv2", "logits")]

    def loss(change):
        signal = image
        for at, (weight, offset) in enumerate(zip(weights, offsets, strict=True)):
            moved = weight.copy()
            if at == 0:
                moved[2, 3] += change
            signal = signal @ moved + offset
        return ((signal - np.eye(3)[0]) ** 2).sum()

    found = lin_grad_constant.derivatives()[name].by_weights["squared error"]["conv1"][1, 0, 0, 2, 3]
    assert found == pytest.approx((loss(step) - loss(-step)) / (2 * step), rel=1e-6)
    assert max(lin_grad_constant.against_product().values()) < 1e-12


def test_a_relu_left_in_makes_the_output_depend_on_the_input_too(monkeypatch, afresh):
    monkeypatch.setitem(TABLE, "identity", TABLE["relu"])
    monkeypatch.setattr(lin_grad_constant, "nets", lambda: {"dense, depth 2": lin_grad_constant.dense(2)})
    monkeypatch.setattr(lin_grad_constant, "against_product", lambda: {"dense, depth 2": 0.0})
    assert judged(lin_grad_constant).word == "refuted"


# ----------------------------------------------------------------------------------------------------------- gradients


def mean_field(slope, value, scale):
    """What a wide random layer leaves of a gradient: scale * E[slope(z)**2]**.5 at its fixed point (Poole 2016)."""
    nodes, shares = np.polynomial.hermite_e.hermegauss(60)

    def mean(function, variance):
        return shares @ function(math.sqrt(variance) * nodes) ** 2 / shares.sum()

    variance = 1.0
    for _ in range(200):
        variance = scale**2 * mean(value, variance)
    return scale * math.sqrt(mean(slope, variance))


@pytest.mark.slow
def test_sigmoid_loses_what_mean_field_theory_says():
    def value(x):
        return 1 / (1 + np.exp(-x))

    def slope(x):
        return value(x) * (1 - value(x))

    decays = sig_vanishes.decays()
    for scale, chain in ((1.0, sig_vanishes.JUDGED[0]), (4.0, sig_vanishes.EqualLayers(kind="sigmoid", scale=4.0))):
        assert decays[chain][-1].factor == pytest.approx(mean_field(slope, value, scale), rel=0.05)
    assert decays[sig_vanishes.RELU][-1].factor == pytest.approx(1, abs=0.05)
    verdict = judged(sig_vanishes)
    assert verdict.word == "inconclusive"
    assert "bound: supported" in verdict.reason
    assert "factor per layer: qualified" in verdict.reason
    assert "gradient_norms" in verdict.reason


@pytest.mark.slow
def test_a_steeper_sigmoid_breaks_the_bound(monkeypatch):
    monkeypatch.setattr(sig_vanishes, "activation", lambda kind: lambda x: jax.nn.sigmoid(4 * x))
    assert sig_vanishes.bounded().counterexamples[0].startswith("sigmoid'(")
    assert judged(sig_vanishes).word == "refuted"


def test_weights_of_the_wrong_scale_turn_the_factor(monkeypatch, afresh):
    xavier, wide = sig_vanishes.JUDGED[0], sig_vanishes.EqualLayers(kind="sigmoid", scale=10.0)
    monkeypatch.setattr(sig_vanishes, "JUDGED", (xavier, wide))
    monkeypatch.setattr(sig_vanishes, "BESIDE", (sig_vanishes.RELU,))
    draw = sig_vanishes.drawn
    monkeypatch.setattr(sig_vanishes, "drawn", lambda init: 4 * draw(init) if init == "xavier" else draw(init))
    found = sig_vanishes.factors()
    assert found.restricted is not None
    assert found.restricted.counterexamples > 0


@pytest.mark.slow
def test_the_last_layer_keeps_its_gradient():
    verdict = judged(sig_all_grads_zero)
    assert verdict.word == "refuted"
    # the same chain, backwards by hand
    depth = sig_all_grads_zero.DEPTHS[4]
    found = sig_all_grads_zero.gradients("sigmoid", "xavier", "float64")
    weights = np.asarray(sig_all_grads_zero.kernels(jax.random.key(0), 80, 32, "xavier", 1.0), float)[:depth]
    signal, error = np.random.default_rng(0).normal(size=(2, 4, 32))
    signals = [signal]
    for weight in weights:
        signals.append(1 / (1 + np.exp(-signals[-1] @ weight)))
    norms = []
    for weight, before, after in zip(weights[::-1], signals[-2::-1], signals[:0:-1], strict=True):
        error = error * after * (1 - after)
        norms.append(np.linalg.norm(before.T @ error))
        error = error @ weight.T
    np.testing.assert_allclose(found.norms[4, :depth], norms[::-1], rtol=1e-10)
    # 0.23 a layer reaches float32's smallest normal, 1.2e-38, around depth 60; half precision's 6e-8 around 12
    depths = {
        dtype: sig_all_grads_zero.gradients("sigmoid", "xavier", dtype).underflows for dtype in ("float32", "float16")
    }
    assert 50 <= (depths["float32"] or 0) <= 75
    assert 10 <= (depths["float16"] or 0) <= 20
    assert found.underflows is None


def test_gradients_that_are_all_zero_would_support_it(monkeypatch, afresh):
    send = sig_all_grads_zero.flow
    monkeypatch.setattr(sig_all_grads_zero, "DTYPES", ("float32",))
    monkeypatch.setattr(sig_all_grads_zero, "by_depth", lambda: None)
    monkeypatch.setattr(
        sig_all_grads_zero,
        "flow",
        lambda layer, weights, image, cotangent, depth: send(layer, weights, image, 0 * cotangent, depth),
    )
    assert not sig_all_grads_zero.compute().counterexamples


# ---------------------------------------------------------------------------------------------------------------- relu


def test_relu_passes_positive_numbers_and_nan():
    verdict = judged(relu_positive_only)
    assert verdict.word == "qualified"
    assert verdict.counterexample == "relu(nan) = nan in float16"
    found = relu_positive_only.passed("float16", TABLE["relu"])
    assert found.inputs.size == 2**16
    assert int(found.classes["NaN"].sum()) == 2 * (2**10 - 1)
    assert int(np.stack(list(found.classes.values())).sum()) == 2**16, "every input is of one class"


@pytest.mark.parametrize(
    ("faulty", "word"),
    [
        (lambda x: jnp.abs(x), "refuted"),
        (lambda x: jax.nn.leaky_relu(x, 0.01), "refuted"),
        (lambda x: jnp.where(x > 0.5, x, 0), "refuted"),
    ],
)
def test_what_lets_anything_else_through_is_refuted(monkeypatch, faulty, word):
    monkeypatch.setattr(relu_positive_only, "activation", lambda kind: faulty)
    assert judged(relu_positive_only).word == word


def test_relu_has_two_slopes_at_zero():
    h = sympy.Symbol("h", real=True)
    quotient = sympy.Max(h, 0) / h
    sides = relu_differentiable.around(0.0)
    assert sides.left[-1] == float(sympy.limit(quotient, h, 0, "-")) == 0
    assert sides.right[-1] == float(sympy.limit(quotient, h, 0, "+")) == 1
    assert judged(relu_differentiable).word == "refuted"


def test_a_smooth_corner_would_be_differentiable(monkeypatch):
    monkeypatch.setattr(relu_differentiable, "activation", lambda kind: lambda x: 2 * x)
    assert judged(relu_differentiable).word == "supported"


def test_derivatives_of_relu():
    verdict = judged(relu_derivative_values)
    assert verdict.word == "qualified"
    found = {(one.way, one.place): one.slope for one in relu_derivative_values.cases() if one.dtype == "float32"}
    assert [found["jax.nn.relu(x)", place] for place in ("-1", "-0.0", "0", "1")] == [0, 0, 0, 1]
    # a maximum of two equal numbers shares its derivative between them
    assert found["jnp.maximum(x, 0)", "0"] == found["jax.lax.max(x, 0)", "0"] == 0.5
    assert found["jnp.where(x >= 0, x, 0)", "0"] == 1


def test_a_relu_written_as_a_maximum_is_not_what_the_notes_say(monkeypatch):
    ways = {
        relu_derivative_values.STATED: lambda x: jnp.maximum(x, 0),
        "jnp.maximum(x, 0)": lambda x: jnp.maximum(x, 0),
    }
    monkeypatch.setattr(relu_derivative_values, "WAYS", ways)
    assert judged(relu_derivative_values).word == "refuted"


# ------------------------------------------------------------------------------------------------------- non-linearity


def test_activations_break_superposition_and_so_does_a_max_pool():
    verdict = judged(act_adds_nonlinearity)
    assert verdict.word == "inconclusive"
    assert "superposition: supported" in verdict.reason
    bent = {layer.name for layer in act_adds_nonlinearity.layers() if layer.residual > 1e-10}
    assert bent >= {"relu", "leaky_relu", "tanh", "sigmoid", "max pool", "batch norm, training", "layer norm"}
    assert not bent & {"identity", "convolution", "average pool", "batch norm, evaluating", "blur pool"}


@pytest.mark.parametrize(("kind", "instead"), [("tanh", "identity"), ("identity", "relu")])
def test_an_activation_that_is_none_and_none_that_is_one_are_noticed(monkeypatch, afresh, kind, instead):
    monkeypatch.setattr(act_adds_nonlinearity, "ACTIVATIONS", ("tanh", "identity"))
    monkeypatch.setattr(act_adds_nonlinearity, "LAYERS", {})
    monkeypatch.setitem(TABLE, kind, TABLE[instead])
    assert judged(act_adds_nonlinearity).word == "refuted"


@pytest.mark.slow
def test_a_relu_net_is_one_function_though_not_an_affine_one():
    verdict = judged(act_nonlinear_definition)
    assert verdict.word == "qualified"
    assert verdict.condition == "it holds for one affine function, but not for one function of any kind"


@pytest.mark.parametrize(("activation", "word"), [("identity", "refuted"), ("tanh", "supported")])
def test_other_nets_turn_the_definition(monkeypatch, afresh, activation, word):
    net = ConvNet(depth=2, width=3, stride=2, pools=(), activation=activation)
    monkeypatch.setattr(act_nonlinear_definition, "NETS", {"net": net})
    assert judged(act_nonlinear_definition).word == word


def test_claims_of_training_wait_and_say_for_what():
    for module, sweep in itertools.product((lin_no_backprop, lin_depth_useless), ("linear_depth",)):
        assert judged(module).word == "untested"
        assert sweep in judged(module).reason
    assert judged(tanh_same).word == "untested"
    assert "gradient_norms" in judged(tanh_same).reason
