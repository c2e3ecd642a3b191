"""Every gradient statistic against a slow oracle that visits one entry after the other, and planted faults."""

import dataclasses
import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnlab.gradients import Snapshot, measure, measuring
from cnnlab.gradients.measuring import statistics
from cnnlab.gradients.statistics.saturated_fraction import LIMITS
from cnnlab.spec.invalid import InvalidError
from cnnlab.spec.net import ACTIVATIONS

from ..conftest import of_the_suite

# ---------------------------------------------------------------------------------------------------------- snapshots


def snapshot(activation="relu", size=1.0, seed=0):
    """Make a step of two layers; gradients of magnitude `size`, some exactly zero, some units dead or saturated."""
    draw = np.random.default_rng(seed)

    def normal(*shape):
        return draw.normal(size=shape).astype(np.float32)

    shapes = {"conv1": {"kernel": (3, 3, 2, 4), "bias": (4,)}, "dense": {"kernel": (4, 5), "bias": (5,)}}
    params = {layer: {name: normal(*shape) for name, shape in leaves.items()} for layer, leaves in shapes.items()}
    params["conv1"]["bias"] *= 0
    grads = {
        layer: {name: size * normal(*shape) * (draw.random(shape) > 0.3) for name, shape in leaves.items()}
        for layer, leaves in shapes.items()
    }
    updates = jax.tree.map(lambda leaf: -0.1 * leaf + 0.01 * size, grads)
    outputs = {"act1": 3 * normal(6, 5, 4, 4), "act2": 3 * normal(6, 8)}
    squash = {"relu": lambda x: np.maximum(x, 0), "sigmoid": lambda x: 1 / (1 + np.exp(-x)), "tanh": np.tanh}
    outputs = {layer: squash.get(activation, lambda x: x)(value) for layer, value in outputs.items()}
    outputs["act1"][:, 2, :, 1] = 0
    outputs["act2"][:, 3] = 0
    outputs["act2"][2, 3] = float(activation != "relu")
    activation_grads = {layer: size * normal(*value.shape) for layer, value in outputs.items()}
    return jax.tree.map(
        lambda leaf: jnp.asarray(leaf, jnp.float32),
        Snapshot(
            params=params,
            grads=grads,
            updates=updates,
            activations=outputs,
            activation_grads=activation_grads,
            activation_name=activation,
        ),
    )


SNAPSHOTS = {
    "relu": snapshot(),
    "sigmoid": snapshot("sigmoid", seed=1),
    "tanh": snapshot("tanh", seed=2),
    "scaled_tanh": snapshot("scaled_tanh", seed=3),
    "vanishing gradients": snapshot(size=1e-25, seed=4),
    "huge gradients": snapshot(size=1e25, seed=5),
}

# ------------------------------------------------------------------------------------------------------------ oracles


def entries(array):
    return [float(value) for value in np.asarray(array, np.float64).ravel()]


def length(array):
    return math.sqrt(math.fsum(value * value for value in entries(array)))


def leaves(parameters, only_kernels=False):
    return {
        f"{layer}/{name}": value
        for layer, by_name in parameters.items()
        for name, value in by_name.items()
        if name == "kernel" or not only_kernels
    }


def ratio_to_weights(step, changes):
    weights = leaves(step.params, only_kernels=True)
    return {path: length(value) / length(weights[path]) for path, value in leaves(changes, only_kernels=True).items()}


def share_of_zeros(array):
    return sum(value == 0.0 for value in entries(array)) / array.size


def share_of_dead(output):
    units = np.asarray(output).reshape(output.shape[0], -1).T
    return sum(all(value == 0 for value in unit) for unit in units) / len(units)


def saturated(step):
    inside = {"sigmoid": (0.01, 0.99), "tanh": (-0.99, 0.99), "scaled_tanh": (-1.698741, 1.698741)}
    if step.activation_name not in inside:
        return {}
    low, high = inside[step.activation_name]
    return {
        layer: sum(not low <= value <= high for value in entries(output)) / output.size
        for layer, output in step.activations.items()
    }


def histogram(array):
    counts = [0] * 50
    for value in entries(array):
        exponent = math.frexp(value)[1] - 1 if value else -1000
        counts[min(max(exponent + 41, 0), 49)] += 1
    return counts


ORACLES = {
    "grad_norm": lambda step: {path: length(value) for path, value in leaves(step.grads).items()},
    "grad_to_weight": lambda step: ratio_to_weights(step, step.grads),
    "update_to_weight": lambda step: ratio_to_weights(step, step.updates),
    "activation_grad_norm": lambda step: {layer: length(value) for layer, value in step.activation_grads.items()},
    "zero_fraction": lambda step: {path: share_of_zeros(value) for path, value in leaves(step.grads).items()},
    "dead_fraction": lambda step: {layer: share_of_dead(value) for layer, value in step.activations.items()},
    "saturated_fraction": saturated,
    "log2_histogram": lambda step: {path: histogram(value) for path, value in leaves(step.grads, True).items()},
}


