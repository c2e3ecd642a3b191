"""Steps with our own convolutions: the same losses as with XLA's, the same bytes alone and in a loop."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnlab.data import Source
from cnnlab.spec.arm import Arm
from cnnlab.spec.network import Add, Network
from cnnlab.training import checkpoints, members
from cnnlab.training.run import MemberRun, Result
from cnnlab.zoo import module
from cnnlab.zoo.lowering import network
from cnnlab.zoo.module import Net
from cnnlab.zoo.native import library
from cnnlab.zoo.operations import convolving, rectified_convolutions

STEPS = 20
pytestmark = pytest.mark.usefixtures("natively")


def train(arm: Arm, source: Source, **more: Any) -> Result:
    given = {"seed": 1, "learning_rate": 0.02} | more
    return members.train([MemberRun(arm=arm, **given)], source, "native")[0]


def losses(arm: Arm, source: Source, strategy: str) -> list[float]:
    """Of twenty steps of plain gradient descent, which rounding hardly moves, by what an epoch goes through."""
    built = members.compiled(
        dataclasses.replace(arm, recipe=dataclasses.replace(arm.recipe, optimizer="sgd")), strategy
    )
    data, state = members.dataset(arm.task, source), built.init(1)
    batches = np.random.default_rng(0).integers(0, len(data.pool.labels), (STEPS, 32), np.int32)
    rates = np.full(STEPS, 0.02, np.float32)
    _, found = built.advance(state, data.pool.images, data.pool.labels, batches, rates, range(STEPS))
    return [float(loss) for loss in found]


SLOW_NETS = [
    pytest.param(change, marks=pytest.mark.slow)
    for change in ({"kernel": 4}, {"norm": "batch"}, {"padding": "full"}, {"stride": 2, "pools": ()})
]


@pytest.mark.parametrize("change", [{}, *SLOW_NETS], ids=str)
def test_losses_of_twenty_steps_are_those_of_the_librarys(arm: Arm, source: Source, change: dict[str, Any]) -> None:
    changed = dataclasses.replace(arm, net=dataclasses.replace(arm.net, **change))
    built = members.compiled(changed, "native"), members.compiled(changed, "sequential")
    assert [one.many is None for one in built] == [False, True]
    np.testing.assert_allclose(*(losses(changed, source, way) for way in ("native", "sequential")), rtol=1e-5)


def joined(net: Network) -> dict[str, str]:
    """What is computed in one where convolutions are our own; nothing is where they are not."""
    assert rectified_convolutions(net) == {}
    with convolving("native"):
        return {relu: conv.name for relu, conv in rectified_convolutions(net).items()}


def test_a_relu_is_computed_with_the_convolution_that_it_alone_reads(arm: Arm) -> None:
    def of(**change: Any) -> dict[str, str]:
        return joined(network(dataclasses.replace(arm.net, **change), 8, 1, 10))

    plain = of()
    assert len(plain) == arm.net.depth
    assert of(norm="batch") == of(activation="tanh") == of(activation="relu_half") == {}
    graph = network(arm.net, 8, 1, 10)
    read_twice = Add(name="twice", inputs=(plain["act1"], "act1"))
    assert "act1" not in joined(dataclasses.replace(graph, nodes=(*graph.nodes, read_twice)))
    assert "act1" not in joined(dataclasses.replace(graph, output=plain["act1"]))


@pytest.mark.slow
def test_training_leaves_out_what_is_computed_in_one_unless_its_gradient_is_asked_for(arm: Arm) -> None:
    graph = network(arm.net, 8, 1, 10)
    net, images = Net(graph, jax.random.key(1)), jax.random.normal(jax.random.key(2), (3, 8, 8, 1))

    def at_conv1(nudge: jax.Array) -> jax.Array:
        return net(images, mode="train", perturbations={"conv1": nudge})[0].max()

    whole = net(images, mode="train")[1]
    expected = jax.grad(at_conv1)(jnp.zeros(whole["conv1"].shape))
    with convolving("native"):
        outputs = net(images, mode="train")[1]
        assert set(whole) - set(outputs) == {conv.name for conv in rectified_convolutions(graph).values()} != set()
        assert set(net(images)[1]) == set(whole)
        np.testing.assert_allclose(jax.grad(at_conv1)(jnp.zeros(expected.shape)), expected, atol=1e-6)
    np.testing.assert_allclose(outputs["act2"], whole["act2"], atol=1e-5)
    assert np.abs(expected).max() > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize(
    "change", [{}, *SLOW_NETS, pytest.param({"activation": "tanh"}, marks=pytest.mark.slow)], ids=str
)
def test_steps_and_looks_have_the_same_bytes_with_relu_inside_and_behind(
    learner: Arm, source: Source, change: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = dataclasses.replace(learner, net=dataclasses.replace(learner.net, **change))
    inside = train(changed, source, learning_rate=0.03)
    monkeypatch.setattr(module, "rectified_convolutions", lambda _: {})
    members.compiled.cache_clear()
    behind = train(changed, source, learning_rate=0.03)
    members.compiled.cache_clear()
    assert inside == behind


@pytest.mark.slow
def test_looking_and_where_a_stretch_ends_leave_the_bytes_as_they_are(learner: Arm, source: Source) -> None:
    short = dataclasses.replace(learner, recipe=dataclasses.replace(learner.recipe, batch_size=16))
    blind = dataclasses.replace(short, recipe=dataclasses.replace(short.recipe, watched=False))
    watched, unwatched = (train(one, source, learning_rate=0.03) for one in (short, blind))
    one, other = (dataclasses.replace(end, history={}, probes={}) for end in (watched, unwatched))
    assert one == other
    assert not watched.diverged


@pytest.mark.parametrize("connectivity", ["depthwise", "separable", "grouped"])
def test_a_net_with_convolutions_that_are_not_ours_is_stepped_from_python(arm: Arm, connectivity: str) -> None:
    net = dataclasses.replace(arm.net, connectivity=connectivity, groups=2 if connectivity == "grouped" else 1)
    assert members.compiled(dataclasses.replace(arm, net=net), "native").many is None


def test_a_checkpoint_knows_by_which_convolutions_it_was_made(arm: Arm, monkeypatch: pytest.MonkeyPatch) -> None:
    run = MemberRun(arm=arm, seed=1, learning_rate=0.02)
    ours, theirs = (checkpoints.keeper([run], strategy).identity for strategy in ("native", "sequential"))
    monkeypatch.setattr(library, "_used", ["another library"])
    others = [checkpoints.keeper([run], strategy).identity for strategy in ("native", "sequential")]
    assert theirs == others[1]
    assert len({str(identity) for identity in (ours, theirs, others[0])}) == 3
