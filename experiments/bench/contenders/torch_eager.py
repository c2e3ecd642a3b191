"""PyTorch as its documentation writes it, images and net in channels-last memory; the peer to beat on a CPU."""

import importlib.util
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnlab.spec.network import Activation, Conv, Dense, Flatten, GlobalAveragePool, Pool
from experiments.bench.contender import Batches, Contender, Machine, Setup, Values, threads
from experiments.bench.workloads import LEARNING_RATE, MOMENTUM, Workload, dataset, initial_weights


class TorchEager(Contender):
    """A net for each member and the training set on the device; the other PyTorch contenders begin with it.

    Attributes:
        model: what a step calls; another contender puts a compiled one here.
    """

    description, sweeps = "PyTorch, eager, channels-last", True

    def __init__(self, workload: Workload, members: Sequence[int], machine: Machine) -> None:
        import torch

        super().__init__(workload, members, machine)
        self.torch, self.device = torch, "cuda" if machine.kind == "gpu" else "cpu"
        torch.backends.cudnn.benchmark = True
        if machine.kind == "gpu":  # TF32 for dense layers too, as it is for convolutions, and as JAX has it
            torch.set_float32_matmul_precision("high")
        layout = {"device": self.device, "memory_format": torch.channels_last}
        self.nets = [torch_net(workload, member).to(**layout) for member in members]
        self.model: Callable[..., Any] = self.nets[0]
        self.optimizer = torch.optim.SGD(self.nets[0].parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)
        train = dataset(workload).pool
        self.images, self.labels = self.tensor(train.images), self.tensor(train.labels.astype(np.int64))

    def tensor(self, array: NDArray[Any]) -> Any:
        """A copy of the array on the device."""
        return self.torch.from_numpy(array.copy()).to(self.device)

    def batch(self, indices: Any) -> tuple[Any, Any]:
        """Images, (..., batch, channels, height, width), and labels."""
        # images lie channels last, so this is a view of the layout that channels-last kernels want
        return self.images[indices].movedim(-1, -3), self.labels[indices]

    def gradient(self, indices: Any) -> Any:
        """Loss on the images at these indices, its gradients left with the weights; it stays on the device."""
        images, labels = self.batch(indices)
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.torch.nn.functional.cross_entropy(self.model(images), labels)
        loss.backward()
        return loss.detach()

    def step(self, indices: Any) -> Any:
        """One step of the first member; its loss stays on the device."""
        loss = self.gradient(indices)
        self.optimizer.step()
        return loss

    def run(self, batches: Batches) -> Values:
        """See `Contender`."""
        losses = [self.step(indices) for indices in self.tensor(batches[0].astype(np.int64))]
        return np.asarray(self.torch.stack(losses).cpu())[None]

    def logits(self, images: Values) -> Values:
        """See `Contender`."""
        with self.torch.no_grad():
            return np.asarray(self.scores(self.tensor(images).movedim(-1, -3)).cpu())

    def scores(self, images: Any) -> Any:
        """Logits of images, (n, channels, height, width), as (members, n, classes)."""
        return self.nets[0](images)[None]

    def device_bytes(self) -> int:
        """See `Contender`."""
        return int(self.torch.cuda.max_memory_allocated()) if self.device == "cuda" else 0

    @classmethod
    def setups(cls, machine: Machine) -> tuple[Setup, ...]:
        """One process on all cores, and one of one thread on each."""
        if machine.kind == "gpu":
            return (Setup(environment={"XLA_FLAGS": ""}),)
        spread = dict.fromkeys(((1, machine.cores), (machine.cores, 1)))
        return tuple(Setup(processes=processes, threads=each, environment=threads(each)) for processes, each in spread)

    @classmethod
    def missing(cls, machine: Machine) -> str:
        """PyTorch is an extra of the suite."""
        if importlib.util.find_spec("torch") is None:
            return "PyTorch is not installed: pip install -e '.[bench]'"
        return super().missing(machine)


def torch_net(workload: Workload, member: int) -> Any:
    """The workload's net as a `Sequential`, with the initial weights of a member in PyTorch's order of axes."""
    import torch
    from torch import nn

    layers, values, weights = list[Any](), list[NDArray[np.float32]](), initial_weights(workload, member)
    channels, side = workload.channels, workload.side
    for node in workload.network.nodes[1:]:
        match node:
            case Conv():
                layers.append(nn.Conv2d(channels, node.filters, node.kernel, padding="same"))
                values += [weights[node.name]["kernel"].transpose(3, 2, 0, 1), weights[node.name]["bias"]]
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
                layers.append(nn.Linear(*kernel.shape))
                # a map is flattened channel by channel here, and pixel by pixel in the suite
                turned = kernel.reshape(side, side, channels, -1).transpose(3, 2, 0, 1).reshape(kernel.shape[::-1])
                values += [turned, weights[node.name]["bias"]]
    net = nn.Sequential(*layers)
    for parameter, value in zip(net.parameters(), values, strict=True):
        parameter.data.copy_(torch.from_numpy(np.ascontiguousarray(value)))
    return net
