"""One run: statistics never disturb it, the test set is read once, divergence is chance."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnlab.data import Dataset, Source, Split, draw, epoch_orders
from cnnlab.spec.arm import Arm
from cnnlab.training import members
from cnnlab.training.program import Program, State, make_optimizer, program
from cnnlab.training.run import MemberRun, Result
from experiments.bench.contender import watch


def run(arm: Arm, seed: int = 0, rate: float = 0.05) -> MemberRun:
    return MemberRun(arm=arm, seed=seed, learning_rate=rate)


def unwatched(arm: Arm) -> Arm:
    return dataclasses.replace(arm, recipe=dataclasses.replace(arm.recipe, watched=False))


def train(source: Source, *runs: MemberRun, strategy: str = "sequential") -> list[Result]:
    return members.train(runs, source, strategy)


def finals_with_and_without_statistics(arm: Arm, source: Source) -> tuple[Result, Result]:
    """What a run ends with, looked at and not; histories and probes aside."""
    ends = train(source, run(arm, rate=0.03)) + train(source, run(unwatched(arm), rate=0.03))
    assert not any(end.diverged for end in ends)
    one, other = (dataclasses.replace(end, history={}, probes={}) for end in ends)
    return one, other


def same(one: Any, other: Any) -> bool:
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


@pytest.mark.slow
def test_measuring_leaves_the_run_as_it_is(learner: Arm, source: Source) -> None:
    one, other = finals_with_and_without_statistics(learner, source)
    assert one == other


def test_a_look_that_touches_the_weights_is_found(
    learner: Arm, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = members.compiled(learner, "sequential")

    def touching(state: State, *rest: Any) -> Any:
        layer = state.params["layers"]["conv1"]
        layer["bias"] = layer["bias"] + 1e-3
        return honest.measure_step(state, *rest)

    monkeypatch.setattr(members, "compiled", lambda *_: dataclasses.replace(honest, measure_step=touching))
    one, other = finals_with_and_without_statistics(learner, source)
    assert one != other


def test_the_same_run_gives_the_same_result_and_another_seed_another(arm: Arm, source: Source) -> None:
    first, again, other = train(source, run(arm), run(arm), run(arm, seed=1))
    assert first == again
    assert first.history["loss/train"] != other.history["loss/train"]


def test_recorded_series_have_one_value_an_epoch_or_look(arm: Arm, source: Source) -> None:
    (result,) = train(source, run(arm))
    history = result.history
    assert history["images_seen"] == [96, 192]
    assert len(history["loss/train"]) == len(history["accuracy/validation"]) == 2
    stats = history["stats"]
    assert stats["images_seen"] == [0, 32, 64, 128, 160]  # steps 0, 1, 2, 4 and the last of 6
    assert {len(series) for series in stats.values()} == {5}
    for name in ("grad_norm/conv1/kernel", "grad_norm/conv2/bias", "grad_norm/logits/kernel"):
        assert all(value > 0 for value in stats[name])


class Guarded(Dataset):
    """A dataset that counts how often its test set is looked at."""

    looks = 0

    @property
    def test(self) -> Split:
        type(self).looks += 1
        return self.__dict__["test"]


def test_looks(arm: Arm, source: Source, monkeypatch: pytest.MonkeyPatch, train_runs: Callable[..., Any]) -> int:
    """Times the test set is touched by one run."""
    honest = members.dataset(arm.task, source)
    guarded = object.__new__(Guarded)
    guarded.__dict__.update(pool=honest.pool, test=honest.test)
    monkeypatch.setattr(Guarded, "looks", 0)
    monkeypatch.setattr(members, "dataset", lambda task, source: guarded)
    train_runs([run(arm)], source, "sequential")
    return Guarded.looks


test_looks.__test__ = False  # type: ignore[attr-defined]


def test_the_test_set_is_read_once(arm: Arm, source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    once = test_looks(arm, source, monkeypatch, members.train)
    assert once == 2  # its images are scored, and counted


def test_a_run_that_peeks_is_found(arm: Arm, source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    def peeking(runs: list[MemberRun], source: Source, strategy: str) -> list[Result]:
        assert members.dataset(arm.task, source).test
        return members.train(runs, source, strategy)

    assert test_looks(arm, source, monkeypatch, peeking) > 2


@pytest.mark.parametrize("rate", [1e6, 50.0])
def test_a_diverged_member_counts_as_chance_and_is_said_to(arm: Arm, source: Source, rate: float) -> None:
    (result,) = train(source, run(arm, rate=rate))
    assert result.diverged
    assert result.test_accuracy == result.validation_accuracy == arm.task.chance
    assert result.test_loss is None
    assert result.train_loss is None


def test_every_test_image_counts_once(arm: Arm, source: Source) -> None:
    """The batched score equals the score of all images at once, for sizes that batches do and do not divide."""
    data, built = members.dataset(arm.task, source), program(arm)
    state, logits_of = built.init(3), jax.jit(built.logits)
    for count in (1, 255, 256, 257, 599):
        split = Split(images=data.test.images[:count], labels=data.test.labels[:count])
        (accuracy,), (loss,) = members._score(logits_of, state, [split], True)
        logits = np.asarray(logits_of(state, jnp.asarray(split.images)), np.float64)
        likelihood = logits - np.log(np.exp(logits).sum(1, keepdims=True))
        assert accuracy == (logits.argmax(1) == split.labels).mean()
        assert loss == pytest.approx(-likelihood[np.arange(count), split.labels].mean(), rel=1e-4)


def losses(arm: Arm, source: Source, strategy: str, seeds: tuple[int, ...] = (0, 1, 2)) -> list[list[float]]:
    results = train(source, *(run(arm, seed=seed) for seed in seeds), strategy=strategy)
    return [result.history["stats"]["grad_norm/conv1/kernel"] for result in results]


@pytest.mark.slow
def test_members_side_by_side_equal_lone_ones(arm: Arm, source: Source) -> None:
    """Six steps: every gradient norm agrees to 1e-5, and each member keeps its own data and weights."""
    alone, together = (losses(arm, source, strategy) for strategy in ("sequential", "side_by_side"))
    np.testing.assert_allclose(together, alone, rtol=2e-5)
    assert not np.allclose(alone[0], alone[1], rtol=1e-2)


def with_a_rest(arm: Arm) -> Arm:
    """Three batches an epoch, the last one smaller, and many more steps than are looked at."""
    return dataclasses.replace(arm, recipe=dataclasses.replace(arm.recipe, batch_size=40, epochs=4))


@pytest.mark.slow
def test_stretches_of_steps_equal_single_ones_also_where_the_last_batch_is_smaller(arm: Arm, source: Source) -> None:
    alone, together = (
        train(source, run(with_a_rest(arm)), run(with_a_rest(arm), seed=1), strategy=strategy)
        for strategy in ("sequential", "side_by_side")
    )
    for one, other in zip(alone, together, strict=True):
        for series in ("loss/train", "images_seen"):
            np.testing.assert_allclose(other.history[series], one.history[series], rtol=2e-5)
        assert other.history["stats"]["images_seen"] == one.history["stats"]["images_seen"]


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["a step too few", "the rate of the step before"])
def test_a_stretch_that_is_not_what_its_steps_are_is_found(
    arm: Arm, source: Source, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    alone, together = (losses(arm, source, strategy) for strategy in ("sequential", "side_by_side"))
    np.testing.assert_allclose(together, alone, rtol=2e-5)
    honest = members.compiled(arm, "side_by_side")

    def many(state: State, images: Any, labels: Any, batches: Any, rates: Any, begin: int, end: int) -> Any:
        assert honest.many is not None
        if fault == "a step too few":
            return honest.many(state, images, labels, batches, rates, begin, max(begin, end - 1))
        return honest.many(state, images, labels, batches, np.roll(rates, 1, axis=0), begin, end)

    monkeypatch.setattr(members, "compiled", lambda *_: dataclasses.replace(honest, many=many))
    assert not np.allclose(losses(arm, source, "side_by_side"), alone, rtol=1e-3)


def steps_compiled() -> tuple[int, int]:
    """Programs compiled so far in this process for stretches and for single steps."""
    programs = watch().programs
    return programs.count("jit(many)"), programs.count("jit(step)")


@pytest.mark.slow
def test_a_members_bytes_do_not_depend_on_how_many_train_beside_it_nor_is_anything_compiled_again(
    arm: Arm, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    arm, before = with_a_rest(arm), steps_compiled()
    members.compiled.cache_clear()
    count = members.SIDE_BY_SIDE + 1
    many = train(source, *(run(arm, seed=seed) for seed in range(count)), strategy="side_by_side")
    once = before[0] + 1, before[1] + 1
    assert steps_compiled() == once
    assert train(source, run(arm, seed=1), strategy="side_by_side") == [many[1]]
    assert train(source, run(arm, seed=count - 1), run(arm), strategy="side_by_side") == [many[-1], many[0]]
    assert steps_compiled() == once
    # the twin: not filled up to the same number, two members are two programs more
    monkeypatch.setattr(members, "SIDE_BY_SIDE", 2)
    train(source, run(arm), run(arm, seed=1), strategy="side_by_side")
    assert steps_compiled() == (once[0] + 1, once[1] + 1)


def test_pairing_survives_another_arm(arm: Arm, source: Source) -> None:
    """Another net: same draw and order (they never see the arm), same weights where names and shapes agree."""
    other = dataclasses.replace(arm, net=dataclasses.replace(arm.net, pools=(2,), activation="tanh"))
    ours, theirs = (jax.device_get(program(one).init(5).params) for one in (arm, other))
    assert same(ours["layers"], theirs["layers"])
    data = members.dataset(arm.task, source)
    assert np.array_equal(draw(data, arm.task, 5)[0].labels, draw(data, other.task, 5)[0].labels)
    assert np.array_equal(epoch_orders(96, 2, 5), epoch_orders(96, 2, 5))


def test_another_init_stream_changes_the_weights_alone(arm: Arm) -> None:
    other = dataclasses.replace(arm, recipe=dataclasses.replace(arm.recipe, init_stream=1))
    assert not same(*(jax.device_get(program(one).init(5).params) for one in (arm, other)))


@pytest.mark.parametrize("recipe", [{"optimizer": "sgd"}, {"optimizer": "adam"}, {"weight_decay": 0.1}])
def test_an_optimiser_begins_with_what_optax_says(arm: Arm, recipe: dict[str, Any]) -> None:
    arm = dataclasses.replace(arm, recipe=dataclasses.replace(arm.recipe, **recipe))
    begun = program(arm).init(5)
    said = make_optimizer(arm.recipe).init(begun.params)
    assert jax.tree.map(jax.typeof, begun.moments) == jax.tree.map(jax.typeof, said)
    assert same(begun.moments, said)


def drawn_by(init: Callable[[int], Any]) -> set[str]:
    """Names of the programs that are compiled for a member's beginning."""
    jax.clear_caches()
    before = len(watch().programs)
    init(5)
    return set(watch().programs[before:])


