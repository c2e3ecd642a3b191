"""The workloads: fixed nets on images of fixed shape, by name, and the twelve variants that a sweep of one trains."""

import dataclasses
import itertools
from dataclasses import dataclass

from cnnlab.geometry.cost import cost
from cnnlab.spec.arm import Arm
from cnnlab.spec.invalid import require_choice
from cnnlab.spec.net import ConvNet
from cnnlab.spec.network import Conv, Network
from cnnlab.spec.recipe import Recipe
from cnnlab.spec.task import Task
from cnnlab.zoo.lowering import network

LEARNING_RATE, MOMENTUM, CLASSES, TEST_IMAGES = 0.005, 0.9, 10, 599
VARIANTS, SEEDS = 12, 5


@dataclass(frozen=True, kw_only=True)
class Workload:
    """One net on images of one shape.

    Attributes:
        name: W1, W2, W3 or W3b. says: what it stands for.
        net: 3x3 convolutions with ReLU, 2x2 max-pools, then the head.
        side, channels: of an image. images: to train on. batch: images a step; what is left over is not timed.
        turn_steps: steps of one timing. sweep_epochs: passes over the images of a member in a sweep.
    """

    name: str
    says: str
    net: ConvNet
    side: int
    channels: int
    images: int
    batch: int
    turn_steps: int
    sweep_epochs: int

    @property
    def arm(self) -> Arm:
        """The same as the suite's engine knows it."""
        recipe = Recipe(
            learning_rate=LEARNING_RATE,
            momentum=MOMENTUM,
            schedule="constant",
            batch_size=self.batch,
            tuning="none",
            epochs=self.sweep_epochs,
        )
        task = Task(
            name=self.name,
            side=self.side,
            channels=self.channels,
            classes=CLASSES,
            train_images=self.images,
            validation_images=TEST_IMAGES,
            real=False,
        )
        return Arm(net=self.net, recipe=recipe, task=task)

    @property
    def network(self) -> Network:
        """The graph of the net."""
        return network(self.net, self.side, self.channels, CLASSES)

    @property
    def train_flop(self) -> int:
        """Floating-point operations to train on one image: forward, and twice that backward.

        The gradient at the image is nobody's, so the first convolution is counted twice, not three times.
        """
        graph = self.network
        parts = cost(graph, (self.side, self.side))
        first = next(node.name for node in graph.nodes if isinstance(node, Conv))
        return 2 * (3 * parts.macs - (parts.nodes[first].macs or 0))


WORKLOADS = {
    one.name: one
    for one in (
        Workload(
            name="W1",
            says="the 8x8 digits",
            net=ConvNet(depth=3, widths=(16, 16, 32), pools=(2,)),
            side=8,
            channels=1,
            images=1198,
            batch=64,
            turn_steps=144,
            sweep_epochs=10,
        ),
        Workload(
            name="W2",
            says="images shaped like Fashion-MNIST",
            net=ConvNet(depth=2, widths=(32, 64), pools=(1, 2), head="flatten"),
            side=28,
            channels=1,
            images=4096,
            batch=128,
            turn_steps=24,
            sweep_epochs=2,
        ),
        Workload(
            name="W3",
            says="images shaped like CIFAR-10, 6 convolutions",
            net=ConvNet(depth=6, widths=(32, 32, 64, 64, 64, 64), pools=(2, 4)),
            side=32,
            channels=3,
            images=2048,
            batch=128,
            turn_steps=6,
            sweep_epochs=1,
        ),
        Workload(
            name="W3b",
            says="images shaped like CIFAR-10, 10 convolutions",
            net=ConvNet(depth=10, widths=(16, 32, 32, 32, 64, 64, 64, 64, 64, 64), pools=(3, 6)),
            side=32,
            channels=3,
            images=2048,
            batch=128,
            turn_steps=4,
            sweep_epochs=1,
        ),
    )
}


def workload(name: str) -> Workload:
    """The workload of that name. Raises InvalidError, listing them, for any other."""
    require_choice("workload", name, WORKLOADS)
    return WORKLOADS[name]


def variants(base: Workload, count: int = VARIANTS) -> tuple[Workload, ...]:
    """Distinct architectures around a workload, the same for every contender: kernels, widths and places of pools."""
    shifts, widths, kernels = (0, -1), (4, 3, 2), (3, 5)
    made = []
    for kernel, share, shift in itertools.product(kernels, widths, shifts):
        net = base.net
        moved = tuple(sorted({max(1, place + shift) if place == net.pools[0] else place for place in net.pools}))
        # W2 pools after its first convolution already: there the last pool is left out instead
        pools = moved if moved != net.pools or shift == 0 else net.pools[:-1]
        thinner = tuple(width * share // 4 for width in net.widths)
        changed = dataclasses.replace(net, kernel=kernel, widths=thinner, pools=pools)
        made.append(dataclasses.replace(base, net=changed))
    # the heaviest first, so that no process ends up alone with it
    return tuple(sorted(made, key=lambda one: -one.train_flop)[:count])


def deep(depth: int) -> Workload:
    """A net of so many equal convolutions, by which growth with depth is measured."""
    return Workload(
        name=f"depth{depth}",
        says=f"{depth} equal convolutions",
        net=ConvNet(depth=depth, width=32, pools=(1,)),
        side=16,
        channels=3,
        images=1024,
        batch=64,
        turn_steps=12,
        sweep_epochs=1,
    )
