"""PyTorch's own way to train many members at once: `torch.func`, `vmap` over stacked weights."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from cnnlab.training.members import SIDE_BY_SIDE
from experiments.bench.contenders.torch_eager import net
from experiments.bench.contract import Batches, Machine, Setup, Values, torch_missing
from experiments.bench.given import given
from experiments.bench.workloads import LEARNING_RATE, MOMENTUM, Workload

SAYS = "PyTorch, members under torch.func.vmap"


def missing(machine: Machine) -> str:
    """It pays where one member does not fill the device, which a CPU core is always."""
    return torch_missing(machine, needs="gpu")


def setups(machine: Machine) -> tuple[Setup, ...]:
    """One process with all members."""
    return (Setup(name="1", processes=1, together=SIDE_BY_SIDE, environment={"XLA_FLAGS": ""}),)


class Ensemble:
    """Members side by side; weights and momenta are stacked along a leading axis."""

    compile_seconds = 0.0

    def __init__(self, workload: Workload, members: Sequence[int], machine: Machine) -> None:
        import torch
        from torch.func import functional_call, grad_and_value, stack_module_state, vmap
        from torch.nn import functional

        self.device = "cuda" if machine.kind == "gpu" else "cpu"
        start = [given(workload, member) for member in members]
        nets = [net(workload, own.weights).to(self.device) for own in start]
        params, _ = stack_module_state(nets)
        self.params = {name: value.detach() for name, value in params.items()}
        self.momenta = {name: torch.zeros_like(value) for name, value in self.params.items()}
        self.images = torch.from_numpy(start[0].train.images.copy()).permute(0, 3, 1, 2).to(self.device)
        self.labels = torch.from_numpy(start[0].train.labels.astype(np.int64)).to(self.device)

        def loss_of(params: Any, images: Any, labels: Any) -> Any:
            return functional.cross_entropy(functional_call(nets[0], params, (images,)), labels)

        self.gradients = vmap(grad_and_value(loss_of))
        self.forward = vmap(lambda params, images: functional_call(nets[0], params, (images,)), in_dims=(0, None))

    def run(self, batches: Batches) -> Values:
        """See `Trainer`."""
        import torch

        losses = []
        for places in torch.from_numpy(batches.astype(np.int64)).to(self.device).transpose(0, 1):
            grads, loss = self.gradients(self.params, self.images[places], self.labels[places])
            for name, grad in grads.items():
                self.momenta[name].mul_(MOMENTUM).add_(grad)
                self.params[name].sub_(self.momenta[name], alpha=LEARNING_RATE)
            losses.append(loss)
        found: Values = torch.stack(losses, 1).cpu().numpy()
        return found

    def logits(self, images: Values) -> Values:
        """See `Trainer`."""
        import torch

        with torch.no_grad():
            shown = torch.from_numpy(images.copy()).permute(0, 3, 1, 2).to(self.device)
            found: Values = self.forward(self.params, shown).cpu().numpy()
        return found

    def device_bytes(self) -> int:
        """See `Trainer`."""
        import torch

        return int(torch.cuda.max_memory_allocated()) if self.device == "cuda" else 0


def trainer(workload: Workload, members: Sequence[int], machine: Machine) -> Ensemble:
    """See `Contender`."""
    return Ensemble(workload, members, machine)
