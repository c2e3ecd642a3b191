"""Find and run the probes of trained members: every module in `cnnlab/probes/final/`, and a user's own."""

import functools
from collections.abc import Callable, Iterable

from cnnlab.probes.trained import TrainedMember
from cnnlab.rooms import Room
from cnnlab.spec.invalid import require_choice

ROOM = Room(package="cnnlab.probes.final", folder="probes", needs=("probe",))

Probe = Callable[[TrainedMember], dict[str, float]]
"""A module's `probe`: values by what follows the probe's name in the path; none where it does not apply."""


@functools.cache
def probes() -> dict[str, Probe]:
    """Find all probes by name, in alphabetical order: one module each, whose name is the probe's."""
    return {name: ROOM.load(name).probe for name in ROOM.names()}


def measure(member: TrainedMember, names: Iterable[str] | None = None) -> dict[str, float]:
    """Measure a trained member: {"linear_probe/pool_after4/drop": 0.02, ...}.

    Args:
        member: the member; it is only read.
        names: of the probes to take; None takes all.

    Raises:
        InvalidError: there is no probe of that name.
    """
    known = probes()
    wanted = tuple(known if names is None else names)
    for name in wanted:
        require_choice("probe", name, known)
    measured: dict[str, float] = {}
    for name in wanted:
        with ROOM.telling(name):
            values = ROOM.values(name, known[name], member)
            measured |= {f"{name}/{path}": float(value) for path, value in values.items()}
    return measured