def check(name, statistic, step):
    found, expected = statistic(step), ORACLES[name](step)
    assert set(found) == set(expected)
    for path, value in expected.items():
        np.testing.assert_allclose(np.asarray(found[path]), value, rtol=1e-5, atol=0, err_msg=path)


def test_every_statistic_in_the_folder_has_an_oracle_and_a_planted_fault():
    files = Path(measuring.__file__).parent.glob("statistics/[!_]*.py")
    assert {path.stem for path in of_the_suite(files)} == set(ORACLES) == set(FAULTS)
    assert set(statistics()) >= set(ORACLES)


SLOW = ("tanh", "scaled_tanh", "huge gradients")


@pytest.mark.parametrize(
    "step",
    [pytest.param(step, marks=pytest.mark.slow) if name in SLOW else step for name, step in SNAPSHOTS.items()],
    ids=SNAPSHOTS.keys(),
)
@pytest.mark.parametrize("name", ORACLES)
def test_a_statistic_agrees_with_its_oracle(name, step):
    check(name, statistics()[name], step)


# ------------------------------------------------------------------------------------------------------------- faults


def swapped(name, **fields):
    """Make a statistic that looks at other fields of the snapshot than it says."""

    def faulty(step):
        other = {field: getattr(step, source) for field, source in fields.items()}
        return statistics()[name](dataclasses.replace(step, **other))

    return faulty


def naive_norm(step):
    return {path: jnp.sqrt(jnp.sum(value**2)) for path, value in leaves(step.grads).items()}


FAULTS = {
    "grad_norm": [naive_norm, swapped("grad_norm", grads="updates")],
    "grad_to_weight": [swapped("grad_to_weight", grads="updates"), swapped("grad_to_weight", params="grads")],
    "update_to_weight": [swapped("update_to_weight", updates="grads"), swapped("update_to_weight", params="updates")],
    "activation_grad_norm": [
        swapped("activation_grad_norm", activation_grads="activations"),
        lambda step: {layer: jnp.linalg.norm(value[0]) for layer, value in step.activation_grads.items()},
    ],
    "zero_fraction": [
        lambda step: {path: jnp.mean(jnp.abs(value) < 1e-6) for path, value in leaves(step.grads).items()},
        swapped("zero_fraction", grads="params"),
    ],
    "dead_fraction": [
        lambda step: {layer: jnp.mean(value == 0) for layer, value in step.activations.items()},
        lambda step: {layer: jnp.mean(jnp.any(value == 0, axis=0)) for layer, value in step.activations.items()},
    ],
    "saturated_fraction": [
        lambda step: {layer: jnp.mean(jnp.abs(value) > 0.99) for layer, value in step.activations.items()},
        swapped("saturated_fraction", activations="activation_grads"),
    ],
    "log2_histogram": [
        lambda step: {path: jnp.roll(v, 1) for path, v in statistics()["log2_histogram"](step).items()},
        lambda step: {path: v.at[0].set(0) for path, v in statistics()["log2_histogram"](step).items()},
    ],
}


CASES = [(name, place) for name, faults in FAULTS.items() for place in range(len(faults))]


@pytest.mark.parametrize(("name", "place"), CASES)
def test_a_planted_fault_is_noticed(name, place):
    noticed = 0
    for step in SNAPSHOTS.values():
        try:
            check(name, FAULTS[name][place], step)
        except AssertionError:
            noticed += 1
    assert noticed > 0


# --------------------------------------------------------------------------------------------------------- properties


def linear_step(factor=1.0):
    """Make a step of the two-layer linear net y = V W x under the loss factor * mean over samples of |y - t|**2 / 2."""
    draw = np.random.default_rng(7)
    x, target, w, v = (jnp.asarray(draw.normal(size=s), jnp.float32) for s in ((6, 3), (6, 2), (3, 4), (4, 2)))

    def loss(w, v, nudge):
        return factor * jnp.mean(jnp.sum(((x @ w + nudge) @ v - target) ** 2, axis=1)) / 2

    dw, dv, hidden = jax.grad(loss, argnums=(0, 1, 2))(w, v, jnp.zeros((6, 4)))
    step = Snapshot(
        params={"first": {"kernel": w}, "second": {"kernel": v}},
        grads={"first": {"kernel": dw}, "second": {"kernel": dv}},
        updates={"first": {"kernel": -0.1 * dw}, "second": {"kernel": -0.1 * dv}},
        activations={"hidden": x @ w},
        activation_grads={"hidden": hidden},
        activation_name="identity",
    )
    return step, tuple(np.asarray(array, np.float64) for array in (x, target, w, v))


