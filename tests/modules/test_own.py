"""A user's module in the step: dropout and batch statistics, paths, twins with a planted fault each."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnlab.data import Source
from cnnlab.modules import own as module_of_own
from cnnlab.modules.making import ImageSizes
from cnnlab.modules.own import OUTPUT, STREAM, VARIABLES, Structure, structure, trainable
from cnnlab.spec.arm import Arm
from cnnlab.spec.invalid import InvalidError
from cnnlab.spec.recipe import Recipe
from cnnlab.spec.task import Task
from cnnlab.training import members
from cnnlab.training.probing import probed
from cnnlab.training.program import program
from cnnlab.training.run import MemberRun
from cnnlab.zoo.trainable import Trainable

from .conftest import Written, own

SIZES = ImageSizes(side=12, channels=1, classes=10)
TASK = Task(
    name="digits12", side=12, channels=1, classes=10, train_images=96, validation_images=50, dials=(("noise", 0.5),)
)
RECIPE = Recipe(epochs=1, batch_size=32, learning_rate=0.02, optimizer="adam", rates=1)
NETS = ("mynets.resnet:make", "linen_cnn:CNN", "se_net:build")
DROPPING = ("linen_cnn:CNN", "se_net:build")


def images(count: int = 8) -> jax.Array:
    return jax.random.normal(jax.random.key(5), (count, 12, 12, 1))


def functions(make: str, **args: Any) -> tuple[Trainable, Any, Any]:
    made = trainable(own(make, width=4, **args), SIZES)
    quick = dataclasses.replace(made, train=jax.jit(made.train), evaluate=jax.jit(made.evaluate))
    return quick, *made.init(jax.random.key(1))


def in_evaluation(made: Trainable, params: Any, statistics: Any, shown: jax.Array) -> np.ndarray[Any, Any]:
    return np.asarray(made.evaluate(params, statistics, shown)[OUTPUT])


@pytest.mark.slow
@pytest.mark.parametrize("make", DROPPING)
def test_dropout_acts_in_training_by_member_and_step_and_is_off_in_evaluation(make: str) -> None:
    made, params, statistics = functions(make, rate=0.5)
    first, _, after = made.train(params, {}, statistics, images())
    again, _, _ = made.train(params, {}, statistics, images())
    second, _, _ = made.train(params, {}, {**statistics, STREAM: after[STREAM]}, images())
    np.testing.assert_array_equal(first, again)
    assert float(jnp.abs(first - second).max()) > 1e-3
    other = {**statistics, STREAM: made.init(jax.random.key(2))[1][STREAM]}
    assert float(jnp.abs(first - made.train(params, {}, other, images())[0]).max()) > 1e-3
    stepped = {**statistics, STREAM: after[STREAM]}
    np.testing.assert_array_equal(
        in_evaluation(made, params, statistics, images()), in_evaluation(made, params, stepped, images())
    )
    # off, and not merely the same every time: without dropout the module is what it is in evaluation
    undropped, same, _ = functions(make, rate=0.0)
    assert jax.tree.map(jnp.shape, same) == jax.tree.map(jnp.shape, params)
    calm = {VARIABLES: statistics[VARIABLES], STREAM: after[STREAM]}
    np.testing.assert_allclose(
        in_evaluation(made, params, statistics, images()), in_evaluation(undropped, params, calm, images()), atol=1e-6
    )


@pytest.mark.slow
def test_dropout_left_on_in_evaluation_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: evaluation that calls the module as in training."""
    call = Structure.call

    def always_training(self: Structure, model: Any, shown: Any, key: Any, *, training: bool) -> Any:
        return call(self, model, shown, key, training=True)

    made, params, statistics = functions("se_net:build", rate=0.5)
    undropped, *_ = functions("se_net:build", rate=0.0)
    monkeypatch.setattr(Structure, "call", always_training)
    left_on = in_evaluation(made, params, statistics, images())
    assert np.abs(left_on - in_evaluation(undropped, params, statistics, images())).max() > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("make", ["mynets.resnet:make", "linen_cnn:CNN"])
def test_batch_statistics_move_in_training_and_are_what_evaluation_uses(make: str) -> None:
    made, params, statistics = functions(make)
    _, _, after = made.train(params, {}, statistics, images())
    moved = jax.tree.map(lambda a, b: float(jnp.abs(a - b).max()), statistics[VARIABLES], after[VARIABLES])
    assert all(value > 0 for value in jax.tree.leaves(moved))
    before = in_evaluation(made, params, statistics, images())
    assert np.abs(before - in_evaluation(made, params, after, images())).max() > 1e-4
    # an image's logits do not depend on the others of its batch
    whole, alone = in_evaluation(made, params, after, images()), in_evaluation(made, params, after, images()[:1])
    np.testing.assert_allclose(whole[:1], alone, atol=1e-5)


