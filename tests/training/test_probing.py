"""Looking into trained members: for evaluated members alone, the same whoever looks, and without a trace in the run."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

from cnnlab.data import Source, Split
from cnnlab.probes.trained import TrainedMember
from cnnlab.spec.arm import Arm
from cnnlab.training import members, probing
from cnnlab.training.program import State, program
from cnnlab.training.run import MemberRun, Result

Probed = Callable[[Arm, State, Split, Split], dict[str, float]]


def train(arm: Arm, source: Source, seeds: tuple[int, ...] = (0, 1), **more: Any) -> list[Result]:
    runs = [MemberRun(arm=arm, seed=seed, learning_rate=arm.recipe.learning_rate) for seed in seeds]
    return members.train(runs, source, more.pop("strategy", "sequential"))


def without_probes(results: list[Result]) -> list[Result]:
    return [dataclasses.replace(result, probes={}) for result in results]


def undisturbed(arm: Arm, source: Source, monkeypatch: pytest.MonkeyPatch, probed: Probed) -> bool:
    """Whether two members that are trained one after the other end alike when they are probed and when not."""
    members.dataset.cache_clear()
    monkeypatch.setattr(members, "probed", lambda *_: {})
    alone = train(arm, source)
    monkeypatch.setattr(members, "probed", probed)
    looked_into = without_probes(train(arm, source))
    members.dataset.cache_clear()
    return looked_into == alone


def test_probing_leaves_finals_histories_and_the_next_member_as_they_are(
    learner: Arm, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert undisturbed(learner, source, monkeypatch, probing.probed)


def test_a_probe_that_spoils_what_the_next_member_reads_is_found(
    learner: Arm, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoiling(arm: Arm, state: State, train: Split, test: Split) -> dict[str, float]:
        test.images.setflags(write=True)
        test.images[...] = 0
        return {}

    assert not undisturbed(learner, source, monkeypatch, spoiling)


def test_probing_leaves_the_weights_as_they_are(learner: Arm, source: Source) -> None:
    data, state = members.dataset(learner.task, source), program(learner).init(0)
    before = jax.tree.map(np.array, jax.device_get(state.params))
    probing.probed(learner, state, data.pool, data.test)
    after = jax.device_get(state.params)
    assert all(map(np.array_equal, jax.tree.leaves(before), jax.tree.leaves(after)))


def test_only_watched_members_that_learned_something_are_looked_into(arm: Arm, learner: Arm, source: Source) -> None:
    blind = dataclasses.replace(learner, recipe=dataclasses.replace(learner.recipe, watched=False))
    (own,), (unwatched,) = (train(one, source, seeds=(0,)) for one in (learner, blind))
    assert own.probes
    assert unwatched.probes == {}
    assert sorted(unwatched.history) == ["images_seen", "loss/train"]
    (lost,) = train(arm, source, seeds=(0,))
    assert lost.diverged
    assert lost.probes == {}


def test_values_have_six_digits_and_those_that_are_not_finite_no_path(
    learner: Arm, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, state = members.dataset(learner.task, source), program(learner).init(0)
    made = {"third": 1 / 3, "none": float("nan"), "endless": float("inf")}
    monkeypatch.setattr(probing, "measure", lambda *_: made)
    assert probing.probed(learner, state, data.pool, data.test) == {"third": 0.333333}


def looked_at(learner: Arm, source: Source, monkeypatch: pytest.MonkeyPatch) -> tuple[TrainedMember, State]:
    """The member that probes are shown, and the state it was made from."""
    shown: list[TrainedMember] = []
    monkeypatch.setattr(probing, "measure", lambda member, _: shown.append(member) or {})
    data, state = members.dataset(learner.task, source), program(learner).init(3)
    probing.probed(learner, state, data.pool, data.test)
    return shown[0], state


def test_a_member_shows_the_net_that_was_trained(learner: Arm, source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    """Outputs for any number of images, and gradients, are those of the arm's own program."""
    member, state = looked_at(learner, source, monkeypatch)
    layers = jax.jit(program(learner).layers)
    images = members.dataset(learner.task, source).pool.images[:300]  # more than one chunk, not a multiple
    expected = layers(state, images)
    for name, values in member.layers(images).items():
        np.testing.assert_allclose(values, expected[name], rtol=1e-4, atol=1e-5)
    assert np.array_equal(member.params["conv2"]["kernel"], state.params["layers"]["conv2"]["kernel"])
    few = images[:3]
    for name in (member.network.output, member.network.features):
        sent = np.random.default_rng(0).normal(size=expected[name][:3].shape).astype(np.float32)
        whole = jax.grad(lambda x, name=name, sent=sent: (layers(state, x)[name] * sent).sum())(few)
        np.testing.assert_allclose(member.pull(name, few, sent), whole, rtol=1e-3, atol=1e-5)


@pytest.mark.slow
def test_members_side_by_side_are_each_shown_their_own_net(
    learner: Arm, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two members along a member axis, a few steps: each one's first kernel goes with its own seed."""
    short = dataclasses.replace(learner, recipe=dataclasses.replace(learner.recipe, epochs=4))

    def energy(arm: Arm, state: State, train: Split, test: Split) -> dict[str, float]:
        return {
            "energy": float((state.params["layers"]["conv1"]["kernel"] ** 2).sum()),
            "first": float(train.images[0].sum()),
        }

    monkeypatch.setattr(members, "probed", energy)
    alone, together = (train(short, source, strategy=strategy) for strategy in ("sequential", "side_by_side"))
    assert alone[0].probes["energy"] != pytest.approx(alone[1].probes["energy"], rel=1e-3)
    for one, other in zip(alone, together, strict=True):
        assert one.probes == pytest.approx(other.probes, rel=1e-3)
