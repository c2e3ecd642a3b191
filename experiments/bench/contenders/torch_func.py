"""PyTorch's own way to train many members at once, where one does not fill the device: `vmap` over stacked weights."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from experiments.bench.contender import Batches, Contender, Machine, Values
from experiments.bench.contenders.torch_eager import TorchEager
from experiments.bench.workloads import LEARNING_RATE, MOMENTUM, Workload


class TorchFunc(TorchEager):
    """Members side by side; weights and momenta are stacked along a leading axis."""

    description, needs, sweeps = "PyTorch, members under torch.func.vmap", "gpu", False
    setups = Contender.setups

    def __init__(self, workload: Workload, members: Sequence[int], machine: Machine) -> None:
        import torch
        from torch.func import functional_call, grad_and_value, stack_module_state, vmap

        super().__init__(workload, members, machine)
        self.params = {name: value.detach() for name, value in stack_module_state(self.nets)[0].items()}
        self.momenta = {name: torch.zeros_like(value) for name, value in self.params.items()}

        def loss_of(params: Any, images: Any, labels: Any) -> Any:
            return torch.nn.functional.cross_entropy(functional_call(self.nets[0], params, (images,)), labels)

        self.gradients = vmap(grad_and_value(loss_of))

    def run(self, batches: Batches) -> Values:
        """See `Contender`."""
        losses = []
        for indices in self.tensor(batches.astype(np.int64)).transpose(0, 1):
            grads, loss = self.gradients(self.params, *self.batch(indices))
            for name, grad in grads.items():
                self.momenta[name].mul_(MOMENTUM).add_(grad)
                self.params[name].sub_(self.momenta[name], alpha=LEARNING_RATE)
            losses.append(loss)
        return np.asarray(self.torch.stack(losses, 1).cpu())