@pytest.mark.slow
def test_batch_statistics_of_the_batch_in_evaluation_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: evaluation that never leaves training mode normalises by its own batch."""
    made, params, statistics = functions("mynets.resnet:make")
    monkeypatch.setattr(module_of_own.nnx.Module, "eval", module_of_own.nnx.Module.train)
    whole, alone = (
        in_evaluation(made, params, statistics, images()),
        in_evaluation(made, params, statistics, images()[:1]),
    )
    assert np.abs(whole[:1] - alone).max() > 1e-3


def test_layers_and_weights_are_named_by_their_path() -> None:
    found = structure(own("mynets.resnet:make", width=4), SIZES)
    assert found.sites[:3] == ("stem", "blocks.0.conv1", "blocks.0.bn1")
    assert found.sites[-1] == "head"
    made, params, _ = functions("linen_cnn:CNN")
    assert set(made.parameters(params)) == {"Conv_0", "BatchNorm_0", "Conv_1", "Dense_0"}
    assert made.sites == ("Conv_0", "BatchNorm_0", "Conv_1", "Dense_0")


@pytest.mark.slow
@pytest.mark.parametrize("make", NETS)
def test_the_gradient_at_a_nudge_is_the_gradient_at_the_layers_output(make: str) -> None:
    made, params, statistics = functions(make)
    last = made.sites[-1]  # the layer that gives the logits
    _, layers, _ = made.train(params, {}, statistics, images())
    nudge = {last: jnp.zeros(layers[last].shape)}
    back = jax.grad(lambda nudges: (made.train(params, nudges, statistics, images())[0] ** 2).sum())(nudge)
    np.testing.assert_allclose(back[last], 2 * layers[last], rtol=1e-5)


SOWING = """
from flax import linen as nn

class Net(nn.Module):
    classes: int

    @nn.compact
    def __call__(self, x, train: bool):
        x = nn.BatchNorm(use_running_average=not train)(nn.Conv(4, (3, 3))(x))
        self.sow("intermediates", "maps", x)
        self.sow("losses", "l2", (x**2).mean())
        return nn.Dense(self.classes)(x.mean((1, 2)))
"""


def test_what_a_linen_module_sows_is_not_carried_and_its_batch_statistics_are(written: Written) -> None:
    made = trainable(written(SOWING, "Net"), SIZES)
    params, statistics = jax.eval_shape(made.init, jax.random.key(1))
    _, _, after = jax.eval_shape(made.train, params, {}, statistics, images())
    assert jax.tree.structure(after) == jax.tree.structure(statistics)
    assert structure(written(SOWING, "Net"), SIZES).collections == ("batch_stats",)


def test_a_collection_that_is_sown_into_and_carried_is_noticed(
    written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin."""
    monkeypatch.setattr(module_of_own, "_sown", lambda *_: set())
    with pytest.raises(InvalidError, match="changes the shape or the number of its variables"):
        structure(written(SOWING, "Net"), SIZES)


def arm(make: str) -> Arm:
    return Arm(net=own(make, width=4), recipe=RECIPE, task=TASK)


@pytest.mark.slow
@pytest.mark.parametrize("make", NETS)
@pytest.mark.parametrize("strategy", ["sequential", "side_by_side"])
def test_members_train_alike_one_by_one_and_side_by_side(
    make: str, strategy: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(members, "SIDE_BY_SIDE", 2)
    runs = [MemberRun(arm=arm(make), seed=seed, learning_rate=0.02) for seed in (3, 4)]
    first, second = members.train(runs, Source(cache_dir=tmp_path), strategy)
    again, _ = members.train(runs, Source(cache_dir=tmp_path), strategy)
    assert first == again
    assert first.history["loss/train"] != second.history["loss/train"]
    assert {"grad_norm", "update_to_weight", "activation_grad_norm"} <= {
        name.partition("/")[0] for name in first.history["stats"]
    }


@pytest.mark.slow
def test_measuring_changes_no_parameter(tmp_path: Any) -> None:
    watched = arm("se_net:build")
    unwatched = dataclasses.replace(watched, recipe=dataclasses.replace(RECIPE, watched=False))
    ends: list[Any] = []
    for one in (watched, unwatched):
        run = MemberRun(arm=one, seed=3, learning_rate=0.02)
        members.train([run], Source(cache_dir=tmp_path), "sequential", lambda _, state: ends.append(state.params))
    jax.tree.map(np.testing.assert_array_equal, *ends)


@pytest.mark.slow
def test_a_step_carries_statistics_and_the_count_of_steps() -> None:
    built = program(arm("linen_cnn:CNN"))
    state = built.init(3)
    shown, labels = np.asarray(images(32)), np.zeros(32, np.int32)
    after, loss = jax.jit(built.step)(state, shown, labels, np.arange(32), np.float32(0.01))
    assert int(after.statistics[STREAM]["step"]) == 1
    assert np.isfinite(loss)


@pytest.mark.slow
@pytest.mark.parametrize(("make", "field"), [("linen_cnn:CNN", "radius"), ("se_net:build", "radius")])
def test_probes_are_taken_where_a_layer_is_known(make: str, field: str, tmp_path: Any) -> None:
    one = arm(make)
    data = members.dataset(one.task, Source(cache_dir=tmp_path))
    train, _ = members.draw(data, one.task, 3)
    found = probed(one, program(one).init(3), train, data.test)
    assert found[f"effective_receptive_field/{field}"] > 0
    assert 0 <= found["shift_consistency/one_pixel"] <= 1
    assert not [path for path in found if path.startswith(("linear_probe", "saturation"))]
