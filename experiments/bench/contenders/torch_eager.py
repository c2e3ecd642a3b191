"""PyTorch as its documentation writes it, images and net in channels-last memory; the peer to beat on a CPU."""

import importlib.util
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.bench.contender import Batches, Contender, Machine, Setup, Values, threads
from experiments.bench.workloads import CLASSES, LEARNING_RATE, MOMENTUM, Workload, dataset, initial_weights


class TorchEager(Contender):
    """A net for each member and the training set on the device; the other PyTorch contenders begin with it."""

    description, sweeps = "PyTorch, eager, channels-last", True
    compile_seconds = 0.0

    def __init__(self, workload: Workload, members: Sequence[int], machine: Machine) -> None:
        import torch

        super().__init__(workload, members, machine)
        self.torch, self.device = torch, "cuda" if machine.kind == "gpu" else "cpu"
        torch.backends.cudnn.benchmark = True
        if machine.kind == "gpu":  # TF32 for dense layers too, as it is for convolutions, and as JAX has it
            torch.set_float32_matmul_precision("high")
        layout = {"device": self.device, "memory_format": torch.channels_last}
        self.nets = [torch_net(workload, member).to(**layout) for member in members]
        self.model: Any = self.nets[0]
        self.optimizer = torch.optim.SGD(self.nets[0].parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)
        train = dataset(workload).pool
        self.images, self.labels = self.tensor(train.images), self.tensor(train.labels.astype(np.int64))

    def tensor(self, array: NDArray[Any]) -> Any:
        """A copy of the array on the device."""
        return self.torch.from_numpy(array.copy()).to(self.device)

    def batch(self, indices: Any) -> tuple[Any, Any]:
        """Images, (..., batch, channels, height, width), a view in the layout of channels-last kernels, and labels."""
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
            return np.asarray(self.nets[0](self.tensor(images).movedim(-1, -3)).cpu())[None]

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
        absent = importlib.util.find_spec("torch") is None
        return "PyTorch is not installed: pip install -e '.[bench]'" if absent else super().missing(machine)


def torch_net(workload: Workload, member: int) -> Any:
    """The workload's net as a `Sequential`, with the initial weights of a member in PyTorch's order of axes."""
    from torch import from_numpy, nn

    layers, channels, side = list[Any](), workload.channels, workload.side // 2 ** len(workload.net.pools)
    for place, filters in enumerate(workload.net.widths, start=1):
        layers += [nn.Conv2d(channels, filters, workload.net.kernel, padding="same"), nn.ReLU()]
        layers += [nn.MaxPool2d(2)] if place in workload.net.pools else []
        channels = filters
    layers += [*([] if workload.net.head == "flatten" else [nn.AvgPool2d(side)]), nn.Flatten()]
    weights = initial_weights(workload, member)
    *kernels, last = [own["kernel"] for own in weights.values()]
    layers.append(nn.Linear(*last.shape))
    # a map is flattened channel by channel here, and pixel by pixel in the suite
    turned = last.reshape(-1, channels, CLASSES).transpose(2, 1, 0).reshape(last.shape[::-1])
    values = [*(kernel.transpose(3, 2, 0, 1) for kernel in kernels), turned]
    for layer, kernel in zip((one for one in layers if hasattr(one, "weight")), values, strict=True):
        layer.weight.data.copy_(from_numpy(np.ascontiguousarray(kernel)))
        layer.bias.data.zero_()
    return nn.Sequential(*layers)
