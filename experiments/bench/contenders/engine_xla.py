"""The suite's engine with XLA's convolutions, as a sweep has it where there is no compiler for our own."""

from collections.abc import Sequence

from experiments.bench.contenders import engine
from experiments.bench.contract import Machine, Setup
from experiments.bench.workloads import Workload

SAYS = "this suite's engine, convolutions=xla"


def missing(machine: Machine) -> str:
    """On a GPU the engine has no others."""
    return "" if machine.kind == "cpu" else "needs a CPU: on a GPU it is the engine"


def setups(machine: Machine) -> tuple[Setup, ...]:
    """As for the engine."""
    return engine.setups(machine)


def trainer(workload: Workload, members: Sequence[int], machine: Machine) -> engine.Engine:
    """See `Contender`."""
    return engine.engine_on(machine, workload, members, natively=False)
