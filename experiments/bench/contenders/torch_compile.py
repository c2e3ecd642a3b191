"""PyTorch with the net compiled by `torch.compile`, forward and backward."""

import functools
import shutil
import time
from collections.abc import Sequence
from typing import Any

from experiments.bench.contenders import torch_eager
from experiments.bench.contract import Batches, Machine, Setup, torch_missing
from experiments.bench.given import batches
from experiments.bench.workloads import Workload

SAYS = "PyTorch under torch.compile"


def missing(machine: Machine) -> str:
    """PyTorch is an extra of the suite; on a CPU it compiles with the system's C++ compiler."""
    if machine.kind == "cpu" and not (shutil.which("g++") or shutil.which("clang++")):
        return "torch.compile needs a C++ compiler: g++ or clang++"
    return torch_missing(machine)


def setups(machine: Machine) -> tuple[Setup, ...]:
    """As eager PyTorch."""
    return torch_eager.setups(machine)


def trainer(workload: Workload, members: Sequence[int], machine: Machine) -> torch_eager.Loop:
    """See `Contender`."""
    (member,) = members
    loop = torch_eager.Loop(workload, member, machine)
    loop.model = compiled(loop.net)
    loop.compile_seconds = first_call(loop, batches(workload, member, 2)[None])
    return loop


@functools.cache
def _settings() -> None:
    """Compile each architecture for its shapes; the default would generalise over them from the second on."""
    import torch

    torch._dynamo.config.automatic_dynamic_shapes = False
    torch._dynamo.config.cache_size_limit = 64


def compiled(net: Any) -> Any:
    """The compiled net; compiling takes place at its first call."""
    import torch

    _settings()
    return torch.compile(net)


def first_call(loop: torch_eager.Loop, some: Batches) -> float:
    """Seconds that a first gradient takes longer than a second; the weights stay as they are."""
    import torch

    seconds = []
    for places in torch.from_numpy(some[0].astype("int64")).to(loop.device):
        start = time.perf_counter()
        loop.gradient(places)
        if loop.device == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return max(0.0, seconds[0] - seconds[1])
