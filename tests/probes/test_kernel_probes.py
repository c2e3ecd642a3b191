"""Spectra, edges, symmetry, nuisance channels and pairs, read off planted kernels, with planted faults."""

import itertools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from cnnlab.data import Split
from cnnlab.data.tasks.distractor_channels import relevance
from cnnlab.data.tasks.parts import PAIRS
from cnnlab.probes.final import edge_index, nuisance_share, pair_auc, spectra, symmetry_index
from cnnlab.probes.gratings import frequencies, gains
from cnnlab.spec.net import ConvNet
from cnnlab.spec.network import Blur, Conv, Pool
from cnnlab.spec.task import Task
from cnnlab.zoo.lowering import network

DRAW = np.random.default_rng(0)
SOBEL = np.array([[1.0, 2, 1], [0, 0, 0], [-1, -2, -1]])


def bank(*slices: Any) -> Any:
    """Kernels [height, width, 1, filters]."""
    return np.stack(slices, -1)[:, :, None, :]


# -------------------------------------------------------------------------------------------------------------- spectra


def rolled(kernel: Any, dilation: tuple[int, int], stride: int, turned: bool) -> Callable[[Any], Any]:
    """The convolution of one input channel round a circle, tap by tap; its filters side by side."""

    def operation(images: Any) -> Any:
        upright = images.swapaxes(1, 2) if turned else images
        maps = [
            sum(
                kernel[row, column, filter_] * np.roll(upright, (-row * dilation[0], -column * dilation[1]), (1, 2))
                for row, column in np.ndindex(kernel.shape[:2])
            )[:, ::stride, ::stride]
            for filter_ in range(kernel.shape[2])
        ]
        return np.concatenate(maps, axis=2)

    return operation


def are_those_of_gratings(kernel_gains: Callable[..., Any], stride: int) -> bool:
    """As many gratings go through as there are frequencies, one input channel after the other."""
    kernel, dilation = DRAW.normal(size=(3, 2, 2, 3)), (1, 2)
    found = kernel_gains(kernel, dilation, 16)
    for axis, turned in ((0, True), (1, False)):
        each = [gains(rolled(kernel[:, :, channel], dilation, stride, turned), 16) * 3 for channel in range(2)]
        if not np.allclose(found[axis], sum(each)):  # a mean over three filters side by side, hence times three
            return False
    return True


@pytest.mark.parametrize("stride", [1, 2])
def test_gains_of_kernels_are_those_of_gratings_sent_through(stride: int) -> None:
    assert are_those_of_gratings(spectra.kernel_gains, stride)


@pytest.mark.parametrize(
    "faulty",
    [
        lambda kernel, dilation, pixels: spectra.kernel_gains(kernel, (1, 1), pixels),
        lambda kernel, dilation, pixels: spectra.kernel_gains(kernel, dilation, pixels)[::-1],
        lambda kernel, dilation, pixels: spectra.kernel_gains(kernel[..., :1], dilation, pixels),
    ],
    ids=["dilation forgotten", "axes exchanged", "one filter only"],
)
def test_faulty_gains_are_noticed(faulty: Callable[..., Any]) -> None:
    assert not are_those_of_gratings(faulty, 1)


def test_known_layers_attenuate_and_alias_what_they_must() -> None:
    delta, binomial = bank(np.pad([[1.0]], 1)), bank(np.outer([1, 2, 1], [1, 2, 1]) / 16)
    assert spectra.shares(spectra.kernel_gains(delta, (1, 1), 32), 2) == pytest.approx(
        {"attenuated": 0, "aliased": 0.5}
    )
    kept = np.cos(np.pi * frequencies(32)[:9]) ** 4
    found = spectra.shares(spectra.kernel_gains(binomial, (1, 1), 32), 2)
    assert found["attenuated"] == pytest.approx(1 - kept.mean())
    assert found["aliased"] < 0.15
    assert set(spectra.shares(spectra.kernel_gains(delta, (1, 1), 32), 1)) == {"attenuated"}
    assert spectra.attenuated(np.zeros(17), 2) == 0


