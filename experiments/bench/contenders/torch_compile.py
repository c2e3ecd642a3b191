"""PyTorch with the net compiled by `torch.compile`, forward and backward."""

import shutil
import time
from collections.abc import Sequence

from experiments.bench.contender import Machine
from experiments.bench.contenders.torch_eager import TorchEager
from experiments.bench.workloads import Workload, batch_indices


class TorchCompile(TorchEager):
    """One member; its net is compiled when it is made, for which a CPU needs the system's C++ compiler."""

    description, sweeps = "PyTorch under torch.compile", False

    def __init__(self, workload: Workload, members: Sequence[int], machine: Machine) -> None:
        import torch

        super().__init__(workload, members, machine)
        # each architecture for its shapes; the default would generalise over them from the second on
        torch._dynamo.config.automatic_dynamic_shapes = False
        torch._dynamo.config.cache_size_limit = 64
        self.model = torch.compile(self.nets[0])
        seconds = []
        for indices in self.tensor(batch_indices(workload, members[0], 2).astype("int64")):
            start = time.perf_counter()
            self.gradient(indices).item()  # the weights stay as they are
            seconds.append(time.perf_counter() - start)
        self.compile_seconds = max(0.0, seconds[0] - seconds[1])

    @classmethod
    def missing(cls, machine: Machine) -> str:
        """See `Contender`."""
        able = machine.kind == "gpu" or shutil.which("g++") or shutil.which("clang++")
        return super().missing(machine) if able else "torch.compile needs a C++ compiler: g++ or clang++"
