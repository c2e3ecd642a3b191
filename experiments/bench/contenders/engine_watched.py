"""The suite's engine with the gradient statistics of every step, where a run takes them at some twenty steps."""

from collections.abc import Sequence

from experiments.bench.contenders import engine as unwatched
from experiments.bench.contract import Machine, Setup
from experiments.bench.workloads import Workload

SAYS = "this suite's engine, statistics every step"


def missing(machine: Machine) -> str:
    """As for the engine."""
    return unwatched.missing(machine)


def setups(machine: Machine) -> tuple[Setup, ...]:
    """As for the engine."""
    return unwatched.setups(machine)


def trainer(workload: Workload, members: Sequence[int], machine: Machine) -> unwatched.Engine:
    """See `Contender`."""
    return unwatched.engine_on(machine, workload, members, watched=True)