def test_pools_and_blurs_pass_what_numpy_says() -> None:
    blocks = lambda images: images.reshape(len(images), 16, 2, 16, 2)  # noqa: E731
    for kind, fold in (("avg", np.mean), ("max", np.max)):
        rows, columns = spectra.layer_gains(Pool(name="p", kind=kind, kernel=(2, 2), stride=(2, 2)))
        expected = gains(lambda images, fold=fold: fold(blocks(images), axis=(2, 4)), 32)
        np.testing.assert_allclose(columns, expected, atol=1e-12)
        np.testing.assert_allclose(rows, expected, atol=1e-12)
    rows, columns = spectra.layer_gains(Blur(name="b", kernel=(3, 3), stride=(2, 2), padding="valid"))
    np.testing.assert_allclose(columns, np.cos(np.pi * frequencies(32)) ** 4, atol=1e-12)
    assert spectra.length(Pool(name="p", kind="max", kernel=(3, 3), stride=(3, 3))) == 36


def test_every_spatial_layer_is_read_and_the_first_down_sampling_has_an_alias() -> None:
    found = network(ConvNet(depth=2, width=3, pools=(1,), down="strided_conv"), 8, 1, 2)
    kernels = {name: {"kernel": DRAW.normal(size=(3, 3, 3, 3)).astype("f4")} for name in ("conv1", "conv2")}
    paths = spectra.probe(SimpleNamespace(network=found, params=kernels))
    assert set(paths) == {
        "conv1/attenuated",
        "conv1/aliased",
        "conv2/attenuated",
        "first/attenuated",
        "first/aliased",
        "last/attenuated",
        "last/aliased",
    }
    assert paths["first/aliased"] == paths["conv1/aliased"]


# ------------------------------------------------------------------------------------------------- edges and symmetry


def knows_edges(share: Callable[[Any], float]) -> bool:
    """Sobel's filters of all directions are edges, centre-surround and blur are not, and noise is two ninths."""
    turned = [np.cos(angle) * SOBEL + np.sin(angle) * SOBEL.T for angle in np.linspace(0, 3, 7)]
    edges, others = bank(*turned), bank(np.outer([1, 2, 1], [1, 2, 1]), [[0, 1, 0], [1, -4, 1], [0, 1, 0]])
    noise = DRAW.normal(size=(3, 3, 4, 2000))
    half = np.concatenate([bank(SOBEL / np.linalg.norm(SOBEL)), bank(np.full((3, 3), 1 / 3))], -1)
    return (
        share(edges) == pytest.approx(1)
        and share(others) == pytest.approx(0, abs=1e-12)
        and share(noise) == pytest.approx(2 / 9, abs=0.01)
        and share(half) == pytest.approx(0.5)
    )


def test_the_edge_index_knows_edges_of_every_direction() -> None:
    assert knows_edges(edge_index.edge_share)


def test_an_index_of_horizontal_edges_alone_is_noticed() -> None:
    def horizontal(kernel: Any) -> float:
        unit = SOBEL / np.linalg.norm(SOBEL)
        return float((np.einsum("hw,hwcf->cf", unit, kernel) ** 2).sum() / (kernel**2).sum())

    assert not knows_edges(horizontal)


def test_the_filters_of_other_sizes() -> None:
    assert edge_index.derivative(2).tolist() == [1, -1]
    assert edge_index.derivative(3).tolist() == [1, 0, -1]
    assert edge_index.derivative(5).tolist() == [1, 2, 0, -2, -1]
    for size in (2, 3, 4, 5, 7):
        down, across = edge_index.derivative(size), edge_index.binomial(size)
        assert np.outer(down, across).ravel() @ np.outer(across, down).ravel() == 0
        assert edge_index.edge_share(bank(np.outer(down, across))) == pytest.approx(1)


def slow_even_share(kernels: Any) -> float:
    """Tap by tap: how much of the energy the mean with the opposite tap has."""
    even = whole = 0.0
    for kernel in kernels:
        height, width, channels, filters = kernel.shape
        for row, column, channel, filter_ in np.ndindex(height, width, channels, filters):
            here = kernel[row, column, channel, filter_]
            there = kernel[height - 1 - row, width - 1 - column, channel, filter_]
            even += ((here + there) / 2) ** 2
            whole += here**2
    return even / whole


