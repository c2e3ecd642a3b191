"""The workloads: nets on images of fixed shape, their data, batches and weights by fixed seeds, and twelve variants."""

import dataclasses
import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnlab.data import Dataset, Split, epoch_orders
from cnnlab.data.digits import frozen, parted
from cnnlab.geometry.cost import cost
from cnnlab.geometry.sizes import maps
from cnnlab.spec.arm import Arm
from cnnlab.spec.net import ConvNet
from cnnlab.spec.network import Conv, Dense, Network
from cnnlab.spec.recipe import Recipe
from cnnlab.spec.task import Task
from cnnlab.zoo.lowering import network

LEARNING_RATE, MOMENTUM, CLASSES, TEST_IMAGES = 0.005, 0.9, 10, 599
VARIANTS, SEEDS = 12, 5
DATA, WEIGHTS = 0xBE7C, 0x3E17  # tags of the random streams: neither shifts the other
COARSE, NOISE = 4, 8.0  # pixels a side of a class's pattern; standard deviation of the noise, the pattern's being 1
InitialWeights = dict[str, dict[str, NDArray[np.float32]]]
"""Kernel, (height, width, channels_in, filters) or (channels_in, units), and bias by layer name."""


@dataclass(frozen=True)
class Workload:
    """One net on images of one shape: 3x3 convolutions with ReLU, 2x2 max-pools, then the head.

    Attributes:
        side, channels: of an image. images: to train on. batch: images a step; what is left over is not timed.
        turn_steps: steps of one timing. epochs: passes over the images of a member in a sweep.
    """

    name: str
    description: str
    net: ConvNet
    side: int
    channels: int
    images: int
    batch: int
    turn_steps: int
    epochs: int

    @property
    def arm(self) -> Arm:
        """The same as the suite's engine knows it."""
        side, channels, images = self.side, self.channels, self.images
        task = dataclasses.replace(_TASK, name=self.name, side=side, channels=channels, train_images=images)
        recipe = dataclasses.replace(_RECIPE, batch_size=self.batch, epochs=self.epochs)
        return Arm(net=self.net, recipe=recipe, task=task)

    @property
    def network(self) -> Network:
        """The graph of the net."""
        return network(self.net, self.side, self.channels, CLASSES)

    @property
    def train_flop(self) -> int:
        """Floating-point operations to train on one image: forward, and twice that backward.

        Nobody needs the gradient at the image, so the first convolution counts twice, not three times.
        """
        total = cost(self.network, (self.side, self.side))
        return 2 * (3 * total.macs - (total.nodes["conv1"].macs or 0))


_RECIPE = Recipe(learning_rate=LEARNING_RATE, momentum=MOMENTUM, schedule="constant", rates=1)
_TASK = Task(name="any", side=1, channels=1, classes=CLASSES, train_images=1, validation_images=TEST_IMAGES, real=False)
_THREE = ConvNet(depth=3, widths=(16, 16, 32), pools=(2,))
_TWO = ConvNet(depth=2, widths=(32, 64), pools=(1, 2), head="flatten")
_SIX = ConvNet(depth=6, widths=(32, 32, 64, 64, 64, 64), pools=(2, 4))
_TEN = ConvNet(depth=10, widths=(16, 32, 32, 32, 64, 64, 64, 64, 64, 64), pools=(3, 6))
_ALL = (
    Workload("W1", "the 8x8 digits", _THREE, 8, 1, images=1198, batch=64, turn_steps=144, epochs=10),
    Workload("W2", "Fashion-MNIST's shape", _TWO, 28, 1, images=4096, batch=128, turn_steps=24, epochs=2),
    Workload("W3", "CIFAR-10's shape, 6 layers", _SIX, 32, 3, images=2048, batch=128, turn_steps=6, epochs=1),
    Workload("W3b", "CIFAR-10's shape, 10 layers", _TEN, 32, 3, images=2048, batch=128, turn_steps=4, epochs=1),
)
WORKLOADS = {one.name: one for one in _ALL}


def variants(base: Workload) -> tuple[Workload, ...]:
    """The distinct architectures of a sweep, the same for every contender: kernels, widths and places of pools."""
    made, net, (first, *others) = [], base.net, base.net.pools
    # W2 pools after its first convolution already: there the last pool is left out instead
    earlier = (first - 1, *others) if first > 1 else net.pools[:-1]
    for kernel, quarters, pools in itertools.product((3, 5), (4, 3, 2), (net.pools, earlier)):
        widths = tuple(width * quarters // 4 for width in net.widths)
        changed = dataclasses.replace(net, kernel=kernel, widths=widths, pools=pools)
        made.append(dataclasses.replace(base, net=changed))
    # the heaviest first, so that no process ends up alone with it
    return tuple(sorted(made, key=lambda one: -one.train_flop)[:VARIANTS])


def dataset(workload: Workload) -> Dataset:
    """The digits that come with the package for W1, else one fixed pattern a class under noise.

    Images, (n, side, side, channels), have zero mean and unit variance.
    """
    if workload.name == "W1":
        digits = frozen()
        return parted(digits.images, digits)
    random = np.random.default_rng([DATA, workload.side, workload.channels])  # W3 and W3b see the same images
    coarse = random.normal(size=(CLASSES, COARSE, COARSE, workload.channels)).astype(np.float32)
    place = np.arange(workload.side) * COARSE // workload.side
    patterns = coarse[:, place][:, :, place]

    def split(count: int) -> Split:
        labels = (np.arange(count) % CLASSES).astype(np.int32)
        noise = random.standard_normal((count, *patterns.shape[1:]), np.float32)
        images = (patterns[labels] + NOISE * noise) / math.sqrt(1 + NOISE**2)
        return Split(images.astype(np.float32), labels)

    return Dataset(pool=split(workload.images), test=split(TEST_IMAGES))


def batch_indices(workload: Workload, member: int, steps: int) -> NDArray[np.int32]:
    """The first `steps` whole batches of a member, epoch after epoch: indices of training images, (steps, batch)."""
    whole = workload.images // workload.batch
    orders = epoch_orders(workload.images, -(-steps // whole), member)
    indices: NDArray[np.int32] = orders[:, : whole * workload.batch].reshape(-1, workload.batch)[:steps]
    return indices


def initial_weights(workload: Workload, member: int) -> InitialWeights:
    """Weights of a member: normal with variance 2 / fan_in (1 / fan_in in the last layer); biases are zero."""
    random = np.random.default_rng([WEIGHTS, member])
    graph = workload.network
    sizes = maps(graph, graph.size)
    drawn: InitialWeights = {}
    for node in graph.nodes:
        if isinstance(node, (Conv, Dense)):
            channels = sizes[node.inputs[0]].channels or 0
            units = node.filters if isinstance(node, Conv) else node.units
            shape = (*node.kernel, channels, units) if isinstance(node, Conv) else (channels, units)
            spread = math.sqrt((1 if node.name == graph.output else 2) / math.prod(shape[:-1]))
            kernel = (spread * random.standard_normal(shape)).astype(np.float32)
            drawn[node.name] = {"kernel": kernel, "bias": np.zeros(units, np.float32)}
    return drawn
