"""What probes of trained members are shown, and that all of them are found and run on every kind of net."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnlab.data import Split
from cnnlab.probes import measuring
from cnnlab.probes.trained import (
    TrainedMember,
    by_place,
    down_samplings,
    first_convolution,
    head,
    reads_image,
    sample,
    source,
    watched,
)
from cnnlab.spec.invalid import InvalidError
from cnnlab.spec.net import ConvNet
from cnnlab.spec.network import Network
from cnnlab.spec.task import Task
from cnnlab.zoo.lowering import network
from cnnlab.zoo.module import Net

SIDE, CLASSES = 8, 4
DRAW = np.random.default_rng(0)


def graph(**factors: Any) -> Network:
    return network(ConvNet(**{"depth": 2, "width": 4, "pools": (1,), **factors}), SIDE, 1, CLASSES)


def images(count: int) -> Split:
    labels = np.arange(count, dtype=np.int32) % CLASSES
    return Split(DRAW.normal(size=(count, SIDE, SIDE, 1)).astype(np.float32), labels)


def member(**factors: Any) -> TrainedMember:
    """A net with random weights: probes do not ask how they were found."""
    found = graph(**factors)
    net = Net(found, jax.random.key(0))
    run = jax.jit(lambda shown: net(shown)[1])

    def pull(name: str, shown: Any, sent: Any) -> Any:
        return np.asarray(jax.jit(jax.grad(lambda x: (net(x)[1][name] * sent).sum()))(jnp.asarray(shown)))

    kernels = {name: {"kernel": np.asarray(layer.kernel[...])} for name, layer in net.layers.items() if "conv" in name}
    task = Task(name="digits8", side=SIDE, channels=1, classes=CLASSES, train_images=40, validation_images=8)
    return TrainedMember(
        network=found,
        size=(SIDE, SIDE),
        task=task,
        params=kernels,
        train=images(40),
        test=images(24),
        layers=lambda shown: {name: np.asarray(run(shown)[name]) for name in watched(found)},
        pull=pull,
    )


EVERYWHERE = {
    "edge_index",
    "effective_rank",
    "effective_receptive_field",
    "linear_probe",
    "saturation",
    "shift_consistency",
    "spectra",
    "symmetry_index",
}


@pytest.mark.parametrize(
    "factors",
    [
        {},
        pytest.param({"down": "strided_conv", "head": "flatten"}, marks=pytest.mark.slow),
        pytest.param({"down": "blur", "padding": "circular"}, marks=pytest.mark.slow),
        pytest.param({"down": "space_to_depth", "pools": (0,)}, marks=pytest.mark.slow),
        {"down": "none", "block": "residual", "kernel": 2, "padding": "symmetric"},
    ],
)
def test_every_probe_runs_on_every_kind_of_net(factors: dict[str, Any]) -> None:
    found = measuring.measure(member(**factors))
    assert {path.split("/")[0] for path in found} >= EVERYWHERE
    assert all(map(np.isfinite, found.values()))
    assert ("reconstruction/first/after" in found) is (factors.get("down") != "none")


def test_probes_are_found_by_their_files_and_called_by_their_names() -> None:
    assert list(measuring.probes()) == sorted(
        {*EVERYWHERE, "accuracy_by_pixel", "input_energy", "nuisance_share", "pair_auc", "reconstruction"}
    )
    made = member()
    assert set(measuring.measure(made, ["edge_index"])) == {"edge_index/share", "edge_index/by_chance"}
    with pytest.raises(InvalidError, match="linear_probe"):
        measuring.measure(made, ["linear_prob"])


def test_a_probe_gives_the_same_twice() -> None:
    made = member()
    assert measuring.measure(made) == measuring.measure(dataclasses.replace(made))


@pytest.mark.parametrize(
    ("down", "names", "before"),
    [
        ("max", ["pool_after1"], "act1"),
        ("blur", ["pool_after1"], "act1"),  # not the reflecting pad before it
        ("space_to_depth", ["pool_after1"], "act1"),
        ("strided_conv", ["conv1"], "image"),
        ("conv_strided_conv", ["down1"], "act1"),
        ("none", [], ""),
    ],
)
def test_down_samplings_and_what_they_read(down: str, names: list[str], before: str) -> None:
    found = graph(down=down)
    assert [node.name for node in down_samplings(found)] == names
    assert [source(found, node).name for node in down_samplings(found)] == [before] * len(names)
    assert set(watched(found)) == {*names, *([before] if before else []), "act2", "gap", "logits"}


def test_where_the_head_and_the_first_layer_stand() -> None:
    assert head(graph()) == "gap"
    assert head(graph(head="flatten")) == "flatten"
    padded = graph(padding="reflect")
    assert reads_image(padded, first_convolution(padded))
    pooled = graph(pools=(0,))
    assert not reads_image(pooled, first_convolution(pooled))


def test_a_sample_is_the_same_places_of_every_split_of_one_length() -> None:
    one, other = images(100), images(100)
    first, second = sample(one, 10), sample(other, 10)
    places = [int(np.flatnonzero((one.images == image).all((1, 2, 3)))[0]) for image in first.images]
    assert places == sorted(places)
    assert np.array_equal(second.images, other.images[places])
    assert np.array_equal(first.labels, one.labels[places])
    assert len(sample(one, 1000)) == 100


def test_random_streams_are_the_same_for_every_member_and_differ_by_name() -> None:
    one, other = (member().random(name).normal(size=3) for name in ("a", "b"))
    assert np.array_equal(one, member().random("a").normal(size=3))
    assert not np.array_equal(one, other)


def test_places_have_aliases_for_the_first_and_the_last() -> None:
    found = by_place(
        {"pool_after3": {"drop": 3.0}, "conv1": {"drop": 9.0}, "pool_after1": {"drop": 1.0}},
        network(ConvNet(depth=3, width=4, pools=(1, 3)), SIDE, 1, CLASSES),
    )
    assert found == {
        "pool_after3/drop": 3.0,
        "conv1/drop": 9.0,
        "pool_after1/drop": 1.0,
        "first/drop": 1.0,
        "last/drop": 3.0,
    }
    assert by_place({}, graph()) == {}