def agrees_on_symmetry(even_share: Callable[[Any], float]) -> bool:
    kernels = [DRAW.normal(size=(3, 3, 2, 2)), DRAW.normal(size=(4, 2, 1, 3))]
    known = even_share([bank(SOBEL)]) == 0 and even_share([bank(np.ones((3, 3)))]) == 1
    return known and even_share(kernels) == pytest.approx(slow_even_share(kernels))


def test_the_symmetry_index_is_the_share_of_even_parts() -> None:
    assert agrees_on_symmetry(symmetry_index.even_share)
    noise = [DRAW.normal(size=(3, 3, 10, 200))]
    assert symmetry_index.even_share(noise) == pytest.approx(5 / 9, abs=0.02)


def test_a_mirror_in_place_of_a_turn_is_noticed() -> None:
    def mirrored(kernels: Any) -> float:
        even = sum((((kernel + kernel[:, ::-1]) / 2) ** 2).sum() for kernel in kernels)
        return float(even / sum((kernel**2).sum() for kernel in kernels))

    assert not agrees_on_symmetry(mirrored)


def test_kernels_of_one_pixel_have_neither_edges_nor_symmetry() -> None:
    found = network(ConvNet(depth=1, width=3, kernel=1, pools=()), 8, 1, 2)
    pointwise = SimpleNamespace(network=found, params={"conv1": {"kernel": np.ones((1, 1, 1, 3), "f4")}})
    assert edge_index.probe(pointwise) == symmetry_index.probe(pointwise) == {}


# ------------------------------------------------------------------------------------------------------------ nuisance

DISTRACTED = Task(
    name="distractor_channels",
    side=6,
    channels=8,
    classes=2,
    train_images=8,
    validation_images=8,
    real=False,
    dials=(("contrast", 1.0), ("informative", 4.0), ("noise", 1.0), ("spurious", 0.0)),
)


def looks_at(channels: Any, task: Task = DISTRACTED, **factors: Any) -> Any:
    """A net that answers by the sign of the mean over some channels, on images that show the label in all of them."""
    found = network(ConvNet(**{"depth": 1, "width": 2, "pools": (), **factors}), 6, 8, 2)
    labels = DRAW.integers(0, 2, size=200).astype(np.int32)
    images = DRAW.normal(size=(200, 6, 6, 8)) * 0.1 + (2.0 * labels - 1)[:, None, None, None]
    weights = np.zeros((3, 3, 8, 2))
    weights[:, :, channels] = 1
    return SimpleNamespace(
        network=found,
        task=task,
        params={"conv1": {"kernel": weights.astype("f4")}},
        test=Split(images.astype("f4"), labels),
        predict=lambda shown: (shown[..., channels].mean((1, 2, 3)) > 0).astype(int),
    )


def tells_attention_from_distraction(probe: Callable[[Any], dict[str, float]]) -> bool:
    """A net that reads informative channels alone, one that reads nuisance alone, one that reads all alike."""
    useful = np.flatnonzero(relevance(DISTRACTED))
    attentive, distracted, even = (
        probe(looks_at(which)) for which in (useful, np.flatnonzero(~relevance(DISTRACTED)), list(range(8)))
    )
    return (
        attentive == {"weight": 0.0, "zeroed": 0.0, "swapped": 0.0}
        and distracted["weight"] == 2.0
        and distracted["zeroed"] == pytest.approx(-0.5, abs=0.1)
        and distracted["swapped"] == pytest.approx(-0.5, abs=0.1)
        and even["weight"] == pytest.approx(1.0)
    )


def test_weight_on_nuisance_and_what_it_does() -> None:
    assert tells_attention_from_distraction(nuisance_share.probe)


def test_relevant_channels_taken_for_nuisance_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nuisance_share.distractor_channels, "relevance", lambda task: np.arange(task.channels) >= 4)
    assert not tells_attention_from_distraction(nuisance_share.probe)


