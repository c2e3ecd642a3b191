"""PyTorch with a whole step (forward, backward, update) captured once as a CUDA graph, and replayed."""

from collections.abc import Sequence
from typing import Any

from experiments.bench.contender import Machine
from experiments.bench.contenders.torch_eager import TorchEager
from experiments.bench.workloads import Workload


class TorchCudaGraphs(TorchEager):
    """One member whose step is a recording; each replay reads the indices from the same buffer."""

    description, needs, sweeps = "PyTorch, a step as a CUDA graph", "gpu", False

    def __init__(self, workload: Workload, members: Sequence[int], machine: Machine) -> None:
        import torch

        super().__init__(workload, members, machine)
        parameters = list(self.nets[0].parameters())
        before = [parameter.detach().clone() for parameter in parameters]
        self.indices, aside = torch.arange(workload.batch, device=self.device), torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(3):  # as PyTorch's notes on CUDA graphs ask for
                super().step(self.indices)
        torch.cuda.current_stream().wait_stream(aside)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.loss = super().step(self.indices)
        # undo the warm-up in place: the recording keeps the addresses of weights and momenta
        with torch.no_grad():
            for parameter, first in zip(parameters, before, strict=True):
                parameter.copy_(first)
                self.optimizer.state[parameter]["momentum_buffer"].zero_()

    def step(self, indices: Any) -> Any:
        """See `TorchEager`."""
        self.indices.copy_(indices)
        self.graph.replay()
        return self.loss.clone()
