"""Checkpoints of long trainings: a killed training continues from the last one and ends with the same bytes.

Orbax writes a new checkpoint beside the last one and renames it into place, so that a kill leaves one of the two. A
checkpoint of another training, code, package version or processor, or a torn or edited file, is not used.
"""

import contextlib
import functools
import hashlib
import importlib.metadata
import json
import logging
import platform
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

from cnnlab.processor import instructions, processor
from cnnlab.spec.arm import plain
from cnnlab.spec.record import PROTOCOL
from cnnlab.training.program import State
from cnnlab.training.run import MemberRun
from cnnlab.zoo import native

EVERY = 10.0
"""Seconds between checkpoints; a shorter training has none. One of a small net takes a tenth of a second."""
SHARE = 0.05
"""Largest share of a training's time that checkpoints may take, on a slow disk."""
PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy")
SHA256 = "sha256"

Arrays = dict[str, NDArray[Any]]
Facts = dict[str, Any]
Look = tuple[int, Mapping[str, Array | NDArray[Any]]]
"""Images seen, and the statistics of that step by name."""


@dataclass(kw_only=True)
class Progress:
    """The state of members that are trained together: all that the rest of their training depends on.

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
    """Writes and reads the checkpoints of runs that are trained together.

    Attributes:
        folder: of their own; None where nothing is kept.
        strategy: how they are trained, one of `members.STRATEGIES`.
    """

    runs: Sequence[MemberRun]
    strategy: str
    folder: Path | None
    began: float = field(default_factory=lambda: time.monotonic())
    last: float = field(default_factory=lambda: time.monotonic())
    took: float = 0.0

    def found(self, fresh: State) -> Progress | None:
        """Read the checkpoint of an earlier process; None if there is none that can be used.

        Args:
            fresh: a state of the same net and optimiser, for its structure.
        """
        try:
            if self.folder is None or not self.folder.is_dir():
                return None
            return self._progress(*_read(self.folder), fresh)
        except Exception:  # whatever a torn file makes orbax raise: to begin afresh is never wrong
            if self.folder is not None:
                shutil.rmtree(self.folder, ignore_errors=True)
            return None

    def keep(self, progress: Progress, final: bool) -> None:
        """Write a checkpoint if repeating the work since the last one would take long.

        A write that fails costs the checkpoint and no more: what is wrong with a disk is told of records.

        Args:
            final: whether this is the training's end, after which members of the same arm may still be missing.
        """
        now = time.monotonic()
        due = now - self.began >= EVERY if final else now - self.last >= max(EVERY, self.took / SHARE)
        if self.folder is None or not due:
            return
        looks = jax.device_get(progress.looks)
        arrays = {f"state/{place}": np.asarray(leaf) for place, leaf in enumerate(jax.tree.leaves(progress.state))} | {
            f"look/{place}/{name}": np.asarray(value)
            for place, (_, values) in enumerate(looks)
            for name, value in values.items()
        }
        facts = {
            "identity": self.identity,
            "epochs": progress.epochs,
            "journals": progress.journals,
            "looks": [seen for seen, _ in looks],
        }
        with contextlib.suppress(Exception):
            _write(self.folder, progress.epochs, arrays, facts)
        self.last = time.monotonic()
        self.took = self.last - now

    @property
    def identity(self) -> Facts:
        """All that decides which bytes this training ends with."""
        first = self.runs[0]
        return {
            "protocol": PROTOCOL,
            "arm": plain(first.arm),
            "strategy": self.strategy,
            "library": native.used() if self.strategy == "native" else "",
            "seeds": [run.seed for run in self.runs],
            "rates": [run.learning_rate for run in self.runs],
            **here(),
        }

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


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What a checkpoint says of one member.

    Attributes:
        arm: as `cnnlab.spec.arm.plain` gives it. epochs: finished ones, of the arm's.
    """

    arm: Mapping[str, Any]
    seed: int
    learning_rate: float
    epochs: int
    state: State