def test_only_kernels_are_drawn_by_a_program(arm: Arm) -> None:
    """Biases and moments begin at zero, and JAX's own zeros are a program a shape."""
    built = program(arm)
    drawn = drawn_by(built.init)
    assert "jit(_shaped)" in drawn
    assert "jit(broadcast_in_dim)" not in drawn
    # the twin: zeros that JAX makes itself
    assert "jit(broadcast_in_dim)" in drawn_by(lambda seed: make_optimizer(arm.recipe).init(built.init(seed).params))


@pytest.mark.parametrize(("precision", "told"), [("highest", "HIGHEST"), ("default", "DEFAULT")])
def test_precision_reaches_every_product(arm: Arm, source: Source, precision: str, told: str) -> None:
    recipe = dataclasses.replace(arm.recipe, precision=precision)
    built = program(dataclasses.replace(arm, recipe=recipe))
    data = members.dataset(arm.task, source)
    args = (jnp.asarray(data.pool.images), jnp.asarray(data.pool.labels), np.arange(4), np.float32(0.1))
    text = str(jax.make_jaxpr(built.step)(built.init(0), *args))
    products = [line for line in text.splitlines() if "precision=" in line]
    assert products
    if told == "HIGHEST":
        assert all("HIGHEST" in line for line in products)
    else:
        assert not any("HIGHEST" in line for line in products)


