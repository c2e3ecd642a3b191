"""Feature pictures: ascents rise and repeat, moves move, and gates tell readable pictures from dazzle."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnlab.probes.ascent import ascend, gate, move, objective, parametrise
from cnnlab.spec.net import ConvNet
from cnnlab.spec.network import Network
from cnnlab.zoo.lowering import network
from cnnlab.zoo.module import Net

pytestmark = pytest.mark.slow

SIDE, CLASSES = 8, 4
KEY = jax.random.key(0)
STILL = move.Moves()


def real(count: int = 64, side: int = SIDE) -> parametrise.Images:
    """Bars: class k is a bright row or column, on a dark background, standardised."""
    draw = np.random.default_rng(0)
    images = np.zeros((count, side, side, 1), np.float32)
    for place in range(count):
        kind, at = place % CLASSES, int(draw.integers(side // 2))
        if kind % 2:
            images[place, at + side // 4 * (kind // 2)] = 1
        else:
            images[place, :, at + side // 4 * (kind // 2)] = 1
    images += 0.05 * draw.random(images.shape, np.float32)
    return np.asarray((images - images.mean()) / images.std(), np.float32)


@pytest.fixture(scope="module")
def graph() -> Network:
    return network(ConvNet(depth=3, width=4, pools=(2,)), SIDE, 1, CLASSES)


@pytest.fixture(scope="module")
def net(graph: Network) -> ascend.Net:
    made = Net(graph, jax.random.key(1))
    return ascend.with_weights(lambda state, images: made(images)[1], ())


AIMS: dict[str, objective.Objective] = {
    "neuron": objective.neuron("conv2", 4, 4, (0, 1)),
    "channel": objective.channel("conv3", (0, 1)),
    "class": objective.label("logits", (0, 3)),
    "direction": objective.direction("conv3", [[1, -1, 0, 0], [0, 0, 1, 1]]),
    "sum": 2 * objective.channel("conv3", (0, 1)) - 0.5 * objective.label("logits", (0,)),
}


@pytest.mark.parametrize(
    "aim", [pytest.param(aim, id=name, marks=() if name == "sum" else pytest.mark.slow) for name, aim in AIMS.items()]
)
def test_every_objective_rises_and_repeats_to_the_byte(net: ascend.Net, aim: objective.Objective) -> None:
    made = parametrise.parametrisation("fourier", real())
    given = net, aim, made, STILL, np.array([0, 1])
    one, again, other = (ascend.ascend(*given, key, steps=12) for key in (KEY, KEY, jax.random.key(5)))
    assert (one.scores[-1] > one.scores[0]).all()
    assert one.pictures.tobytes() == again.pictures.tobytes()
    assert one.pictures.tobytes() != other.pictures.tobytes()


def test_objectives_add_unit_by_unit(net: ascend.Net) -> None:
    outputs = net(jnp.asarray(real(6)))
    channel, label = objective.channel("conv3", (0, 1)), objective.label("logits", (2,))
    expected = 3 * channel.value(outputs) - label.value(outputs)
    np.testing.assert_allclose((3 * channel - label).value(outputs), expected, rtol=1e-5)
    with pytest.raises(ValueError, match="units"):
        channel + objective.label("logits", (0, 1, 2))


def test_objectives_stand_side_by_side(net: ascend.Net) -> None:
    outputs = net(jnp.asarray(real(6)))
    channel, label = objective.channel("conv3", (0, 1)), objective.label("logits", (2,))
    both = objective.together([channel, label])
    assert both.units == 3
    expected = np.concatenate([channel.value(outputs), label.value(outputs)], 1)
    np.testing.assert_array_equal(both.value(outputs), expected)
    assert objective.together([label]) is label


def test_scores_do_not_depend_on_how_many_images_are_looked_at_together(
    net: ascend.Net, monkeypatch: pytest.MonkeyPatch
) -> None:
    aim, images = objective.label("logits", (0, 1, 2)), real(10)
    whole = ascend.score(net, aim, images, move.Moves(), KEY)
    monkeypatch.setattr(ascend, "AT_ONCE", 4)
    assert ascend.score(net, aim, images, move.Moves(), KEY) == pytest.approx(whole, abs=1e-5)
    assert whole.shape == (10, 3)


@pytest.mark.parametrize("name", parametrise.NAMES)
def test_each_parametrisation_fits_a_target_that_it_can_be(name: str) -> None:
    """Of `spectrum` another picture of the same magnitudes; of the others a real image."""
    images = real()
    made = parametrise.parametrisation(name, images)
    target = images[1] if name != parametrise.SPECTRUM else made.picture(made.begin(jax.random.key(9), 1))[0]
    near = objective.Objective("near", 1, lambda outputs: -((outputs["image"] - target) ** 2).mean((1, 2, 3))[:, None])
    shown = ascend.with_weights(lambda state, images: {"image": images}, ())
    found = ascend.ascend(shown, near, made, STILL, np.zeros(1, int), KEY, steps=400)
    error, spread = float(np.abs(found.pictures[0] - target).mean()), float(np.std(images))
    assert error < 0.1 * spread, error


@pytest.mark.slow
def test_the_spectrum_has_exactly_the_magnitudes_it_is_given() -> None:
    for side in (7, 8):
        images = real(side=side)
        magnitude = parametrise.mean_magnitude(images)
        made = parametrise.spectrum(magnitude, images.mean((0, 1, 2)))
        picture = np.asarray(made.picture(made.begin(KEY, 3)))
        found = np.abs(np.fft.fft2(picture, axes=(1, 2)))
        exact = np.ones((side, side), bool)
        middle = [0, side // 2] if side % 2 == 0 else [0]
        exact[np.ix_(middle, middle)] = False
        np.testing.assert_allclose(found[:, exact], np.broadcast_to(magnitude[exact], found[:, exact].shape), rtol=1e-3)
        assert (found <= magnitude * 1.001 + 1e-3)[:, 1:].all()


def test_moves_shift_scale_and_turn_a_picture() -> None:
    image = jnp.asarray(np.random.default_rng(0).normal(size=(1, SIDE, SIDE, 2)).astype(np.float32))
    shifted = move.shifted(image, jnp.array([[2.0], [-1.0]]), jnp.ones(1))
    np.testing.assert_allclose(shifted[:, 2:, :-1], image[:, :-2, 1:], atol=1e-6)
    assert not shifted[:, :2].any()
    np.testing.assert_allclose(move.turned(image, jnp.array([np.pi / 2])), np.rot90(image, -1, (1, 2)), atol=1e-4)
    twice = move.shifted(image, jnp.zeros((2, 1)), jnp.array([1.0]))
    np.testing.assert_allclose(twice, image, atol=1e-6)
    flat = move.moved(jnp.full((3, SIDE, SIDE, 1), -0.4), move.Moves(2, 0.2, 20, background=-0.4), KEY)
    np.testing.assert_allclose(flat, -0.4, atol=1e-6)
    assert move.sized(np.full((2, 12, 12, 1), 0.5, np.float32)).jitter == 2


def neuron_score(net: ascend.Net, moves: move.Moves) -> float:
    """What a picture of one unit of the second convolution (stride 1) scores, as it is."""
    aim = objective.neuron("conv2", 4, 4, range(4))
    made = parametrise.parametrisation("pixels", real())
    found = ascend.ascend(net, aim, made, moves, np.arange(4), KEY, steps=64)
    return float(np.diag(ascend.score(net, aim, found.pictures, STILL, KEY)).mean())


@pytest.mark.slow
def test_a_neurons_picture_stays_under_its_unit(net: ascend.Net) -> None:
    far = move.Moves(jitter=3)
    assert far.of_neuron(1) == STILL
    assert far.of_neuron(4).jitter == 2
    whole = neuron_score(net, STILL)
    assert neuron_score(net, far.of_neuron(1)) > 0.95 * whole
    # the trap: the same jitter unlimited moves the pattern away
    assert neuron_score(net, far) < 0.8 * whole


def test_a_unit_that_is_dead_on_real_images_is_raised_before_its_activation(graph: Network, net: ascend.Net) -> None:
    made = Net(graph, jax.random.key(1))
    bias = np.array([0, -50, 0, 0], np.float32)
    made.layers["conv3"].bias[...] = jnp.asarray(bias)
    dull = ascend.with_weights(lambda state, images: made(images)[1], ())
    off = objective.dead(np.asarray(dull(jnp.asarray(real()))["act3"]))
    assert off.tolist()[1]
    plain, mended = objective.channel("act3", range(4)), objective.living_channel(graph, "act3", off)
    pixels, aims = parametrise.parametrisation("pixels", real()), np.array([1])
    stuck, risen = (ascend.ascend(dull, aim, pixels, STILL, aims, KEY, steps=12) for aim in (plain, mended))
    assert stuck.scores[-1] == stuck.scores[0] == 0
    assert risen.scores[-1] > risen.scores[0]
    alive = objective.living_channel(graph, "act3", [False] * 4)
    outputs = dull(jnp.asarray(real(6)))
    np.testing.assert_array_equal(alive.value(outputs), plain.value(outputs))


# Gates, in a world where what there is to read is known: linear readers of four bars, each with noise of its own.

IMAGES = real(256)
TEMPLATES = np.stack([IMAGES[label::CLASSES].mean(0).ravel() for label in range(CLASSES)], 1)
TEMPLATES = TEMPLATES - TEMPLATES.mean(1, keepdims=True)


def own_noise(seed: int) -> Any:
    return np.random.default_rng(seed).normal(size=TEMPLATES.shape) * TEMPLATES.std()


def reader(seed: int, trained: bool = True) -> Any:
    """Weights (pixels, classes) of one member: the templates and noise of its own, or noise alone."""
    return np.asarray(TEMPLATES * trained + 0.7 * own_noise(seed), np.float32)


def linear(weights: Any) -> ascend.Net:
    return ascend.with_weights(lambda state, images: {"logits": images.reshape(len(images), -1) @ state}, weights)


def judged(weights: Any, pictures: Any) -> tuple[gate.Facts, ...]:
    """Facts of class pictures (classes, starts, ...) of a member, read by two others."""
    aim, net = objective.label("logits", range(CLASSES)), linear(weights)
    flat, aims = pictures.reshape(-1, *pictures.shape[2:]), np.repeat(np.arange(CLASSES), pictures.shape[1])
    scores = ascend.score(net, aim, flat, STILL, KEY)[np.arange(len(aims)), aims].reshape(CLASSES, -1)
    images = ascend.score(net, aim, IMAGES, STILL, KEY)
    predicted = [(flat.reshape(len(flat), -1) @ reader(seed)).argmax(1) for seed in (1, 2)]
    read = gate.reading(predicted, aims).reshape(CLASSES, -1)
    return gate.gather(pictures, scores, images, np.ones_like(scores), read, readers=2)


def class_pictures(weights: Any) -> Any:
    """What the ascent gives for all classes, two starts each."""
    aims = np.repeat(np.arange(CLASSES), 2)
    made = parametrise.parametrisation("spectrum", IMAGES)
    moves = move.Moves(jitter=1, background=float(np.median(IMAGES)))
    found = ascend.ascend(linear(weights), objective.label("logits", range(CLASSES)), made, moves, aims, KEY, steps=96)
    return found.pictures.reshape(CLASSES, 2, SIDE, SIDE, 1)


def dazzle(weights: Any) -> Any:
    """Loud pictures along what is this member's own: high scores that mean nothing to anybody else."""
    draw = np.random.default_rng(3)
    noise = own_noise(0) - own_noise(0).mean(1, keepdims=True)
    faint = 0.1 * draw.normal(size=(CLASSES, 2, SIDE, SIDE, 1))
    # without what others read of any class
    others = np.concatenate([reader(1), reader(2)], 1)
    noise = noise - others @ np.linalg.lstsq(others, noise, rcond=None)[0]
    along = noise.T.reshape(CLASSES, 1, SIDE, SIDE, 1) / noise.std()
    wrong = np.roll(TEMPLATES, 1, 1).T.reshape(CLASSES, 1, SIDE, SIDE, 1) / TEMPLATES.std()
    return np.asarray(12 * along + wrong + faint, np.float32)


