"""PyTorch as its documentation writes it, images and net in channels-last memory; the peer to beat on a CPU."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnlab.spec.network import Activation, Conv, Dense, Flatten, GlobalAveragePool, Pool
from experiments.bench.contract import Batches, Machine, Setup, Values, threads, torch_missing
from experiments.bench.given import Weights, given
from experiments.bench.workloads import LEARNING_RATE, MOMENTUM, Workload

SAYS = "PyTorch, eager, channels-last"


def missing(machine: Machine) -> str:
    """PyTorch is an extra of the suite."""
    return torch_missing(machine)


def setups(machine: Machine) -> tuple[Setup, ...]:
    """One process on all cores, and one of one thread on each."""
    if machine.kind == "gpu":
        return (Setup(name="1", processes=1, environment={"XLA_FLAGS": ""}),)
    spread = dict.fromkeys(((1, machine.cores), (machine.cores, 1)))
    return tuple(
        Setup(name=f"{processes}x{each}", processes=processes, environment=threads(each)) for processes, each in spread
    )


def trainer(workload: Workload, members: Sequence[int], machine: Machine) -> "Loop":
    """See `Contender`."""
    (member,) = members
    return Loop(workload, member, machine)


class Loop:
    """One member: net, optimiser, and the whole training set on the device.

    Attributes:
        model: what a step calls; another contender puts a compiled one here.
    """

    compile_seconds = 0.0

    def __init__(self, workload: Workload, member: int, machine: Machine) -> None:
        import torch

        self.device = "cuda" if machine.kind == "gpu" else "cpu"
        torch.backends.cudnn.benchmark = True
        if machine.kind == "gpu":  # TF32 for dense layers too, as it is for convolutions, and as JAX has it
            torch.set_float32_matmul_precision("high")
        start = given(workload, member)
        self.net = net(workload, start.weights).to(self.device, memory_format=torch.channels_last)
        self.model: Callable[..., Any] = self.net
        self.optimizer = torch.optim.SGD(self.net.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)
        self.images = torch.from_numpy(start.train.images.copy()).to(self.device)
        self.labels = torch.from_numpy(start.train.labels.astype(np.int64)).to(self.device)

    def gradient(self, places: Any) -> Any:
        """Loss on the images at these places, its gradients left with the weights; it stays on the device."""
        from torch.nn import functional

        # images lie channels last, so this is a view of the layout that channels-last kernels want
        images = self.images[places].permute(0, 3, 1, 2)
        self.optimizer.zero_grad(set_to_none=True)
        loss = functional.cross_entropy(self.model(images), self.labels[places])
        loss.backward()
        return loss.detach()

    def step(self, places: Any) -> Any:
        """One step; its loss stays on the device."""
        loss = self.gradient(places)
        self.optimizer.step()
        return loss

    def run(self, batches: Batches) -> Values:
        """See `Trainer`."""
        import torch

        places = torch.from_numpy(batches[0].astype(np.int64)).to(self.device)
        losses = torch.stack([self.step(batch) for batch in places])
        found: Values = losses.cpu().numpy()[None]
        return found

    def logits(self, images: Values) -> Values:
        """See `Trainer`."""
        import torch

        with torch.no_grad():
            shown = torch.from_numpy(images.copy()).to(self.device).permute(0, 3, 1, 2)
            found: Values = self.net(shown).cpu().numpy()[None]
        return found

    def device_bytes(self) -> int:
        """See `Trainer`."""
        import torch

        return int(torch.cuda.max_memory_allocated()) if self.device == "cuda" else 0


def net(workload: Workload, weights: Weights) -> Any:
    """The workload's net as a `Sequential`, with the given weights."""
    from torch import nn

    layers: list[Any] = []
    channels, side = workload.channels, workload.side
    for node in workload.network.nodes[1:]:
        match node:
            case Conv():
                kernel = weights[node.name]["kernel"]
                layer = nn.Conv2d(channels, node.filters, node.kernel, padding="same")
                layers.append(_filled(layer, kernel.transpose(3, 2, 0, 1), weights[node.name]["bias"]))
                channels = node.filters
            case Activation():
                layers.append(nn.ReLU())
            case Pool():
                layers.append(nn.MaxPool2d(node.kernel))
                side //= node.kernel[0]
            case GlobalAveragePool():
                layers += [nn.AvgPool2d(side), nn.Flatten()]
                side = 1
            case Flatten():
                layers.append(nn.Flatten())
            case Dense():
                kernel = weights[node.name]["kernel"]
                # a map is flattened channel by channel here, and pixel by pixel in the suite
                turned = kernel.reshape(side, side, channels, -1).transpose(3, 2, 0, 1).reshape(kernel.shape[::-1])
                layers.append(_filled(nn.Linear(*kernel.shape), turned, weights[node.name]["bias"]))
    return nn.Sequential(*layers)


def _filled(layer: Any, kernel: NDArray[np.float32], bias: NDArray[np.float32]) -> Any:
    """A layer with these weights, in PyTorch's order of axes."""
    import torch

    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(np.ascontiguousarray(kernel)))
        layer.bias.copy_(torch.from_numpy(bias))
    return layer