def test_only_chosen_channels_are_disturbed() -> None:
    images = DRAW.normal(size=(6, 2, 2, 4)).astype("f4")
    chosen = np.array([False, True, False, True])
    made = nuisance_share.disturbed(images, chosen)
    for shown in made.values():
        assert np.array_equal(shown[..., ~chosen], images[..., ~chosen])
    assert not made["zeroed"][..., chosen].any()
    assert np.array_equal(made["swapped"][0][..., chosen], images[3][..., chosen])


def test_other_tasks_and_nets_whose_first_layer_does_not_read_the_image_are_left_out() -> None:
    elsewhere = Task(name="digits8", side=6, channels=8, classes=2, train_images=8, validation_images=8)
    assert nuisance_share.probe(looks_at([0], elsewhere)) == {}
    assert nuisance_share.probe(looks_at([0], pools=(0,))) == {}


# --------------------------------------------------------------------------------------------------------------- pairs


def slow_auc(weights: Any, pairs: Any) -> float:
    """Hold every true pair against every other, filter by filter."""

    def score(one: int, other: int) -> float:
        return sum(abs(weights[one, unit]) * abs(weights[other, unit]) for unit in range(weights.shape[1]))

    every = list(itertools.combinations(range(len(weights)), 2))
    true, others = [pair for pair in every if pair in pairs], [pair for pair in every if pair not in pairs]
    wins = [(score(*a) > score(*b)) + 0.5 * (score(*a) == score(*b)) for a in true for b in others]
    return float(np.mean(wins))


def grouped(sign: float = 1.0) -> Any:
    """One filter a pair, whose two weights may differ in sign."""
    weights = np.zeros((8, 4))
    for unit, (one, other) in enumerate(PAIRS):
        weights[[one, other], unit] = 1.0, sign
    return weights


def knows_pairs(auc: Callable[..., float]) -> bool:
    drawn = [DRAW.normal(size=(8, 6)) for _ in range(10)]
    known = auc(grouped(), PAIRS) == auc(grouped(-1.0), PAIRS) == 1 and auc(np.ones((8, 3)), PAIRS) == 0.5
    return known and all(auc(weights, PAIRS) == pytest.approx(slow_auc(weights, PAIRS)) for weights in drawn)


def test_the_area_says_how_well_weights_group_the_pairs() -> None:
    assert knows_pairs(pair_auc.pair_auc)


@pytest.mark.parametrize(
    "faulty",
    [
        lambda weights, pairs: pair_auc.pair_auc(weights + 1e3, pairs),
        lambda weights, pairs: pair_auc.pair_auc(np.repeat(np.abs(weights).sum(1, keepdims=True), 2, 1), pairs),
    ],
    ids=["an offset", "sums over filters first"],
)
def test_scores_that_ignore_which_filter_reads_a_channel_are_noticed(faulty: Callable[..., float]) -> None:
    assert not knows_pairs(faulty)


PARTS = Task(
    name="parts",
    side=8,
    channels=8,
    classes=4,
    train_images=8,
    validation_images=8,
    real=False,
    dials=(("contrast", 1.0), ("noise", 1.0), ("together", 1.0)),
)


def test_only_a_first_layer_of_1x1_on_the_parts_is_read() -> None:
    def probed(task: Task, **factors: Any) -> dict[str, float]:
        found = network(ConvNet(**{"depth": 1, "width": 4, "pools": (), **factors}), 8, 8, 4)
        (node,) = (node for node in found.nodes if isinstance(node, Conv))
        kernel = np.broadcast_to(grouped(), (*node.kernel, 8, 4)).astype("f4")
        return pair_auc.probe(SimpleNamespace(network=found, task=task, params={"conv1": {"kernel": kernel}}))

    assert probed(PARTS, kernel=1) == {"auc": 1.0}
    assert probed(PARTS, kernel=3) == probed(PARTS, kernel=1, pools=(0,)) == {}
    assert probed(DISTRACTED, kernel=1) == {}
