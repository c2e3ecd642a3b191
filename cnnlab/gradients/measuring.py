"""Find and compute every statistic: those in `cnnlab/gradients/statistics/`, and a user's own."""

import functools
from collections.abc import Callable, Iterable

from jax import Array

from cnnlab.gradients.snapshot import Snapshot
from cnnlab.rooms import Room
from cnnlab.spec.invalid import require_choice

ROOM = Room(package="cnnlab.gradients.statistics", folder="statistics", needs=("statistic",))

Statistic = Callable[[Snapshot], dict[str, Array]]
"""A module's `statistic`: values by layer, or by layer/parameter."""


@functools.cache
def statistics() -> dict[str, Statistic]:
    """Find all statistics by name, in alphabetical order: one module each, whose name is the statistic's."""
    return {name: ROOM.load(name).statistic for name in ROOM.names()}


def measure(snapshot: Snapshot, names: Iterable[str] | None = None) -> dict[str, Array]:
    """Measure a step: {"grad_norm/conv3/kernel": array, "dead_fraction/relu3": array, ...}.

    A pure function that may be jitted, and nothing flows back from it. Scalars are float32; a log2 histogram is int32
    of shape (bins,).

    Args:
        snapshot: the step.
        names: of the statistics to compute; None takes all.

    Raises:
        InvalidError: there is no statistic of that name.
    """
    known = statistics()
    wanted = tuple(known if names is None else names)
    for name in wanted:
        require_choice("statistic", name, known)
    found = {name: ROOM.values(name, known[name], snapshot) for name in wanted}
    return {f"{name}/{path}": value for name, values in found.items() for path, value in values.items()}
