"""A member whose weights come from a reader's file or checkpoint, in place of one that is trained again."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from cnnlab.data import Split, draw
from cnnlab.data.own.npz import BROKEN, unpacked
from cnnlab.files import FileError, read_regular
from cnnlab.spec.arm import Arm, plain
from cnnlab.training import members
from cnnlab.training.checkpoints import Kept, kept
from cnnlab.training.program import State, program
from cnnlab.training.shown import ShownMember
from cnnlab.zoo.trainable import Tree
from experiments.cli.errors import UsageError
from experiments.page.trained import NO_RECORD, SWEEP, Again, Views, reference

AT_ONCE = 256
MOST_BYTES = 1 << 28
"""Of a file of weights, and of the arrays in it."""


def from_file(path: Path, views: Views, seed: int | None) -> Again:
    """The reference net with the weights of a file; before its training it has those of a seed.

    Args:
        path: as NumPy's `savez` writes it, an array for each `layer/kernel` and `layer/bias`; or the folder of a
            checkpoint that `experiments.run` left of this arm.
        seed: of the initial weights and of the training draw; None for the checkpoint's or record's first member.

    Raises:
        UsageError: the file cannot be read, or is not of this net; or there is no record that says which net it is.
    """
    cell = reference(views)
    if cell is None or cell.record is None:
        raise UsageError(f"--weights {path} is not valid here: {NO_RECORD[0].lower()}{NO_RECORD[1:]}")
    arm, first = cell.point.arm, cell.record.members[0] if seed is None else seed
    made, rate, file = program(arm), arm.recipe.learning_rate, path.name
    begun = jax.device_get(made.init(first))
    if path.is_dir():
        found = _checkpoint(path, arm, begun, seed)
        first, rate, ended = found.seed, found.learning_rate, found.state
        begun = jax.device_get(made.init(first))
        file += f", seed {first}, epoch {found.epochs} of {arm.recipe.epochs}"
    else:
        ended = dataclasses.replace(begun, params=filled(path, begun.params))
    data = members.dataset(arm.task, views[SWEEP].settings.source)
    train, logits = draw(data, arm.task, first)[0], jax.jit(made.logits)
    count, answers = len(data.test.labels), []
    for begin in range(0, count, AT_ONCE):
        places = np.arange(begin, begin + AT_ONCE) % count
        answers.append(np.asarray(logits(ended, jnp.asarray(data.test.images[places]))).argmax(-1))
    shown = ShownMember(
        arm=arm,
        seed=first,
        learning_rate=rate,
        first=begun,
        last=ended,
        test_accuracy=float((np.concatenate(answers)[:count] == data.test.labels).mean()),
        recorded=None,
        diverged=False,
        train=Split(train.images, train.labels),
        test=data.test,
    )
    return Again(shown=shown, file=file)


def _checkpoint(path: Path, arm: Arm, fresh: State, seed: int | None) -> Kept:
    """A member of a checkpoint. Raises UsageError where it is none, or of another arm."""
    try:
        found = kept(path, fresh, seed)
    except (OSError, ValueError) as problem:
        raise UsageError(f"--weights {path} is not valid: {problem}") from None
    if found.arm != json.loads(json.dumps(plain(arm))):
        raise UsageError(f"--weights {path} is not valid: it is a checkpoint of another arm than {arm.key}")
    return found


def filled(path: Path, params: Tree) -> Tree:
    """Parameters with the arrays of a file. Raises UsageError, naming the first that is missing or of another shape."""
    arrays = _read(path)
    expected = named(params)
    strange = sorted(set(arrays) - set(expected))
    for name, own in expected.items():
        if name not in arrays:
            raise UsageError(f"--weights {path} is not valid: there is no {name} in it")
        if arrays[name].shape != own.shape:
            told = f"{name} has the shape {arrays[name].shape}, this net's has {own.shape}"
            raise UsageError(f"--weights {path} is not valid: {told}")
    if strange:
        raise UsageError(f"--weights {path} is not valid: this net has no {strange[0]}")
    return jax.tree.map_with_path(lambda at, own: np.asarray(arrays[_name(at)], own.dtype), params)


def _read(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a file. Raises UsageError where there are none, or any that are not finite numbers."""
    try:
        found = unpacked(read_regular(path.resolve(), MOST_BYTES), MOST_BYTES)
    except (*BROKEN, FileError) as problem:
        told = f"must be a file that NumPy's savez wrote ({problem})"
        raise UsageError(f"--weights {path} is not valid: {told}") from None
    for name, values in found.items():
        with np.errstate(over="ignore"):
            if values.dtype.kind not in "fiu" or not np.isfinite(values.astype(np.float32)).all():
                raise UsageError(f"--weights {path} is not valid: {name} must hold finite numbers of 32 bits")
    return found


def named(params: Tree) -> dict[str, NDArray[Any]]:
    """Parameters by `layer/kernel` and `layer/bias`."""
    return {_name(at): leaf for at, leaf in jax.tree.leaves_with_path(params)}


def _name(at: Any) -> str:
    """`conv1/kernel`: a leaf's layer and what it is there."""
    words = [str(getattr(key, "key", key)) for key in at]
    return "/".join(word for word in words if word != "layers")
