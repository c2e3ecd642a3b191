"""Checkpoints of long trainings: what a killed one had reached, from where the same training goes on to the same bytes.

Orbax writes each beside the last and puts it in place by one rename, so that a kill leaves one of the two. Whatever is
not exactly this training's (another protocol or version, a torn or edited file) is as if it were not there.
"""

import contextlib
import hashlib
import importlib.metadata
import json
import logging
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax import Array
from numpy.typing import NDArray

from cnnlab.spec.arm import plain
from cnnlab.spec.record import PROTOCOL
from cnnlab.training.program import State
from cnnlab.training.run import Run

EVERY = 10.0
"""Seconds between checkpoints, each of which takes a tenth of one; shorter trainings have none."""
PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy")
SHA256 = "sha256"

Arrays = dict[str, NDArray[Any]]
Facts = dict[str, Any]
Look = tuple[int, Mapping[str, Array | NDArray[Any]]]
"""Images seen, and the statistics of that step by name."""


@dataclass(kw_only=True)
class Progress:
    """How far the members that are trained together have come: all that the rest of their training depends on.

    Attributes:
        epochs: finished ones.
        journals: a member each, series by name.
    """

    epochs: int
    state: State
    journals: list[dict[str, Any]]
    looks: list[Look]


@dataclass(kw_only=True)
class Keeper:
    """Keeps the progress of one batch of runs in a folder of its own, and finds it there; without a folder, neither."""

    folder: Path | None
    identity: Facts
    last: float = field(default_factory=time.monotonic)

    def found(self, fresh: State) -> Progress | None:
        """The progress that an earlier process has left; None if there is none that can be used.

        Args:
            fresh: a state of the same net and optimiser, for its structure.
        """
        if self.folder is None or not self.folder.is_dir():
            return None
        try:
            arrays, facts = _read(self.folder)
            return self._progress(arrays, facts, fresh)
        except Exception:  # whatever a torn file makes orbax raise: the training begins afresh, which is never wrong
            shutil.rmtree(self.folder, ignore_errors=True)
            return None

    def keep(self, progress: Progress) -> None:
        """Write the progress if the last one is old enough. A disk that is full costs the checkpoint, no more."""
        if self.folder is None or time.monotonic() - self.last < EVERY:
            return
        leaves = {str(place): np.asarray(leaf) for place, leaf in enumerate(jax.tree.leaves(progress.state))}
        looks = jax.device_get(progress.looks)
        arrays = {f"state/{place}": leaf for place, leaf in leaves.items()} | {
            f"look/{place}/{name}": np.asarray(value)
            for place, (_, values) in enumerate(looks)
            for name, value in values.items()
        }
        facts = {
            "identity": self.identity, "epochs": progress.epochs, "journals": progress.journals,
            "looks": [seen for seen, _ in looks],
        }  # fmt: skip
        with contextlib.suppress(OSError, ValueError):
            _write(self.folder, progress.epochs, arrays, facts)
        self.last = time.monotonic()

    def _progress(self, arrays: Arrays, facts: Facts, fresh: State) -> Progress:
        """What was written, if it is this training's. Raises ValueError."""
        if facts.pop(SHA256) != digest(arrays, facts):
            raise ValueError("torn or edited")
        if facts["identity"] != json.loads(json.dumps(self.identity)):
            raise ValueError("of another training")
        expected, structure = jax.tree.flatten(fresh)
        leaves = [arrays[f"state/{place}"] for place in range(len(expected))]
        if [(leaf.shape, leaf.dtype) for leaf in leaves] != [(leaf.shape, leaf.dtype) for leaf in expected]:
            raise ValueError("of another net")
        looks: list[Look] = [(seen, _below(arrays, f"look/{place}/")) for place, seen in enumerate(facts["looks"])]
        # as arrays that JAX makes itself: those that orbax makes are tied to a device, for which it would compile again
        state: State = jax.tree.unflatten(structure, [jax.numpy.asarray(leaf) for leaf in leaves])
        return Progress(epochs=facts["epochs"], state=state, journals=facts["journals"], looks=looks)


def keeper(runs: Sequence[Run], lone: bool) -> Keeper:
    """The keeper of runs that are trained together."""
    first = runs[0]
    identity = {
        "protocol": PROTOCOL, "arm": plain(first.arm), "purpose": first.purpose, "lone": lone,
        "seeds": [run.seed for run in runs], "rates": [run.learning_rate for run in runs],
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
        "device": jax.devices()[0].device_kind,
    }  # fmt: skip
    name = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
    return Keeper(folder=None if first.checkpoints is None else first.checkpoints / name, identity=identity)


def digest(arrays: Arrays, facts: Facts) -> str:
    """SHA-256 over the names, types, shapes and bytes of arrays, and over facts that JSON can hold."""
    found = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for name in sorted(arrays):
        found.update(f"{name} {arrays[name].dtype} {arrays[name].shape} ".encode())
        found.update(np.ascontiguousarray(arrays[name]).tobytes())
    return found.hexdigest()


def _below(arrays: Arrays, prefix: str) -> Arrays:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _manager(folder: Path) -> Any:
    """Orbax's manager of one folder, which keeps the newest checkpoint alone."""
    import orbax.checkpoint as ocp  # over a second, for trainings that last long

    logging.getLogger("absl").setLevel(logging.ERROR)
    options = ocp.CheckpointManagerOptions(max_to_keep=1, enable_async_checkpointing=False)
    return ocp.CheckpointManager(folder.absolute(), options=options)


def _write(folder: Path, epochs: int, arrays: Arrays, facts: Facts) -> None:
    import orbax.checkpoint as ocp

    facts = {**facts, SHA256: digest(arrays, facts)}
    with _manager(folder) as manager:
        parts = ocp.args.Composite(arrays=ocp.args.StandardSave(arrays), facts=ocp.args.JsonSave(facts))
        manager.save(epochs, args=parts)


def _read(folder: Path) -> tuple[Arrays, Facts]:
    import orbax.checkpoint as ocp

    with _manager(folder) as manager:
        parts = ocp.args.Composite(arrays=ocp.args.StandardRestore(), facts=ocp.args.JsonRestore())
        found = manager.restore(manager.latest_step(), args=parts)
    return found["arrays"], found["facts"]