def test_a_linear_net_has_its_closed_form():
    step, (x, target, w, v) = linear_step()
    error = (x @ w @ v - target) / len(x)
    first, second = x.T @ error @ v.T, (x @ w).T @ error
    found = measure(step)
    norm = np.linalg.norm
    expected = {
        "grad_norm/first/kernel": norm(first),
        "grad_norm/second/kernel": norm(second),
        "grad_to_weight/first/kernel": norm(first) / norm(w),
        "update_to_weight/second/kernel": 0.1 * norm(second) / norm(v),
        "activation_grad_norm/hidden": norm(error @ v.T),
        "zero_fraction/first/kernel": 0,
        "dead_fraction/hidden": 0,
    }
    for path, value in expected.items():
        assert float(found[path]) == pytest.approx(value, rel=1e-5), path
    assert not any(path.startswith("saturated_fraction") for path in found)


def check_doubling(measured):
    """Doubling the loss doubles every norm, moves the histogram by one bin and leaves the shares alone."""
    once, twice = (measured(linear_step(factor)[0]) for factor in (1.0, 2.0))
    assert set(once) == set(twice)
    for path, value in once.items():
        if path.startswith("log2_histogram"):
            np.testing.assert_array_equal(np.roll(value, 1), twice[path])
        else:
            np.testing.assert_allclose(twice[path], value * (1 if "fraction" in path else 2), rtol=1e-6, err_msg=path)


def test_doubling_the_loss_doubles_the_norms():
    check_doubling(measure)


def test_a_norm_that_forgets_its_root_is_noticed():
    def squared(step):
        return {path: value**2 if path.startswith("grad_norm") else value for path, value in measure(step).items()}

    with pytest.raises(AssertionError):
        check_doubling(squared)


def test_the_order_of_samples_and_units_does_not_matter():
    step = SNAPSHOTS["relu"]
    turned = dataclasses.replace(
        step,
        grads=jax.tree.map(lambda leaf: jnp.flip(leaf, -1), step.grads),
        activations=jax.tree.map(lambda leaf: jnp.flip(leaf, (0, -1)), step.activations),
        activation_grads=jax.tree.map(lambda leaf: jnp.flip(leaf, (0, -1)), step.activation_grads),
    )
    found = measure(turned)
    for path, value in measure(step).items():
        np.testing.assert_allclose(found[path], value, rtol=1e-6, err_msg=path)


def test_a_unit_that_fires_once_is_not_dead():
    step = SNAPSHOTS["relu"]
    quiet = dataclasses.replace(step, activations={"act": jnp.zeros((4, 2, 2, 3)).at[1, 0, 1, 2].set(1e-30)})
    assert float(measure(quiet, ["dead_fraction"])["dead_fraction/act"]) == pytest.approx(11 / 12)


def test_the_histogram_holds_every_entry_in_the_right_bin():
    values = jnp.array([[0.0, -0.0, 2.0**-41, 2.0**-40, -1.0, 1.5, 255.0, 256.0, jnp.inf, jnp.nan]])
    step = dataclasses.replace(SNAPSHOTS["relu"], grads={"layer": {"kernel": values}})
    counts = np.asarray(measure(step, ["log2_histogram"])["log2_histogram/layer/kernel"])
    assert counts.shape == (50,)
    assert {place: int(count) for place, count in enumerate(counts) if count} == {0: 3, 1: 1, 41: 2, 48: 1, 49: 3}


def test_it_can_be_jitted_and_says_the_same():
    step = SNAPSHOTS["tanh"]
    eager, jitted = measure(step), jax.jit(measure)(step)
    assert set(eager) == set(jitted)
    for path, value in eager.items():
        np.testing.assert_allclose(jitted[path], value, rtol=1e-6, err_msg=path)
    assert {value.dtype.name for path, value in jitted.items() if not path.startswith("log2")} == {"float32"}
    assert {value.dtype.name for path, value in jitted.items() if path.startswith("log2")} == {"int32"}


def test_the_program_has_neither_scatter_nor_sort():
    program = str(jax.make_jaxpr(measure)(SNAPSHOTS["sigmoid"]))
    assert "reduce_sum" in program
    assert not {"scatter", "sort["} & {word for word in ("scatter", "sort[") if word in program}


def test_names_are_tree_paths_and_can_be_chosen():
    found = measure(SNAPSHOTS["sigmoid"], ["grad_norm", "saturated_fraction"])
    assert set(found) == {
        "grad_norm/conv1/kernel",
        "grad_norm/conv1/bias",
        "grad_norm/dense/kernel",
        "grad_norm/dense/bias",
        "saturated_fraction/act1",
        "saturated_fraction/act2",
    }
    with pytest.raises(
        InvalidError, match="statistic=gradnorm is not valid: choose one of activation_grad_norm, dead_f"
    ):
        measure(SNAPSHOTS["relu"], ["gradnorm"])


def test_every_activation_of_the_table_is_known_and_no_other():
    assert set(LIMITS) == set(ACTIVATIONS)
    step = dataclasses.replace(SNAPSHOTS["relu"], activation_name="swish")
    with pytest.raises(InvalidError, match="activation_name=swish is not valid: choose one of relu, relu_half"):
        measure(step)
