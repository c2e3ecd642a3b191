"""What every contender is given: the same images, the same batches in the same order, the same initial weights.

All of it is drawn by NumPy from fixed seeds, so that processes agree without sharing a file.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnlab.data import Dataset, Split, epoch_orders
from cnnlab.data.digits import frozen, parted
from cnnlab.geometry.sizes import maps
from cnnlab.spec.network import Conv, Dense
from experiments.bench.workloads import CLASSES, TEST_IMAGES, Workload

DATA, WEIGHTS = 0xBE7C, 0x3E17
"""Tags of the random streams: neither shifts the other."""
COARSE, NOISE = 4, 8.0
"""Pixels a side of a class's pattern, and the noise's deviation, the pattern's being 1."""

Weights = dict[str, dict[str, NDArray[np.float32]]]
"""Kernel, (height, width, channels_in, filters) or (channels_in, units), and bias by layer name."""


@dataclass(frozen=True, kw_only=True)
class Given:
    """A workload's images, and the weights and batches of one member.

    Attributes:
        train, test: images of zero mean and unit variance, (n, side, side, channels), with labels.
        weights: by layer.
    """

    train: Split
    test: Split
    weights: Weights


def given(workload: Workload, member: int) -> Given:
    """What a member begins with."""
    data = dataset(workload)
    return Given(train=data.pool, test=data.test, weights=weights(workload, member))


def dataset(workload: Workload) -> Dataset:
    """The digits that come with the package for 8x8 images, else one fixed pattern a class under noise."""
    if workload.name == "W1":
        digits = frozen()
        return parted(digits.images, digits)
    # the stream is the shape's, so that W3 and W3b see the same images
    random = np.random.default_rng([DATA, workload.side, workload.channels])
    coarse = random.normal(size=(CLASSES, COARSE, COARSE, workload.channels)).astype(np.float32)
    place = np.arange(workload.side) * COARSE // workload.side
    patterns = coarse[:, place][:, :, place]

    def split(count: int) -> Split:
        labels = (np.arange(count) % CLASSES).astype(np.int32)
        noise = random.standard_normal((count, *patterns.shape[1:]), np.float32)
        images = (patterns[labels] + NOISE * noise) / math.sqrt(1 + NOISE**2)
        return Split(images.astype(np.float32), labels)

    return Dataset(pool=split(workload.images), test=split(TEST_IMAGES))


def batches(workload: Workload, member: int, steps: int) -> NDArray[np.int32]:
    """The first `steps` whole batches of a member, epoch after epoch: places of training images, (steps, batch)."""
    whole = workload.images // workload.batch
    orders = epoch_orders(workload.images, -(-steps // whole), member)
    kept: NDArray[np.int32] = orders[:, : whole * workload.batch].reshape(-1, workload.batch)[:steps]
    return kept


def weights(workload: Workload, member: int) -> Weights:
    """Initial weights of a member: normal with variance 2 / fan_in (1 / fan_in in the last layer); biases are zero."""
    random = np.random.default_rng([WEIGHTS, member])
    graph = workload.network
    found = maps(graph, graph.size)
    drawn: Weights = {}
    for node in graph.nodes:
        if isinstance(node, (Conv, Dense)):
            channels = found[node.inputs[0]].channels or 0
            units = node.filters if isinstance(node, Conv) else node.units
            shape = (*node.kernel, channels, units) if isinstance(node, Conv) else (channels, units)
            spread = math.sqrt((1 if node.name == graph.output else 2) / math.prod(shape[:-1]))
            kernel = (spread * random.standard_normal(shape)).astype(np.float32)
            drawn[node.name] = {"kernel": kernel, "bias": np.zeros(units, np.float32)}
    return drawn
