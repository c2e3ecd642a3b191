"""PyTorch with a whole step (forward, backward, update) captured once as a CUDA graph, and replayed."""

from collections.abc import Sequence
from typing import Any

from experiments.bench.contenders import torch_eager
from experiments.bench.contract import Machine, Setup, torch_missing
from experiments.bench.workloads import Workload

SAYS = "PyTorch, a step as a CUDA graph"
WARM_UP = 3
"""Steps before the capture, as PyTorch's notes on CUDA graphs ask for."""


def missing(machine: Machine) -> str:
    """CUDA graphs need a GPU."""
    return torch_missing(machine, needs="gpu")


def setups(machine: Machine) -> tuple[Setup, ...]:
    """One process."""
    return torch_eager.setups(machine)


class Graph(torch_eager.Loop):
    """One member whose step is a recording; each replay reads the places from the same buffer."""

    def __init__(self, workload: Workload, member: int, machine: Machine) -> None:
        import torch

        super().__init__(workload, member, machine)
        before = [parameter.detach().clone() for parameter in self.net.parameters()]
        self.places = torch.arange(workload.batch, device=self.device)
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(WARM_UP):
                super().step(self.places)
        torch.cuda.current_stream().wait_stream(aside)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.loss = super().step(self.places)
        self._restart(before)

    def _restart(self, weights: Sequence[Any]) -> None:
        """Undo the warm-up in place: the recording keeps the addresses of weights and momenta."""
        import torch

        with torch.no_grad():
            for parameter, first in zip(self.net.parameters(), weights, strict=True):
                parameter.copy_(first)
                self.optimizer.state[parameter]["momentum_buffer"].zero_()

    def step(self, places: Any) -> Any:
        """One step; its loss stays on the device."""
        self.places.copy_(places)
        self.graph.replay()
        return self.loss.clone()


def trainer(workload: Workload, members: Sequence[int], machine: Machine) -> Graph:
    """See `Contender`."""
    (member,) = members
    return Graph(workload, member, machine)
