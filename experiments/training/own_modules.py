"""What is said and checked of users' own modules before anything trains."""

import dataclasses
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from cnnlab import jax_environment
from cnnlab.modules.graph import graph
from cnnlab.records import RecordError, Store
from cnnlab.spec.own_module import OwnModule
from cnnlab.spec.task import Task
from experiments.config.resolve import Point

if TYPE_CHECKING:
    from cnnlab.modules.own import Structure


def check(points: Iterable[Point]) -> None:
    """Call every module with numbers once. Raises InvalidError: see `cnnlab.modules.check`."""
    # what one of the checks shows pooled is the same code
    asked = dict.fromkeys(
        (dataclasses.replace(net, pooled_image=False), point.arm.task)
        for point in points
        if isinstance(net := point.arm.net, OwnModule)
    )
    if not asked:
        return
    jax_environment.check()
    from cnnlab.modules.check import check as check_module
    from cnnlab.modules.making import ImageSizes

    for net, task in asked:
        check_module(net, ImageSizes(side=task.side, channels=task.channels, classes=task.classes))


def remarks(points: Sequence[Point], store: Store) -> Iterator[str]:
    """Lines about modules whose geometry is not known, and about records of another source of the same function."""
    own = {net: point.arm.task for point in points if isinstance(net := point.arm.net, OwnModule)}
    for net, task in own.items():
        refused = graph(net, task.side, task.channels, task.classes).refused
        if refused:
            yield f"geometry of {net.label}: {refused}"
        if unseen := _structure(net, task).unseen:
            yield f"gradients at the outputs of {net.label}'s layers are left out: {unseen}"
    for make in dict.fromkeys(net.make for net in own):
        now = next(net.sources for net in own if net.make == make)
        others = [sources for sources in _recorded(make, store) if sources != now]
        if others:
            changed = {module for sources in others for module, _ in set(sources) ^ set(now)}
            yield (
                f"{make} has changed ({', '.join(sorted(changed))}) since {len(others)} records were made: "
                "with another source it is another arm; those records stay"
            )


def _structure(net: OwnModule, task: Task) -> "Structure":
    from cnnlab.modules.making import ImageSizes  # here, since it brings JAX
    from cnnlab.modules.own import structure

    return structure(net, ImageSizes(side=task.side, channels=task.channels, classes=task.classes))


def _recorded(make: str, store: Store) -> Iterator[tuple[tuple[str, str], ...]]:
    """The sources of every record of a function."""
    function = make.rpartition(":")[2].rpartition(".")[2]
    for arm in store.arms():
        if function not in arm:
            continue
        try:
            net = json.loads(store.content(arm))["config"]["net"]
            if "make" in net and net["make"] == make:
                yield tuple((str(module), str(sha)) for module, sha in net["sources"])
        except (RecordError, OSError, ValueError, KeyError, TypeError):  # told where it is read
            continue
