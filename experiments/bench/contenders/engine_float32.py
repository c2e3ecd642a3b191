"""The suite's engine with full float32 products, as claims are run on a GPU too; on a CPU they are nothing special."""

from collections.abc import Sequence

from experiments.bench.contenders import engine
from experiments.bench.contract import Machine, Setup
from experiments.bench.workloads import Workload

SAYS = "this suite's engine, no TF32"


def missing(machine: Machine) -> str:
    """A GPU alone has products of less than float32's precision."""
    return "" if machine.kind == "gpu" else "needs a GPU: on a CPU every product is float32's"


def setups(machine: Machine) -> tuple[Setup, ...]:
    """As for the engine."""
    return engine.setups(machine)


def trainer(workload: Workload, members: Sequence[int], machine: Machine) -> engine.Engine:
    """See `Contender`."""
    return engine.engine_on(machine, workload, members, precision="highest")
