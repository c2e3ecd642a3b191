"""Accuracy by how often a net reads the pixel that decides: what it is, and what must not pass for it."""

import dataclasses

import jax
import numpy as np
import pytest

from cnnlab.data import Split
from cnnlab.probes.final import accuracy_by_pixel
from cnnlab.probes.final.input_energy import predicted
from cnnlab.probes.trained import TrainedMember
from cnnlab.spec.net import ConvNet
from cnnlab.spec.task import Task
from cnnlab.zoo.lowering import network

DIALS = (("contrast", 1.0), ("noise", 0.25))
PHASE = Task(
    name="phase",
    side=12,
    channels=1,
    classes=4,
    train_images=100,
    validation_images=100,
    test_images=1024,
    dials=DIALS,
    real=False,
)
STRIDED = ConvNet(depth=2, width=2, stride=2, pools=())


def answering(right: np.ndarray, net: ConvNet = STRIDED, task: Task = PHASE) -> TrainedMember:
    """A member that gets the test images right where it is told to, and else says the next class."""
    found = network(net, task.side, 1, task.classes)

    def layers(images: np.ndarray) -> dict[str, np.ndarray]:
        labels = accuracy_by_pixel.bright(task)[0].labels
        said = np.where(right, labels, (labels + 1) % task.classes)
        return {found.output: np.eye(task.classes, dtype=np.float32)[said]}

    nothing = Split(np.zeros((1, 12, 12, 1), np.float32), np.zeros(1, np.int32))
    return TrainedMember(
        network=found,
        size=(12, 12),
        task=task,
        params={},
        layers=layers,
        pull=lambda name, images, sent: images,
        train=nothing,
        test=nothing,
    )


def counted(net: ConvNet = STRIDED) -> np.ndarray:
    """How often the net reads the bright pixel of each test image."""
    _, row, column = accuracy_by_pixel.bright(PHASE)
    return predicted(network(net, 12, 1, 4), (12, 12))[0][row, column]


def test_a_net_that_knows_much_read_pixels_alone_has_a_gap_of_one() -> None:
    test, row, column = accuracy_by_pixel.bright(PHASE)
    np.testing.assert_array_equal(2 * (row % 2) + column % 2, test.labels)
    counts = counted()
    most = np.zeros(len(counts), bool)
    for label in range(4):
        own = test.labels == label
        most |= own & (counts == counts[own].max())
    assert accuracy_by_pixel.probe(answering(most))["most_minus_fewest"] == pytest.approx(1.0)
    assert accuracy_by_pixel.probe(answering(~most))["most_minus_fewest"] == pytest.approx(-1.0)


def test_a_net_that_prefers_a_label_prefers_no_pixel() -> None:
    """The twin: labels follow counts, so that accuracy by count alone would see a gap here."""
    labels, counts = accuracy_by_pixel.bright(PHASE)[0].labels, counted()
    right = labels == 0
    assert right[counts == counts.max()].mean() - right[counts == counts.min()].mean() > 0.9
    assert accuracy_by_pixel.probe(answering(right))["most_minus_fewest"] == 0.0


def test_there_is_none_where_pixels_are_read_alike_and_on_other_tasks() -> None:
    everything = np.ones(PHASE.test_images, bool)
    assert accuracy_by_pixel.probe(answering(everything, ConvNet(depth=2, width=2, kernel=4, stride=2, pools=()))) == {}
    other = dataclasses.replace(answering(everything), task=dataclasses.replace(PHASE, name="border"))
    assert accuracy_by_pixel.probe(other) == {}


@pytest.mark.parametrize("depth", [2, 3])
def test_the_stacks_that_a_claim_reads_have_pixels_of_one_label_that_are_read_unequally(depth: int) -> None:
    net = ConvNet(depth=depth, stride=2, pools=())
    right = np.asarray(jax.random.bernoulli(jax.random.key(0), 0.7, (PHASE.test_images,)))
    assert abs(accuracy_by_pixel.probe(answering(right, net))["most_minus_fewest"]) < 0.15
