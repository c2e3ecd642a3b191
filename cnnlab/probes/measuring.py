"""Find and run the probes of trained members: every module in `cnnlab/probes/final/`."""

import functools
import importlib
import pkgutil
from collections.abc import Callable, Iterable

from cnnlab.probes.trained import TrainedMember
from cnnlab.spec.invalid import require_choice

FOLDER = "cnnlab.probes.final"

Probe = Callable[[TrainedMember], dict[str, float]]
"""A module's `probe`: values by what follows the probe's name in the path; none where it does not apply."""


@functools.cache
def probes() -> dict[str, Probe]:
    """Find all probes by name, in alphabetical order: one module each, whose name is the probe's."""
    folder = importlib.import_module(FOLDER)
    names = sorted(module.name for module in pkgutil.iter_modules(folder.__path__))
    return {name: importlib.import_module(f"{FOLDER}.{name}").probe for name in names}


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
    return {f"{name}/{path}": float(value) for name in wanted for path, value in known[name](member).items()}