def refuses_dazzle(passes: gate.Gate) -> bool:
    """Whether a gate refuses all dazzle and every picture of an untrained net, and shows a trained one's."""
    member, untrained = reader(0), reader(0, trained=False)
    good = [passes(one) for one in judged(member, class_pictures(member))]
    bad = [passes(one) for one in judged(member, dazzle(member))]
    control = [passes(one) for one in judged(untrained, class_pictures(untrained))]
    return not any(good) and all(bad) and sum(map(bool, control)) >= CLASSES - 1


def test_the_gate_shows_what_others_read_and_refuses_dazzle_and_the_untrained() -> None:
    assert refuses_dazzle(gate.class_gate)


def test_a_gate_that_asks_only_for_a_score_above_all_real_images_is_found() -> None:
    """The usual gate passes all dazzle, so it must fail the same check."""

    def usual(facts: gate.Facts) -> str:
        return "" if facts.score > facts.maximum else "a real image scores higher"

    assert not any(usual(one) for one in judged(reader(0), dazzle(reader(0))))
    assert not refuses_dazzle(usual)


FACTS = gate.Facts(score=2.0, quantile=1.0, place=1.5, maximum=3.0, same=0.8, other=0.4, path=1.0, read=0.75, readers=2)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"readers": 1}, "read by 1 other members"),
        ({"read": None}, "are needed"),
        ({"read": 0.25}, "only 25 %"),
        ({"same": 0.4}, "starts agree no more"),
        ({"read": 0.5}, "only 50 %"),
        ({"read": 0.75}, ""),
    ],
)
def test_reasons_of_the_class_gate(changes: dict[str, Any], says: str) -> None:
    reason = gate.class_gate(dataclasses.replace(FACTS, **changes))
    assert (says in reason) if says else not reason