def compiled_text(built: Program, arm: Arm, source: Source) -> str:
    """What XLA makes of one step."""
    data = members.dataset(arm.task, source)
    args = (jnp.asarray(data.pool.images), jnp.asarray(data.pool.labels), np.arange(32), np.float32(0.1))
    return jax.jit(built.step).lower(built.init(0), *args).compile().as_text() or ""


def slow_on_cpu(text: str) -> list[str]:
    """Operations of a compiled step that XLA:CPU runs as serial loops, or not as a plain convolution."""
    return [word for word in ("scatter(", "select-and-scatter", "batch_group_count", "while(") if word in text]


def test_the_compiled_step_has_nothing_slow_on_cpu(arm: Arm, source: Source) -> None:
    assert slow_on_cpu(compiled_text(program(arm), arm, source)) == []


def test_a_step_that_scatters_is_found(arm: Arm, source: Source) -> None:
    honest = program(arm)

    def scattering(state: State, *rest: Any) -> tuple[State, Any]:
        after, loss = honest.step(state, *rest)
        count = jnp.zeros(10).at[rest[1][rest[2]]].add(1.0)
        return after, loss + 0 * count.max()

    assert slow_on_cpu(compiled_text(dataclasses.replace(honest, step=scattering), arm, source))


@pytest.mark.parametrize(
    "change",
    [
        {"norm": "batch"},
        pytest.param({"norm": "layer"}, marks=pytest.mark.slow),
        {"block": "residual", "pools": ()},
        pytest.param({"head": "flatten"}, marks=pytest.mark.slow),
    ],
)
def test_nets_with_state_and_branches_train(arm: Arm, source: Source, change: dict[str, Any]) -> None:
    changed = dataclasses.replace(arm, net=dataclasses.replace(arm.net, **change))
    data, built = members.dataset(arm.task, source), program(changed)
    before = built.init(0)
    args = (jnp.asarray(data.pool.images), jnp.asarray(data.pool.labels), np.arange(32), np.float32(0.1))
    after, loss = jax.jit(built.step)(before, *args)
    assert np.isfinite(loss)
    assert not same(before.params, after.params)
    if "norm" in change and change["norm"] == "batch":
        assert not same(before.statistics, after.statistics)