def kept(folder: Path, fresh: State, seed: int | None) -> Kept:
    """Read one member of a checkpoint of any training, code and machine, to look at it.

    Args:
        fresh: a state of the same net and optimiser, for its structure. seed: None for the first member.

    Raises ValueError: there is no checkpoint, it is torn, of another net, or has no such member.
    """
    if not any(part.name.isdecimal() for part in folder.iterdir()):
        raise ValueError("must be a checkpoint, with a folder for its epoch")
    try:
        arrays, facts = _read(folder, read_only=True)
        whole = facts.pop(SHA256) == digest(arrays, facts)
        identity, epochs = facts["identity"], int(facts["epochs"])
        seeds, rates = [int(one) for one in identity["seeds"]], [float(one) for one in identity["rates"]]
    except Exception as problem:  # whatever orbax raises where something else lies there
        raise ValueError("must be a checkpoint that experiments.run wrote") from problem
    if not whole:
        raise ValueError("is torn or edited")
    if seed is not None and seed not in seeds:
        raise ValueError(f"has the members {', '.join(map(str, dict.fromkeys(seeds)))}, not {seed}")
    place = 0 if seed is None else seeds.index(seed)
    expected, structure = jax.tree.flatten(fresh)
    leaves = [arrays[name] if (name := f"state/{at}") in arrays else None for at in range(len(expected))]
    own = []
    for leaf, wanted in zip(leaves, expected, strict=True):
        # members that are trained side by side have a leading axis
        one = leaf[place] if leaf is not None and leaf.shape[1:] == wanted.shape and leaf.ndim > wanted.ndim else leaf
        if one is None or one.shape != wanted.shape:
            raise ValueError("is of another net")
        own.append(one)
    state: State = jax.tree.unflatten(structure, own)
    return Kept(arm=identity["arm"], seed=seeds[place], learning_rate=rates[place], epochs=epochs, state=state)


def keeper(runs: Sequence[MemberRun], strategy: str) -> Keeper:
    """The keeper of runs of one arm that are trained together."""
    kept = runs[0].checkpoints
    name = "/".join(f"{run.seed} {run.learning_rate!r}" for run in runs)
    folder = None if kept is None else kept / hashlib.sha256(name.encode()).hexdigest()[:16]
    return Keeper(runs=runs, strategy=strategy, folder=folder)


@functools.cache
def here() -> Facts:
    """The code, the packages and the processor, as far as a training's bytes depend on them."""
    code = hashlib.sha256()
    root = Path(__file__).parents[1]
    for path in sorted(root.rglob("*.py")):
        code.update(f"{path.relative_to(root)} ".encode() + path.read_bytes())
    return {
        "code": code.hexdigest(),
        "device": jax.devices()[0].device_kind,
        "processor": _processor(),
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
    }


def _processor() -> str:
    """Digest of the processor's name and of what it can do: XLA compiles for that."""
    text = " ".join((platform.machine(), processor(), *sorted(instructions())))
    return hashlib.sha256(text.encode()).hexdigest()


def digest(arrays: Arrays, facts: Facts) -> str:
    """SHA-256 over the names, types, shapes and bytes of arrays, and over facts that JSON can hold."""
    found = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for name in sorted(arrays):
        found.update(f"{name} {arrays[name].dtype} {arrays[name].shape} ".encode())
        found.update(np.ascontiguousarray(arrays[name]).tobytes())
    return found.hexdigest()


def _below(arrays: Arrays, prefix: str) -> Arrays:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _manager(folder: Path, read_only: bool = False) -> Any:
    """Orbax's manager of one folder, which keeps the newest checkpoint alone."""
    import orbax.checkpoint as ocp  # over a second, for trainings that last long

    logging.getLogger("absl").setLevel(logging.ERROR)
    if read_only:
        options = ocp.CheckpointManagerOptions(read_only=True)
    else:
        options = ocp.CheckpointManagerOptions(max_to_keep=1, enable_async_checkpointing=False)
    return ocp.CheckpointManager(folder.absolute(), options=options)


def _write(folder: Path, epochs: int, arrays: Arrays, facts: Facts) -> None:
    import orbax.checkpoint as ocp

    facts = {**facts, SHA256: digest(arrays, facts)}
    with _manager(folder) as manager:
        parts = ocp.args.Composite(arrays=ocp.args.StandardSave(arrays), facts=ocp.args.JsonSave(facts))
        manager.save(epochs, args=parts)


def _read(folder: Path, read_only: bool = False) -> tuple[Arrays, Facts]:
    import orbax.checkpoint as ocp

    with _manager(folder, read_only) as manager:
        parts = ocp.args.Composite(arrays=ocp.args.StandardRestore(), facts=ocp.args.JsonRestore())
        found = manager.restore(manager.latest_step(), args=parts)
    return found["arrays"], found["facts"]