def test_reasons_of_the_unit_gate() -> None:
    assert gate.unit_gate(FACTS) == ""
    assert "99th percentile" in gate.unit_gate(dataclasses.replace(FACTS, place=1.0))
    assert "99th percentile" in gate.unit_gate(dataclasses.replace(FACTS, place=float("nan")))
    assert "starts agree" in gate.unit_gate(dataclasses.replace(FACTS, same=0.1))


def test_place_agreement_and_path_number_of_known_cases() -> None:
    scores = np.linspace(-3, -1, 201)  # a maximum below zero
    assert gate.place(-2.0, scores) == pytest.approx(0)
    assert gate.place(float(np.percentile(scores, 99)), scores) == pytest.approx(1)
    assert np.isnan(gate.place(1.0, np.ones(5)))
    draw = np.random.default_rng(0)
    one, two = draw.normal(size=(2, 1, 12, 12, 1))
    moved = np.roll(one, (1, -2), (1, 2))
    table = gate.correlations(np.concatenate([one, 3 * moved + 1, two, 0 * two]))
    assert table[0, 1] > 0.99
    assert table[0, 2] < 0.5
    assert not table[3].any()
    same, other = gate.agreements(np.stack([np.stack([one[0], moved[0]]), np.stack([two[0], two[0]])]))
    assert (same > 0.99).all()
    assert (other < 0.5).all()
    pool = draw.normal(size=(500, 30))
    assert gate.path_numbers(pool[:50], pool).mean() == pytest.approx(1, abs=0.1)
    assert gate.path_numbers(3 * pool[:50], pool).mean() == pytest.approx(3, abs=0.3)
